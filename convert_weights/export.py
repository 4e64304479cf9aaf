"""Takes converted weights back to folders that diffusers and transformers load.

python -m convert_weights.export --source DIR --output DIR

The source is a part (a folder such as WEIGHTS/stereocrafter/unet) or a folder of parts
(WEIGHTS/svd), whose folders are then made below the output. Arrays stay as they are.
"""

from pathlib import Path

from absl import flags

from convert_weights.diffusers_folder import write_folder
from stereojax import cli, weights
from stereojax.weights.root import CONFIG


def export(source: str | Path, output: str | Path) -> list[Path]:
    """Exports the part at `source`, or every part below it, to `output`.

    Returns:
      The folders written.

    Raises:
      InputError: there is no part, one cannot be exported, or the output is there.
    """
    source, output = Path(source).expanduser(), Path(output).expanduser()
    return [
        _export(folder, output / folder.relative_to(source))
        for folder in parts_below(source)
    ]


def parts_below(source: Path) -> list[Path]:
    """`source` if it is a part, else the parts in it.

    Raises:
      InputError: there is none.
    """
    if (source / CONFIG).is_file():
        return [source]
    found = sorted(
        f.parent for glob in ("*", "*/*") for f in source.glob(f"{glob}/{CONFIG}")
    )
    if not found:
        raise cli.InputError(
            f"--source={source}: no converted weights there; expected a folder that "
            "python -m convert_weights has written"
        )
    return found


def _export(folder: Path, output: Path) -> Path:
    config, state = weights.load(folder)
    return write_folder(output, config["class"], config["sizes"], state)


def _run() -> None:
    if not _SOURCE.value or not _OUTPUT.value:
        raise cli.InputError("--source and --output: expected a folder each")
    for folder in export(_SOURCE.value, _OUTPUT.value):
        print(f"wrote {folder}")


if __name__ == "__main__":
    _SOURCE = flags.DEFINE_string("source", None, "part, or folder of parts")
    _OUTPUT = flags.DEFINE_string("output", None, "folder to write")
    cli.main(_run)
