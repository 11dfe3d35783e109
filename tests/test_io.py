"""Catalogues in any format: round trips, units, names, streams, and what is refused."""

from __future__ import annotations

import csv
import json
import pickle
import re
import shutil
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable import parse as parse_votable
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfml import BandSet
from sfml.io import (
    guess_columns,
    make_provenance,
    open_catalogue,
    read_catalogue,
    write_catalogue,
)
from sfml.io.formats import FORMATS

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


class TestRoundTrips:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_every_type(self, tmp_path, suffix):
        frame = everything()
        path = write_catalogue(frame, tmp_path / f"t{suffix}")
        found = read_catalogue(path)
        if suffix.startswith(".csv"):  # which has no types, but loses nothing
            found = found.astype({n: frame[n].dtype for n in ("flux", "short", "flag", "byte")})
        assert_same(found, frame)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_no_rows(self, tmp_path, suffix):
        frame = everything().iloc[:0]
        reader = open_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert reader.names == list(frame)
        assert len(reader.read()) == 0
        assert [len(batch) for batch in reader.batches(10)] == [0]

    @pytest.mark.parametrize("suffix", [".fits", ".csv", ".parquet", ".feather", ".hdf5", ".ecsv"])
    def test_integers_of_every_size(self, tmp_path, suffix):
        kinds = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
        ends = {kind: [np.iinfo(kind).min, np.iinfo(kind).max, 1] for kind in kinds}
        frame = pd.DataFrame({kind: np.array(values, kind) for kind, values in ends.items()})
        for kind, values in ends.items():
            frame[f"{kind}_null"] = pd.array(
                [*values[1:], None], dtype=kind.replace("i", "I", 1).replace("uI", "UI")
            )
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert_same(found, frame, dtypes=suffix != ".csv")

    def test_votable_widens_what_it_lacks(self, tmp_path):
        frame = pd.DataFrame({"a": np.array([-1, 2], np.int8), "b": np.array([1, 2], np.uint64)})
        path = write_catalogue(frame, tmp_path / "t.vot")
        assert_same(read_catalogue(path), frame, dtypes=False)
        with pytest.raises(
            ValueError, match=r"Cannot write .*t\.vot.*'b' has 18446744073709551615"
        ):
            write_catalogue(frame.assign(b=np.uint64(2**64 - 1)), path, overwrite=True)

    @pytest.mark.parametrize("suffix", [".parquet", ".feather", ".csv", ".hdf5", ".fits"])
    def test_empty_text_is_not_null(self, tmp_path, suffix):
        frame = pd.DataFrame({"reasons": ["", None, "colours"]})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}")), frame)

    @pytest.mark.parametrize("suffix", [".vot", ".ecsv"])
    def test_empty_text_is_null_in(self, tmp_path, suffix):
        frame = pd.DataFrame({"reasons": ["", None, "colours"]})
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert found["reasons"].isna().tolist() == [True, True, False]

    @pytest.mark.parametrize("suffix", [s for s in SUFFIXES if not s.startswith(".fits")])
    def test_text_beyond_ascii(self, tmp_path, suffix):
        frame = pd.DataFrame({"größe": [1.5], "name": ["Ångström–λ 星"]})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}")), frame)

    def test_fits_is_ascii(self, tmp_path):
        with pytest.raises(ValueError, match=r"ASCII only; got 'é' in row 1 of column 'name'"):
            write_catalogue({"name": ["e", "é"]}, tmp_path / "t.fits")
        with pytest.raises(ValueError, match="'größe'"):
            write_catalogue({"größe": [1]}, tmp_path / "t.fits")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_dates(self, tmp_path, suffix):
        frame = pd.DataFrame(
            {"when": pd.to_datetime(["2026-11-26 07:30:00", "2020-01-01 00:00:01"])}
        )
        found = read_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        assert pd.to_datetime(found["when"]).tolist() == frame["when"].tolist()

    @pytest.mark.parametrize(
        "suffix", [s for s in SUFFIXES if "." in s[1:2] or s not in (".parquet", ".feather")]
    )
    def test_lists_are_refused(self, tmp_path, suffix):
        frame = pd.DataFrame({"pdf": [[1.0], [2.0, 3.0]]})
        with pytest.raises(ValueError, match="Cannot write"):
            write_catalogue(frame, tmp_path / f"t{suffix}")
        assert not list(tmp_path.iterdir())

    def test_nearly_full_bytes(self, tmp_path):
        values = [*range(255), None]
        frame = pd.DataFrame({"a": pd.array(values, dtype="UInt8")})
        assert_same(read_catalogue(write_catalogue(frame, tmp_path / "t.fits")), frame)
        with pytest.raises(ValueError, match="'a' has every value of uint8, and nulls too"):
            write_catalogue(
                {"a": pd.array([*range(256), None], dtype="UInt8")}, tmp_path / "u.fits"
            )


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8).map(str.rstrip)
COLUMN = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    st.lists(st.floats(width=64), min_size=3, max_size=3),
    st.lists(st.one_of(st.none(), TEXT.filter(bool)), min_size=3, max_size=3).filter(any),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=3, max_size=3).map(
        lambda values: pd.array(values, dtype="boolean")
    ),
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=3, max_size=3).map(
        lambda values: pd.array(values, dtype="Int64")
    ),
)


class TestAnyTable:
    """Whatever is written comes back: hypothesis looks for what does not."""

    @pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet", ".feather", ".hdf5"])
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(columns=st.lists(COLUMN, min_size=1, max_size=3))
    def test_round_trip(self, tmp_path, suffix, columns):
        frame = pd.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
        path = write_catalogue(frame, tmp_path / f"t{suffix}", overwrite=True)
        assert_same(read_catalogue(path), frame, dtypes=False)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        cells=st.lists(
            st.one_of(
                st.integers().map(str),
                st.floats(allow_nan=False).map(repr),
                st.sampled_from(
                    ["", "NaN", "NULL", "007", "+5", "1e5", "True", "x y", '"q"', "--"]
                ),
                TEXT,
            ),
            min_size=1,
            max_size=6,
        ),
        n_rows=st.integers(1, 3),
    )
    def test_cells_of_csv(self, tmp_path, cells, n_rows):
        """Numbers are those of the cells, text is the cells; and batches are what `read` gives."""
        path = tmp_path / "t.csv"
        pd.DataFrame({"a": cells, "b": "x"}).to_csv(path, index=False)
        reader = open_catalogue(path)
        found = reader.read()["a"]
        for cell, value in zip(cells, found, strict=True):
            if pd.isna(value):
                assert cell.strip() in (
                    "",
                    "NaN",
                    "NULL",
                    "nan",
                    "NA",
                    "null",
                    "None",
                    "N/A",
                    "n/a",
                )
            elif isinstance(value, str):
                assert value == cell
            elif isinstance(value, bool | np.bool_):
                assert str(value) == cell.capitalize()
            elif isinstance(value, int | np.integer):
                assert int(value) == int(cell)
            else:
                assert float(value) == float(cell)
        pd.testing.assert_frame_equal(pd.concat(reader.batches(n_rows)), reader.read())


