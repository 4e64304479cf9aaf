"""Depth of other programs is read frame by frame, or refused with one line."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from stereojax.cli import InputError
from stereojax.depth.files import gray16
from stereojax.depth.files.depth_file import DepthFile, join_segments, write_segment
from stereojax.depth.files.exr import read_exr
from stereojax.depth.files.from_file import open_depth

T, H, W = 12, 6, 9
SIZE = {"width": W, "height": H, "frames": T}


@pytest.fixture
def floats():
    return np.random.default_rng(0).standard_normal((T, H, W)).astype(np.float32)


@pytest.fixture
def codes():
    return np.random.default_rng(0).integers(0, 65536, (T, H, W)).astype(np.uint16)


def check(source, expected, units="relative"):
    """Checks ranges of frames against the array."""
    assert (len(source), source.width, source.height) == (T, W, H)
    assert source.units == units
    for start, stop in [(0, T), (3, 7), (T - 1, T), (5, 5)]:
        got = list(source.read(start, stop))
        assert len(got) == stop - start
        for frame, other in zip(got, expected[start:stop], strict=True):
            assert frame.dtype == np.float32
            np.testing.assert_array_equal(frame, other.astype(np.float32))
    with pytest.raises(ValueError, match="frames 3:13 of 12"):
        source.read(3, T + 1)


def picture(path, array, pixel_format, codec, **options):
    context = av.CodecContext.create(codec, "w")
    context.height, context.width = array.shape[:2]
    context.pix_fmt, context.time_base = pixel_format, Fraction(1)
    context.options = options
    frame = av.VideoFrame.from_ndarray(array, format=pixel_format)
    packets = context.encode(frame) + context.encode(None)
    path.write_bytes(b"".join(bytes(p) for p in packets))


def pngs(folder, frames, pixel_format="gray16be"):
    folder.mkdir(exist_ok=True)
    for i, frame in enumerate(frames):
        picture(folder / f"depth_{i}.png", frame, pixel_format, "png")
    return folder


def exr(path, channels):
    """A plain scanline EXR without compression, channels of any name and type."""

    def attribute(name, kind, value):
        size = struct.pack("<i", len(value))
        return name.encode() + b"\0" + kind.encode() + b"\0" + size + value

    items = sorted(channels.items())
    height, width = items[0][1].shape
    kinds = {"uint32": 0, "float16": 1, "float32": 2}
    listed = b"".join(
        n.encode() + b"\0" + struct.pack("<iIii", kinds[x.dtype.name], 0, 1, 1)
        for n, x in items
    )
    box = struct.pack("<4i", 0, 5, width - 1, height + 4)  # not at the origin
    header = (
        attribute("channels", "chlist", listed + b"\0")
        + attribute("compression", "compression", b"\0")
        + attribute("dataWindow", "box2i", box)
        + attribute("displayWindow", "box2i", box)
        + attribute("lineOrder", "lineOrder", b"\0")
        + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
        + attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0))
        + attribute("screenWindowWidth", "float", struct.pack("<f", 1))
    )
    start = b"\x76\x2f\x31\x01" + struct.pack("<i", 2) + header + b"\0"
    lines = [b"".join(x[y].tobytes() for _, x in items) for y in range(height)]
    chunks = [struct.pack("<2i", y + 5, len(d)) + d for y, d in enumerate(lines)]
    at = len(start) + 8 * height + np.cumsum([0, *map(len, chunks)])[:-1]
    path.write_bytes(start + at.astype("<u8").tobytes() + b"".join(chunks))


@pytest.mark.parametrize(
    ("key", "units"),
    [("depth", "relative"), ("disparity", "pixels"), ("arr_0", "relative")],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, floats, key, units, save):
    save(tmp_path / "d.npz", other=np.zeros(3), **{key: floats})
    check(open_depth(tmp_path / "d.npz", **SIZE), floats, units)
    source = open_depth(tmp_path / "d.npz", units="pixels", **SIZE)
    assert source.units == "pixels"


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint16])
@pytest.mark.parametrize("shape", [(T, H, W, 1), (T, 1, H, W)])
def test_npz_of_other_types_and_shapes(tmp_path, codes, dtype, shape):
    array = (codes // 8).astype(dtype)
    np.savez(tmp_path / "d.npz", depth=array.reshape(shape))
    check(open_depth(tmp_path / "d.npz", **SIZE), array)
    np.save(tmp_path / "d.npy", array.reshape(shape))
    check(open_depth(tmp_path / "d.npy", **SIZE), array)


def test_npz_is_read_a_frame_at_a_time(tmp_path, monkeypatch, floats):
    np.savez_compressed(tmp_path / "d.npz", depth=floats)
    monkeypatch.setattr(np, "load", None)
    monkeypatch.setattr(np.lib.format, "read_array", None)
    frames = open_depth(tmp_path / "d.npz", **SIZE).read()
    np.testing.assert_array_equal(next(frames), floats[0])


def test_png_folder_is_read_in_the_order_of_its_numbers(tmp_path, codes):
    check(open_depth(pngs(tmp_path / "p", codes), **SIZE), codes)


def test_png_of_another_encoder(tmp_path, codes):
    from PIL import Image

    for i, frame in enumerate(codes):
        Image.fromarray(frame).save(tmp_path / f"{i:05}.png")
    check(open_depth(tmp_path, **SIZE), codes)


def test_gray_rgb_is_accepted_and_8_bits_with_a_warning(tmp_path, codes, capsys):
    deep = np.repeat(codes[..., None], 3, axis=-1)
    check(open_depth(pngs(tmp_path / "48", deep, "rgb48be"), **SIZE), codes)
    assert capsys.readouterr().err == ""
    coarse = (codes >> 8).astype(np.uint8)
    check(open_depth(pngs(tmp_path / "8", coarse, "gray"), **SIZE), coarse)
    assert "8-bit depth has 256 steps" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint32])
def test_exr_without_compression(tmp_path, floats, dtype):
    values = (floats * 1000 + 50000).astype(dtype)
    for i, frame in enumerate(values):
        exr(tmp_path / f"{i}.exr", {"A": frame * 0, "Z": frame, "a": frame * 0})
    check(open_depth(tmp_path, **SIZE), values)


@pytest.mark.parametrize("compression", ["none", "rle", "zip1", "zip16"])
@pytest.mark.parametrize("kind", ["half", "float"])
def test_exr_written_by_ffmpeg(tmp_path, compression, kind):
    # Long runs and noise, for both kinds of chunk; more lines than one chunk has.
    x = np.random.default_rng(0).standard_normal((37, 50)).astype(np.float32)
    x[5:25] = np.arange(50) // 7
    x = x.astype(np.float16).astype(np.float32)  # exact in half precision
    options = {"compression": compression, "format": kind}
    picture(tmp_path / "a.exr", x, "grayf32le", "exr", **options)
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr"), x)
    rgb = np.stack([x, 2 * x, 4 * x], axis=-1)  # red is read
    picture(tmp_path / "b.exr", rgb, "gbrpf32le", "exr", **options)
    np.testing.assert_array_equal(read_exr(tmp_path / "b.exr"), x)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [("RGB", "R"), ("ABZ", "Z"), ("Q", "Q"), (["G", "left.depth"], "left.depth")],
)
def test_the_channel_is_chosen_by_its_name(tmp_path, floats, names, chosen):
    channels = {n: floats[i] for i, n in enumerate(names)}
    exr(tmp_path / "a.exr", channels)
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr"), channels[chosen])


def test_gray16_video(tmp_path, codes):
    gray16.write(tmp_path / "d.mkv", codes, range(0, 40 * T, 40))
    check(open_depth(tmp_path / "d.mkv", **SIZE), codes)


def own_file(tmp_path, floats, units="relative"):
    paths = [tmp_path / f"{i}.mkv" for i in range(3)]
    for i, path in enumerate(paths):
        write_segment(path, iter(floats[i::3]), [0.04 * (j + 4 * i) for j in range(4)])
    return join_segments(
        paths,
        tmp_path / "film_depth.mkv",
        units=units,
        model="prior",
        source_hash="abc",
        video_width=100,
        video_height=70,
        shots=[],
    )


def test_the_projects_own_file_is_opened_as_a_depth_file(tmp_path, floats):
    file = own_file(tmp_path, floats, "pixels")
    source = open_depth(file.path, width=100, height=70, frames=T)
    assert isinstance(source, DepthFile) and source == file
    with pytest.raises(InputError, match="100x70"):
        open_depth(file.path, **SIZE)
    with pytest.raises(InputError, match="in pixels, not in relative"):
        open_depth(file.path, width=100, height=70, frames=T, units="relative")


REFUSED = (
    ({"frames": 11}, "expected 11 frames, as the film has; the file has 12"),
    ({"height": 7}, "expected depth of 9x7, the film's size; the depth is 9x6"),
)


@pytest.mark.parametrize("kind", ["npz", "png", "mkv", "exr"])
def test_depth_that_does_not_fit_the_film_is_refused(tmp_path, floats, codes, kind):
    path = tmp_path / f"depth.{kind}"
    if kind == "npz":
        np.savez(path, depth=floats)
    elif kind == "png":
        pngs(path, codes)
    elif kind == "mkv":
        gray16.write(path, codes, range(T))
    else:
        path.mkdir()
        for i, frame in enumerate(floats):
            exr(path / f"{i}.exr", {"Z": frame})
    open_depth(path, **SIZE)
    for change, message in REFUSED:
        with pytest.raises(InputError, match=message) as error:
            open_depth(path, **SIZE | change)
        assert str(path) in str(error.value)


def test_a_frame_of_another_size_is_named(tmp_path, codes):
    folder = pngs(tmp_path / "p", codes)
    picture(folder / "depth_10.png", codes[0, :, :5].copy(), "gray16be", "png")
    source = open_depth(folder, **SIZE)
    with pytest.raises(InputError, match=r"depth_10\.png: expected 9x6.* it is 5x6"):
        list(source.read())


def npz(**arrays):
    return lambda path: np.savez(path / "d.npz", **arrays)


def garbage(name):
    return lambda path: (path / name).write_bytes(b"x")


def cut(data):
    return data[: len(data) * 2 // 3]


def bad_exr(path):
    exr(path / "a.exr", {"Z": np.ones((H, W), np.float32)})
    (path / "a.exr").write_bytes(cut((path / "a.exr").read_bytes()))


def colored(path):
    rgb = np.zeros((H, W, 3), np.uint8)
    rgb[2, 3, 1] = 1
    picture(path / "a.png", rgb, "rgb24", "png")


def film(path):
    with av.open(path / "d.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        frame = av.VideoFrame(16, 16, "yuv420p")
        container.mux(stream.encode(frame) + stream.encode(None))


BAD = {
    "no array of a known name": (npz(x=np.zeros((T, H, W))), "d.npz", "the file has x"),
    "a flat array": (npz(depth=np.zeros((H, W))), "d.npz", r"shape \(6, 9\)"),
    "colours": (npz(depth=np.zeros((T, H, W, 3))), "d.npz", r"shape \(12, 6, 9, 3\)"),
    "strings": (npz(depth=np.full((T, H, W), "a")), "d.npz", "expected real numbers"),
    "Fortran order": (
        npz(depth=np.zeros((T, H, W), order="F")),
        "d.npz",
        "Fortran order",
    ),
    "not a zip": (garbage("d.npz"), "d.npz", "not an npz file"),
    "no file": (lambda p: None, "d.npz", "no such depth file or folder"),
    "an empty folder": (lambda p: None, "", "neither"),
    "PNG and EXR": (lambda p: (bad_exr(p), colored(p)), "", ".png and .exr"),
    "not a PNG": (garbage("a.png"), "", "a.png: not a readable"),
    "a coloured PNG": (colored, "", "a.png: expected gray depth"),
    "a truncated EXR": (bad_exr, "", "a.exr: damaged or truncated"),
    "not an EXR": (garbage("a.exr"), "", "not an OpenEXR"),
    "a film": (film, "d.mkv", "expected lossless gray16 video .*got ffv1 yuv420p"),
    "not a video": (garbage("d.mkv"), "d.mkv", "not a readable"),
    "a text file": (garbage("d.txt"), "d.txt", r"\.npz, or a fold"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_that_names_the_file(tmp_path, name):
    make, file, message = BAD[name]
    make(tmp_path)
    with pytest.raises(InputError, match=message) as error:
        open_depth(tmp_path / file, **SIZE)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_codes_have_no_scale_in_pixels(tmp_path, codes):
    gray16.write(tmp_path / "d.mkv", codes, range(T))
    for path in (tmp_path / "d.mkv", pngs(tmp_path / "p", codes)):
        with pytest.raises(InputError, match="no scale in pixels"):
            open_depth(path, units="pixels", **SIZE)


def test_a_truncated_array_is_an_error_when_it_is_read(tmp_path, floats):
    np.save(tmp_path / "d.npy", floats)
    data = (tmp_path / "d.npy").read_bytes()
    (tmp_path / "d.npy").write_bytes(cut(data))
    source = open_depth(tmp_path / "d.npy", **SIZE)
    with pytest.raises(InputError, match=r"truncated at frame [78]"):
        list(source.read())
