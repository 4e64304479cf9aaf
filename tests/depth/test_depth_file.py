"""Depth files: exact at any frame, and complete or refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stereojax.cli import InputError, RunError
from stereojax.depth.files import gray16, quantization, sidecar
from stereojax.depth.files.depth_file import (
    DepthFile,
    join_segments,
    read_segment,
    segment_meta,
    write_segment,
)

META = {
    "units": "relative",
    "model": "prior",
    "source_hash": "abc",
    "video_width": 26,
    "video_height": 14,
    "shots": [{"start": 0, "stop": 9, "percentiles": {"1": 0.0, "99": 2.0}}],
}


def depth(rng, t, h=7, w=13, scale=3.0):
    return (rng.standard_normal((t, h, w)) * scale).astype(np.float32)


def written(folder: Path, parts, start=0.5, step=0.04):
    paths, frame = [], 0
    for i, part in enumerate(parts):
        paths.append(folder / f"segment{i}.mkv")
        write_segment(
            paths[-1],
            iter(part),
            [start + step * (frame + j) for j in range(len(part))],
        )
        frame += len(part)
    return paths


floats = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=1, max_dims=2, max_side=20),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


@given(floats)
def test_codes_are_close_and_dequantized_values_give_the_same_codes(x):
    low, high = quantization.value_range(x)
    coded = quantization.quantize(x, low, high)
    back = quantization.dequantize(coded, low, high)
    finite = np.isfinite(x)
    np.testing.assert_array_equal(coded == quantization.INVALID, ~finite)
    np.testing.assert_array_equal(np.isnan(back), ~finite)
    error = np.abs(back[finite].astype(np.float64) - x[finite])
    ulp = float(max(abs(low), abs(high))) * 2.0**-23
    assert (error <= (high - low) / quantization.STEPS / 2 + ulp).all()
    assert quantization.value_range(back) == (low, high)
    np.testing.assert_array_equal(quantization.quantize(back, low, high), coded)


def test_a_segment_can_be_read_and_rewritten_without_change(tmp_path):
    x = depth(np.random.default_rng(0), 5)
    x[1, 2, 3], x[2, 0, 0], x[3, 1, 1] = np.nan, np.inf, -np.inf
    times = [10.0, 10.04, 10.1, 11.5, 11.5004]
    path = tmp_path / "a.mkv"
    meta = write_segment(path, iter(x), times)
    back = np.stack(list(read_segment(path)))
    np.testing.assert_array_equal(np.isnan(back), ~np.isfinite(x))
    step, finite = (meta["high"] - meta["low"]) / quantization.STEPS, np.isfinite(x)
    np.testing.assert_allclose(back[finite], x[finite], atol=0.501 * step)
    assert meta["times_ms"] == [10000, 10040, 10100, 11500, 11501]
    assert segment_meta(path) == meta
    first = path.read_bytes()
    again = tmp_path / "b.mkv"
    assert write_segment(again, read_segment(path), times) == meta
    assert again.read_bytes() == first
    assert {p.name for p in tmp_path.iterdir()} == {
        "a.mkv",
        "a.json",
        "b.mkv",
        "b.json",
    }


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3)])
def test_small_and_flat_frames(tmp_path, shape):
    x = np.full((2, *shape), 7.25, np.float32)
    write_segment(tmp_path / "a.mkv", iter(x), [0.0, 0.1])
    np.testing.assert_array_equal(np.stack(list(read_segment(tmp_path / "a.mkv"))), x)
    x[:] = np.nan
    write_segment(tmp_path / "a.mkv", iter(x), [0.0, 0.1])
    np.testing.assert_array_equal(np.stack(list(read_segment(tmp_path / "a.mkv"))), x)


def test_a_segment_without_its_sidecar_is_incomplete(tmp_path):
    (path,) = written(tmp_path, [depth(np.random.default_rng(0), 2)])
    sidecar.path_of(path).unlink()
    assert segment_meta(path) is None
    with pytest.raises(FileNotFoundError):
        list(read_segment(path))
    with pytest.raises(FileNotFoundError, match="segment0"):
        join_segments([path], tmp_path / "out.mkv", **META)
    assert not (tmp_path / "out.mkv").exists()


def test_joined_segments_have_the_frames_of_the_segments(tmp_path):
    rng = np.random.default_rng(0)
    # Ranges far apart, so that the range of a wrong segment is detected.
    parts = [depth(rng, 4), depth(rng, 1, scale=100), depth(rng, 4) + 50]
    paths = written(tmp_path, parts)
    expected = np.concatenate([np.stack(list(read_segment(p))) for p in paths])
    file = join_segments(paths, tmp_path / "film_depth.mkv", **META)
    assert file == DepthFile.open(tmp_path / "film_depth.mkv")
    assert (len(file), file.width, file.height) == (9, 13, 7)
    assert (file.video_width, file.video_height, file.model) == (26, 14, "prior")
    assert [(s["start"], s["stop"]) for s in file.segments] == [(0, 4), (4, 5), (5, 9)]
    assert file.times_ms == tuple(500 + 40 * i for i in range(9))
    np.testing.assert_array_equal(np.stack(list(file.read())), expected)
    for start in range(10):
        for stop in range(start, 10):
            frames = list(file.read(start, stop))
            assert len(frames) == stop - start
            for frame, other in zip(frames, expected[start:stop], strict=True):
                np.testing.assert_array_equal(frame, other)
    first, second = file.read(0, 9), file.read(5, 9)
    np.testing.assert_array_equal(next(second), expected[5])
    np.testing.assert_array_equal(next(first), expected[0])
    np.testing.assert_array_equal(next(second), expected[6])
    with pytest.raises(ValueError, match="frames 3:10 of 9"):
        next(file.read(3, 10))


def test_the_file_is_lossless_gray_video_at_the_films_times(tmp_path):
    import av

    paths = written(tmp_path, [depth(np.random.default_rng(0), 3)] * 2, start=-0.08)
    join_segments(paths, tmp_path / "out.mkv", **META)
    with av.open(tmp_path / "out.mkv") as container:
        frames = list(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "ffv1"
    assert [f.pts for f in frames] == [0, 40, 80, 120, 160, 200]
    assert all(f.key_frame and f.format.name == "gray16le" for f in frames)


def opened_after(tmp_path, change):
    paths = written(tmp_path, [depth(np.random.default_rng(0), 3)] * 2)
    out = tmp_path / "out.mkv"
    join_segments(paths, out, **META)
    meta = json.loads(sidecar.path_of(out).read_text())
    change(meta)
    sidecar.path_of(out).write_text(json.dumps(meta))
    return DepthFile.open(out)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", "other", "not the sidecar"),
        ("version", 2, "version 2"),
        ("units", "metres", "'metres'"),
        ("frames", 5, "segments of 6 frames, not 5"),
        ("times_ms", [0, 1, 2], "3 frame times"),
        ("crc32", [0, 1, 2], "3 checksums"),
        ("crc32", [0] * 6, "frame 5 is missing or damaged; expected 6 frames"),
        ("times_ms", [0, 1, 2, 2, 3, 4], "do not increase"),
        ("width", 12, "13x7, expected 12x7 according to its sidecar"),
        ("segments", [], "segments of 0 frames"),
    ],
)
def test_an_inconsistent_sidecar_is_refused(tmp_path, field, value, message):
    with pytest.raises(InputError, match=message):
        opened_after(tmp_path, lambda meta: meta.update({field: value}))


def test_a_sidecar_with_a_missing_field_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"missing: shots"):
        opened_after(tmp_path, lambda meta: meta.pop("shots"))


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"out\.mkv: no such"):
        DepthFile.open(tmp_path / "out.mkv")
    written(tmp_path, [depth(np.random.default_rng(0), 3)])
    sidecar.path_of(tmp_path / "segment0.mkv").unlink()
    with pytest.raises(InputError, match=r"segment0\.json is missing"):
        DepthFile.open(tmp_path / "segment0.mkv")
    sidecar.path_of(tmp_path / "segment0.mkv").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        DepthFile.open(tmp_path / "segment0.mkv")


def test_a_truncated_file_is_refused_and_damage_is_detected(tmp_path):
    paths = written(tmp_path, [depth(np.random.default_rng(0), 8, 40, 60)])
    out = tmp_path / "out.mkv"
    file = join_segments(paths, out, **META)
    data = bytearray(out.read_bytes())
    out.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(InputError, match="expected 8 frames"):
        DepthFile.open(out)
    data[len(data) // 2] ^= 0xFF
    out.write_bytes(data)
    with pytest.raises(RunError, match=r"out\.mkv: frame [1-7] "):
        list(file.read())


def test_milliseconds_strictly_increase():
    assert gray16.milliseconds([0.0, 0.0001, 0.0002, 0.04]) == (0, 1, 2, 40)
