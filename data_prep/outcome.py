"""How a film's work ended, as the one JSON file that makes it count as finished."""

import base64
import dataclasses
from pathlib import Path
from typing import Any

from data_prep.film_summary import Sample, Summary
from stereojax.storage import atomic


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A film that nothing is taken from, whenever it is asked for again."""

    source: str  # file name
    source_hash: str
    name: str  # to count by: "mono", "fake_stereo", ...
    message: str


Outcome = Summary | Refusal


def write(path: Path, outcome: Outcome) -> None:
    """Writes beside and renames."""
    content = dataclasses.asdict(outcome)
    for sample in content.get("samples", ()):
        sample["thumbnail"] = base64.b64encode(sample["thumbnail"]).decode()
    atomic.write_json(path, {type(outcome).__name__.lower(): content})


def parse(content: dict[str, Any]) -> Outcome:
    """From what `write` wrote.

    Raises:
      KeyError, TypeError: this is something else.
    """
    if "refusal" in content:
        return Refusal(**content["refusal"])
    fields = content["summary"]
    samples = (
        Sample(
            **sample
            | {
                "thumbnail": base64.b64decode(sample["thumbnail"]),
                "disparities": tuple(sample["disparities"]),
            }
        )
        for sample in fields["samples"]
    )
    return Summary(
        **fields | {"shots": tuple(fields["shots"]), "samples": tuple(samples)}
    )
