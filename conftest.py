"""What every test and every example of a docstring starts from."""

import pytest


@pytest.fixture(autouse=True)
def _targets_as_declared_by_sfml(monkeypatch):
    """A target that one of them declares is unknown to the next."""
    from sfml import targets

    monkeypatch.setattr(targets, "_REGISTRY", dict(targets._REGISTRY))
