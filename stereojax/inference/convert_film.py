"""Converts one film, stage by stage: index, depth, render, join.

Each stage's work stays in the work folder until the output is complete.
"""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.inference import contact_sheet, report
from stereojax.inference.choose_depth import DepthChoice, choose_depth
from stereojax.inference.choose_fill import FillChoice, choose_fill
from stereojax.inference.depth_stage import (
    DepthResult,
    copy_to_output,
    depth_of_film,
)
from stereojax.inference.film_depth import FilmDepth
from stereojax.inference.frame_source import FilmSource, FrameSource
from stereojax.inference.index_stage import FilmSpan, index_film
from stereojax.inference.inpainted_windows import InpaintedWindows
from stereojax.inference.outputs import OutputFile, plan_outputs
from stereojax.inference.render_stage import RenderedFilm, Renderer
from stereojax.inference.splat_grid import GridSource, picture_of
from stereojax.inference.temporal_window import TemporalFill
from stereojax.inpaint.fill import BackgroundFill, Fill
from stereojax.pipeline import RenderLook
from stereojax.settings import InferSettings, ModelSettings, diffusion
from stereojax.settings.run_options import RunOptions
from stereojax.settings.unread import (
    unread_for_film,
    unread_model_settings,
    unread_settings,
)
from stereojax.stage_types import VideoIndex, VideoInfo
from stereojax.storage import atomic
from stereojax.storage.hashing import content_hash
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.probe import probe
from stereojax.video.writing.mux import join_segments
from stereojax.windows import Segment, plan_segments

# Part of every key: raised when the same settings come to mean another picture.
VERSION = 2


@dataclasses.dataclass(frozen=True)
class Job:
    """The inputs and settings that the stages of one conversion share."""

    source: Path
    info: VideoInfo
    source_hash: str
    model: ModelSettings
    settings: InferSettings
    options: RunOptions
    depth: DepthChoice | None  # None: the film is a splat grid
    fill: FillChoice
    outputs: tuple[Path, ...]
    work: WorkFolder
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Records the seconds of a stage for the report."""
        began = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - began, 3)

    @property
    def look(self) -> RenderLook:
        return RenderLook.from_settings(self.settings, self.info.width)

    @property
    def key(self) -> str:
        """The key of the output: equal keys mean equal pictures and files."""
        extra_files = self.options.depth_only, self.options.debug_grid
        return key_of(self.inputs, self.model, self.settings, extra_files)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The inputs, besides the settings, that determine the pictures."""
        options = self.options
        depth = self.depth and self.depth.identity
        sources = (self.source_hash, depth, self.fill.identity)
        part = (options.preview, options.allow_truncated, options.splat_grid)
        return VERSION, sources, part


def convert_file(
    source: Path,
    output: Path,
    model: ModelSettings,
    settings: InferSettings,
    options: RunOptions,
) -> dict[str, Any]:
    """Converts one film and returns its report; see `convert`."""
    # The outputs are planned and checked before anything takes long.
    info = probe(source)
    if options.splat_grid:
        info = _picture_of_grid(info, options)
    if options.depth_only and output.suffix != ".mkv":
        raise InputError(f"--output={output}: --depth_only writes a .mkv file")
    files = plan_outputs(output, info, settings, options)
    outputs = (output,) if options.depth_only else tuple(f.path for f in files)
    if source.resolve() in [p.resolve() for p in outputs]:
        raise InputError(f"--output={output}: it is the input")
    fill = choose_fill(model, settings, options)
    depth = None
    if not options.splat_grid:
        depth = choose_depth(settings.depth_model, options, model)

    # The key needs the hash of the whole film, which takes seconds per gigabyte.
    folder = WorkFolder.of(output)
    source_hash = content_hash(source, label="hash of --input")
    job = Job(
        *(source, info, source_hash, model, settings, options),
        *(depth, fill, outputs, folder),
    )
    if report.is_complete(outputs, job.key):
        print(f"{outputs[0]} is complete already", file=sys.stderr)
        return atomic.read_json(report.path_of(outputs[0]))
    _refuse_to_replace(outputs, options)
    if not options.depth_only:
        fill.check(info)

    with folder.locked():
        print(f"work folder: {folder.root}", file=sys.stderr)
        _print_strength(job)
        content = _convert_depth(job) if options.depth_only else _convert(job, files)
    if not options.keep_work:
        folder.remove()
    return content