class TestStreams:
    @pytest.fixture
    def frame(self):
        rng = np.random.default_rng(0)
        ids = BIG + np.arange(1000)
        match = pd.array(np.where(ids % 7 == 0, 0, ids), dtype="Int64")
        match[ids % 7 == 0] = None
        names = np.where(ids % 5 == 0, None, ids.astype(str) + "x")
        return pd.DataFrame(
            {
                "id": ids,
                "x": rng.normal(size=1000),
                "match": match,
                "name": names,
                "late": [0] * 999 + [0.5],
            }
        )

    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("n_rows", [1000, 64, 5000])
    def test_batches_are_the_whole(self, tmp_path, frame, suffix, n_rows):
        reader = open_catalogue(write_catalogue(frame, tmp_path / f"t{suffix}"))
        batches = list(reader.batches(n_rows))
        assert [len(batch) for batch in batches[:-1]] == [n_rows] * (len(batches) - 1)
        pd.testing.assert_frame_equal(pd.concat(batches), reader.read())
        assert_same(reader.read(), frame)
        assert reader.n_rows in (1000, None)

    @pytest.mark.parametrize("suffix", STREAMED)
    @pytest.mark.parametrize("start", [1, 300, 999, 1000, 2000])
    def test_from_a_row_on(self, tmp_path, frame, suffix, start):
        path = tmp_path / f"t{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.Table.from_pandas(frame), path, row_group_size=300)
        else:
            write_catalogue(frame, path)
        found = pd.concat(open_catalogue(path).batches(128, start=start))
        assert found["id"].tolist() == frame["id"][start:].tolist()
        assert start >= 1000 or found.index[0] == start

    def test_parquet_in_row_groups_and_parts(self, tmp_path, frame):
        for i in range(12):  # part.10 comes after part.2
            part = frame.iloc[i * 80 : (i + 1) * 80 if i < 11 else None]
            pq.write_table(
                pa.Table.from_pandas(part, preserve_index=False),
                tmp_path / f"part.{i}.parquet",
                row_group_size=33,
            )
        reader = open_catalogue(tmp_path)
        assert reader.n_rows == 1000
        assert "folder of 12 Parquet files" in str(reader.report)
        assert_same(reader.read(), frame)
        for start in (0, 79, 80, 100, 850):
            found = pd.concat(reader.batches(70, start=start))
            assert found["id"].tolist() == frame["id"][start:].tolist()

    def test_only(self, tmp_path, frame):
        reader = open_catalogue(write_catalogue(frame, tmp_path / "t.parquet")).only("x", "id")
        assert list(reader.read()) == reader.names == ["x", "id"]
        assert list(next(reader.batches(10))) == ["x", "id"]
        with pytest.raises(ValueError, match=r"no column 'y'. It has \['x', 'id'\]"):
            reader.only("y")

    @pytest.mark.parametrize(("n_rows", "start"), [(0, 0), (-1, 0), (1, -1)])
    def test_wrong_numbers(self, n_rows, start):
        with pytest.raises(ValueError, match="must be at least"):
            open_catalogue({"a": [1]}).batches(n_rows, start)


class TestInMemory:
    TABLE = pd.DataFrame(
        {
            "objid": [BIG, BIG + 1],
            "FLUX_R": [2.0, -999.0],
            "match": pd.array([BIG, None], dtype="Int64"),
        }
    )

    @pytest.mark.parametrize(
        "kind",
        [
            lambda frame: frame,
            pl.from_pandas,
            lambda frame: pl.from_pandas(frame).lazy(),
            lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
            lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
            lambda frame: ds.dataset(pa.Table.from_pandas(frame, preserve_index=False)),
            Table.from_pandas,
            QTable.from_pandas,
            lambda frame: {name: frame[name] for name in frame},
        ],
        ids=["pandas", "polars", "lazy", "arrow", "batch", "dataset", "Table", "QTable", "dict"],
    )
    def test_kinds(self, kind):
        reader = open_catalogue(kind(self.TABLE))
        assert_same(reader.read(), self.TABLE)
        assert reader.n_rows == 2
        assert [batch["objid"].tolist() for batch in reader.batches(1)] == [[BIG], [BIG + 1]]

    def test_arrays(self):
        records = np.array(
            [(BIG, 1.5, [1, 2])], dtype=[("id", ">i8"), ("x", ">f4"), ("v", "<i4", 2)]
        )
        expected = pd.DataFrame(
            {"id": [BIG], "x": np.float32([1.5]), "v[0]": np.int32([1]), "v[1]": np.int32([2])}
        )
        assert_same(read_catalogue(records), expected)
        assert_same(read_catalogue({name: records[name] for name in records.dtype.names}), expected)
        assert_same(read_catalogue(records.view(np.recarray)), expected)

    def test_hdus(self, tmp_path):
        path = write_catalogue(everything(), tmp_path / "t.fits")
        with fits.open(path) as hdus:
            assert read_catalogue(hdus[1])["objid"].tolist() == everything()["objid"].tolist()
            assert read_catalogue(hdus[1].data)["objid"].tolist() == everything()["objid"].tolist()
            with pytest.raises(TypeError, match=r"Pass one table of it: hdus\[1\]\.data"):
                open_catalogue(hdus)

    def test_h5py_groups(self, tmp_path):
        path = write_catalogue(everything(), tmp_path / "t.hdf5")
        with h5py.File(path) as file:
            assert (
                read_catalogue(file["catalogue"])["objid"].tolist()
                == everything()["objid"].tolist()
            )

    def test_units_of_quantities(self):
        table = QTable(
            {"r_flux": [1.0, 2.0] * u.mJy, "r_fluxerr": [1.0, 1.0] * u.uJy, "Z": [0.1, 0.2]}
        )
        reader = open_catalogue(table, BANDS.only("r"))
        frame = reader.read()
        np.testing.assert_allclose(frame["r_flux"], [1e-3, 2e-3], rtol=1e-15)
        np.testing.assert_allclose(frame["r_fluxerr"], [1e-6, 1e-6], rtol=1e-15)
        assert reader.units == {"r_flux": "Jy", "r_fluxerr": "Jy"}

    def test_masked_columns(self):
        table = Table(
            {
                "a": MaskedColumn([BIG, 2], mask=[False, True]),
                "s": MaskedColumn(["x", "y"], mask=[True, False]),
            }
        )
        frame = read_catalogue(table)
        assert frame["a"].tolist() == [BIG, pd.NA]
        assert frame["s"].isna().tolist() == [True, False]

    def test_the_index_of_a_dataframe_stays(self):
        frame = self.TABLE.set_index("objid")
        assert read_catalogue(frame).index.tolist() == [BIG, BIG + 1]
        assert next(open_catalogue(frame).batches(1)).index.tolist() == [BIG]

    def test_coordinates_are_no_column(self):
        table = Table({"coord": SkyCoord([1, 2] * u.deg, [3, 4] * u.deg)})
        with pytest.raises(ValueError, match=r"'coord' is a SkyCoord.*table\['ra'\]"):
            open_catalogue(table)

    def test_what_is_no_table(self):
        with pytest.raises(ValueError, match="columns of an array have no names"):
            open_catalogue(np.zeros((2, 3)))
        with pytest.raises(ValueError, match="columns have no names"):
            open_catalogue(pd.DataFrame(np.zeros((2, 3))))
        with pytest.raises(TypeError, match="Expected a table"):
            open_catalogue(3)
        with pytest.raises(ValueError, match="equal length"):
            open_catalogue({"a": [1, 2], "b": [1]})
        with pytest.raises(ValueError, match="more than one column named 'a'"):
            open_catalogue(pd.DataFrame([[1, 2]], columns=["a", "a"]))


