"""The assignment of films to splits, and of records to shards."""

import dataclasses
import hashlib
import itertools

import pytest

from data_prep.shards import FinishedFilm, plan_shards, split_films


def film(name, records=3, size=400_000):
    source_hash = hashlib.blake2b(str(name).encode()).hexdigest()
    return FinishedFilm(
        f"key-{name}", source_hash, tuple(range(0, (records + 1) * size, size))
    )


FILMS = [film(i, records=1 + i % 5) for i in range(60)]


def items(plans):
    return [(i.key, i.number) for plan in plans for i in plan.items]


def test_all_records_of_a_film_are_in_one_split():
    plans = plan_shards(FILMS, 20.0, 1, "tfrecord")
    films = {
        split: {i.key for p in plans if p.split == split for i in p.items}
        for split in ("train", "validation")
    }
    assert not films["train"] & films["validation"]
    assert 3 <= len(films["validation"]) <= 25
    assert sorted(items(plans)) == sorted(
        (f.key, n) for f in FILMS for n in range(len(f))
    )


def test_splits_do_not_depend_on_order_nor_on_other_films():
    splits = {
        f.key: s for s, members in split_films(FILMS, 20.0).items() for f in members
    }
    fewer = split_films(FILMS[::-2], 20.0)
    assert {f.key: s for s, members in fewer.items() for f in members}.items() <= (
        splits.items()
    )


def test_films_of_one_group_are_in_one_split():
    grouped = [dataclasses.replace(f, group=f"g{i // 4}") for i, f in enumerate(FILMS)]
    split = split_films(grouped, 40.0)
    groups = {name: {f.group for f in members} for name, members in split.items()}
    assert set(groups) == {"train", "validation"}
    assert not groups["train"] & groups["validation"]
    assert sum(map(len, split.values())) == len(FILMS)


def test_all_films_train_if_none_else_would():
    held_out = split_films(FILMS, 20.0)["validation"]
    assert list(split_films(held_out, 20.0)) == ["train"]
    assert list(split_films(FILMS, 0.0)) == ["train"]
    assert split_films([film("empty", records=0)], 20.0) == {}


def test_records_are_shuffled_in_the_same_order_every_time():
    plans = plan_shards(FILMS, 0.0, 1, "tfrecord")
    assert plan_shards(FILMS[::-1], 0.0, 1, "tfrecord") == plans
    order = items(plans)
    neighbours = sum(a[0] == b[0] for a, b in itertools.pairwise(order))
    assert neighbours < len(order) / 10  # unshuffled: two thirds


@pytest.mark.parametrize("megabytes", [1, 2, 50])
def test_shards_are_full_and_not_larger_than_the_limit(megabytes):
    plans = plan_shards(FILMS, 0.0, megabytes, "tfrecord")
    assert [p.index for p in plans] == list(range(len(plans)))
    assert all(p.count == len(plans) and p.bytes <= megabytes * 1e6 for p in plans)
    assert all(p.bytes > megabytes * 1e6 - 400_000 for p in plans[:-1])
    last = f"stereo_pairs-train.tfrecord-{len(plans) - 1:05}-of-{len(plans):05}"
    assert plans[-1].name == last


def test_a_record_above_the_limit_has_its_own_shard():
    plans = plan_shards([film("big", 3, size=5_000_000)], 0.0, 1, "tfrecord")
    assert [len(p.items) for p in plans] == [1, 1, 1]
