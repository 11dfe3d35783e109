"""A table with all that catalogues hold, and how two are compared, for the tests of sfml.io."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sfml import BandSet

BANDS = BandSet(["g", "r"], [0.48, 0.62])
SUFFIXES = [
    *(".fits", ".fits.gz", ".vot", ".vot.gz", ".ecsv", ".ecsv.gz", ".csv", ".csv.gz"),
    *(".parquet", ".feather", ".hdf5"),
]
STREAMED = [".fits", ".csv", ".csv.gz", ".parquet", ".feather", ".hdf5"]
BIG = 1237668296598749281  # an SDSS identifier: float64 would lose its last digits


def everything() -> pd.DataFrame:
    """A table with every type that all formats hold, null in places."""
    return pd.DataFrame(
        {
            "objid": [BIG, BIG + 1, BIG + 2, -3],
            "match": pd.array([BIG, None, BIG + 2, 0], dtype="Int64"),
            "ra": [0.1 + 0.2, np.nan, -1e-300, 359.99999999999994],
            "flux": np.array([1e-5, -999, np.nan, np.inf], dtype=np.float32),
            "short": np.array([-32768, 0, 1, 32767], dtype=np.int16),
            "flag": pd.array([1, None, 256, 0], dtype="Int32"),
            "byte": np.array([0, 1, 254, 255], dtype=np.uint8),
            "good": [True, False, True, True],
            "maybe": pd.array([True, None, False, True], dtype="boolean"),
            "name": ["NGC 1", None, 'a "b", c', "0017"],
            "field": ["G09", "G12", "NA", "null"],
        }
    )


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, *, dtypes: bool = True) -> None:
    assert list(found.columns) == list(expected.columns)
    for name in expected:
        assert found[name].isna().tolist() == expected[name].isna().tolist(), name
        assert found[name].dropna().tolist() == expected[name].dropna().tolist(), name
        if dtypes:
            assert found[name].dtype == expected[name].dtype, name