class TestUnits:
    @pytest.mark.parametrize(
        ("unit", "factor"),
        [
            ("Jy", 1),
            ("mJy", 1e-3),
            ("uJy", 1e-6),
            ("nJy", 1e-9),
            ("nanomaggy", 3.631e-6),
            ("nanomaggies", 3.631e-6),
            ("erg / (s cm2 Hz)", 1e23),
        ],
    )
    @pytest.mark.parametrize("stated", [True, False])
    def test_flux_densities(self, unit, factor, stated):
        values = {
            "r_flux": [2.0, -1.0, -999.0, np.nan],
            "r_fluxerr": [0.1, 0.1, -999.0, 0.1],
            "Z": [0.1] * 4,
        }
        columns = None
        table = values
        if stated:
            columns = {"r_flux": ("r_flux", unit), "r_fluxerr": ("r_fluxerr", unit)}
        else:
            table = Table(values, units={"r_flux": unit, "r_fluxerr": unit})
        frame = read_catalogue(table, BANDS.only("r"), columns)
        # A missing code is no flux: it stays what it is.
        np.testing.assert_allclose(frame["r_flux"], [2 * factor, -factor, -999, np.nan], rtol=1e-14)
        np.testing.assert_allclose(
            frame["r_fluxerr"], [0.1 * factor] * 2 + [-999, 0.1 * factor], rtol=1e-14
        )

    def test_codes_in_single_precision(self):
        bands = BandSet(["r"], [0.62], missing_codes=[-99.9], unit="uJy")
        table = {"r_flux": np.float32([1, -99.9]), "r_fluxerr": np.float32([1, 1]), "Z": [0.1, 0.1]}
        frame = read_catalogue(table, bands, {"r_flux": ("r_flux", "Jy")})
        assert frame["r_flux"].tolist() == [1e6, -99.9]

    def test_nothing_is_touched_without_need(self):
        table = {"r_flux": np.float32([1, -999]), "r_fluxerr": [1, 2], "Z": [0.1, 0.1]}
        frame = read_catalogue(table, BANDS.only("r"))
        assert frame["r_flux"].dtype == np.float32
        assert frame["r_fluxerr"].dtype == np.int64

    @pytest.mark.parametrize("unit", ["AB", "AB mag", "ABmag", "mag(AB)", "mag (AB)"])
    def test_ab_magnitudes(self, unit):
        table = {
            "mag": [8.9, 23.9, 99.0, -99.0, np.nan, 128.0],
            "err": [0.1, 0.2, 0.1, 0.1, 0.1, -99.0],
            "Z": [0.1] * 6,
        }
        reader = open_catalogue(
            table, BANDS.only("r"), {"r_flux": ("mag", unit), "r_fluxerr": ("err", "mag")}
        )
        frame = reader.read()
        expected = (table["mag"] * u.ABmag).to_value(u.Jy)
        np.testing.assert_allclose(
            frame["r_flux"][:2], expected[:2], rtol=1e-4
        )  # 3631, or 3630.78 Jy
        np.testing.assert_allclose(
            frame["r_flux"][:2], [3631 * 10**-3.56, 3631 * 10**-9.56], rtol=1e-14
        )
        np.testing.assert_allclose(
            (frame["r_fluxerr"] / frame["r_flux"])[:2], np.array([0.1, 0.2]) / 1.0857, rtol=1e-4
        )
        assert frame["r_flux"].isna().tolist() == [False, False, True, True, True, True]
        assert frame["r_fluxerr"].isna().tolist() == [False, False, True, True, True, True]
        assert reader.report.n_lost == {"r_flux": 3, "r_fluxerr": 4}
        assert "AB magnitudes -> Jy; 3 became NaN" in str(reader.report)

    @pytest.mark.parametrize("unit", ["SDSS mag", "asinh mag(b=1.2e-10)"])
    def test_asinh_magnitudes(self, unit):
        b, flux, error = (
            1.2e-10,
            np.array([1e-8, 0.0, -3e-11, 5e-10]),
            np.array([1e-10, 2e-10, 1e-10, 1e-10]),
        )
        mag = -2.5 / np.log(10) * (np.arcsinh(flux / (2 * b)) + np.log(b))
        mag_error = 2.5 / np.log(10) * error / np.hypot(flux, 2 * b)
        frame = read_catalogue(
            {"m": mag, "e": mag_error, "Z": [0.1] * 4},
            BANDS.only("r"),
            {"r_flux": ("m", unit), "r_fluxerr": ("e", "mag")},
        )
        np.testing.assert_allclose(frame["r_flux"], 3631 * flux, rtol=1e-9, atol=1e-18)
        np.testing.assert_allclose(frame["r_fluxerr"], 3631 * error, rtol=1e-12)

    @pytest.mark.parametrize(
        "unit", ["ivar", "1/nanomaggy^2", "nanomaggy^-2", "nanomaggy**(-2)", "1 / nmgy2"]
    )
    def test_inverse_variances(self, unit):
        table = {"f": [1.0, 2.0, 3.0, 4.0], "ivar": [4.0, 0.0, -999.0, np.nan], "Z": [0.1] * 4}
        reader = open_catalogue(
            table, BANDS.only("r"), {"r_flux": ("f", "nanomaggy"), "r_fluxerr": ("ivar", unit)}
        )
        np.testing.assert_allclose(
            reader.read()["r_fluxerr"], [3.631e-6 / 2, *[np.nan] * 3], rtol=1e-14
        )
        assert reader.report.n_lost == {"r_fluxerr": 2}

    def test_a_magnitude_s_error_of_a_flux_that_is_a_code(self):
        table = {"f": [1.0, -999.0], "e": [0.1, 0.1], "Z": [0.1, 0.1]}
        frame = read_catalogue(table, BANDS.only("r"), {"r_flux": "f", "r_fluxerr": ("e", "mag")})
        assert frame["r_fluxerr"].isna().tolist() == [False, True]
        only = open_catalogue(table, BANDS.only("r"), {"r_flux": "f", "r_fluxerr": ("e", "mag")})
        pd.testing.assert_series_equal(
            only.only("r_fluxerr").read()["r_fluxerr"], frame["r_fluxerr"]
        )

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            (
                {"r_flux": ("f", "mag")},
                "'f' is in magnitudes, of which system is not said.*'AB mag'",
            ),
            ({"r_flux": ("f", "adu")}, "'f' is in 'adu', which is no unit of flux density"),
            ({"r_flux": ("f", "Jy2")}, "'f' is in 'Jy2'"),
            (
                {"r_flux": ("f", "AB mag")},
                "'r_fluxerr' states no unit, and the fluxes are magnitudes",
            ),
            ({"r_flux": "f", "r_fluxerr": ("r_fluxerr", "m")}, "'r_fluxerr' is in 'm'"),
            ({"r_flux": "f", "Z": ("Z", "km/s")}, "'Z' is in 'km/s': a velocity"),
            ({"r_flux": None, "r_fluxerr": ("f", "mag")}, "the flux that it belongs to is absent"),
        ],
    )
    def test_units_that_say_too_little(self, columns, reason):
        with pytest.raises(ValueError, match=reason) as error:
            open_catalogue({"f": [1.0], "r_fluxerr": [0.1], "Z": [0.1]}, BANDS.only("r"), columns)
        assert "columns={" in str(error.value)

    def test_sdss_has_its_own_bands(self):
        bands = BandSet(["J"], [1.25])
        columns = {"J_flux": ("m", "SDSS mag"), "J_fluxerr": None}
        with pytest.raises(ValueError, match=r"no band 'J'.*asinh mag\(b="):
            open_catalogue({"m": [20.0], "Z": [0.1]}, bands, columns)

    def test_units_of_a_file(self, tmp_path):
        """As DESI's Legacy Survey writes them."""
        hdu = fits.BinTableHDU.from_columns(
            [
                fits.Column("FLUX_G", "E", unit="nanomaggy", array=[1.0]),
                fits.Column("FLUX_IVAR_G", "E", unit="nanomaggy^-2", array=[4.0]),
                fits.Column("FLUX_R", "E", unit="nanomaggy", array=[2.0]),
                fits.Column("FLUX_IVAR_R", "E", unit="nanomaggy^-2", array=[0.0]),
                fits.Column("Z", "D", array=[0.1]),
            ]
        )
        hdu.writeto(tmp_path / "t.fits")
        columns = {"{band}_flux": "FLUX_{BAND}", "{band}_fluxerr": "FLUX_IVAR_{BAND}"}
        reader = open_catalogue(tmp_path / "t.fits", BANDS, columns)
        frame = reader.read()
        assert list(frame) == ["g_flux", "g_fluxerr", "r_flux", "r_fluxerr", "Z"]
        np.testing.assert_allclose(frame.iloc[0, :3], [3.631e-6, 3.631e-6 / 2, 7.262e-6], rtol=1e-7)
        assert np.isnan(frame["r_fluxerr"][0])
        text = str(reader.report)
        assert "g_flux, r_flux: from FLUX_G, FLUX_R; nanomaggy -> Jy (times 3.631e-06)" in text
        assert "g_fluxerr, r_fluxerr: from FLUX_IVAR_G, FLUX_IVAR_R; inverse variances in" in text

    def test_text_for_a_flux(self, tmp_path):
        (tmp_path / "t.csv").write_text("r_flux,r_fluxerr,Z\n" + "1,1,0.1\n" * 5 + "--,1,0.1\n")
        reader = open_catalogue(tmp_path / "t.csv", BANDS.only("r"))
        for read in (reader.read, lambda: list(reader.batches(2))):
            with pytest.raises(
                ValueError, match=r"t\.csv.*'r_flux' must hold.*text: '--' in row 5"
            ):
                read()


