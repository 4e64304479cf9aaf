"""The package's names, as a user has them."""

import importlib

import stereojax.svd


def test_every_public_name_is_there_and_stays():
    for name in stereojax.svd.__all__:
        first = getattr(stereojax.svd, name)
        assert getattr(stereojax.svd, name) is first
        # A module of the same name would take its place once it is imported.
        assert importlib.util.find_spec(f"stereojax.svd.{name}") is None