def _picture_of_grid(grid: VideoInfo, options: RunOptions) -> VideoInfo:
    for name in ("depth_path", "depth_only", "debug_grid", "preview"):
        if getattr(options, name):
            raise InputError(f"--splat_grid and --{name} do not go together: drop one")
    return picture_of(grid)


def _refuse_to_replace(outputs: tuple[Path, ...], options: RunOptions) -> None:
    for path in outputs:
        if path.exists() and not options.overwrite and not report.is_preview(path):
            raise InputError(
                f"--output={path} exists and was made from another input or with "
                "other settings; --overwrite replaces it"
            )


def _print_strength(job: Job) -> None:
    """Prints the published strength in this project's units."""
    settings, width = job.settings, job.info.width
    if settings.max_disp is not None and job.depth is not None:
        print(
            f"--max_disp={settings.max_disp:g} of {width} px width is "
            f"--divergence={job.look.divergence:.3g}, "
            f"--convergence={settings.convergence:g}",
            file=sys.stderr,
        )


def _convert_depth(job: Job) -> dict[str, Any]:
    """Writes the depth file alone; returns the report."""
    span, segments = _index(job)
    with job.timed("depth"):
        depth = depth_of_film(span, segments, job.depth, job.work)
    _print_unread(job, depth)
    shots = [
        {"start": s["start"], "stop": s["stop"], "depth": s["percentiles"]}
        for s in depth.file.shots
    ]
    content = _report(job, depth, len(span.index), depth.reused) | {"shots": shots}
    return _finish(job, content, copy_to_output(depth.file, job.outputs[0]))


def _convert(job: Job, files: tuple[OutputFile, ...]) -> dict[str, Any]:
    """Runs all stages; returns the report."""
    span, segments = _index(job)
    index = span.index
    depth, source = None, GridSource(index)
    if job.depth is not None:
        with job.timed("depth"):
            depth = depth_of_film(span, segments, job.depth, job.work)
            source = FilmSource(index, _film_depth(job, index, depth))
    _print_unread(job, depth)

    with job.timed("render"):
        fill = _load_fill(job, source)
        reused = {}
        if isinstance(fill, InpaintedWindows):
            reused["fill"] = fill.frames_on_disk()
        renderer = Renderer(source, job.look, fill, job.settings, files)
        key = key_of(job.key, [f.encoding for f in files])
        rendered = renderer.film(segments, job.work.stage("render", key))

    with job.timed("join"):
        parts, notes = _join(job, files, rendered, index)
    for note in notes:
        print(note, file=sys.stderr)

    reused["render"] = rendered.reused
    if depth:
        reused["depth"] = depth.reused
    content = _report(job, depth, len(index), max(reused.values())) | {
        "notes": notes,
        "reused": reused,
        "splat": renderer.splat,
        "shots": report.shots_of(index, rendered.by_shot),
    }
    if job.options.preview:
        content["contact_sheet"] = contact_sheet.write(renderer, segments, job.outputs)
    return _finish(job, content, parts)


def _index(job: Job) -> tuple[FilmSpan, tuple[Segment, ...]]:
    with job.timed("index"):
        span = index_film(job.source, job.info, job.source_hash, job.options, job.work)
    return span, plan_segments(span.index.shots, job.settings.segment_frames)


def _film_depth(job: Job, index: VideoIndex, depth: DepthResult) -> FilmDepth:
    settings = job.settings
    percents = settings.depth_low, settings.depth_high
    return FilmDepth.measure(
        depth.file, index, percents, depth.offset, steady=settings.depth_steady
    )


