"""Shared fixtures: small seeded catalogues, and the real files where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and simulated catalogues beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared catalogues are not beside this checkout ({SHARED_DATA})")
    return SHARED_DATA
