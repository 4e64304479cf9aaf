"""Stereo tags of every layout and container, and the display size in Matroska."""

import struct
import zlib

import av
import clips
import conversions
import pytest

from stereojax.video.reading import matroska
from stereojax.video.stereo import mp4_boxes
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
    with path.open("rb") as file:
        return {
            b.name: mp4_boxes.read_box(file, b) for b in mp4_boxes.picture_boxes(file)
        }


@pytest.mark.parametrize(
    ("layout", "suffix"),
    [(m, ".mkv") for m in MODES] + [(m, ".webm") for m in MODES if m != "anaglyph"],
)
def test_matroska_has_the_stereo_mode(film, tmp_path, layout, suffix):
    converted = conversions.convert(film, tmp_path / f"out{suffix}", layout)
    assert read_stereo_mode(converted.output) == MODES[layout]


@pytest.mark.parametrize("layout", MODES)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_mp4_has_st3d_and_no_vexu(film, tmp_path, layout, suffix):
    converted = conversions.convert(
        film, tmp_path / f"out{suffix}", layout, codec="hevc"
    )
    found = picture_boxes(converted.output)
    assert "hvcC" in found
    assert "vexu" not in found
    value = {"left_right": 2, "top_bottom": 1}.get(MODES[layout])
    assert found.get("st3d") == (struct.pack(">IB", 0, value) if value else None)
    read = read_stereo_mode(converted.output)
    assert read == (MODES[layout] if value else None)
    assert len(clips.linear(converted.output)) == 3


def test_muxer_writes_vexu_by_default(film, tmp_path):
    """Without our conversion a file has a vexu box, so the tests above can fail."""
    conversions.convert(film, tmp_path / "out.mkv")
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


def test_stereo_mode_of_the_source_is_not_copied(film, tmp_path):
    stereo = conversions.convert(film, tmp_path / "stereo.mkv", "full_sbs").output
    assert (
        read_stereo_mode(
            conversions.convert(stereo, tmp_path / "a.mkv", "right").output
        )
        is None
    )
    again = conversions.convert(stereo, tmp_path / "b.mkv", "full_tb").output
    assert read_stereo_mode(again) == "top_bottom"
    mono = conversions.convert(stereo, tmp_path / "c.mp4", "right").output
    assert read_stereo_mode(mono) is None


def display(path):
    """Returns (StereoMode, display width, height, unit) of a file; None if absent."""
    with path.open("rb") as file:
        element = matroska.whole_file(file)
        for identifier in (0x18538067, 0x1654AE6B, 0xAE, 0xE0):
            element = next(matroska.find_elements(file, element, identifier))
        fields = {}
        for field in matroska.children(file, element):
            file.seek(field.start)
            data = file.read(field.stop - field.start)
            fields[field.identifier] = int.from_bytes(data, "big")
    return tuple(fields.get(name) for name in (0x53B8, 0x54B0, 0x54BA, 0x54B2))


def test_matroska_display_size_is_that_of_one_view(film, tmp_path):
    def shown(layout, source=film):
        return display(conversions.convert(source, tmp_path / "out.mkv", layout).output)

    assert shown("full_sbs") == (1, 64, 48, None)
    assert shown("full_tb") == (3, 64, 48, None)
    assert shown("cross_eyed") == (11, 64, 48, None)
    # Other layouts: display unit "unknown", and no display size.
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
    assert shown("full_sbs", huge) == (1, 250, 24, None)  # 500 would need two bytes


def header_checksums(path):
    """Returns (stored, computed) checksums of the Tracks element."""
    with path.open("rb") as file:
        element = matroska.whole_file(file)
        for identifier in (0x18538067, 0x1654AE6B):
            element = next(matroska.find_elements(file, element, identifier))
        first = next(matroska.children(file, element))
        assert first.identifier == 0xBF
        file.seek(first.start)
        stored = int.from_bytes(file.read(4), "little")
        return stored, zlib.crc32(file.read(element.stop - first.stop))


def test_checksum_is_updated_after_patching(film, tmp_path):
    output = conversions.convert(film, tmp_path / "out.mkv", "half_sbs").output
    stored, computed = header_checksums(output)
    assert stored == computed
    # FFmpeg computes the checksum in the same way: an unpatched file has it too.
    stored_before, computed_before = header_checksums(tmp_path / "out.mkv-0.mkv")
    assert stored_before == computed_before
