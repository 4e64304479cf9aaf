"""The whole job: films, work folder, shards, dataset, report."""

import collections
import contextlib
import dataclasses
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from etils import epath

from data_prep.beam import Runner, process_films, write_shards
from data_prep.dataset import VERSION, digest_of, films_of, is_complete, write_info
from data_prep.film_task import (
    DUPLICATE,
    REFUSED,
    STATUSES,
    FilmResult,
    ProcessFilm,
    settle_depth,
)
from data_prep.films import find_films
from data_prep.shards import NAME, Film, ShardPlan, plan_shards, sweep
from data_prep.subprocess_worker import SHARED, Died
from data_prep.work_store import VideoStore
from stereojax.cli import InputError, RunError
from stereojax.settings.data import DataSettings
from stereojax.storage.work_folder import WorkFolder

REPORT = "report.json"


def prepare(
    place: str,
    output: str,
    settings: DataSettings,
    runner: Runner,
    *,
    isolated: bool = True,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Makes the dataset of the films at `place` in the folder `output`.

    `isolated` films are each made in another process: one that crashes costs no more.
    A dataset that is there gives way to one with all of its films, and with `overwrite`
    to any other.

    What was done before is not done again: see `store`. Returns what `report.json` in
    the folder holds.

    Raises:
      InputError: there are no films, or all were refused, or the dataset that is there
        has others.
      RunError: nothing was kept of them.
    """
    films = find_films(place)
    root = epath.Path(output).expanduser()
    _check_formats(settings, os.fspath(root))
    settings, depth = _settled(settings, isolated)
    store = VideoStore(root / "work")
    with _locked(store):
        store.sweep()
        process = ProcessFilm(settings, os.fspath(store.root), isolated, depth)
        results = process_films(films, process, runner)
        SHARED.stop()
        report = _report(results, settings)
        if len(films) > 1:
            for result in results:
                if result.message:
                    print(f"{result.status}: {result.message}", file=sys.stderr)
        finished = _unique(
            Film(r.key, r.source_hash, r.offsets, _group(r.path, settings))
            for r in results
            if r.offsets
        )
        plans = plan_shards(
            finished,
            settings.validation_percent,
            settings.shard_megabytes,
            settings.file_format,
        )
        report["splits"] = _splits(plans)
        if not plans:
            _save(root, report)
            raise _nothing(results, report["counters"])
        folder = root / NAME / VERSION
        kept = {r.source_hash: r.path for r in results if len(r.offsets) > 1}
        if not overwrite:
            _check_replaces(folder, kept)
        _save(root, report)  # whatever becomes of the shards
        report["shards_written"] = _build(folder, plans, store, settings, runner, kept)
        report["dataset"] = f"{NAME}/{VERSION}"
        _save(root, report)
    return report


def _check_formats(settings: DataSettings, output: str) -> None:
    """What is needed after the films is asked for before them."""
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


def _settled(settings: DataSettings, isolated: bool) -> tuple[DataSettings, str]:
    """With the depth model's name for `auto`, and the model's identity.

    Other weights, under whatever name, are other work.
    """
    if settings.kind != "mono":
        return settings, ""
    name = settings.depth_model
    if name == "file":
        raise InputError(
            f"--config.depth_model={name}: expected auto, prior or a model: films of"
            " training data have no depth of their own"
        )
    try:
        found = SHARED.call(settle_depth, name) if isolated else settle_depth(name)
    except Died as died:
        raise RunError(f"--config.depth_model={name}: {died}") from died
    if isinstance(found, Exception):
        raise found
    return dataclasses.replace(settings, depth_model=found[0]), found[1]


def _group(path: str, settings: DataSettings) -> str:
    """The name of a film's folder, where films of one are to stay together."""
    folder = os.path.basename(os.path.dirname(path))
    return folder if settings.group == "folder" else ""


def _check_replaces(folder: epath.Path, kept: dict[str, str]) -> None:
    """Raises `InputError` where a dataset has films that this run has not kept."""
    there = films_of(folder)
    if there is None:
        lost = "it does not say of which films"
    elif gone := sorted(path for film, path in there.items() if film not in kept):
        lost = f"{len(gone)} of its {len(there)} films were not kept now ({gone[0]})"
    else:
        return
    raise InputError(
        f"{folder}: a dataset is there, and {lost}; --overwrite replaces it, another"
        " --output leaves it"
    )


def _build(
    folder: epath.Path,
    plans: Sequence[ShardPlan],
    store: VideoStore,
    settings: DataSettings,
    runner: Runner,
    films: dict[str, str],
) -> int:
    """The dataset in `folder`, whole or not there; how many shards were written."""
    if is_complete(folder, plans, settings):
        return 0
    digest = digest_of(plans, settings)
    remote = "://" in os.fspath(folder)
    # Object stores cannot rename a folder: there the old one goes first, and
    # dataset_info.json, which makes it a dataset, is written last.
    beside = folder if remote else folder.parent / f".{VERSION}-{digest[:16]}"
    for old in folder.parent.glob(f".{VERSION}-*") if folder.parent.is_dir() else ():
        if old.name != beside.name:
            old.rmtree()
    if remote and folder.is_dir():
        folder.rmtree()
    beside.mkdir(parents=True, exist_ok=True)
    sweep(beside)  # of a run that was killed
    written = write_shards(plans, os.fspath(store.root), os.fspath(beside), runner)
    sweep(beside)  # of workers that were, and whose shards others wrote
    write_info(beside, plans, settings, films)
    if not remote:
        if folder.is_dir():
            folder.rmtree()
        beside.rename(folder)
    return written


def _report(results: Sequence[FilmResult], settings: DataSettings) -> dict[str, Any]:
    counters: collections.Counter[str] = collections.Counter(films=len(results))
    for status in STATUSES:
        counters[f"films_{status}"] = sum(r.status == status for r in results)
    films = []
    for result in results:
        counters.update(result.counters)
        entry = dataclasses.asdict(result)
        del entry["offsets"]
        films.append(entry)
    return {
        "settings": dataclasses.asdict(settings),
        "counters": dict(counters),
        "films": films,
    }


def _splits(plans: Sequence[ShardPlan]) -> dict[str, dict[str, int]]:
    found = {}
    for split in dict.fromkeys(plan.split for plan in plans):
        shards = [plan for plan in plans if plan.split == split]
        found[split] = {
            "films": len({item.key for plan in shards for item in plan.items}),
            "records": sum(len(plan.items) for plan in shards),
            "shards": len(shards),
            "bytes": sum(plan.bytes for plan in shards),
        }
    return found


def _nothing(results: Sequence[FilmResult], counters: dict[str, int]) -> Exception:
    words = ("films_refused", "films_failed", "dropped_")
    counts = [f"{n} {c}" for n, c in counters.items() if c and n.startswith(words)]
    text = (
        f"nothing was kept of {len(results)} films: {', '.join(counts) or 'no shots'}"
    )
    if len(results) == 1:
        text = results[0].message or f"{results[0].path}: nothing was kept: " + (
            ", ".join(counts) or "no shots"
        )
    refused = all(r.status in (REFUSED, DUPLICATE) for r in results)
    return InputError(text) if refused else RunError(text)


def _unique(films: Any) -> list[Film]:
    return list({film.key: film for film in films}.values())


def _save(root: epath.Path, report: dict[str, Any]) -> None:
    part = root / f".{REPORT}.part"
    part.write_text(json.dumps(report, indent=2) + "\n")
    part.replace(root / REPORT)


@contextlib.contextmanager
def _locked(store: VideoStore) -> Any:
    """Keeps a second job out of a local work folder."""
    if "://" in os.fspath(store.root):
        yield
        return
    with WorkFolder(Path(store.root)).locked():
        yield
