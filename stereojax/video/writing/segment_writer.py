"""Encodes one segment of the output: consecutive frames, decodable on their own.

A segment is a Matroska file whose timestamps are frame numbers. `mux.join_segments`
replaces the frame numbers by the source's timestamps, exactly and in any time base.
Equal frames and an equal `Encoding` give an equal file.
"""

import contextlib
import os
import queue
import threading
from pathlib import Path

import av
import numpy as np

from stereojax.cli import RunError, line_of
from stereojax.shapes import Shaped
from stereojax.storage.atomic import flush_to_disk, partial_path
from stereojax.video.color.rgb import FromRgb
from stereojax.video.stereo import stereo_tags
from stereojax.video.writing.encoding import Encoding
from stereojax.video.writing.formats import same_planes

_QUEUE_SIZE = 2  # pictures waiting for the encoder thread


class SegmentWriter:
    """Encodes pictures in a thread; `close` gives the finished file the name `path`.

    An encoder error is raised by the next `write` or by `close`. As a context manager,
    it closes at the end of the block, or aborts after an exception.
    """

    def __init__(self, path: Path, encoding: Encoding):
        self._path = Path(path)
        self._part = partial_path(self._path)
        self._encoding = encoding
        self._queue: queue.Queue = queue.Queue(_QUEUE_SIZE)
        self._error: BaseException | None = None
        self._abort = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(
        self,
        image: Shaped[np.ndarray, "h w 3"],  # both views, packed; uint8, or uint16
        decoded_left: av.VideoFrame | None = None,
    ) -> None:
        """Queues one packed picture; do not change `image` afterwards.

        A uint16 picture has the range 0 to 65535. `decoded_left` is the decoder's frame
        of the left view. If this frame is given and `encoding.left_corner` is not None,
        its planes replace the left view of `image`, without a conversion through RGB.
        """
        expected = (self._encoding.height, self._encoding.width, 3)
        if image.shape != expected:
            raise ValueError(f"picture has shape {image.shape}, expected {expected}")
        self._put((image, decoded_left))

    def close(self) -> None:
        """Waits for the encoder and renames the file to `path`."""
        self._put(None)
        self._thread.join()
        self._raise()
        self._part.replace(self._path)

    def abort(self) -> None:
        """Stops the encoder and deletes the unfinished file."""
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
                f" {self._encoding.pixel_format} failed: {line_of(self._error)}"
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
                image, decoded_left = item
                frame = to_frame(image)
                if decoded_left is not None and encoding.left_corner is not None:
                    _paste(decoded_left, frame, encoding)
                frame.pts, frame.time_base = number, 1 / encoding.rate
                # Let the encoder choose the frame type.
                frame.pict_type = 0
                output.mux(stream.encode(frame))
                number += 1
            if not self._abort.is_set():
                output.mux(stream.encode())


def _add_stream(
    output: av.container.OutputContainer, encoding: Encoding
) -> av.VideoStream:
    # SVT-AV1 prints its settings to stderr; only this variable prevents it.
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
    """Copies the decoded planes of the left view into the packed frame."""
    x, y = encoding.left_corner
    # If the source changes its format midway, the view converted from RGB is kept.
    if (source.width, source.height) != encoding.view_size or not same_planes(
        source.format.name, target.format.name
    ):
        return
    target.make_writable()
    for i in range(len({c.plane for c in target.format.components})):
        view, packed = _samples(source, i), _samples(target, i)
        left = x * packed.shape[1] // target.width
        top = y * packed.shape[0] // target.height
        packed[top : top + view.shape[0], left : left + view.shape[1]] = view


def _samples(frame: av.VideoFrame, index: int) -> Shaped[np.ndarray, "_h _w"]:
    """Returns a NumPy view of one plane's samples, without the padding of its rows."""
    plane = frame.planes[index]
    bits = max(c.bits for c in frame.format.components)
    dtype = np.uint8 if bits <= 8 else np.uint16
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]