class TestColumns:
    TABLE = {"ID": [1], "FLUX_R": [1.0], "ERR_R": [0.1], "zspec": [0.1], "note": ["x"]}

    def test_others_stay(self):
        columns = {"r_flux": "FLUX_R", "r_fluxerr": "ERR_R", "Z": "zspec"}
        reader = open_catalogue(self.TABLE, BANDS.only("r"), columns)
        assert reader.names == ["ID", "r_flux", "r_fluxerr", "Z", "note"]
        assert reader.read()["note"].tolist() == ["x"]
        assert "r_flux, r_fluxerr, Z: from FLUX_R, ERR_R, zspec" in str(reader.report)
        assert "no unit is stated, taken to be in Jy: r_flux, r_fluxerr" in str(reader.report)

    def test_a_guess_is_shown_and_not_used(self):
        with pytest.raises(ValueError, match="lacks 3 of the 3 columns needed") as error:
            open_catalogue(self.TABLE, BANDS.only("r"))
        shown = re.search(r"columns=(\{.*?\})\.", str(error.value))[1]
        assert shown == "{'r_flux': 'FLUX_R', 'r_fluxerr': 'ERR_R', 'Z': 'zspec'}"
        # It can be pasted.
        assert open_catalogue(self.TABLE, BANDS.only("r"), eval(shown)).names[1] == "r_flux"

    def test_no_guess(self):
        table = {"r_flux": [1.0], "r_fluxerr": [1.0], "velocity": [1.0]}
        with pytest.raises(ValueError, match=r"columns=\{'Z': 'NAME'\}, or columns=\{'Z': None\}"):
            open_catalogue(table, BANDS.only("r"))
        assert read_catalogue(table, BANDS.only("r"), {"Z": None}).columns.tolist() == list(table)

    def test_a_band_of_which_there_is_nothing(self):
        table = {"r_flux": [1.0], "r_fluxerr": [1.0], "Z": [0.1]}
        with pytest.warns(
            UserWarning, match="no columns of 1 of 2 bands, which count as missing: g"
        ):
            reader = open_catalogue(table, BANDS)
        assert "no columns of these bands: g" in str(reader.report)
        with pytest.raises(ValueError, match=r"columns=\{'g_flux': 'FLUX_G'\}"):
            open_catalogue(table | {"FLUX_G": [1.0]}, BANDS)
        none = {"g_flux": None, "g_fluxerr": None}
        assert "FLUX_G" in open_catalogue(table | {"FLUX_G": [1.0]}, BANDS, none).names

    def test_half_a_band(self):
        with pytest.raises(ValueError, match="'g_fluxerr'"):
            open_catalogue(
                {"r_flux": [1.0], "r_fluxerr": [1.0], "g_flux": [1.0], "Z": [1.0]}, BANDS
            )

    def test_a_name_that_is_taken(self):
        table = {"r_flux": [1.0], "r_fluxerr": [0.1], "Z": [9.0], "zspec": [0.1]}
        reader = open_catalogue(table, BANDS.only("r"), {"Z": "zspec"})
        assert reader.read().iloc[0].to_dict() == {
            "r_flux": 1.0,
            "r_fluxerr": 0.1,
            "Z_original": 9.0,
            "Z": 0.1,
        }
        assert "The file's column 'Z' is called 'Z_original' here." in str(reader.report)

    def test_renaming_without_bands(self):
        assert open_catalogue(self.TABLE, columns={"Z": "zspec"}).names[3] == "Z"

    @pytest.mark.parametrize(
        ("columns", "reason"),
        [
            ({"q_flux": "FLUX_R"}, "key 'q_flux'.*Did you mean 'r_flux'"),
            ({"r_flux": 3}, r"for 'r_flux', a name.*got 3"),
            ({"r_flux": ("FLUX_R",)}, "a pair of name and unit"),
            ({"r_flux": ("FLUX_R", 1)}, "a pair of name and unit"),
            ({"r_flux": "FLUXR"}, "'FLUXR' .did you mean 'FLUX_R'"),
            (
                {"r_flux": "FLUX_R", "r_fluxerr": "FLUX_R", "Z": "zspec"},
                r"more than once: \['FLUX_R'\]",
            ),
        ],
    )
    def test_wrong_columns(self, columns, reason):
        with pytest.raises(ValueError, match=reason):
            open_catalogue(self.TABLE, BANDS.only("r"), columns)

    def test_units_need_bands(self):
        with pytest.raises(ValueError, match="pass bands too"):
            open_catalogue(self.TABLE, columns={"r_flux": ("FLUX_R", "Jy")})

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            (
                ["gmag", "e_gmag", "z"],
                {"g_flux": ("gmag", "AB mag"), "g_fluxerr": ("e_gmag", "mag"), "Z": "z"},
            ),
            (
                ["modelMag_g", "modelMagErr_g", "redshift"],
                {
                    "g_flux": ("modelMag_g", "AB mag"),
                    "g_fluxerr": ("modelMagErr_g", "mag"),
                    "Z": "redshift",
                },
            ),
            (
                ["cModelFlux_g", "cModelFluxIvar_g"],
                {"g_flux": "cModelFlux_g", "g_fluxerr": ("cModelFluxIvar_g", "ivar")},
            ),
            (
                ["G_FLUX", "G_FLUXERR", "Z_BEST"],
                {"g_flux": "G_FLUX", "g_fluxerr": "G_FLUXERR", "Z": "Z_BEST"},
            ),
            (["ra", "dec", "galaxy", "Gmass", "flag", "ugriz"], {}),
        ],
    )
    def test_guesses(self, names, expected):
        bands = BANDS.only("g")
        assert guess_columns(bands.columns, names, bands) == expected


