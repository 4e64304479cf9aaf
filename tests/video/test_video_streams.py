"""Sound, subtitles, chapters and other streams: kept, converted or noted."""

from fractions import Fraction

import av
import clips
import conversions
import numpy as np
import pytest
import rich_films
from av.stream import Discard, Disposition


def streams(path):
    """Returns (type, codec, language) of every stream except MP4 chapters."""
    with av.open(str(path)) as container:
        return [
            (s.type, getattr(s, "name", ""), s.metadata.get("language"))
            for s in container.streams
            if s.discard != Discard.all
        ]


def packets(path, kind, number=0):
    """Returns (seconds, bytes) of a stream's packets, without empty subtitles."""
    with av.open(str(path)) as container:
        stream = [s for s in container.streams if s.type == kind][number]
        return [
            (float(p.pts * p.time_base), bytes(p))
            for p in container.demux(stream)
            if p.size and bytes(p) != b"\0\0"
        ]


def sound(path, number=0):
    """Returns (start in seconds, decoded samples of the first channel)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=number))
        resampler = av.AudioResampler("fltp", "mono", 48000)
        pieces = [p for f in frames for p in resampler.resample(f)]
        samples = np.concatenate([p.to_ndarray()[0] for p in pieces])
        return frames[0].time, samples


def texts(path, number=0):
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[number]
        shown = []
        for packet in container.demux(stream):
            if packet.size and bytes(packet) != b"\0\0":
                start = packet.pts * packet.time_base
                length = packet.duration * packet.time_base
                for line in stream.codec_context.decode2(packet):
                    text = line.ass.decode().split(",", 8)[-1]
                    text = text.replace("{\\r}", "{\\i0}")  # end of a style
                    shown.append((float(start), float(start + length), text))
        return shown


def assert_texts(path, number=0):
    found = texts(path, number)
    for (start, stop, text), line in zip(found, rich_films.LINES, strict=True):
        assert abs(start - line[0] / 1000) < 0.002
        assert abs(stop - line[1] / 1000) < 0.002
        assert text == line[2]


def assert_tags_and_chapters(path):
    with av.open(str(path)) as container:
        tags = {k.lower(): v for k, v in container.metadata.items()}
        chapters = [
            (
                float(c["start"] * c["time_base"]),
                float(c["end"] * c["time_base"]),
                c["metadata"]["title"],
            )
            for c in container.chapters()
        ]
    assert (tags["title"], tags["artist"], tags["comment"]) == (
        "A film",
        "Someone",
        "hello",
    )
    assert chapters == [(0, 0.5, "One"), (0.5, 1, "Two")]


def titles(path):
    with av.open(str(path)) as container:
        return [
            s.metadata.get("title", s.metadata.get("name"))
            for s in container.streams.audio
        ]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_all_streams_of_mp4_are_kept(tmp_path, suffix):
    source = rich_films.write_rich_film(
        tmp_path / "film.mp4", subtitles=("mov_text",), cover=True
    )
    converted = conversions.convert(source, tmp_path / f"out{suffix}")
    expected = [
        ("video", "h264", "eng"),
        ("audio", "aac", "eng"),
        ("audio", "ac3", "fra"),
        ("subtitle", "srt" if suffix == ".mkv" else "mov_text", "eng"),
        ("video", "mjpeg", None),
    ]
    notes = {
        ".mkv": ["converted to subrip: subtitle stream 3"],
        ".mov": ["left out: cover picture"],
    }.get(suffix, [])
    found = streams(converted.output)
    assert found == (expected[:-1] if suffix == ".mov" else expected)
    assert [
        note[: len(n)] for note, n in zip(converted.notes, notes, strict=True)
    ] == notes
    assert_tags_and_chapters(converted.output)
    assert_texts(converted.output)
    assert titles(converted.output) == ["Track 0", "Track 1"]
    for number in range(2):
        before = packets(source, "audio", number)
        after = packets(converted.output, "audio", number)
        assert [data for _, data in after] == [data for _, data in before]
        gaps = [a[0] - b[0] for a, b in zip(after, before, strict=True)]
        assert np.abs(gaps).max() < 0.001
    if suffix == ".mov":
        return
    with av.open(str(converted.output)) as container:
        cover = container.streams.video[1]
        assert cover.disposition & Disposition.attached_pic
        (data,) = [bytes(p) for p in container.demux(cover) if p.size]
    assert data == rich_films.jpeg()


def test_all_streams_of_matroska_are_kept_in_matroska(tmp_path):
    source = rich_films.write_rich_film(
        tmp_path / "film.mkv",
        sound=("aac", "flac", "libopus"),
        subtitles=("srt", "ass"),
        cover=True,
        font=True,
    )
    converted = conversions.convert(source, tmp_path / "out.mkv")
    assert converted.notes == []
    # The muxer writes attachments last.
    assert sorted(streams(converted.output), key=str) == sorted(
        streams(source), key=str
    )
    assert_tags_and_chapters(converted.output)
    assert titles(converted.output) == ["Track 0", "Track 1", "Track 2"]
    for kind, count in (("audio", 3), ("subtitle", 2)):
        for number in range(count):
            before = packets(source, kind, number)
            assert packets(converted.output, kind, number) == before
    with av.open(str(converted.output)) as container:
        (font,) = container.streams.attachments
        assert (font.name, font.data[:200]) == ("font.ttf", rich_films.FONT)
        (cover,) = [s for s in container.streams.video if "filename" in s.metadata]
        assert cover.metadata["filename"] == "cover.jpg"


def test_mp4_gets_the_matroska_streams_that_it_can_hold(tmp_path):
    source = rich_films.write_rich_film(
        tmp_path / "film.mkv",
        sound=("aac", "flac", "pcm_s16le"),
        subtitles=("srt", "ass"),
        cover=True,
        font=True,
    )
    converted = conversions.convert(source, tmp_path / "out.mp4")
    assert streams(converted.output) == [
        ("video", "h264", "eng"),
        ("audio", "aac", "eng"),
        ("audio", "flac", "fra"),
        ("audio", "pcm_s16le", "ita"),
        ("subtitle", "mov_text", "eng"),
        ("subtitle", "mov_text", "fra"),
        ("video", "mjpeg", None),
    ]
    assert_tags_and_chapters(converted.output)
    assert_texts(converted.output, 0)
    assert_texts(converted.output, 1)
    assert len(converted.notes) == 3
    assert "subrip (eng), which mp4 cannot hold" in converted.notes[0]
    assert "ass (fra), which mp4 cannot hold" in converted.notes[1]
    assert converted.notes[2].startswith("left out: attachment stream")
    for number in (0, 1, 2):
        first, samples = sound(source, number)
        start, copied = sound(converted.output, number)
        assert abs(start - first) < 0.002
        count = min(len(samples), len(copied))
        np.testing.assert_allclose(copied[:count], samples[:count], atol=1e-6)


@pytest.mark.parametrize(
    ("before", "suffix", "after"),
    [("flac", ".webm", "libopus"), ("libopus", ".mov", "aac")],
)
def test_unsupported_sound_is_encoded_again_and_stays_in_sync(
    tmp_path, before, suffix, after
):
    source = rich_films.write_rich_film(
        tmp_path / "film.mkv",
        sound=(before,),
        subtitles=("srt",),
        sound_delay=Fraction(1, 4),
    )
    converted = conversions.convert(source, tmp_path / f"out{suffix}")
    text = "webvtt" if suffix == ".webm" else "mov_text"
    assert streams(converted.output)[1:] == [
        ("audio", after.removeprefix("lib"), "eng"),
        ("subtitle", text, "eng"),
    ]
    assert [n.split(":")[0] for n in converted.notes] == [
        f"encoded again as {after}",
        f"converted to {text}",
    ]
    assert_texts(converted.output)
    first, samples = sound(source)
    start, opus = sound(converted.output)
    shift = round((start - first) * 48000)
    opus = opus[max(0, -shift) :]
    count = min(len(samples), len(opus)) - 4800
    assert count > 38000
    # The same wave at the same time; a shift of half a millisecond would give 0.4.
    correlation = np.corrcoef(samples[4800:count], opus[4800:count])[0, 1]
    assert correlation > 0.98


def test_gap_in_encoded_sound_becomes_silence(tmp_path):
    source = tmp_path / "film.mkv"
    with av.open(str(source), "w") as out:
        video = out.add_stream("libx264", rate=24)
        video.width, video.height = 48, 32
        audio = out.add_stream("flac", rate=48000, layout="mono")
        for i in range(48):
            frame = av.VideoFrame.from_ndarray(clips.picture(i, 48, 32), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for start in (*range(0, 24000, 4800), *range(72000, 96000, 4800)):
            wave = (np.sin(np.arange(4800) / 20) * 20000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(wave[None], "s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            frame.time_base = Fraction(1, 48000)
            out.mux(audio.encode(frame))
        out.mux(audio.encode())
    converted = conversions.convert(source, tmp_path / "out.webm", segment=48)
    start, samples = sound(converted.output)
    level = np.abs(samples[: 96000 - 4800]).reshape(-1, 4800).max(1)
    loud = level > 0.2
    assert loud[:4].all() and not loud[6:14].any() and loud[16:].all()


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_excerpt_cuts_all_streams_and_starts_at_zero(tmp_path, suffix):
    source = rich_films.write_rich_film(
        tmp_path / "film.mkv", sound=("flac",), subtitles=("srt",), frames=24
    )
    converted = conversions.convert(
        source, tmp_path / f"out{suffix}", part=slice(6, 18)
    )
    with av.open(str(converted.output)) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == 12
        assert frames[0].time == 0
        assert abs(frames[-1].time - 11 / 24) < 0.001
        chapters = [
            (round(float(c["start"] * c["time_base"]), 2), c["metadata"]["title"])
            for c in container.chapters()
        ]
    assert chapters == [(0, "One"), (0.25, "Two")]
    # 0.25 s to 0.75 s: within the first line and within the second.
    found = [(round(a, 2), round(b, 2)) for a, b, _ in texts(converted.output)]
    assert found == [(0, 0.15), (0.25, 0.5)]
    start, samples = sound(converted.output)
    whole_start, whole = sound(source)
    assert 0 <= start < 0.1
    assert 0.35 < len(samples) / 48000 + start < 0.6
    at = round((0.25 + start - whole_start) * 48000)
    count = min(len(samples), 4800)
    shifts = range(-48, 49)
    wave = [whole[at + s : at + s + count] for s in shifts]
    errors = [np.abs(w - samples[:count]).max() for w in wave]
    assert min(errors) < 1e-4


def test_excerpt_far_into_a_file_has_its_sound(tmp_path):
    """Packets are searched from 10 s before the excerpt to 10 s after it."""
    source = tmp_path / "film.mkv"
    with av.open(str(source), "w") as out:
        video = out.add_stream("libx264", rate=2, options={"g": "4"})
        video.width, video.height = 48, 32
        audio = out.add_stream("flac", rate=8000, layout="mono")
        for i in range(120):
            frame = av.VideoFrame.from_ndarray(clips.picture(i, 48, 32), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 2)
            out.mux(video.encode(frame))
            # Each half second has its own level.
            level = np.full((1, 4000), 100 * i, np.int16)
            sample = av.AudioFrame.from_ndarray(level, "s16", layout="mono")
            sample.sample_rate, sample.pts = 8000, 4000 * i
            sample.time_base = Fraction(1, 8000)
            out.mux(audio.encode(sample))
        out.mux(video.encode())
        out.mux(audio.encode())
    converted = conversions.convert(source, tmp_path / "out.mkv", part=slice(60, 70))
    with av.open(str(converted.output)) as container:
        frames = list(container.decode(audio=0))
    values = np.concatenate([f.to_ndarray()[0] for f in frames])
    assert frames[0].time < 0.6
    assert abs(values[0] / 100 - (60 + frames[0].time * 2)) <= 1
    assert abs(values[-1] / 100 - 69) <= 2


@pytest.mark.parametrize(
    ("suffix", "expected"), [(".mov", "ger"), (".mp4", "deu"), (".mkv", "deu")]
)
def test_language_is_written_with_the_code_of_the_container(
    tmp_path, monkeypatch, suffix, expected
):
    monkeypatch.setattr(rich_films, "LANGUAGES", ("deu",))
    source = rich_films.write_rich_film(tmp_path / "film.mkv", sound=("aac",), frames=4)
    converted = conversions.convert(source, tmp_path / f"out{suffix}")
    assert streams(converted.output)[1] == ("audio", "aac", expected)


def test_time_code_is_kept(tmp_path):
    source = tmp_path / "film.mov"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height = 48, 32
        stream.metadata["timecode"] = "01:00:00:00"
        for i in range(3):
            image = clips.picture(i, 48, 32)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    for suffix in (".mov", ".mp4", ".mkv"):
        converted = conversions.convert(source, tmp_path / f"out{suffix}")
        assert converted.notes == []
        with av.open(str(converted.output)) as container:
            tags = container.streams.video[0].metadata
            assert len(container.streams) == (1 if suffix == ".mkv" else 2)
        assert {k.lower(): v for k, v in tags.items()}["timecode"] == "01:00:00:00"


def test_unsupported_data_stream_is_noted(tmp_path):
    source = tmp_path / "film.ts"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height = 48, 32
        data = out.add_data_stream("klv")
        out.start_encoding()
        for i in range(24):
            image = clips.picture(i, 48, 32)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 24)
            out.mux(stream.encode(frame))
            packet = av.Packet(bytes(range(20)))
            packet.stream, packet.pts, packet.dts = data, i, i
            packet.time_base = Fraction(1, 24)
            out.mux(packet)
        out.mux(stream.encode())
    converted = conversions.convert(source, tmp_path / "out.mp4")
    assert converted.notes == ["left out: data stream 1, klv, which mp4 cannot hold"]
    assert len(clips.linear(converted.output)) == 24


def test_second_video_stream_is_left_out_with_a_note(tmp_path):
    source = tmp_path / "film.mkv"
    with av.open(str(source), "w") as out:
        videos = [out.add_stream("libx264", rate=24) for _ in range(2)]
        for video in videos:
            video.width, video.height = 48, 32
        for i in range(3):
            for video in videos:
                image = clips.picture(i, 48, 32)
                frame = av.VideoFrame.from_ndarray(image, "rgb24")
                frame.pts, frame.time_base = i, Fraction(1, 24)
                out.mux(video.encode(frame))
        for video in videos:
            out.mux(video.encode())
    converted = conversions.convert(source, tmp_path / "out.mkv")
    assert converted.notes == ["left out: video stream 1, h264, a second video stream"]
    assert len(streams(converted.output)) == 1


def test_tags_that_mp4_cannot_hold_are_noted(tmp_path):
    source = tmp_path / "film.mkv"
    clips.write_film(tmp_path / "plain.mkv", 2)
    with (
        av.open(str(tmp_path / "plain.mkv")) as plain,
        av.open(str(source), "w") as out,
    ):
        out.metadata["MY_OWN_TAG"] = "x"
        stream = out.add_stream_from_template(plain.streams.video[0], opaque=True)
        for packet in plain.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert conversions.convert(source, tmp_path / "out.mkv").notes == []
    notes = conversions.convert(source, tmp_path / "out.mp4").notes
    assert notes == ["left out: tags that .mp4 cannot hold: MY_OWN_TAG"]


def test_sound_with_repeated_timestamps_is_written(tmp_path):
    source = tmp_path / "film.mkv"
    rich = rich_films.write_rich_film(tmp_path / "rich.mkv", sound=("ac3",))
    with av.open(str(rich)) as before, av.open(str(source), "w") as out:
        pairs = {
            s.index: out.add_stream_from_template(s, opaque=True)
            for s in before.streams
            if s.type in ("video", "audio")
        }
        for packet in before.demux():
            if packet.size and packet.stream_index in pairs:
                if packet.stream.type == "audio" and packet.pts > 300:
                    packet.pts = packet.dts = 300
                packet.stream = pairs[packet.stream_index]
                out.mux(packet)
    converted = conversions.convert(source, tmp_path / "out.mp4")
    before, after = packets(source, "audio"), packets(converted.output, "audio")
    assert [d for _, d in after] == [d for _, d in before]
    assert (np.diff([t for t, _ in after]) > 0).all()
