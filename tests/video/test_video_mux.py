"""Joined segments: frames, times, tags, and errors."""

import dataclasses
from fractions import Fraction

import av
import clips
import conversions
import numpy as np
import pytest
import rich_films

from stereojax.cli import RunError
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe
from stereojax.video.stereo.layouts import LAYOUTS
from stereojax.video.writing.codecs import CODECS
from stereojax.video.writing.encoding import choose_encoding
from stereojax.video.writing.mux import join_segments
from stereojax.video.writing.segment_writer import SegmentWriter


def decoded(path):
    return [clips.planes(f) for f in clips.linear(path)]


def assert_same_frames(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        for before, after in zip(a, b, strict=True):
            np.testing.assert_array_equal(before, after)


def assert_times_kept(converted):
    found = index_video(converted.output)
    exact = converted.output.suffix in (".mp4", ".m4v", ".mov")
    expected, times = conversions.times(converted.index), conversions.times(found)
    np.testing.assert_allclose(times, expected, atol=1e-9 if exact else 0.00051)


HOLDS = [(codec, suffix) for codec in CODECS for suffix in CODECS[codec].containers]


@pytest.mark.parametrize(("codec", "suffix"), HOLDS)
def test_joined_segments_keep_every_frame_and_time(tmp_path, codec, suffix):
    source = clips.write_film(tmp_path / "film.mp4", 25, rate=Fraction(30000, 1001))
    converted = conversions.convert(
        source, tmp_path / f"out{suffix}", codec=codec, segment=7
    )
    assert converted.notes == []
    assert_times_kept(converted)
    segments = sorted(
        tmp_path.glob("out*-*.mkv"), key=lambda p: int(p.stem[-2:].strip("-"))
    )
    parts = [frame for path in segments for frame in decoded(path)]
    assert_same_frames(decoded(converted.output), parts)
    assert not list(tmp_path.glob(".*.part*"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_rate_is_kept(tmp_path, suffix):
    times = [0, 3, 4, 10, 11, 12, 40, 41, 55, 56, 57, 58, 59, 90, 91, 99]
    source = clips.write_film(
        tmp_path / "film.mp4", 16, times=times, time_base=Fraction(1, 90)
    )
    converted = conversions.convert(source, tmp_path / f"out{suffix}", segment=5)
    np.testing.assert_array_equal(
        np.diff(converted.index.pts) * 90,
        np.diff(times) * converted.index.info.time_base.denominator,
    )
    assert_times_kept(converted)


def test_decoding_times_increase_and_precede_presentation(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 40)
    converted = conversions.convert(source, tmp_path / "out.mp4", segment=13)
    with av.open(str(converted.output)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert any(p.pts != p.dts for p in packets)  # B-frames exist
    assert all(p.dts <= p.pts for p in packets)
    assert (np.diff([p.dts for p in packets]) > 0).all()
    assert packets[0].is_keyframe
    assert (
        sum(p.is_keyframe for p in packets) >= 4
    )  # every segment starts with a keyframe


def test_start_time_and_sound_delay_are_kept(tmp_path):
    source = clips.write_film(
        tmp_path / "film.mkv",
        12,
        times=list(range(500, 1000, 42)),
        time_base=Fraction(1, 1000),
    )
    for suffix in (".mp4", ".mkv"):
        converted = conversions.convert(source, tmp_path / f"out{suffix}")
        assert conversions.times(index_video(converted.output))[0] == 0.5

    ticks = [
        1001 * i for i in range(7, 12)
    ]  # 0.23357 s: not a whole number of milliseconds
    source = clips.write_film(
        tmp_path / "film.mp4",
        5,
        times=ticks,
        time_base=Fraction(1, 30000),
        container_options={"movie_timescale": "30000"},
    )
    for suffix in (".mp4", ".mov"):
        converted = conversions.convert(source, tmp_path / f"out{suffix}")
        assert conversions.times(converted.index)[0] == 7007 / 30000
        assert_times_kept(converted)

    delayed = rich_films.write_rich_film(
        tmp_path / "late.mkv", sound=("flac",), sound_delay=Fraction(1, 4)
    )
    for suffix in (".mp4", ".mkv"):
        converted = conversions.convert(delayed, tmp_path / f"late_out{suffix}")
        with av.open(str(converted.output)) as container:
            assert abs(next(container.decode(audio=0)).time - 0.25) < 0.002


def broadcast(path, offset):
    options = {"output_ts_offset": offset}
    return clips.write_film(path, 12, sound_s=0.5, container_options=options)


def test_only_a_late_broadcast_is_shifted_to_zero(tmp_path):
    early = broadcast(tmp_path / "early.ts", "3")
    converted = conversions.convert(early, tmp_path / "early.mp4")
    assert conversions.times(converted.index)[0] >= 3
    assert_times_kept(converted)

    late = broadcast(tmp_path / "late.ts", "4000")
    converted = conversions.convert(late, tmp_path / "late.mp4")
    before, after = (
        conversions.times(converted.index),
        conversions.times(index_video(converted.output)),
    )
    assert before[0] >= 4000
    assert after[0] < 1
    np.testing.assert_allclose(np.diff(after), np.diff(before), atol=1e-6)


def test_rotated_source_gives_an_upright_output(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 3, rotation=90)
    converted = conversions.convert(source, tmp_path / "out.mp4")
    found = probe(converted.output)
    assert found.rotation == 0
    assert (found.width, found.height) == (2 * 48, 64)


@pytest.mark.parametrize(
    ("layout", "suffix", "codec"),
    [(layout, suffix, "h264") for layout in LAYOUTS for suffix in (".mp4", ".mkv")]
    + [(layout, ".webm", "av1") for layout in ("full_sbs", "half_sbs", "right")]
    + [("half_sbs", ".mp4", "av1"), ("full_tb", ".mkv", "ffv1")],
)
def test_sample_aspect_is_kept(tmp_path, layout, suffix, codec):
    source = clips.write_film(tmp_path / "film.mp4", 2, aspect=Fraction(16, 11))
    converted = conversions.convert(
        source, tmp_path / f"out{suffix}", layout, codec=codec
    )
    found = probe(converted.output).sample_aspect
    if suffix == ".webm" and layout.startswith("half"):
        assert found == 1  # AV1 has no such field, and WebM's is for one view
    else:
        assert abs(found - Fraction(16, 11)) < 0.02


def test_color_and_hdr_tags_are_kept_in_container_and_stream(tmp_path):
    tags = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
    light = (
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)"
        "L(10000000,50):max-cll=1000,400:log-level=none"
    )
    source = clips.write_film(
        tmp_path / "film.mp4",
        3,
        codec="libx265",
        pixel_format="yuv420p10le",
        tags=tags,
        options={"x265-params": light},
    )
    expected = probe(source).color
    assert expected.content_light == "1000,400"
    for suffix, codec in ((".mp4", "hevc"), (".mkv", "hevc"), (".mkv", "av1")):
        converted = conversions.convert(source, tmp_path / f"out{suffix}", codec=codec)
        found = probe(converted.output)
        assert found.pixel_format == "yuv420p10le"
        assert found.color == expected
        with av.open(str(converted.output)) as container:
            context = container.streams.video[0].codec_context
            assert (context.color_primaries, context.color_trc) == (9, 16)


def test_hevc_in_mp4_has_the_hvc1_tag(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 2)
    converted = conversions.convert(source, tmp_path / "out.mp4", codec="hevc")
    with av.open(str(converted.output)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_mp4_starts_with_its_header(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 2)
    data = conversions.convert(source, tmp_path / "out.mp4").output.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def broken_join(tmp_path, change):
    """Returns the error of `join_segments` for segments that `change` made invalid."""
    source = clips.write_film(tmp_path / "film.mp4", 12)
    index = index_video(source)
    encoding = choose_encoding(index.info, "full_sbs", container=".mp4")
    segments = []
    for i in range(2):
        segments.append(tmp_path / f"{i}.mkv")
        with SegmentWriter(segments[-1], encoding) as writer:
            for k in range(6):
                writer.write(clips.picture(k, encoding.width, encoding.height))
    segments = change(segments, index, encoding)
    output = tmp_path / "out.mp4"
    with pytest.raises(RunError) as error_info:
        join_segments(segments, index, output, encoding=encoding)
    assert not output.exists()
    assert not list(tmp_path.glob(".*.part*"))
    return str(error_info.value)


def test_segments_that_do_not_match_the_index_are_errors(tmp_path):
    def other_settings(segments, index, encoding):
        other = choose_encoding(index.info, "full_tb", container=".mp4")
        with SegmentWriter(segments[1], other) as writer:
            for k in range(6):
                writer.write(clips.picture(k, other.width, other.height))
        return segments

    def cut_short(segments, *_):
        data = segments[1].read_bytes()
        segments[1].write_bytes(data[:100])
        return segments

    assert "6 frames; expected 12" in broken_join(tmp_path, lambda s, *_: s[:1])
    assert "more frames than" in broken_join(tmp_path, lambda s, *_: [*s, s[0]])
    assert "no segments" in broken_join(tmp_path, lambda *_: [])
    assert "encoder settings differ" in broken_join(tmp_path, other_settings)
    assert "1.mkv: the segment cannot be read" in broken_join(tmp_path, cut_short)


def test_unwritable_output_is_a_one_line_error(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 2)
    converted = conversions.convert(source, tmp_path / "out.mp4")
    segment = next(tmp_path.glob("out.mp4-*.mkv"))
    with pytest.raises(RunError, match="cannot be written") as error_info:
        join_segments(
            [segment],
            converted.index,
            tmp_path / "no" / "out.mp4",
            encoding=converted.encoding,
        )
    assert "\n" not in str(error_info.value)


def test_name_with_colons_and_quotes(tmp_path):
    source = clips.write_film(tmp_path / "it's: a %d film.mp4", 2)
    for suffix in (".mp4", ".mkv"):
        converted = conversions.convert(source, tmp_path / f"http: 'it' %03d{suffix}")
        assert len(clips.linear(f"file:{converted.output}")) == 2


def test_source_with_one_frame(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 1)
    for suffix in (".mp4", ".mkv"):
        converted = conversions.convert(source, tmp_path / f"out{suffix}")
        assert len(index_video(converted.output)) == 1


def test_left_and_right_files(tmp_path):
    source = clips.write_film(tmp_path / "film.mp4", 4)
    left = conversions.convert(
        source, tmp_path / "l.mkv", "left_right_files", codec="ffv1"
    )
    assert_same_frames(decoded(left.output), decoded(source))
    right = conversions.convert(source, tmp_path / "r.mkv", "right", codec="ffv1")
    assert len(decoded(right.output)) == 4
    assert dataclasses.asdict(left.encoding)["left_corner"] == (0, 0)