class TestFits:
    def test_vectors(self, tmp_path):
        flux = np.arange(10, dtype=">f4").reshape(2, 5)
        columns = [
            fits.Column("NMGY", "5E", unit="nanomaggy", array=flux),
            fits.Column("Z", "D", array=[0.1, 0.2]),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        columns = {"g_flux": "NMGY[1]", "r_flux": "NMGY[2]", "{band}_fluxerr": None}
        reader = open_catalogue(tmp_path / "t.fits", BANDS, columns)
        assert reader.names == ["NMGY[0]", "g_flux", "r_flux", "NMGY[3]", "NMGY[4]", "Z"]
        np.testing.assert_allclose(reader.read()["r_flux"], flux[:, 2] * 3.631e-6)

    def test_vectors_of_parquet_and_hdf5(self, tmp_path):
        flux = np.arange(6.0).reshape(2, 3)
        column = pa.FixedSizeListArray.from_arrays(flux.ravel(), 3)
        pq.write_table(pa.table({"NMGY": column, "x": [1, 2]}), tmp_path / "t.parquet")
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["NMGY"], file["x"] = flux, [1, 2]
        for suffix in ("parquet", "hdf5"):
            reader = open_catalogue(tmp_path / f"t.{suffix}")
            assert set(reader.names) == {"NMGY[0]", "NMGY[1]", "NMGY[2]", "x"}
            assert reader.only("NMGY[2]").read()["NMGY[2]"].tolist() == [2.0, 5.0]

    def test_the_table_with_the_columns(self, tmp_path):
        hdus = [
            fits.PrimaryHDU(),
            fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])], name="META"),
            fits.BinTableHDU.from_columns(
                [fits.Column(n, "D", array=[0.1]) for n in BANDS.columns], name="PHOT"
            ),
        ]
        fits.HDUList(hdus).writeto(tmp_path / "t.fits")
        assert open_catalogue(tmp_path / "t.fits").names == ["a"]
        reader = open_catalogue(tmp_path / "t.fits", BANDS)
        assert reader.names == list(BANDS.columns)
        assert "FITS, HDU 2 'PHOT'" in str(reader.report)
        assert "Of 2 tables, HDU 2 was read; the others are 1." in str(reader.report)

    def test_what_fits_has(self, tmp_path):
        columns = [
            fits.Column("null", "K", null=-1, array=[BIG, -1]),
            fits.Column("scaled", "E", bscale=0.5, bzero=1, array=[1.0, 2.0]),
            fits.Column("bits", "3X", array=np.array([[1, 0, 1], [0, 1, 0]], bool)),
            fits.Column(
                "any", "PD()", array=np.array([np.arange(2.0), np.arange(3.0)], dtype=object)
            ),
            fits.Column("matrix", "6D", dim="(3,2)", array=np.arange(12.0).reshape(2, 2, 3)),
            fits.Column("complex", "C", array=[1 + 2j, 3]),
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        frame = read_catalogue(tmp_path / "t.fits")
        assert frame["null"].tolist() == [BIG, pd.NA]
        assert frame["scaled"].tolist() == [1.0, 2.0]
        assert frame["bits[2]"].tolist() == [True, False]
        assert [row.tolist() for row in frame["any"]] == [[0, 1], [0, 1, 2]]
        assert frame["matrix[1,0]"].tolist() == [3.0, 9.0]
        assert frame["complex"].tolist() == [1 + 2j, 3]

    def test_ascii_tables(self, tmp_path):
        columns = [
            fits.Column("a", "I10", ascii=True, array=[1, 2]),
            fits.Column("b", "F8.3", array=[1.5, 2.5]),
        ]
        fits.TableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
        assert read_catalogue(tmp_path / "t.fits")["b"].tolist() == [1.5, 2.5]

    def test_cut_short(self, tmp_path):
        path = write_catalogue({"a": np.arange(5000)}, tmp_path / "t.fits")
        path.write_bytes(path.read_bytes()[:30_000])
        with pytest.raises(
            ValueError, match=r"Cannot read .*t\.fits.*cut short.*5000 rows of 8 bytes"
        ):
            open_catalogue(path)

    def test_no_file_is_left_open(self, tmp_path):
        path = write_catalogue({"a": np.arange(5000)}, tmp_path / "t.fits")
        frame = read_catalogue(path)
        path.write_bytes(b"\0" * path.stat().st_size)
        assert frame["a"].tolist() == list(range(5000))


class TestHdf5:
    @pytest.mark.parametrize("format_", ["fixed", "table"])
    def test_pandas(self, tmp_path, format_):
        pytest.importorskip("tables")
        frame = everything()[["objid", "ra", "flux", "good", "field"]]
        frame.to_hdf(tmp_path / "t.h5", key="phot/df", format=format_)
        reader = open_catalogue(tmp_path / "t.h5")
        assert_same(reader.read(), frame)
        assert_same(pd.concat(reader.batches(3)), frame)
        assert reader.n_rows == 4
        assert "The index of the DataFrame, which has no name, was left out." in str(reader.report)

    def test_pandas_with_an_index(self, tmp_path):
        pytest.importorskip("tables")
        frame = everything()[["objid", "ra"]]
        frame.set_index("objid").to_hdf(
            tmp_path / "t.h5", key="df", format="table", data_columns=True
        )
        assert_same(read_catalogue(tmp_path / "t.h5"), frame)

    def test_pickles_that_run_code_are_refused(self, tmp_path):
        pytest.importorskip("tables")
        pd.DataFrame({"a": [1]}).to_hdf(tmp_path / "t.h5", key="df")
        ran = tmp_path / "ran"

        class Bomb:
            def __reduce__(self):
                return Path.touch, (ran,)

        with h5py.File(tmp_path / "t.h5", "a") as file:
            file["df"].attrs["info"] = np.bytes_(pickle.dumps(Bomb(), protocol=0))
        with pytest.raises(ValueError, match=r"a pickle that would run .*getattr"):
            open_catalogue(tmp_path / "t.h5")
        assert not ran.exists()

    def test_astropy(self, tmp_path):
        table = Table(
            {"objid": [BIG, 2], "flux": [1.0, 2.0], "s": ["a", "b"]}, units={"flux": "mJy"}
        )
        table.write(tmp_path / "t.hdf5", path="data", serialize_meta=True)
        reader = open_catalogue(tmp_path / "t.hdf5")
        assert reader.units == {"flux": "mJy"}
        assert reader.read()["objid"].tolist() == [BIG, 2]
        assert reader.read()["s"].tolist() == ["a", "b"]

    def test_several_groups(self, tmp_path):
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["meta/version"] = [1]
            for name in BANDS.columns:
                file[f"photometry/{name}"] = np.arange(3.0)
            file["photometry/edges"] = np.arange(7.0)
            file["photometry/g_flux"].attrs["unit"] = "uJy"
        reader = open_catalogue(tmp_path / "t.hdf5", BANDS)
        assert reader.read()["g_flux"].tolist() == [0, 1e-6, 2e-6]
        assert "'/photometry/' was read" in str(reader.report)
        assert "length differs: edges" in str(reader.report)

    def test_vaex(self, tmp_path):
        texts = [b"ab", b"", b"cde", b"f"] * 5
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            columns = file.create_group("table/columns")
            columns["x/data"] = np.arange(20.0)
            columns["x"].attrs["unit"] = "Jy"
            columns["i/data"], columns["i/mask"] = np.arange(20), np.arange(20) % 3 == 0
            columns["s/data"] = np.frombuffer(b"".join(texts), np.uint8)
            columns["s/data"].attrs["dtype"] = "str"
            columns["s/indices"] = np.cumsum([0, *map(len, texts)])
            columns["s/null_bitmap"] = np.packbits(np.arange(20) != 13, bitorder="little")
        reader = open_catalogue(tmp_path / "t.hdf5")
        assert reader.units == {"x": "Jy"}
        expected = [None if i == 13 else text.decode() for i, text in enumerate(texts)]
        for frame in (reader.read(), pd.concat(reader.batches(3))):
            assert [None if pd.isna(text) else text for text in frame["s"]] == expected
            assert frame["i"].isna().tolist() == (np.arange(20) % 3 == 0).tolist()
            assert frame["x"].tolist() == list(range(20))

    def test_without_a_table(self, tmp_path):
        with h5py.File(tmp_path / "t.hdf5", "w") as file:
            file["image"] = 3
        with pytest.raises(ValueError, match="there is no table in it"):
            open_catalogue(tmp_path / "t.hdf5")

    @pytest.mark.parametrize(("module", "name"), [("h5py", "h5py"), ("tables", "PyTables")])
    def test_a_library_that_is_not_installed(self, tmp_path, monkeypatch, module, name):
        if module == "tables":
            pytest.importorskip("tables")
        pd.DataFrame({"a": [1]}).to_hdf(
            tmp_path / "t.h5", key="df"
        ) if module == "tables" else write_catalogue({"a": [1]}, tmp_path / "t.h5")
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(ValueError, match=rf"need {name}.*pip install 'sfml\[data\]'"):
            open_catalogue(tmp_path / "t.h5")


class TestText:
    def test_identifiers_that_begin_with_zeros_stay_text(self, tmp_path):
        (tmp_path / "t.csv").write_text("plate,id,n\n0266,12345678901234567890123,1\n0267,2,-0\n")
        frame = read_catalogue(tmp_path / "t.csv")
        assert frame["plate"].tolist() == ["0266", "0267"]
        assert frame["id"].tolist() == ["12345678901234567890123", "2"]
        assert frame["n"].tolist() == [1, 0]

    def test_signs_and_blanks(self, tmp_path):
        (tmp_path / "t.dat").write_text('ra    dec      name\n 1.5  +2.5  "NGC 1"\n 2.5  -0.1  x\n')
        frame = read_catalogue(tmp_path / "t.dat")
        assert frame.to_dict("list") == {
            "ra": [1.5, 2.5],
            "dec": [2.5, -0.1],
            "name": ["NGC 1", "x"],
        }

    def test_separators_at_the_end_of_rows(self, tmp_path):
        (tmp_path / "t.csv").write_text("a,b\n1,2,\n3,4,\n")
        assert read_catalogue(tmp_path / "t.csv")[["a", "b"]].to_numpy().tolist() == [
            [1, 2],
            [3, 4],
        ]

    def test_lines_in_quotes(self, tmp_path):
        (tmp_path / "t.csv").write_text('a,b\n1,"two\nlines"\n3,"x, ""y"""\n')
        assert read_catalogue(tmp_path / "t.csv")["b"].tolist() == ["two\nlines", 'x, "y"']

    def test_ipac(self, tmp_path):
        (tmp_path / "t.tbl").write_text(
            "\\ a comment\n|  id| w1flux|\n| int| double|\n|    |     Jy|\n    1     2.5 \n"
        )
        reader = open_catalogue(tmp_path / "t.tbl")
        assert reader.units == {"w1flux": "Jy"}
        assert reader.read()["w1flux"].tolist() == [2.5]

    def test_a_late_type_is_that_of_all_batches(self, tmp_path):
        rows = "\n".join(["1,2"] * 500 + ["1,x", ",0.5"])
        (tmp_path / "t.csv").write_text(f"a,b\n{rows}\n")
        batches = list(open_catalogue(tmp_path / "t.csv").batches(100))
        assert all(batch["b"].map(type).eq(str).all() for batch in batches)
        assert pd.concat(batches)["a"].dtype == "Int64"


class TestVotable:
    def test_the_table_with_the_columns(self, tmp_path):
        field = '<FIELD name="{}" datatype="double" unit="{}"/>'
        table = "<TABLE>{}<DATA><TABLEDATA><TR>{}</TR></TABLEDATA></DATA></TABLE>"
        first = table.format(field.format("a", "m"), "<TD>1</TD>")
        second = table.format(
            "".join(field.format(name, "uJy" if "flux" in name else "") for name in BANDS.columns),
            "<TD>2</TD>" * 5,
        )
        text = f'<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>{first}{second}</RESOURCE></VOTABLE>'
        (tmp_path / "t.xml").write_text(text)
        assert open_catalogue(tmp_path / "t.xml").units == {"a": "m"}
        reader = open_catalogue(tmp_path / "t.xml", BANDS)
        np.testing.assert_allclose(reader.read()["g_flux"], [2e-6])
        assert "Of 2 tables, number 2 was read." in str(reader.report)


class TestWriting:
    UNITS = {"ra": "deg", "flux": "mJy"}
    PROVENANCE = {"sfml_version": "1.2", "model_hash": "ab" * 32, "note": "x" * 200}

    @pytest.mark.parametrize("suffix", [s for s in SUFFIXES if not s.startswith(".csv")])
    def test_units(self, tmp_path, suffix):
        path = write_catalogue(everything(), tmp_path / f"t{suffix}", units=self.UNITS)
        assert open_catalogue(path).units == self.UNITS

    def test_units_of_the_table(self, tmp_path):
        table = Table({"a": [1.0], "b": [2.0]}, units={"a": "Jy", "b": "m"})
        path = write_catalogue(table, tmp_path / "t.fits", units={"b": "km"})
        assert open_catalogue(path).units == {"a": "Jy", "b": "km"}
        with pytest.raises(ValueError, match=r"lacks: \['c'\]"):
            write_catalogue(table, tmp_path / "u.fits", units={"c": "km"})

    def test_provenance(self, tmp_path):
        def write(suffix):
            return write_catalogue(
                everything(), tmp_path / f"t{suffix}", provenance=self.PROVENANCE
            )

        assert json.loads(fits.getheader(write(".fits"), 1)["SFMLPROV"]) == self.PROVENANCE
        assert (
            json.loads(pq.read_schema(write(".parquet")).metadata[b"sfml.provenance"])
            == self.PROVENANCE
        )
        with pa.ipc.open_file(write(".feather")) as reader:
            assert json.loads(reader.schema.metadata[b"sfml.provenance"]) == self.PROVENANCE
        with h5py.File(write(".hdf5")) as file:
            assert json.loads(file["catalogue"].attrs["provenance"]) == self.PROVENANCE
        assert Table.read(write(".ecsv"), format="ascii.ecsv").meta["provenance"] == self.PROVENANCE
        infos = parse_votable(write(".vot")).resources[0].infos
        assert {info.name: info.value for info in infos} == self.PROVENANCE
        write(".csv")
        for card in tmp_path.glob("*.README.md"):
            assert f"| model_hash | {self.PROVENANCE['model_hash']} |" in card.read_text()
        assert len(list(tmp_path.iterdir())) == 14

    def test_votable_in_parquet(self, tmp_path):
        """As the IVOA's note on VOParquet has it: a VOTable without data, in the metadata."""
        path = write_catalogue(everything(), tmp_path / "t.parquet", units=self.UNITS)
        metadata = pq.read_schema(path).metadata
        assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
        (tmp_path / "t.vot").write_bytes(metadata[b"IVOA.VOTable-Parquet.content"])
        (table,) = parse_votable(tmp_path / "t.vot", verify="exception").iter_tables()
        assert [field.name for field in table.fields] == list(everything())
        assert {f.name: str(f.unit) for f in table.fields if f.unit} == self.UNITS

    def test_others_can_open_it(self, tmp_path):
        frame = everything()
        write_catalogue(frame, tmp_path / "t.parquet")
        assert pd.read_parquet(tmp_path / "t.parquet")["objid"].tolist() == frame["objid"].tolist()
        write_catalogue(frame, tmp_path / "t.feather")
        assert pd.read_feather(tmp_path / "t.feather")["objid"].tolist() == frame["objid"].tolist()
        write_catalogue(frame, tmp_path / "t.csv")
        assert pd.read_csv(tmp_path / "t.csv")["objid"].tolist() == frame["objid"].tolist()
        for suffix in ("fits", "vot", "ecsv"):
            # Of a null among booleans in FITS, astropy warns.
            write_catalogue(frame.drop(columns="maybe"), tmp_path / f"t.{suffix}")
            table = Table.read(tmp_path / f"t.{suffix}")
            assert table["objid"].tolist() == frame["objid"].tolist()
            assert table["match"].mask.tolist() == [False, True, False, False]

    def test_card(self, tmp_path):
        frame = pd.DataFrame(
            {
                "ID": [1],
                "sfr": [0.1],
                "sfr_p16": [0.0],
                "sfr_p84": [0.2],
                "flag": [0],
                "reasons": [""],
            }
        )
        path = write_catalogue(frame, tmp_path / "out.parquet")
        card = (tmp_path / "out.parquet.README.md").read_text()
        assert "1 rows and 6 columns" in card
        assert 'sfml.io.read_catalogue("out.parquet")' in card
        assert 'pandas.read_parquet("out.parquet")' in card
        assert "| `sfr` | float64 | dex (Msun/yr) | predicted median |" in card
        assert "| `sfr_p16` | float64 | dex (Msun/yr) | percentile 16 of sfr |" in card
        assert "| 16 | colours |" in card
        assert open_catalogue(path).units["sfr_p84"] == "dex (Msun/yr)"
        write_catalogue({"sfr": [1.0]}, tmp_path / "mine.parquet")  # of which sfml knows nothing
        assert open_catalogue(tmp_path / "mine.parquet").units == {}

    def test_an_index_becomes_a_column(self, tmp_path):
        frame = pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index([BIG, 5], name="CATAID"))
        assert read_catalogue(write_catalogue(frame, tmp_path / "t.csv"))["CATAID"].tolist() == [
            BIG,
            5,
        ]
        some = pd.DataFrame({"a": [1.0, 2.0, 3.0]}).iloc[[0, 2]]
        assert read_catalogue(write_catalogue(some, tmp_path / "u.csv"))["index"].tolist() == [0, 2]

    @pytest.mark.parametrize("taken", ["t.parquet", "t.parquet.README.md"])
    def test_nothing_is_overwritten(self, tmp_path, taken):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(FileExistsError, match=re.escape(taken)):
            write_catalogue({"a": [1]}, tmp_path / "t.parquet")
        assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [(taken, "mine")]
        write_catalogue({"a": [1]}, tmp_path / "t.parquet", overwrite=True)
        assert read_catalogue(tmp_path / "t.parquet")["a"].tolist() == [1]
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_failure_leaves_nothing(self, tmp_path, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pq, "write_table", fail)
        with pytest.raises(OSError, match="No space left"):
            write_catalogue({"a": [1]}, tmp_path / "new" / "t.parquet")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["t.xlsx", "t", "t.parquet.gz", "t.txt"])
    def test_formats_that_are_not_written(self, tmp_path, name):
        with pytest.raises(ValueError, match=re.escape(name)):
            write_catalogue({"a": [1]}, tmp_path / name)

    @pytest.mark.parametrize("name", ["a/b", ".", ""])
    def test_names_that_hdf5_cannot_have(self, tmp_path, name):
        with pytest.raises(ValueError, match="names of columns"):
            write_catalogue({name: [1]}, tmp_path / "t.hdf5")

    def test_too_many_columns_for_fits(self, tmp_path):
        with pytest.raises(ValueError, match="at most 999 columns; got 1000"):
            write_catalogue({f"c{i}": [1] for i in range(1000)}, tmp_path / "t.fits")


