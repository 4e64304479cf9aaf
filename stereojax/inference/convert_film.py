"""One film from file to file: each stage's work stays on disk until all is done."""

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stereojax.cli import InputError
from stereojax.inference import contact_sheet, report
from stereojax.inference.choose_depth import DepthChoice, choose
from stereojax.inference.choose_fill import FillChoice, choose_fill
from stereojax.inference.depth_stage import (
    Disparity,
    FilmDepth,
    depth_of_film,
    publish,
)
from stereojax.inference.index_stage import index_film
from stereojax.inference.inpainted_windows import GeneratedViews
from stereojax.inference.outputs import Target, plan_targets
from stereojax.inference.render_stage import Renderer
from stereojax.inference.splat_grid import GridWarper, picture_of
from stereojax.inference.warp import Warper
from stereojax.pipeline import Look
from stereojax.settings import InferSettings, ModelSettings, diffusion
from stereojax.settings.run_options import Options
from stereojax.stage_types import VideoInfo
from stereojax.storage import atomic
from stereojax.storage.hashing import content_hash
from stereojax.storage.work_folder import WorkFolder, key_of
from stereojax.video.reading.probe import probe
from stereojax.video.writing.mux import join_segments
from stereojax.windows import plan_segments

# Part of every key: raise it when the same settings come to mean another picture.
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Job:
    """All that the stages of one conversion share."""

    source: Path
    info: VideoInfo
    source_hash: str
    model: ModelSettings
    settings: InferSettings
    options: Options
    depth: DepthChoice | None  # None where the film holds its splats
    fill: FillChoice
    outputs: tuple[Path, ...]
    work: WorkFolder
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[stage] = round(time.monotonic() - began, 3)

    @property
    def key(self) -> str:
        """The same key, the same output."""
        how = self.options
        more = how.depth_only, how.debug_grid
        return key_of(self.inputs, self.model, self.settings, more)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What all pictures are made from, whatever they are to look like."""
        depth, how = self.depth and self.depth.identity, self.options
        given = (self.source_hash, depth, self.fill.identity)
        return VERSION, given, (how.preview, how.allow_truncated, how.splat_grid)


def convert_file(
    source: Path,
    output: Path,
    model: ModelSettings,
    settings: InferSettings,
    options: Options,
) -> dict[str, Any]:
    """Converts one film and returns its report; see `convert`."""
    info = probe(source)
    if options.splat_grid:
        info = _picture_of_grid(info, options)
    if options.depth_only and output.suffix != ".mkv":
        raise InputError(f"--output={output}: --depth_only writes a .mkv file")
    targets = plan_targets(output, info, settings, options)
    outputs = (output,) if options.depth_only else tuple(t.output for t in targets)
    if source.resolve() in [p.resolve() for p in outputs]:
        raise InputError(f"--output={output}: it is the input")
    fill = choose_fill(model, settings, options)
    depth = None
    if not options.splat_grid:
        depth = choose(settings.depth_model, options, model)
    folder = WorkFolder.beside(output)
    digest = content_hash(source)
    job = Job(
        *(source, info, digest, model, settings, options),
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
        if settings.max_disp is not None and depth is not None:
            percent = Look.of(settings, info.width).divergence
            print(
                f"--max_disp={settings.max_disp:g} of {info.width} px width is "
                f"--divergence={percent:.3g}, --convergence={settings.convergence:g}",
                file=sys.stderr,
            )
        content = _depth_only(job) if options.depth_only else _film(job, targets)
    if not options.keep_work:
        folder.remove()
    return content


def _refuse_to_replace(outputs: tuple[Path, ...], options: Options) -> None:
    for path in outputs:
        if path.exists() and not options.overwrite and not report.is_preview(path):
            raise InputError(
                f"--output={path} exists and was made from another input or with "
                "other settings; --overwrite replaces it"
            )


def _depth_only(job: Job) -> dict[str, Any]:
    with job.timed("index"):
        span = index_film(job.source, job.info, job.source_hash, job.options, job.work)
    segments = plan_segments(span.index.shots, job.settings.segment_frames)
    with job.timed("depth"):
        depth = depth_of_film(span, segments, job.depth, job.work)
    output = job.outputs[0]
    shots = [
        {"start": s["start"], "stop": s["stop"], "depth": s["percentiles"]}
        for s in depth.file.shots
    ]
    content = _report(job, depth, len(span.index), depth.reused) | {"shots": shots}
    return _finish(job, content, publish(depth.file, output))


def _film(job: Job, targets: tuple[Target, ...]) -> dict[str, Any]:
    settings = job.settings
    with job.timed("index"):
        span = index_film(job.source, job.info, job.source_hash, job.options, job.work)
    index = span.index
    segments = plan_segments(index.shots, settings.segment_frames)
    look = Look.of(settings, job.info.width)
    depth = None
    if job.depth is None:
        warper = GridWarper(index, look)
    else:
        with job.timed("depth"):
            depth = depth_of_film(span, segments, job.depth, job.work)
            percents = settings.depth_low, settings.depth_high
            steady = settings.depth_steady
            disparity = Disparity.of(
                depth.file, index, percents, depth.offset, steady=steady
            )
        warper = Warper(index, disparity, look)
    with job.timed("render"):
        generated = _generated(job, warper)
        ready = generated.there() if generated else 0
        renderer = Renderer(warper, settings, targets, generated)
        key = key_of(job.key, [t.encoding for t in targets])
        rendered = renderer.film(segments, job.work.stage("render", key))
    notes = {note for t in targets for note in t.encoding.notes}
    parts = {}
    with job.timed("join"):
        for target in targets:
            files = rendered.files[target.name]
            parts[target.output] = part = atomic.partial_path(target.output)
            excerpt = job.options.preview is not None
            notes |= set(
                join_segments(
                    files, index, part, encoding=target.encoding, excerpt=excerpt
                )
            )
    for note in sorted(notes):
        print(note, file=sys.stderr)
    reused = {"render": rendered.reused}
    if depth:
        reused["depth"] = depth.reused
    if generated:
        reused["fill"] = ready
    content = _report(job, depth, len(index), max(reused.values())) | {
        "notes": sorted(notes),
        "reused": reused,
        "splat": renderer.splat,
        "shots": report.shots_of(index, rendered.by_shot),
    }
    if job.options.preview:
        content["contact_sheet"] = contact_sheet.write(renderer, segments, job.outputs)
    return _finish(job, content, parts)


def _picture_of_grid(grid: VideoInfo, options: Options) -> VideoInfo:
    for name in ("depth_path", "depth_only", "debug_grid", "preview"):
        if getattr(options, name):
            raise InputError(f"--splat_grid and --{name} do not go together: drop one")
    return picture_of(grid)


def _generated(job: Job, warper: Warper | GridWarper) -> GeneratedViews | None:
    if not job.fill.networks:
        return None
    look = {name: getattr(job.settings, name) for name in diffusion.NAMES}
    names = ("depth_low", "depth_high", "depth_steady")
    look |= {name: getattr(job.settings, name) for name in names}
    # Not of the codec or the layout: another one needs no new pictures.
    key = key_of(job.inputs, job.model, look, warper.look)
    # A preview's contact sheet reads them again, and so does another look.
    keep = job.options.preview is not None or job.options.keep_work
    folder = job.work.stage("fill", key)
    return GeneratedViews(warper, job.fill.load(), job.settings.seed, folder, keep)


def _report(
    job: Job, depth: FilmDepth | None, frames: int, reused: int
) -> dict[str, Any]:
    how = "of a splat grid"
    if depth:
        how = {"model": depth.file.model, "units": depth.file.units}
    return {
        "key": job.key,
        "versions": report.versions(),
        "device": report.device(),
        "input": str(job.source),
        "outputs": [p.name for p in job.outputs],
        "model": job.model,
        "settings": job.settings,
        "options": job.options,
        "depth": how,
        "preview": job.options.preview,
        "frames_total": frames,
        "frames_reused": reused,
        "seconds": job.seconds,
    }


def _finish(
    job: Job, content: dict[str, Any], parts: dict[Path, Path]
) -> dict[str, Any]:
    """Gives the finished files their names.

    The report goes first: it says how large the outputs are, so one that never got its
    name does not pass for complete.
    """
    sizes = [parts[p].stat().st_size for p in job.outputs]
    path = report.path_of(job.outputs[0])
    atomic.write_json(path, content | {"bytes": sizes})
    for output, part in parts.items():
        part.replace(output)
    return atomic.read_json(path)
