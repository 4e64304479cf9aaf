"""Encodes one segment of the output: a run of frames, closed, decodable on its own.

A segment file is Matroska with its frames counted, not timed: the real timestamps are
in the source's index, and `mux.join` puts them back exactly, whatever their time base.
Equal frames and an equal `Encoding` give an equal file.
"""

import contextlib
import os
import queue
import threading
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError
from stereojax.shapes import Shaped
from stereojax.storage.atomic import flush_to_disk, partial_path
from stereojax.video.color.color import FromRgb
from stereojax.video.stereo import stereo_tags
from stereojax.video.writing.encoding import Encoding
from stereojax.video.writing.formats import same_planes

_WAITING = 2  # pictures between the caller and the encoder's thread


class SegmentWriter:
    """Encodes pictures in a thread of its own; the file appears when `close` returns.

    Until then it is `path` + ".part". A failure of the encoder is raised by the next
    `write` or by `close`. As a context manager it closes, or after an exception aborts.
    """

    def __init__(self, path: Path, encoding: Encoding):
        self._path = Path(path)
        self._part = partial_path(self._path)
        self._encoding = encoding
        self._queue: queue.Queue = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._abort = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(
        self,
        image: Shaped[np.ndarray, "h w 3"],  # uint8, or uint16 of full scale; packed
        coded_left: av.VideoFrame | None = None,
    ) -> None:
        """Adds one packed picture; do not change `image` afterwards.

        Where `encoding.left_corner` is not None and `coded_left` is given (the decoded
        frame itself), its planes replace the left view: no way through RGB.
        """
        expected = (self._encoding.height, self._encoding.width, 3)
        if image.shape != expected:
            raise ValueError(f"picture is {image.shape}, the segment's are {expected}")
        self._put((image, coded_left))

    def close(self) -> None:
        """Waits for the encoder and gives the file its name."""
        self._put(None)
        self._thread.join()
        self._raise()
        self._part.replace(self._path)

    def abort(self) -> None:
        """Stops and leaves nothing behind."""
        self._abort.set()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=0.05)
            self._thread.join(0.05)
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _put(self, item: tuple | None) -> None:
        while self._error is None:
            try:
                return self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            self._thread.join()
            self._part.unlink(missing_ok=True)
            raise RunError(
                f"encoding {self._path.name} as {self._encoding.codec}"
                f" {self._encoding.pixel_format} failed: {self._error}"
            ) from self._error

    def _run(self) -> None:
        try:
            with self._part.open("wb") as file:
                self._encode(file)
            flush_to_disk(self._part)
        except BaseException as error:
            self._error = error

    def _encode(self, file: object) -> None:
        encoding = self._encoding
        to_frame = FromRgb(encoding.pixel_format, encoding.color)
        with av.open(file, "w", format="matroska") as output:
            output.flags |= av.container.Flags.bitexact.value  # no random identifiers
            stream = _add_stream(output, encoding)
            number = 0
            while (item := self._queue.get()) is not None and not self._abort.is_set():
                image, coded_left = item
                frame = to_frame(image)
                if coded_left is not None and encoding.left_corner is not None:
                    _paste(coded_left, frame, encoding)
                frame.pts, frame.time_base = number, 1 / encoding.rate
                # The encoder's choice, not that of the decoded frame.
                frame.pict_type = 0
                output.mux(stream.encode(frame))
                number += 1
            if not self._abort.is_set():
                output.mux(stream.encode())


def _add_stream(
    output: av.container.OutputContainer, encoding: Encoding
) -> av.VideoStream:
    # SVT-AV1 prints its settings to stderr and takes no option against it.
    os.environ.setdefault("SVT_LOG", "1")
    stream = output.add_stream(
        encoding.encoder, rate=encoding.rate, options=dict(encoding.options)
    )
    stream.width, stream.height = encoding.width, encoding.height
    stream.pix_fmt = encoding.pixel_format
    context = stream.codec_context
    context.time_base = 1 / encoding.rate
    context.sample_aspect_ratio = encoding.sample_aspect
    context.color_primaries = encoding.color.primaries
    context.color_trc = encoding.color.transfer
    context.colorspace = encoding.color.matrix
    context.color_range = 2 if encoding.color.full_range else 1
    mode = stereo_tags.stereo_mode(encoding.layout)
    if mode is not None:
        stream.metadata["stereo_mode"] = mode
    return stream


def _paste(source: av.VideoFrame, target: av.VideoFrame, encoding: Encoding) -> None:
    """Copies the source's planes into the target's, where the left view is."""
    x, y = encoding.left_corner
    # A stream may change on the way; then the view's RGB stays, which is there already.
    if (source.width, source.height) != encoding.view_size or not same_planes(
        source.format.name, target.format.name
    ):
        return
    target.make_writable()
    for i in range(len({c.plane for c in target.format.components})):
        part, whole = _pixels(source, i), _pixels(target, i)
        left = x * whole.shape[1] // target.width
        top = y * whole.shape[0] // target.height
        whole[top : top + part.shape[0], left : left + part.shape[1]] = part


def _pixels(frame: av.VideoFrame, index: int) -> Shaped[np.ndarray, "_h _w"]:
    plane = frame.planes[index]
    bits = max(c.bits for c in frame.format.components)
    kind = np.uint8 if bits <= 8 else np.uint16
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width]
