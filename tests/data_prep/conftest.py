"""Fixtures for tests of the job with stand-ins for films."""

import pytest
from fake_films import FakeProcess, write_films

from data_prep import film_task


@pytest.fixture
def extractions(monkeypatch, tmp_path):
    """Replaces `extract_records`; its `calls` lists the films that were processed."""
    monkeypatch.setenv("STEREOJAX_CACHE", str(tmp_path / "cache"))
    fake = FakeProcess()
    monkeypatch.setattr(film_task, "extract_records", fake)
    return fake


@pytest.fixture
def films(tmp_path):
    return write_films(tmp_path / "films", a=4, b=3, c=5, d=2, e=1)
