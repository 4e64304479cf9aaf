"""Converts one film, or each film of a folder."""

import dataclasses
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.inference import convert_folder
from stereojax.inference.convert_film import convert_file
from stereojax.settings import InferSettings, ModelSettings, resolve
from stereojax.settings.run_options import RunOptions
from stereojax.video.writing.output_name import output_name


def convert(
    input: str | Path, output: str | Path, *, config: str = "fast", **settings: Any
) -> dict[str, Any]:
    """Converts one film, as `python -m stereojax.infer` does.

    Args:
      input: a video file.
      output: the file to write; its folder must exist.
      config: a shipped config or a path, `NAME:VARIANT`.
      settings: any field of `InferSettings` (the look of the picture) and of
        `RunOptions` (inputs, outputs and files of the run), by name.

    Returns:
      The report, which is also written to `OUTPUT.json`.

    Raises:
      InputError: an argument or a file cannot be used; the message is one line.
      RunError: a failure while running. The same call resumes the conversion.
    """
    names = {f.name for f in dataclasses.fields(RunOptions)}
    options = {k: v for k, v in settings.items() if k in names}
    for name in ("depth_path", "weights_dir"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    look = {k: v for k, v in settings.items() if k not in names}
    depth_given = options.get("depth_path") is not None
    model, infer = resolve(config, look, depth_given=depth_given)
    return convert_file(
        Path(input),
        Path(output),
        model,
        infer,
        RunOptions(given=tuple(look), **options),
    )


def convert_path(
    source: Path,
    output: Path,
    model: ModelSettings,
    settings: InferSettings,
    options: RunOptions,
    into_folder: bool = False,
) -> int:
    """Converts a file, or each film of a folder; returns the exit code.

    `into_folder`: `output` is a folder, even if `source` is a file.
    """
    if source.is_dir():
        if options.depth_path is not None:
            raise InputError("--depth_path goes with one film; --input is a folder")
        if output.is_file():
            raise InputError(f"--output={output}: expected a folder, as --input is one")
        films = convert_folder.videos_in(source)
    else:
        films = [source]
        if not (into_folder or output.is_dir()):
            convert_file(source, output, model, settings, options)
            return 0
    output.mkdir(parents=True, exist_ok=True)

    def convert_one(film: Path) -> None:
        name = output_name(film, settings.layout, settings.anaglyph, settings.codec)
        convert_file(film, output / name, model, settings, options)

    if source.is_dir():
        return convert_folder.convert_each(films, convert_one)
    convert_one(source)
    return 0
