"""Copies cover pictures: an attachment in Matroska, a one-packet stream in MP4."""

from pathlib import Path

import av
from av.stream import Disposition

from stereojax.video.writing.metadata import copy_tags

_TYPES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}


def add_covers(
    source: av.container.InputContainer,
    path: Path,
    target: av.container.OutputContainer,
) -> tuple[list[av.Packet], list[str]]:
    """Adds the covers of `source`, the open container of `path`, to `target`.

    Returns packets to write right after the header, and notes for the user.
    """
    packets: list[av.Packet] = []
    notes: list[str] = []
    pictures = {
        stream.index: stream
        for stream in source.streams.video
        if stream.disposition & Disposition.attached_pic
    }
    for index, data in _read(path, list(pictures)).items():
        stream = pictures[index]
        codec = stream.codec_context.name if stream.codec_context else ""
        suffix, kind = _TYPES.get(codec, (codec, f"image/{codec}"))
        if target.format.name == "matroska":
            name = stream.metadata.get("filename", f"cover.{suffix}")
            target.add_attachment(name, stream.metadata.get("mimetype", kind), data)
        elif target.format.name == "mp4" and codec in _TYPES:
            out = target.add_stream_from_template(stream, opaque=True)
            copy_tags(stream, out)
            packet = av.Packet(data)
            packet.stream, packet.time_base = out, stream.time_base
            packet.pts = packet.dts = 0
            packet.is_keyframe = True
            packets.append(packet)
        else:
            notes.append(
                f"left out: cover picture, which {target.format.name} cannot hold"
            )
    return packets, notes


def _read(path: Path, indices: list[int]) -> dict[int, bytes]:
    """Returns the covers by stream index; demuxers yield them before other packets."""
    covers: dict[int, bytes] = {}
    if indices:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            for packet in container.demux([container.streams[i] for i in indices]):
                if packet.size:
                    covers.setdefault(packet.stream_index, bytes(packet))
                if len(covers) == len(indices):
                    break
    return covers
