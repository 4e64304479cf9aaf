"""What a sample is drawn from: a sequence of stereo frames, decoded on demand."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np

from stereojax.records import Frames, Record, decode_record
from stereojax.synthetic import make_film


@runtime_checkable
class Clip(Protocol):
    """Frames that follow each other without a cut."""

    name: str  # for messages
    mirrors: bool  # whether the right view is as whole as the left

    def __len__(self) -> int: ...

    def frames(self, indices: np.ndarray) -> Frames: ...


@runtime_checkable
class Clips(Protocol):
    """Random access to clips."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Clip: ...


@dataclasses.dataclass(frozen=True)
class RecordClip:
    """A record; only the frames that are asked for are decoded."""

    record: Record

    @property
    def name(self) -> str:
        origin = self.record.provenance
        return f"{origin.source}, {origin.key}"

    @property
    def mirrors(self) -> bool:
        # The left view of a mono record has holes: it can be a source, not a truth.
        return self.record.provenance.kind == "stereo"

    def __len__(self) -> int:
        return len(self.record)

    def frames(self, indices: np.ndarray) -> Frames:
        return decode_record(self.record, [int(i) for i in indices])


@dataclasses.dataclass(frozen=True)
class SceneClip:
    """One shot of the synthetic renderer."""

    seed: int
    length: int
    height: int
    width: int
    disparity: float  # at most, % of the width
    mirrors: bool = True

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
        seen = [next(film.render(int(i), int(i) + 1)) for i in indices]

        def bytes_of(views: list[np.ndarray]) -> np.ndarray:
            return np.stack([np.rint(255 * v).astype(np.uint8) for v in views])

        return Frames(
            bytes_of([f.left for f in seen]),
            bytes_of([f.right for f in seen]),
            np.stack([f.disparity for f in seen]).astype(np.float32),
        )


@dataclasses.dataclass(frozen=True)
class Scenes:
    """As many scenes as wanted, each of its own seed, without a file."""

    count: int
    length: int
    height: int
    width: int
    disparity: float
    first: int = 0  # seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> SceneClip:
        return SceneClip(
            self.first + int(index),
            self.length,
            self.height,
            self.width,
            self.disparity,
        )


@dataclasses.dataclass(frozen=True)
class RecordClips:
    """A source of records as a source of clips."""

    records: object  # of `stereojax.records.open_records`

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> RecordClip:
        return RecordClip(self.records[int(index)])
