"""The public names of the package."""

import importlib

import stereojax.svd


def test_every_public_name_can_be_imported():
    for name in stereojax.svd.__all__:
        first = getattr(stereojax.svd, name)
        assert getattr(stereojax.svd, name) is first
        # A module of the same name would replace it when it is imported.
        assert importlib.util.find_spec(f"stereojax.svd.{name}") is None
