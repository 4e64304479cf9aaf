"""The HTML report of a dataset: one file, with correct counts."""

import base64
import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest
from fake_films import save

from data_prep.film_summary import FilmSummary, Refusal, SequenceSummary
from data_prep.report.charts import bar_chart
from data_prep.report.page import write_report
from data_prep.report.statistics import (
    DISPARITY_EDGES,
    PSNR_EDGES,
    SHOT_EDGES,
    gather_statistics,
)
from data_prep.work_store import WorkStore
from stereojax.cli import InputError

JPEG = base64.b64decode("/9j/2Q==")


def film(name, kept=5, dropped=4):
    samples = [
        SequenceSummary(0, 30 * i, 30, psnr=30.2, disparities=(3, 0, 1), thumbnail=JPEG)
        for i in range(kept)
    ]
    samples += [
        SequenceSummary(1, 30 * i, 30, dropped="psnr", psnr=12.0 + i, thumbnail=JPEG)
        for i in range(dropped)
    ]
    samples.append(SequenceSummary(2, 900, 3, dropped="short"))
    shots = (150, 120, 3)
    return FilmSummary(name, "h", "stereo", "sbs", 273, shots, tuple(samples), {})


@pytest.fixture
def folder(tmp_path):
    store = WorkStore(tmp_path / "work")
    save(store, "a", [], film("a <b>.mkv"))
    save(store, "b", [], film("b.mkv"))
    save(store, "c", [], Refusal("c.mkv", "h", "mono", "c.mkv: one eye"))
    films = [
        {"path": f"/x/{n}.mkv", "key": n, "status": s, "message": m}
        for n, s, m in (
            ("a", "processed", ""),
            ("b", "reused", ""),
            ("c", "refused", "c.mkv: one eye"),
            ("d", "failed", "d.mkv: <broken>"),
        )
    ]
    films[3]["key"] = ""
    content = {
        "settings": {"kind": "stereo", "width": 1024, "height": 576},
        "counters": {"films": 4, "kept": 10},
        "films": films,
        "splits": {"train": {"films": 2, "records": 10}},
    }
    (tmp_path / "report.json").write_text(json.dumps(content))
    return tmp_path


def test_histograms_count_every_sequence_and_shot(folder):
    statistics = gather_statistics(folder)
    kept, dropped = statistics.psnr["kept"], statistics.psnr["dropped"]
    assert (kept.sum(), kept[PSNR_EDGES.index(30)]) == (10, 10)
    assert (dropped.sum(), dropped[PSNR_EDGES.index(12)]) == (8, 2)
    assert statistics.shots.sum() == 6
    assert statistics.shots[SHOT_EDGES.index(2)] == 2
    # Three quarters of the kept disparities are in the first bin, 0 to 4 px.
    assert statistics.disparity.sum() == pytest.approx(300)
    assert statistics.disparity[DISPARITY_EDGES.index(0)] == pytest.approx(225)


def test_thumbnails_show_every_film_and_every_filter(folder):
    statistics = gather_statistics(folder, limit=4)
    for kind in ("kept", "psnr"):
        sources = [p.source for p in statistics.pictures[kind]]
        assert sources == ["a <b>.mkv"] * 3 + ["b.mkv"]
    assert "short" not in statistics.pictures  # it has no thumbnail


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text, self.images = [], "", []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values[n] for n in ("src", "href") if n in values]
        self.images += [values["src"]] if tag == "img" else []

    def handle_data(self, data):
        self.text += data


def test_the_page_has_no_external_resources(folder):
    path = write_report(str(folder))
    page = Page()
    page.feed(path.read_text())
    assert len(page.images) == 12
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert base64.b64decode(page.images[0].partition(",")[2]) == JPEG
    for words in ("a <b>.mkv, shot 0", "d.mkv: <broken>", "Dropped: psnr", "30.2 dB"):
        assert words in page.text
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_bar_heights_are_proportional_to_counts():
    text = bar_chart("a & b", (0, 1, 2, 3), {"x": [1, 0, 4], "y": [0, 2, 4]}, "dB")
    root = ET.fromstring(text)
    rects = [r for r in root.iter() if r.tag.endswith("rect")]
    heights = np.array([float(r.get("height")) for r in rects])
    assert np.allclose(heights / heights.max(), [0.25, 1.0, 0.5, 1.0])
    assert rects[1].get("x") == rects[3].get("x")
    assert float(rects[3].get("y")) == 0  # stacked on the other
    assert bar_chart("none", (0, 1), {"x": [0]}, "px")


def test_a_folder_without_report_json_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"contains no report\.json"):
        write_report(str(tmp_path))
