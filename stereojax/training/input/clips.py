"""Clips: sequences of stereo frames, decoded on demand."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.records import Frames, Record, decode_record
from stereojax.synthetic import make_film


@runtime_checkable
class Clip(Protocol):
    """Consecutive stereo frames without a cut."""

    name: str  # for error messages
    can_mirror: bool  # False if the left view has holes

    def __len__(self) -> int: ...

    def frames(self, indices: np.ndarray) -> Frames: ...


@runtime_checkable
class Clips(Protocol):
    """Random access to clips."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Clip: ...


@dataclasses.dataclass(frozen=True)
class RecordClip:
    """A clip of a record; decodes only the requested frames."""

    record: Record

    @property
    def name(self) -> str:
        origin = self.record.provenance
        return f"{origin.source}, {origin.key}"

    @property
    def can_mirror(self) -> bool:
        # The left view of a mono record has holes, so it cannot be the true right view.
        return self.record.provenance.kind == "stereo"

    def __len__(self) -> int:
        return len(self.record)

    def frames(self, indices: np.ndarray) -> Frames:
        return decode_record(self.record, [int(i) for i in indices])


@dataclasses.dataclass(frozen=True)
class SceneClip:
    """A clip of one rendered synthetic shot."""

    seed: int
    length: int
    height: int
    width: int
    disparity: float  # largest, in % of the width
    can_mirror: bool = True

    @property
    def name(self) -> str:
        return f"scene {self.seed}"

    def __len__(self) -> int:
        return self.length

    def frames(self, indices: np.ndarray) -> Frames:
        film = make_film(
            self.seed,
            frames=self.length,
            height=self.height,
            width=self.width,
            shots=1,
            max_disparity_percent=self.disparity,
        )
        frames = [next(film.render(int(i), int(i) + 1)) for i in indices]

        def to_uint8(views: list[np.ndarray]) -> np.ndarray:
            return np.stack([np.rint(255 * v).astype(np.uint8) for v in views])

        return Frames(
            to_uint8([f.left for f in frames]),
            to_uint8([f.right for f in frames]),
            np.stack([f.disparity for f in frames]).astype(np.float32),
        )


@dataclasses.dataclass(frozen=True)
class Scenes:
    """Synthetic clips, rendered on demand, each from its own seed."""

    count: int
    length: int
    height: int
    width: int
    disparity: float
    first_seed: int = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> SceneClip:
        return SceneClip(
            self.first_seed + int(index),
            self.length,
            self.height,
            self.width,
            self.disparity,
        )


@dataclasses.dataclass(frozen=True)
class RecordClips:
    """The clips of a dataset's records."""

    records: object  # returned by `stereojax.records.open_records`

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> RecordClip:
        return RecordClip(self.records[int(index)])
