"""Exports converted weights to folders that diffusers and transformers load.

python -m convert_weights.export --source DIR --output DIR

A part is the folder of one converted network, such as WEIGHTS/stereocrafter/unet. The
source is a part, or a folder of parts such as WEIGHTS/svd; each of these parts is
exported to a folder of the same name below the output. Values and dtypes of the arrays
are kept.
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
      InputError: `source` contains no part, a part cannot be exported, or its output
        folder exists.
    """
    source, output = Path(source).expanduser(), Path(output).expanduser()
    return [
        _export(folder, output / folder.relative_to(source))
        for folder in parts_below(source)
    ]


def parts_below(source: Path) -> list[Path]:
    """Returns `source` if it is a part, else the parts up to two levels below it.

    Raises:
      InputError: `source` contains no part.
    """
    if (source / CONFIG).is_file():
        return [source]
    parts = sorted(
        f.parent for glob in ("*", "*/*") for f in source.glob(f"{glob}/{CONFIG}")
    )
    if not parts:
        raise cli.InputError(
            f"--source={source}: contains no converted weights; expected a folder that "
            "python -m convert_weights has written"
        )
    return parts


def _export(folder: Path, output: Path) -> Path:
    config, state = weights.load(folder)
    return write_folder(output, config["class"], config["sizes"], state)


def _run() -> None:
    if not _SOURCE.value or not _OUTPUT.value:
        raise cli.InputError("--source and --output are required; expected two folders")
    for folder in export(_SOURCE.value, _OUTPUT.value):
        print(f"wrote {folder}")


if __name__ == "__main__":
    _SOURCE = flags.DEFINE_string("source", None, "folder of one part, or of several")
    _OUTPUT = flags.DEFINE_string("output", None, "new folder to export to")
    cli.main(_run)
