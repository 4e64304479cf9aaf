"""The hash of a film: computed once, the same from every function, with progress."""

import pytest
from clips import write_film

import stereojax
from stereojax.storage import hashing
from stereojax.storage.hashing import Digest, content_hash
from stereojax.video.reading import index as index_module


def test_a_film_is_hashed_once(tmp_path, monkeypatch):
    """The index takes the hash that identifies the conversion."""

    def hashed_again(path):
        pytest.fail("the film is hashed a second time")

    monkeypatch.setattr(index_module, "Digest", hashed_again)
    source = write_film(tmp_path / "film.mp4", 2)
    report = stereojax.convert(source, tmp_path / "o.mp4", config="fast:runlocal")
    assert report["frames_total"] == 2


def test_the_index_hashes_a_film_whose_hash_is_unknown(tmp_path):
    source = write_film(tmp_path / "film.mp4", 2)
    index = index_module.index_video(source)
    assert index.source_hash == content_hash(source)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    one, two, three = (tmp_path / name for name in "abc")
    one.write_bytes(bytes(3_000_000))
    two.write_bytes(bytes(3_000_000))
    three.write_bytes(bytes(3_000_001))
    with Digest(one) as digest:
        assert content_hash(one) == digest.result() == content_hash(two)
    assert content_hash(three) != content_hash(one)


def test_the_hash_of_a_folder_covers_names_and_bytes(tmp_path):
    hashes = set()
    for name, files in enumerate([{"a": b"1"}, {"b": b"1"}, {"a": b"2"}, {}]):
        folder = tmp_path / str(name)
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
        hashes.add(content_hash(folder))
    assert len(hashes) == 4


def test_slow_hashing_shows_progress_and_fast_hashing_does_not(
    tmp_path, monkeypatch, capsys
):
    path = tmp_path / "film"
    path.write_bytes(bytes(3 << 20))
    content_hash(path, label="hash of --input")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(hashing, "_DELAY", 1e-9)
    content_hash(path, label="hash of --input")
    assert capsys.readouterr().err.startswith("hash of --input: 1/3 MiB")
