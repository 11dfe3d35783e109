"""What every test and every example of a docstring starts from."""

import pytest


@pytest.fixture(autouse=True)
def _targets_as_declared_by_sfml(monkeypatch):
    """Forget the targets that another of them declared."""
    from sfml import targets

    monkeypatch.setattr(targets, "_REGISTRY", dict(targets._REGISTRY))
