import struct
import zlib

import av
import clips
import joins
import pytest

from stereojax.video.reading import display_size
from stereojax.video.stereo import boxes
from stereojax.video.stereo.stereo_tags import read_stereo_mode

MODES = {
    "full_sbs": "left_right",
    "half_sbs": "left_right",
    "full_tb": "top_bottom",
    "half_tb": "top_bottom",
    "cross_eyed": "right_left",
    "anaglyph": "anaglyph_cyan_red",
    "right": None,
    "left_right_files": None,
}


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return clips.write_film(tmp_path_factory.mktemp("film") / "film.mp4", 3)


def picture_boxes(path):
    with boxes.open_boxes(path) as file:
        return {b.name: boxes.read(file, b) for b in boxes.picture_boxes(file)}


@pytest.mark.parametrize(
    ("layout", "suffix"),
    [(m, ".mkv") for m in MODES] + [(m, ".webm") for m in MODES if m != "anaglyph"],
)
def test_matroska_has_the_stereo_mode(film, tmp_path, layout, suffix):
    joined = joins.convert(film, tmp_path / f"out{suffix}", layout)
    assert read_stereo_mode(joined.output) == MODES[layout]


@pytest.mark.parametrize("layout", MODES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_mp4_has_st3d_and_no_vexu(film, tmp_path, layout, suffix):
    joined = joins.convert(film, tmp_path / f"out{suffix}", layout, codec="hevc")
    found = picture_boxes(joined.output)
    assert "hvcC" in found
    assert "vexu" not in found
    value = {"left_right": 2, "top_bottom": 1}.get(MODES[layout])
    assert found.get("st3d") == (struct.pack(">IB", 0, value) if value else None)
    read = read_stereo_mode(joined.output)
    assert read == (MODES[layout] if value else None)
    assert len(clips.linear(joined.output)) == 3


def test_the_muxer_would_have_written_vexu(film, tmp_path):
    """If not, then nothing above shows that it is taken out."""
    joins.convert(film, tmp_path / "out.mkv")
    bare = tmp_path / "bare.mp4"
    with (
        av.open(str(tmp_path / "out.mkv")) as source,
        av.open(str(bare), "w", options={"strict": "unofficial"}) as target,
    ):
        out = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = out
                target.mux(packet)
    assert {"vexu", "st3d"} <= picture_boxes(bare).keys()


def test_a_stereo_source_does_not_hand_on_its_mode(film, tmp_path):
    stereo = joins.convert(film, tmp_path / "stereo.mkv", "full_sbs").output
    assert (
        read_stereo_mode(joins.convert(stereo, tmp_path / "a.mkv", "right").output)
        is None
    )
    again = joins.convert(stereo, tmp_path / "b.mkv", "full_tb").output
    assert read_stereo_mode(again) == "top_bottom"
    mono = joins.convert(stereo, tmp_path / "c.mp4", "right").output
    assert read_stereo_mode(mono) is None


def display(path):
    """(stereo mode, width, height, unit) as written; None where there is none."""
    with path.open("rb") as file:
        whole = display_size.Element(0, 0, 0, file.seek(0, 2))
        at = whole
        for name in (0x18538067, 0x1654AE6B, 0xAE, 0xE0):
            at = next(e for e in display_size._children(file, at) if e.name == name)
        found = {}
        for element in display_size._children(file, at):
            file.seek(element.start)
            data = file.read(element.stop - element.start)
            found[element.name] = int.from_bytes(data, "big")
    return tuple(found.get(name) for name in (0x53B8, 0x54B0, 0x54BA, 0x54B2))


def test_matroska_asks_for_the_size_of_one_view(film, tmp_path):
    def shown(layout, source=film):
        return display(joins.convert(source, tmp_path / "out.mkv", layout).output)

    assert shown("full_sbs") == (1, 64, 48, None)
    assert shown("full_tb") == (3, 64, 48, None)
    assert shown("cross_eyed") == (11, 64, 48, None)
    # As an ordinary picture: no size of a view, "unknown".
    assert shown("half_sbs") == (1, None, None, 4)
    assert shown("half_tb") == (3, None, None, 4)
    assert shown("right") == (None, None, None, 4)  # FFmpeg's own choice
    wide = clips.write_film(tmp_path / "wide.mp4", 2, aspect=2)
    assert shown("full_sbs", wide) == (1, 128, 48, None)
    assert shown("right", wide) == (0, 128, 48, None)
    assert read_stereo_mode(tmp_path / "out.mkv") is None
    huge = clips.write_film(
        tmp_path / "huge.mp4", [clips.picture(0, 250, 48)], aspect=2
    )
    assert shown("full_sbs", huge) == (1, 250, 24, None)  # 500 takes two bytes


def header_checksums(path):
    """(stored, computed) of the Tracks element."""
    with path.open("rb") as file:
        at = display_size.Element(0, 0, 0, file.seek(0, 2))
        for name in (0x18538067, 0x1654AE6B):
            at = next(e for e in display_size._children(file, at) if e.name == name)
        first = next(display_size._children(file, at))
        assert first.name == 0xBF
        file.seek(first.start)
        stored = int.from_bytes(file.read(4), "little")
        return stored, zlib.crc32(file.read(at.stop - first.stop))


def test_the_checksum_is_that_of_the_patched_header(film, tmp_path):
    output = joins.convert(film, tmp_path / "out.mkv", "half_sbs").output
    stored, computed = header_checksums(output)
    assert stored == computed
    # The rule is FFmpeg's own: this file was not patched.
    stored_before, computed_before = header_checksums(tmp_path / "out.mkv-0.mkv")
    assert stored_before == computed_before
