"""Opens a video file and selects its video stream."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av
from av.stream import Disposition

from stereojax import cli

# FFmpeg decodes any text file as terminal art with these demuxers.
_TEXT_DEMUXERS = {"tty", "bin", "adf", "idf", "xbin"}


@contextlib.contextmanager
def open_video(
    path: Path,
) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Yields the container and its first video stream that is not a cover picture.

    Raises `cli.InputError`, one line that names the file and the reason, if there is
    no stream to decode.
    """
    container = _open(path)
    try:
        yield container, _video_stream(container, path)
    finally:
        container.close()


def _open(path: Path) -> av.container.InputContainer:
    if path.is_dir():
        raise cli.InputError(f"{path}: expected a video file, it is a directory")
    if not path.exists():
        raise cli.InputError(f"{path}: no such file")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise cli.InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise cli.InputError(f"{path}: expected a video, the file is empty")
    try:
        # Without "file:", FFmpeg reads a name with a colon as a protocol.
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        if head[4:8] == b"ftyp":
            reason = (
                "its header (moov) cannot be read, perhaps because a recording or"
                " download stopped early: fetch the file again"
            )
        else:
            reason = "not a video, or its header is corrupt"
        raise cli.InputError(f"{path}: {reason} ({size} bytes)") from error
    if container.format.name in _TEXT_DEMUXERS:
        container.close()
        raise cli.InputError(f"{path}: expected a video, this looks like text")
    return container


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        types = sorted({stream.type for stream in container.streams})
        raise cli.InputError(
            f"{path}: has no video stream, only {', '.join(types) or 'nothing'}"
        )
    stream = streams[0]
    if stream.codec_context is None:
        raise cli.InputError(
            f"{path}: no decoder for the codec of its video stream;"
            " convert it to H.264 or HEVC first"
        )
    stream.thread_type = "AUTO"
    return stream


def format_time(seconds: float) -> str:
    """Returns the time as `1:02:03.400`, for messages."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}"
