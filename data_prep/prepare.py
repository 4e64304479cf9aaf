"""Makes a dataset: films, work folder, shards, dataset, report."""

import collections
import contextlib
import dataclasses
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from data_prep.beam import Runner, process_films, write_shards
from data_prep.dataset import (
    VERSION,
    dataset_digest,
    dataset_films,
    is_complete,
    write_dataset_info,
)
from data_prep.film_task import (
    DUPLICATE,
    REFUSED,
    STATUSES,
    FilmResult,
    ProcessFilm,
    resolve_depth_model,
)
from data_prep.films import find_films
from data_prep.shards import (
    NAME,
    FinishedFilm,
    ShardPlan,
    plan_shards,
    remove_partial_shards,
)
from data_prep.subprocess_worker import SHARED_WORKER, WorkerDied
from data_prep.work_store import WorkStore
from stereojax.cli import InputError, RunError
from stereojax.settings.data import DataSettings
from stereojax.storage.atomic import write_json
from stereojax.storage.work_folder import WorkFolder

REPORT = "report.json"


def prepare(
    location: str,
    output: str,
    settings: DataSettings,
    runner: Runner,
    *,
    isolated: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Makes the dataset of the films at `location` in the folder `output`.

    Films that an earlier run finished are reused: see `work_store`. Returns the content
    of `report.json`.

    Args:
      location: a film, a folder of films or a pattern.
      output: the folder of the dataset, the work folder and the report.
      settings: the settings of data preparation.
      runner: runs the Beam pipelines.
      isolated: process films in a subprocess, so that a crash costs one film only.
      overwrite: replace an existing dataset even if this run keeps fewer of its films.

    Raises:
      InputError: there are no films, all were refused, or the existing dataset has
        films that this run does not keep.
      RunError: no sequence was kept, or a shard cannot be written.
    """
    # Check everything that would fail after hours of work.
    films = find_films(location)
    root = epath.Path(output).expanduser()
    _check_file_format(settings, os.fspath(root))
    settings, depth = _resolve_depth(settings, isolated)

    store = WorkStore(root / "work")
    with _locked(store):
        # Process the films; finished films are read from the work folder.
        store.remove_partial()
        process = ProcessFilm(settings, os.fspath(store.root), isolated, depth)
        results = process_films(films, process, runner)
        SHARED_WORKER.stop()
        _print_messages(results)

        # Plan the shards, and report the films even if no record was kept.
        plans = _plan(results, settings)
        report = _report(results, plans, settings)
        if not plans:
            write_json(root / REPORT, report)
            raise _nothing_kept(results, report["counters"])

        # Write the shards. The report is saved first, in case they fail.
        folder = root / NAME / VERSION
        kept_films = {r.source_hash: r.path for r in results if len(r.offsets) > 1}
        if not overwrite:
            _check_replaceable(folder, kept_films)
        write_json(root / REPORT, report)
        report["shards_written"] = _write_dataset(
            folder, plans, store, settings, runner, kept_films
        )
        report["dataset"] = f"{NAME}/{VERSION}"
        write_json(root / REPORT, report)
    return report


def _check_file_format(settings: DataSettings, output: str) -> None:
    """Checks that shards of the file format can be written to `output`."""
    array_record = settings.file_format == "array_record"
    if array_record and "://" in output:
        raise InputError(
            f"--output={output}: ArrayRecord is written to local folders only; expected"
            " one, or --config.file_format=tfrecord"
        )
    for package in ("tensorflow_datasets", *["array_record"] * array_record):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"{package} is not installed; run: pip install 'stereojax[data]'"
            )


def _resolve_depth(settings: DataSettings, isolated: bool) -> tuple[DataSettings, str]:
    """Replaces `auto` by the depth model's name; returns the model's identity too.

    The identity includes the weights: other weights make other records.
    """
    if settings.kind != "mono":
        return settings, ""
    name = settings.depth_model
    if name == "file":
        raise InputError(
            f"--config.depth_model={name}: expected auto, prior or a model: films of"
            " training data have no depth files"
        )
    try:
        resolved = (
            SHARED_WORKER.call(resolve_depth_model, name)
            if isolated
            else resolve_depth_model(name)
        )
    except WorkerDied as error:
        raise RunError(f"--config.depth_model={name}: {error}") from error
    if isinstance(resolved, Exception):
        raise resolved
    name, identity = resolved
    return dataclasses.replace(settings, depth_model=name), identity


def _plan(results: Sequence[FilmResult], settings: DataSettings) -> list[ShardPlan]:
    """Plans the shards of all finished films."""

    def group(path: str) -> str:
        folder = os.path.basename(os.path.dirname(path))
        return folder if settings.group == "folder" else ""

    films = {
        r.key: FinishedFilm(r.key, r.source_hash, r.offsets, group(r.path))
        for r in results
        if r.offsets
    }
    return plan_shards(
        films.values(),
        settings.validation_percent,
        settings.shard_megabytes,
        settings.file_format,
    )


def _check_replaceable(folder: epath.Path, kept_films: dict[str, str]) -> None:
    """Raises `InputError` if an existing dataset has films that were not kept now.

    Args:
      folder: the folder of the dataset.
      kept_films: path of each kept film by the hash of its content.
    """
    films = dataset_films(folder)
    if films is None:
        reason = "its films are not listed in it"
    elif lost := sorted(path for film, path in films.items() if film not in kept_films):
        reason = f"{len(lost)} of its {len(films)} films were not kept now ({lost[0]})"
    else:
        return
    raise InputError(
        f"{folder}: a dataset exists, and {reason}; --overwrite replaces it, another"
        " --output keeps it"
    )


def _write_dataset(
    folder: epath.Path,
    plans: Sequence[ShardPlan],
    store: WorkStore,
    settings: DataSettings,
    runner: Runner,
    films: dict[str, str],
) -> int:
    """Writes the dataset to `folder` atomically; returns the number of new shards.

    A local dataset is written to a hidden folder, named by its digest so that the next
    run resumes it, and renamed. An object store cannot rename a folder: its old dataset
    is removed first, and `dataset_info.json`, the mark of a dataset, is written last.
    """
    if is_complete(folder, plans, settings):
        return 0
    remote = "://" in os.fspath(folder)
    digest = dataset_digest(plans, settings)
    staging = folder if remote else folder.parent / f".{VERSION}-{digest[:16]}"
    # Remove the staging folders of other plans, and leftovers of killed writers.
    for old in folder.parent.glob(f".{VERSION}-*") if folder.parent.is_dir() else ():
        if old.name != staging.name:
            old.rmtree()
    if remote and folder.is_dir():
        folder.rmtree()
    staging.mkdir(parents=True, exist_ok=True)
    remove_partial_shards(staging)
    written = write_shards(plans, os.fspath(store.root), os.fspath(staging), runner)
    # Workers may have died in this run too, and others have written their shards.
    remove_partial_shards(staging)
    write_dataset_info(staging, plans, settings, films)
    if not remote:
        if folder.is_dir():
            folder.rmtree()
        staging.rename(folder)
    return written


def _report(
    results: Sequence[FilmResult], plans: Sequence[ShardPlan], settings: DataSettings
) -> dict[str, Any]:
    """Returns the report's settings, counters, films and splits."""
    counters: collections.Counter[str] = collections.Counter(films=len(results))
    for status in STATUSES:
        counters[f"films_{status}"] = sum(r.status == status for r in results)
    films = []
    for result in results:
        counters.update(result.counters)
        entry = dataclasses.asdict(result)
        del entry["offsets"]
        films.append(entry)
    splits = {}
    for split in dict.fromkeys(plan.split for plan in plans):
        shards = [plan for plan in plans if plan.split == split]
        splits[split] = {
            "films": len({item.key for plan in shards for item in plan.items}),
            "records": sum(len(plan.items) for plan in shards),
            "shards": len(shards),
            "bytes": sum(plan.bytes for plan in shards),
        }
    return {
        "settings": dataclasses.asdict(settings),
        "counters": dict(counters),
        "films": films,
        "splits": splits,
    }


def _print_messages(results: Sequence[FilmResult]) -> None:
    """Prints why films gave no records; the error of a single film says it itself."""
    for result in results:
        if result.message and len(results) > 1:
            print(f"{result.status}: {result.message}", file=sys.stderr)


def _nothing_kept(results: Sequence[FilmResult], counters: dict[str, int]) -> Exception:
    """Returns the error of a run without records, with the reasons counted."""
    prefixes = ("films_refused", "films_failed", "dropped_")
    counts = [f"{n} {c}" for n, c in counters.items() if c and n.startswith(prefixes)]
    reasons = ", ".join(counts) or "no shots"
    if len(results) == 1:
        only = results[0]
        text = only.message or f"{only.path}: nothing was kept: {reasons}"
    else:
        text = f"nothing was kept of {len(results)} films: {reasons}"
    refused = all(r.status in (REFUSED, DUPLICATE) for r in results)
    return InputError(text) if refused else RunError(text)


@contextlib.contextmanager
def _locked(store: WorkStore) -> Iterator[None]:
    """Locks a local work folder against a second job."""
    if "://" in os.fspath(store.root):
        yield
        return
    with WorkFolder(Path(store.root)).locked():
        yield
