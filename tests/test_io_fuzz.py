"""Damaged files: they are read, or refused by an error that names them; nothing else happens."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from pathlib import Path

import pytest
from io_tables import SUFFIXES, everything

from sfml.io import open_catalogue, write_catalogue


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut a file short, or change some of its bytes, or both."""
    data = bytearray(content)
    if rng.random() < 0.5:
        del data[rng.randrange(len(data)) :]
    for _ in range(rng.choice([0, 1, 1, 4, 16])):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def survive(path: Path, content: bytes, n: int, seed: int) -> Counter[str]:
    """Open `n` damaged files, and count how that ends."""
    ends: Counter[str] = Counter()
    rng = random.Random(seed)
    for i in range(n):
        path.write_bytes(damaged(content, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = open_catalogue(path)
                rows = reader.read() if i % 2 else list(reader.batches(2))
            assert rows is not None
            ends["read"] += 1
        except (ValueError, OSError) as error:
            ends["refused" if path.name in str(error) else f"{i}: {error}"] += 1
    return ends


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("n", "seed"), [(20, 0), pytest.param(1000, 1, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_damaged_files(tmp_path, suffix, n, seed):
    content = write_catalogue(everything(), tmp_path / f"good{suffix}").read_bytes()
    ends = survive(tmp_path / f"damaged{suffix}", content, n, seed)
    assert set(ends) <= {"read", "refused"}
    assert ends["refused"] > 0
    print(f"{suffix}: {dict(ends)}")
