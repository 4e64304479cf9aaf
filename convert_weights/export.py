"""Exports converted weights to folders that diffusers and transformers load.

python -m convert_weights.export --source DIR --output DIR

The source is the folder of a converted network (such as WEIGHTS/stereocrafter/unet) or
a folder of several (WEIGHTS/svd), which are exported to subfolders of the output with
the same names. Values and dtypes of the arrays are kept.
"""

from pathlib import Path

from absl import flags

from convert_weights.diffusers_folder import write_folder
from stereojax import cli, weights
from stereojax.weights.root import CONFIG


def export(source: str | Path, output: str | Path) -> list[Path]:
    """Exports the converted network at `source`, or all those below it, to `output`.

    Returns:
      The folders written.

    Raises:
      InputError: there is no converted network, one cannot be exported, or the output
        exists.
    """
    source, output = Path(source).expanduser(), Path(output).expanduser()
    return [
        _export(folder, output / folder.relative_to(source))
        for folder in _converted_folders(source)
    ]


def _converted_folders(source: Path) -> list[Path]:
    """Returns the folders of converted networks at `source` or two levels below it.

    Raises:
      InputError: there is no converted network.
    """
    if (source / CONFIG).is_file():
        return [source]
    folders = sorted(
        f.parent for glob in ("*", "*/*") for f in source.glob(f"{glob}/{CONFIG}")
    )
    if not folders:
        raise cli.InputError(
            f"--source={source}: contains no converted weights; expected a folder that "
            "python -m convert_weights has written"
        )
    return folders


def _export(folder: Path, output: Path) -> Path:
    config, state = weights.load(folder)
    return write_folder(output, config["class"], config["sizes"], state)


def _run() -> None:
    if not _SOURCE.value or not _OUTPUT.value:
        raise cli.InputError("--source and --output are required; expected two folders")
    for folder in export(_SOURCE.value, _OUTPUT.value):
        print(f"wrote {folder}")


if __name__ == "__main__":
    _SOURCE = flags.DEFINE_string(
        "source", None, "folder of one converted network, or of several"
    )
    _OUTPUT = flags.DEFINE_string("output", None, "new folder to export to")
    cli.main(_run)
