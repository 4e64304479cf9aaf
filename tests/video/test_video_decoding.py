"""The decoding loop: skipped packets, logged losses, seeks."""

import av
import pytest
from clips import linear, write_film

from stereojax.video.reading import decoding
from stereojax.video.reading.decoding import DecodeLog, decode_from
from stereojax.video.reading.index import index_video
from stereojax.video.reading.probe import probe

VP9 = {"g": "10", "deadline": "realtime", "cpu-used": "8"}


def edit_packets(monkeypatch, edit):
    """Applies `edit` to the list of packets of every opened container."""
    open_video = decoding.open_video

    class Edited:
        def __init__(self, container):
            self._container = container
            self.format = container.format

        def demux(self, stream):
            return iter(edit(list(self._container.demux(stream))))

    class Opened:
        def __init__(self, path):
            self._inner = open_video(path)

        def __enter__(self):
            container, stream = self._inner.__enter__()
            return Edited(container), stream

        def __exit__(self, *details):
            return self._inner.__exit__(*details)

    monkeypatch.setattr(decoding, "open_video", Opened)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_empty_packet_does_not_end_decoding(tmp_path, monkeypatch, codec):
    path = write_film(tmp_path / "a.mkv", 24, codec=codec, options={"bf": "2"})
    info, times = probe(path), [f.pts for f in linear(path)]

    def insert(packets):
        empty = av.Packet()
        empty.pts = empty.dts = packets[9].dts
        return [*packets[:10], empty, *packets[10:]]

    edit_packets(monkeypatch, insert)
    log = DecodeLog()
    assert [p.time for p in decode_from(info, None, log)] == times
    assert (log.packets, log.frames, log.lost_at_end) == (24, 24, 0)


def test_packets_before_the_first_keyframe_are_not_counted_as_lost(
    tmp_path, monkeypatch
):
    path = write_film(tmp_path / "a.mkv", 24, codec="libvpx-vp9", options=VP9)
    info, times = probe(path), [f.pts for f in linear(path)]
    edit_packets(monkeypatch, lambda packets: packets[3:])
    log = DecodeLog()
    assert [p.time for p in decode_from(info, None, log)] == times[10:]
    assert (log.lost, log.lost_at_end, log.first_loss) == (0, 0, None)


def test_packets_lost_within_and_at_the_end_are_counted_apart(tmp_path, monkeypatch):
    path = write_film(tmp_path / "a.mkv", 24, codec="libvpx-vp9", options=VP9)
    info = probe(path)

    def spoil(packets):
        for i in (4, 22):
            spoiled = av.Packet(b"\xff" * packets[i].size)
            spoiled.pts, spoiled.dts = packets[i].pts, packets[i].dts
            packets[i] = spoiled
        return [*packets[:23], packets[-1]]

    edit_packets(monkeypatch, spoil)
    log = DecodeLog()
    frames = list(decode_from(info, None, log, slice_threads=True))
    assert (log.lost, log.lost_at_end, log.first_loss) == (1, 1, 4)
    assert len(frames) == log.frames == 21


@pytest.mark.parametrize("seek", ["too late", "fails"])
def test_range_is_found_after_a_bad_or_failed_seek(tmp_path, monkeypatch, seek):
    path = write_film(tmp_path / "a.mp4", 60, options={"g": "10", "bf": "2"})
    expected = index_video(path).pts[24:36].tolist()

    def miss(container, stream, tick):
        if seek == "fails":
            return False
        container.seek(tick + 12288, stream=stream)
        return True

    monkeypatch.setattr(decoding, "_seek", miss)
    part = index_video(path, start_s=1.0, duration_s=0.5)
    assert part.pts.tolist() == expected


def test_late_range_is_not_decoded_from_the_start(tmp_path):
    path = write_film(tmp_path / "a.mp4", 60, options={"g": "10", "bf": "2"})
    part = index_video(path, start_s=2.0, duration_s=0.1)
    assert part.keyframes.min() >= part.pts[0] - 11 * 512