def _load_fill(job: Job, source: FrameSource) -> Fill:
    if not job.fill.networks:
        background = BackgroundFill()
        if job.settings.temporal_fill and not job.options.splat_grid:
            return TemporalFill(source, job.look, background)
        return background
    # The key has no codec and no layout: a change of these needs no new pictures.
    names = (*diffusion.NAMES, "depth_low", "depth_high", "depth_steady")
    settings = {name: getattr(job.settings, name) for name in names}
    folder = job.work.stage("fill", key_of(job.inputs, job.model, settings, job.look))
    # A preview's contact sheet reads the windows again, and so does another look.
    keep = job.options.preview is not None or job.options.keep_work
    return InpaintedWindows(
        source, job.look, job.fill.load(), job.settings.seed, folder, keep
    )


def _join(
    job: Job,
    files: tuple[OutputFile, ...],
    rendered: RenderedFilm,
    index: VideoIndex,
) -> tuple[dict[Path, Path], list[str]]:
    """Joins the segments of each output with the source's other streams.

    Returns:
      The partial file of each output, and notes for the user.
    """
    notes = {note for f in files for note in f.encoding.notes}
    excerpt = job.options.preview is not None
    parts = {}
    for file in files:
        segments = rendered.files[file.name]
        parts[file.path] = part = atomic.partial_path(file.path)
        notes |= set(
            join_segments(
                segments, index, part, encoding=file.encoding, excerpt=excerpt
            )
        )
    return parts, sorted(notes)


def _report(
    job: Job, depth: DepthResult | None, frames: int, reused: int
) -> dict[str, Any]:
    """Returns the entries that the reports of a film and of a depth file share."""
    about_depth, depth_model = "of a splat grid", ""
    if depth:
        depth_model = depth.file.model
        about_depth = {"model": depth_model, "units": depth.file.units}
    unread = unread_settings(job.model, job.settings) | _unread_for_film(job, depth)
    return {
        "key": job.key,
        "versions": report.versions(),
        "device": report.device(),
        "input": str(job.source),
        "outputs": [p.name for p in job.outputs],
        "model": _read(job.model, unread_model_settings(job.model, depth_model)),
        "settings": _read(job.settings, unread),
        "options": job.options,
        "depth": about_depth,
        "preview": job.options.preview,
        "frames_total": frames,
        "frames_reused": reused,
        "seconds": job.seconds,
    }


def _unread_for_film(job: Job, depth: DepthResult | None) -> dict[str, str]:
    """Returns the settings that this film does not read, each with the reason."""
    options = job.options
    film = {"splat_grid": options.splat_grid, "depth_only": options.depth_only}
    film["background_fill"] = not job.fill.networks
    if depth is not None:
        film["units"] = depth.file.units
        film["per_frame_scale"] = depth.file.per_frame_scale
    return unread_for_film(**film)


def _print_unread(job: Job, depth: DepthResult | None) -> None:
    """Names the given settings that have no effect on this film."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in _unread_for_film(job, depth).items():
        if name in job.options.given:
            by_reason.setdefault(reason, []).append(f"--{name}")
    for reason, names in by_reason.items():
        print(f"no effect: {', '.join(names)}: {reason}", file=sys.stderr)


def _read(settings: Any, unread: Collection[str]) -> dict[str, Any]:
    """Returns the fields of a dataclass without the unread ones."""
    fields = dataclasses.asdict(settings)
    return {name: value for name, value in fields.items() if name not in unread}


def _finish(
    job: Job, content: dict[str, Any], parts: dict[Path, Path]
) -> dict[str, Any]:
    """Writes the report, then gives the finished files their names.

    The report goes first: it holds the sizes of the outputs, so a crash between the two
    leaves nothing that passes for complete.
    """
    for part in parts.values():
        atomic.flush_to_disk(part)
    sizes = [parts[p].stat().st_size for p in job.outputs]
    path = report.path_of(job.outputs[0])
    atomic.write_json(path, content | {"bytes": sizes})
    for output, part in parts.items():
        part.replace(output)
    return atomic.read_json(path)