class TestProvenance:
    def test_of_a_file(self, tmp_path):
        path = tmp_path / "t.csv"
        path.write_text("a\n1\n")
        found = make_provenance(path, model_hash="ab", survey="GAMA")
        assert found["input"] == "t.csv"
        assert found["input_sha256"] == __import__("hashlib").sha256(b"a\n1\n").hexdigest()
        assert found["model_hash"] == "ab"
        assert found["survey"] == "GAMA"
        assert datetime.fromisoformat(found["created"]).tzinfo is not None

    def test_of_a_folder(self, tmp_path):
        write_catalogue({"a": [1]}, tmp_path / "part.0.parquet")
        one = make_provenance(tmp_path)["input_sha256"]
        assert make_provenance(tmp_path)["input_sha256"] == one
        write_catalogue({"a": [2]}, tmp_path / "part.0.parquet", overwrite=True)
        assert make_provenance(tmp_path)["input_sha256"] != one

    def test_of_a_table(self):
        assert set(make_provenance({"a": [1]})) == {"sfml_version", "created"}


class TestErrors:
    def test_no_such_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file '.*t\.fits'"):
            open_catalogue(tmp_path / "t.fits")

    def test_unknown_suffix(self, tmp_path):
        (tmp_path / "t.xlsx").write_text("x")
        with pytest.raises(ValueError, match=r"format of '.*t\.xlsx'.*\.fits, \.fit"):
            open_catalogue(tmp_path / "t.xlsx")

    @pytest.mark.parametrize("suffix", [suffix for ends in FORMATS.values() for suffix in ends])
    def test_empty_file(self, tmp_path, suffix):
        (tmp_path / f"t{suffix}").touch()
        with pytest.raises(ValueError, match=rf"Cannot read '.*t\{suffix}': the file is empty"):
            open_catalogue(tmp_path / f"t{suffix}")

    @pytest.mark.parametrize(
        "suffix", [".fits", ".vot", ".csv", ".ecsv", ".parquet", ".feather", ".hdf5"]
    )
    @pytest.mark.parametrize("other", [".fits", ".vot", ".parquet", ".feather", ".hdf5"])
    def test_another_format_behind_a_suffix(self, tmp_path, suffix, other):
        if suffix == other:
            return
        path = write_catalogue({"a": [1]}, tmp_path / f"t{other}")
        shutil.copy(path, tmp_path / f"u{suffix}")
        with pytest.raises(
            ValueError, match=rf"'.*u\{suffix}': its name says .*Rename it to end in \."
        ) as error:
            open_catalogue(tmp_path / f"u{suffix}")
        assert f"Rename it to end in {other}" in str(error.value).replace(".votable", ".vot")

    @pytest.mark.parametrize(
        ("start", "what"),
        [
            (b"<html>", "a web page"),
            (b"PK\x03\x04xx", "a zip archive"),
            (b"\x80\x05\x95xx", "a pickle"),
        ],
    )
    @pytest.mark.parametrize("suffix", [".fits", ".csv", ".parquet"])
    def test_no_table_at_all(self, tmp_path, start, what, suffix):
        (tmp_path / f"t{suffix}").write_bytes(start)
        with pytest.raises(ValueError, match=f"but it is {what}"):
            open_catalogue(tmp_path / f"t{suffix}")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_cut_short(self, tmp_path, suffix):
        frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=3000), "s": ["x"] * 3000})
        path = write_catalogue(frame, tmp_path / f"t{suffix}")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 2 // 3 - 1])
        if suffix in (".csv", ".ecsv"):  # may end anywhere
            path.write_bytes(content[: content.rindex(b",")])
        for read in (read_catalogue, lambda path: list(open_catalogue(path).batches(500))):
            with pytest.raises(ValueError, match=re.escape(f"Cannot read {str(path)!r}")):
                read(path)

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_repeated_names(self, tmp_path, suffix):
        path = tmp_path / f"t{suffix}"
        if suffix == ".csv":
            path.write_text("a,a\n1,2\n")
        else:
            pq.write_table(pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), path)
        with pytest.raises(ValueError, match=rf"t\{suffix}'.*more than one column named 'a'"):
            open_catalogue(path)

    def test_repeated_names_in_fits(self, tmp_path):
        hdu = fits.BinTableHDU.from_columns([fits.Column(n, "J", array=[1]) for n in "ab"])
        hdu.writeto(tmp_path / "t.fits")
        content = (tmp_path / "t.fits").read_bytes()
        (tmp_path / "t.fits").write_bytes(content.replace(b"'b       '", b"'a       '"))
        with pytest.raises(ValueError, match="more than one column named 'a'"):
            open_catalogue(tmp_path / "t.fits")

    def test_absent_columns_name_the_file(self, tmp_path):
        write_catalogue({"FLUX_R": [1.0]}, tmp_path / "t.parquet")
        with pytest.raises(
            ValueError, match=r"The catalogue '.*t\.parquet' lacks.*columns=\{'r_flux': 'FLUX_R'\}"
        ):
            open_catalogue(tmp_path / "t.parquet", BANDS.only("r"))

    @pytest.mark.parametrize(("one", "other"), [([1], ["x"]), ([BIG], [0.5]), ([True], [1])])
    def test_parts_that_disagree(self, tmp_path, one, other):
        pq.write_table(pa.table({"a": one}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"a": other}), tmp_path / "2.parquet")
        with pytest.raises(ValueError, match=r"files disagree: 'a' is of type .* in '2\.parquet'"):
            open_catalogue(tmp_path)

    def test_parts_with_other_columns(self, tmp_path):
        pq.write_table(pa.table({"a": [1], "b": [1]}), tmp_path / "1.parquet")
        pq.write_table(pa.table({"a": [1]}), tmp_path / "2.parquet")
        with pytest.raises(ValueError, match=r"'2\.parquet' lacks the columns \['b'\]"):
            read_catalogue(tmp_path)
        assert len(open_catalogue(tmp_path).only("a").read()) == 2

    def test_parts_that_agree(self, tmp_path):
        pq.write_table(
            pa.table({"a": pa.array([1], pa.int32()), "b": pa.nulls(1)}), tmp_path / "1.parquet"
        )
        pq.write_table(pa.table({"b": ["x"], "a": [BIG]}), tmp_path / "2.parquet")
        frame = read_catalogue(tmp_path)
        assert frame["a"].tolist() == [1, BIG]
        assert frame["b"].isna().tolist() == [True, False]

    def test_hats_thumbnails_are_no_rows(self, tmp_path):
        (tmp_path / "dataset" / "Norder=0").mkdir(parents=True)
        for name in ("Norder=0/Npix=4.parquet", "data_thumbnail.parquet"):
            pq.write_table(pa.table({"a": [1]}), tmp_path / "dataset" / name)
        reader = open_catalogue(tmp_path)
        assert len(reader.read()) == 1
        assert "'Norder=0', are not read as columns" in str(reader.report)


class TestRealFiles:
    """Nothing of them is lost, on the way through any format."""

    @pytest.mark.parametrize(
        "suffix", [".fits", ".vot", ".ecsv", ".parquet", ".feather", ".hdf5", ".csv"]
    )
    def test_candels(self, shared_data, tmp_path, suffix):
        path = shared_data / "candels_magphys.csv"
        found = read_catalogue(path)
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert list(found) == list(rows[0])
        for name in found:
            expected = [float(row[name]) if row[name] else np.nan for row in rows]
            np.testing.assert_array_equal(found[name], expected)
        written = write_catalogue(found, tmp_path / f"t{suffix}")
        assert_same(read_catalogue(written), found)
