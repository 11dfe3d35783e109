from __future__ import annotations

import subprocess
import sys
from collections import namedtuple
from decimal import Decimal
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfml.tables import (
    absent,
    as_table,
    check_same_rows,
    column_names,
    extract,
    is_code,
    n_rows,
    row_index,
    take_rows,
)
from sfml.tables.units import conversion_factor, flux_density_factor

COLUMNS = ["r_flux", "Z"]
R_FLUX = np.array([1.5e-5, -2.5e-6, -999.0], dtype=np.float32)
REDSHIFT = np.array([0.1, 0.2, 0.3])
EXPECTED = np.column_stack([R_FLUX.astype(float), REDSHIFT])


def fits_rec() -> fits.FITS_rec:
    columns = [
        fits.Column("Z", "D", array=REDSHIFT),
        fits.Column("r_flux", "E", array=R_FLUX),
        fits.Column("name", "3A", array=["a", "b", "c"]),
    ]
    return fits.BinTableHDU.from_columns(columns).data


def structured() -> np.ndarray:
    out = np.empty(3, dtype=[("Z", ">f8"), ("r_flux", ">f4"), ("name", "U3")])
    out["Z"], out["r_flux"], out["name"] = REDSHIFT, R_FLUX, ["a", "b", "c"]
    return out


def as_dict() -> dict:
    return {"Z": REDSHIFT, "r_flux": R_FLUX, "name": ["a", "b", "c"]}


def hdf5_file() -> h5py.File:
    """A file in memory with the same table twice: as a compound dataset, and as a group."""
    file = h5py.File("memory.h5", "w", driver="core", backing_store=False)
    for name, values in as_dict().items():
        file[f"group/{name}"] = np.array(values, "S3") if name == "name" else values
    file["compound"] = structured().astype([("Z", ">f8"), ("r_flux", ">f4"), ("name", "S3")])
    return file


def hdf5_group() -> h5py.Group:
    return hdf5_file()["group"]


NAMED = {
    "pandas": lambda: pd.DataFrame(as_dict(), index=[7, 7, 3]),
    "pandas_arrow": lambda: pd.DataFrame(as_dict()).convert_dtypes(dtype_backend="pyarrow"),
    "pandas_nullable": lambda: pd.DataFrame(as_dict()).convert_dtypes(),
    "polars": lambda: pl.DataFrame(as_dict()),
    "pyarrow": lambda: pa.table(as_dict()),
    "astropy": lambda: Table(as_dict()),
    "astropy_masked": lambda: Table(as_dict(), masked=True),
    "structured": structured,
    "masked_structured": lambda: np.ma.MaskedArray(structured()),
    "fits_rec": fits_rec,
    "record_batch": lambda: pa.RecordBatch.from_pydict(as_dict()),
    "dict": as_dict,
    "hdf5_compound": lambda: hdf5_file()["compound"],
}
UNNAMED = {
    "array": lambda: EXPECTED,
    "fortran": lambda: np.asfortranarray(EXPECTED),
    "big_endian": lambda: EXPECTED.astype(">f8"),
    "list": lambda: EXPECTED.tolist(),
    "pandas_range": lambda: pd.DataFrame(EXPECTED),
    "masked_array": lambda: np.ma.MaskedArray(EXPECTED),
    "objects": lambda: EXPECTED.astype(object),
    "hdf5_matrix": lambda: h5py.File(
        "matrix.h5", "w", driver="core", backing_store=False
    ).create_dataset("X", data=EXPECTED),
}


@pytest.fixture(params=NAMED)
def named(request):
    return NAMED[request.param]()


@pytest.fixture(params=UNNAMED)
def unnamed(request):
    return UNNAMED[request.param]()


@pytest.fixture(params=NAMED | UNNAMED)
def table(request):
    return (NAMED | UNNAMED)[request.param]()


def check_plain(out: np.ndarray, expected: np.ndarray, dtype: type = np.float64) -> None:
    assert type(out) is np.ndarray
    assert out.dtype == np.dtype(dtype)
    assert out.dtype.isnative
    assert out.flags.c_contiguous
    assert out.flags.writeable
    np.testing.assert_array_equal(out, expected)


class TestColumnNames:
    def test_named(self, named):
        assert column_names(named) == ["Z", "r_flux", "name"]

    def test_unnamed(self, unnamed):
        assert column_names(unnamed) is None

    def test_partly_named_is_an_error(self):
        X = pd.DataFrame([[1.0, 2.0]], columns=["Z", 3])
        with pytest.raises(TypeError, match=r"label 3 \(int\).*astype\(str\)"):
            column_names(X)


class TestExtract:
    def test_named_by_name(self, named):
        check_plain(extract(named, COLUMNS), EXPECTED)

    def test_unnamed_by_position(self, unnamed):
        check_plain(extract(unnamed, COLUMNS), EXPECTED)

    def test_float32(self, table):
        check_plain(
            extract(table, COLUMNS, dtype=np.float32), EXPECTED.astype(np.float32), np.float32
        )

    def test_result_is_a_copy(self, unnamed):
        before = np.array(unnamed, dtype=float)
        extract(unnamed, COLUMNS)[:] = 0.0
        np.testing.assert_array_equal(np.array(unnamed, dtype=float), before)

    def test_integers(self):
        X = pd.DataFrame({"a": [1, 2], "b": np.array([3, 4], dtype=np.uint8)})
        check_plain(extract(X, ["b", "a"]), np.array([[3.0, 1.0], [4.0, 2.0]]))

    @pytest.mark.parametrize("make", [NAMED["pandas"], fits_rec, NAMED["polars"]])
    def test_no_rows(self, make):
        X = take_rows(make(), np.zeros(3, dtype=bool))
        assert extract(X, COLUMNS).shape == (0, 2)

    @given(
        arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3))),
        st.permutations(["a", "b", "c"]),
    )
    def test_any_order_and_any_value(self, values, order):
        X = pd.DataFrame(values, columns=["a", "b", "c"])
        expected = X[order].to_numpy(dtype=np.float64)
        np.testing.assert_array_equal(extract(X, order), expected)
        np.testing.assert_array_equal(extract(pl.from_pandas(X), order), expected)

    def test_longer_than_one_block(self):
        values = np.arange(300_000.0).reshape(100_000, 3)
        X = pd.DataFrame(values, columns=["a", "b", "c"])
        np.testing.assert_array_equal(extract(X, ["c", "a"]), values[:, [2, 0]])

    def test_astropy_is_not_imported_for_other_tables(self):
        code = (
            "import sys, pandas as pd; from sfml.tables.extraction import extract, take_rows;"
            "extract(pd.DataFrame({'a': [1.0]}), ['a'], unit='Jy'); extract([[1.0]], ['a']);"
            "assert not any(name.startswith('astropy') for name in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestMissing:
    @pytest.mark.parametrize(
        "X",
        [
            pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}),
            pd.DataFrame({"a": pd.array([1.0, None, 3.0], dtype="Float32")}),
            pd.DataFrame({"a": pd.array([1, None, 3], dtype="int64[pyarrow]")}),
            pd.DataFrame({"a": np.array([1.0, None, 3], dtype=object)}),
            pd.DataFrame({"a": np.array([Decimal(1), pd.NA, Decimal(3)], dtype=object)}),
            pl.DataFrame({"a": [1, None, 3]}),
            pl.DataFrame({"a": [1.0, None, 3.0]}, schema={"a": pl.Float32}),
            pa.table({"a": pa.array([1, None, 3])}),
            pa.table({"a": pa.array([1.0, None, 3.0], type=pa.float32())}),
            Table({"a": MaskedColumn([1, 2, 3], mask=[False, True, False])}),
            Table({"a": MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False])}),
            np.ma.MaskedArray([[1.0], [2.0], [3.0]], mask=[[False], [True], [False]]),
        ],
        ids=lambda X: type(X).__module__,
    )
    def test_null_and_masked_become_nan(self, X):
        check_plain(extract(X, ["a"]), np.array([[1.0], [np.nan], [3.0]]))

    def test_masked_quantity(self):
        table = QTable({"a": MaskedColumn([1.0, 2.0], mask=[False, True], unit="mJy")})
        np.testing.assert_array_equal(extract(table, ["a"], unit="Jy"), [[0.001], [np.nan]])

    def test_fits_rec_null(self, tmp_path):
        column = fits.Column("a", "J", null=-99, array=np.array([1, -99, 3]))
        fits.BinTableHDU.from_columns([column]).writeto(tmp_path / "t.fits")
        with fits.open(tmp_path / "t.fits") as hdus:
            out = extract(hdus[1].data, ["a"])
        np.testing.assert_array_equal(out, [[1.0], [np.nan], [3.0]])

    def test_all_missing_objects(self):
        X = pd.DataFrame({"a": np.array([None, None], dtype=object)})
        assert np.isnan(extract(X, ["a"])).all()

    def test_codes_stay(self):
        X = pd.DataFrame({"a": [-999.0, np.nan, np.inf]})
        np.testing.assert_array_equal(extract(X, ["a"]), [[-999.0], [np.nan], [np.inf]])


PRECISE = {
    "pandas": lambda values: pd.DataFrame({"a": values}),
    "wide_pandas": lambda values: pd.DataFrame({"b": 1.0, "a": values}),
    "big_endian": lambda values: pd.DataFrame({"a": values.astype(values.dtype.newbyteorder())}),
    "objects": lambda values: pd.DataFrame({"a": values.astype(object)}),
    "polars": lambda values: pl.DataFrame({"a": values.astype(np.float32)}),
    "pyarrow": lambda values: pa.table({"a": values}),
    "astropy": lambda values: Table({"a": values}),
    "quantity": lambda values: QTable({"a": values * u.mJy}),
    "masked": lambda values: Table({"a": MaskedColumn(values, mask=[False, False, True])}),
    "fits": lambda values: (
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=values, unit="mJy")]).data
    ),
    "dict": lambda values: {"a": values},
    "array": lambda values: values.reshape(-1, 1),
    "cast": lambda values: values.reshape(-1, 1).astype(float),
    "nullable": lambda values: pd.DataFrame({"a": pd.array(values, dtype="Float32")}),
}


class TestMissingCodes:
    @pytest.mark.parametrize("code", [99.9, -9.999, 1e20, -(2.0**100)])
    @pytest.mark.parametrize("make", PRECISE.values(), ids=list(PRECISE))
    @pytest.mark.parametrize("unit", [None, "Jy"])
    def test_in_float32(self, code, make, unit):
        values = np.array([1.0, code, 1.0], dtype=np.float32)
        out = extract(make(values), ["a"], unit=unit, missing_codes=[code])
        assert np.isnan(out[1, 0])
        assert out[0, 0] in (1.0, 1e-3)

    @pytest.mark.parametrize("kind", ["pandas", "wide_pandas", "array", "quantity", "dict"])
    def test_beyond_float32(self, kind):
        X = PRECISE[kind](np.array([1.0, np.inf, 1.0], dtype=np.float32))
        out = extract(X, ["a"], missing_codes=[9.9e99])
        np.testing.assert_array_equal(out, [[1.0], [np.nan], [1.0]])
        assert extract(np.array([[np.inf]]), ["a"], missing_codes=[9.9e99]) == np.inf

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_half_precision_beside_others(self, dtype):
        X = pd.DataFrame({"a": np.float16([99.9, 1]), "b": np.float32([99.9, 1]), "c": [99.9, 1.0]})
        out = extract(X, ["a", "b", "c"], missing_codes=[99.9], dtype=dtype)
        np.testing.assert_array_equal(out, [[np.nan] * 3, [1.0] * 3])

    @pytest.mark.parametrize(
        "values",
        [
            np.array([1, -999], dtype=np.int16),
            np.array([1, -999], dtype=">i8"),
            pd.array([1, -999], dtype="Int32"),
            np.array([Decimal(1), Decimal(-999)], dtype=object),
            np.array([1, -999], dtype=np.longdouble),
        ],
        ids=lambda values: str(values.dtype),
    )
    def test_in_other_numbers(self, values):
        out = extract(pd.DataFrame({"a": values}), ["a"], missing_codes=[99.9, -999])
        np.testing.assert_array_equal(out, [[1.0], [np.nan]])

    def test_a_converted_value_is_no_code(self):
        table = Table({"f": Column(np.float32([-0.999, 1.0]), unit="kJy")})
        out = extract(table, ["f"], unit="Jy", missing_codes=[-999])
        np.testing.assert_allclose(out, [[-999.0], [1000.0]], rtol=1e-6)

    def test_kept_as_they_are_written(self):
        X = pd.DataFrame({"a": np.float32([99.9, 1])})
        out = extract(X, ["a"], missing_codes=[99.9], codes="keep")
        np.testing.assert_array_equal(out, [[99.9], [1.0]])

    def test_input_is_unchanged(self):
        X = np.array([[-999.0, 1.0]])
        extract(X, ["a", "b"], missing_codes=[-999])
        np.testing.assert_array_equal(X, [[-999.0, 1.0]])

    def test_is_code(self):
        values = np.array([0.0, 99.9, np.float32(99.9), 99.90001, np.nan, -np.inf])
        np.testing.assert_array_equal(
            is_code(values, [99.9, 1e-60]), [False, True, True, False, False, False]
        )


class TestOptional:
    @pytest.mark.parametrize("n", [3, 100_000])
    def test_absent_is_nan(self, n):
        X = pd.DataFrame({"Z": np.arange(n), "r_flux": 1.0})
        out = extract(X, ["u_flux", "r_flux", "Z"], optional={"u_flux", "Z"})
        assert np.isnan(out[:, 0]).all()
        np.testing.assert_array_equal(out[:, 1:], X[["r_flux", "Z"]])
        assert absent(X, ["u_flux", "r_flux", "Z"]) == ["u_flux"]

    def test_named_tables_only(self, named):
        out = extract(named, ["Z", "nothing", "r_flux"], optional=["nothing"])
        np.testing.assert_array_equal(out[:, [2, 0]], EXPECTED)
        assert absent(EXPECTED, ["a", "b"]) == []
        with pytest.raises(ValueError, match="exactly 3 are needed"):
            extract(EXPECTED, [*COLUMNS, "nothing"], optional=["nothing"])

    def test_the_others_are_needed(self):
        with pytest.raises(ValueError, match="X lacks 1 of the 1 columns needed: 'b'"):
            extract(pd.DataFrame({"x": [1.0]}), ["a", "b"], optional=["a"])


class TestSameRows:
    X = pd.DataFrame({"Z": [0.1, 0.2, 0.3]}, index=[11, 12, 13])

    @pytest.mark.parametrize("labels", [[13, 12, 11], [11, 13, 12]])
    def test_other_order(self, labels):
        y = pd.Series([1.0, 2.0, 3.0], index=labels)
        with pytest.raises(ValueError, match=r"X and y have.*y\.loc\[X\.index\].*reset_index"):
            check_same_rows(self.X, y)
        with pytest.raises(ValueError, match=r"^X and sample_weight.*sample_weight\.loc"):
            check_same_rows(self.X, y.to_frame(), "X and sample_weight")

    def test_repeated_labels(self):
        X, y = self.X.set_axis([7, 7, 8]), self.X.set_axis([7, 8, 7])
        with pytest.raises(ValueError, match=r"row 1.*is 7 in one and 8.*sort both"):
            check_same_rows(X, y)

    @pytest.mark.parametrize("labels", [[11, 12, 13], [1, 2, 3], [13, 12, 12], ["11", "12", "13"]])
    def test_paired_by_position(self, labels):
        check_same_rows(self.X, pd.Series([1.0, 2.0, 3.0], index=labels))

    def test_no_index(self):
        check_same_rows(self.X, np.ones(3))
        check_same_rows(pl.from_pandas(self.X), pd.Series([1.0, 2.0, 3.0], index=[13, 12, 11]))


class TestAsTable:
    @pytest.mark.parametrize(
        "y",
        [
            pd.Series([1.0, 2.0]),
            pl.Series([1.0, 2.0]),
            pa.chunked_array([[1.0, 2.0]]),
            [1.0, 2.0],
            np.array([1.0, 2.0]),
            Column([1.0, 2.0]),
        ],
        ids=lambda y: type(y).__module__,
    )
    def test_one_column(self, y):
        np.testing.assert_array_equal(as_table(y), [[1.0], [2.0]])

    def test_names_and_masks(self):
        assert column_names(as_table(pd.Series([1.0], name="sfr"))) == ["sfr"]
        masked = np.ma.MaskedArray([1.0, 2.0], mask=[True, False])
        np.testing.assert_array_equal(as_table(masked), [[np.nan], [2.0]])

    def test_tables_stay(self, named):
        assert as_table(named) is named


class TestFluxDensities:
    @pytest.mark.parametrize(
        ("unit", "janskys"),
        [
            ("Jy", 1.0),
            ("mJy", 1e-3),
            ("uJy", 1e-6),
            ("\u00b5Jy", 1e-6),
            ("microJy", 1e-6),
            (" nJy ", 1e-9),
            ("MJy", 1e6),
            (u.mJy, 1e-3),
            *((name, 3631e-9) for name in ("nanomaggy", "nanomaggies", "Nanomaggies", "nmgy")),
            *((name, 3631.0) for name in ("maggy", "mgy", "maggies", u.Unit("mgy"))),
            ("erg/s/cm2/Hz", 1e23),
            ("erg / (s cm2 Hz)", 1e23),
            (u.Unit("W / (m2 Hz)"), 1e26),
        ],
    )
    def test_factors(self, unit, janskys):
        assert conversion_factor(unit, "Jy") == pytest.approx(janskys, rel=1e-15)
        assert conversion_factor("Jy", unit) == pytest.approx(1 / janskys, rel=1e-15)
        assert flux_density_factor(unit, unit) == pytest.approx(1.0, rel=1e-15)

    def test_exact_where_it_can_be(self):
        assert conversion_factor("mJy", "Jy") == 1e-3
        assert conversion_factor("Jy", "mJy") == 1000.0
        assert conversion_factor("nanomaggies", "uJy") == 3.631

    @pytest.mark.parametrize(
        "unit",
        ["mjy", "mag", "ABmag", "mag(AB)", "dex(Jy)", "", "-", "erg / s", "1 / mJy2", "Angstrom"],
    )
    def test_no_flux_density(self, unit):
        assert conversion_factor(unit, "Jy") is None
        with pytest.raises(
            ValueError, match=r"must be one of flux density, such as.*; got"
        ) as error:
            flux_density_factor(unit, "Jy")
        assert repr(unit) in str(error.value)
        with pytest.raises(ValueError, match=r"^BandSet's unit must"):
            flux_density_factor("Jy", unit, "BandSet's unit")

    def test_astropy_is_not_imported_for_common_ones(self):
        code = (
            "import sys; from sfml.tables.units import conversion_factor as factor;"
            "[factor(unit, 'Jy') for unit in ('Jy', 'mJy', 'uJy', 'nJy', 'nanomaggies')];"
            "assert not any(name.startswith('astropy') for name in sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestUnits:
    @pytest.mark.parametrize("kind", [Table, QTable])
    def test_converted(self, kind):
        table = kind({"f": [5.0, 20.0] * u.mJy, "z": [0.1, 0.2]})
        check_plain(
            extract(table, ["f", "z"], unit=["Jy", None]), np.array([[0.005, 0.1], [0.02, 0.2]])
        )

    def test_fits_rec(self):
        columns = [
            fits.Column("f", "E", unit="mJy", array=[5.0, 20.0]),
            fits.Column("g", "E", unit="Jy", array=[5.0, 20.0]),
        ]
        data = fits.BinTableHDU.from_columns(columns).data
        np.testing.assert_array_equal(
            extract(data, ["f", "g"], unit="Jy"), [[0.005, 5.0], [0.02, 20.0]]
        )

    def test_small_unit_survives_float32(self):
        # 1e-29 W/m2/Hz = 1 mJy is below the range of float32 before it is converted.
        table = Table({"f": Column([2e-26], unit="W / (m2 Hz)")})
        np.testing.assert_allclose(
            extract(table, ["f"], unit="mJy", dtype=np.float32), [[2000.0]], rtol=1e-6
        )

    def test_codes_have_no_unit(self):
        table = Table({"f": Column(np.array([-999, 5, -9], dtype=">f4"), unit="mJy")})
        out = extract(table, ["f"], unit="Jy", missing_codes=(-999, -9), codes="keep")
        np.testing.assert_array_equal(out, [[-999.0], [0.005], [-9.0]])

    @pytest.mark.parametrize("unit", ["nmgy", "nanomaggy"])
    def test_nanomaggies(self, unit):
        table = QTable({"f": [2.0] * u.Unit(unit)})
        np.testing.assert_allclose(extract(table, ["f"], unit="Jy"), [[7.262e-6]], rtol=1e-15)

    def test_units_of_other_tables(self):
        group = hdf5_group()
        group["r_flux"].attrs["unit"] = b"mJy"
        table = {"r_flux": np.float64([5.0, 20.0]) * u.mJy, "Z": [0.1, 0.2]}
        units = ["Jy", None]
        np.testing.assert_array_equal(
            extract(table, COLUMNS, unit=units), [[0.005, 0.1], [0.02, 0.2]]
        )
        expected = R_FLUX.astype(float) * 1e-3
        np.testing.assert_array_equal(extract(group, COLUMNS, unit=units)[:, 0], expected)

    @pytest.mark.parametrize("unit", [None, "", "-"])
    def test_no_unit_is_the_expected_one(self, unit):
        rec = fits.BinTableHDU.from_columns([fits.Column("f", "E", unit=unit, array=[5.0])]).data
        assert extract(rec, ["f"], unit="Jy") == 5.0

    def test_unit_is_ignored_where_none_is_expected(self):
        table = Table({"m": Column([10.0], unit=u.dex(u.Msun))})
        assert extract(table, ["m"]) == 10.0

    @pytest.mark.parametrize(
        "unit", ["erg / s", "mag(AB)", "dex(Jy)", "1 / nmgy2", "nanomaggies_x", "km/s"]
    )
    def test_unconvertible(self, unit):
        column = Column([1.0], unit=u.Unit(unit, parse_strict="silent"))
        table = Table({"good": Column([1.0], unit="Jy"), "bad": column})
        with pytest.raises(ValueError, match="Units cannot be converted") as error:
            extract(table, ["good", "bad"], unit="Jy")
        assert f"'bad' is in {str(column.unit)!r}, expected 'Jy'" in str(error.value)
        assert "'good'" not in str(error.value)

    def test_dimensionless_is_not_a_flux(self):
        table = QTable({"f": [1.0] * u.dimensionless_unscaled})
        with pytest.raises(ValueError, match="'f' is in '', expected 'Jy'"):
            extract(table, ["f"], unit="Jy")

    def test_one_unit_a_column(self):
        with pytest.raises(ValueError, match="unit has 1 entries for 2 columns"):
            extract(EXPECTED, COLUMNS, unit=["Jy"])


class TestErrors:
    def test_absent_columns_all_named(self, named):
        with pytest.raises(ValueError, match="X lacks 2 of the 3 columns needed") as error:
            extract(named, ["R_FLUX", "Z", "Y_sed"])
        assert "'R_FLUX' (did you mean 'r_flux'?), 'Y_sed'." in str(error.value)
        assert "X has 3 columns: 'Z', 'r_flux', 'name'." in str(error.value)

    def test_another_band_is_not_suggested(self):
        X = pd.DataFrame({"g_flux": [1.0], "i_flux": [1.0]})
        with pytest.raises(ValueError, match=r"needed: 'r_flux'\. X has"):
            extract(X, ["g_flux", "r_flux", "i_flux"])

    def test_long_lists_are_abbreviated(self):
        X = pd.DataFrame(np.zeros((1, 50)), columns=[f"c{i}" for i in range(50)])
        with pytest.raises(ValueError, match=r"'c11', \.\.\. and 38 more\.$"):
            extract(X, ["Z"])

    def test_wrong_number_without_names(self):
        with pytest.raises(ValueError, match=r"X has 2 columns without names.*exactly 1.*'Z'"):
            extract(EXPECTED, ["Z"])

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            (pd.Series(["0.1", "0.2"]), "text: '0.1' in row 0, though all of it reads as numbers"),
            (pd.Series([0.1, "n/a"], dtype=object), "'a' holds text: 'n/a' in row 1"),
            (pd.Series(["0.1", "1.2D-04"]), "'a' holds text: '1.2D-04' in row 1"),
            (pd.Series([None, "--"], dtype=object), "'a' holds text: '--' in row 1"),
            (pd.Series(["0.1", " "], dtype="string[pyarrow]"), "'a' holds text: ' ' in row 1"),
            (pd.Series(["x", "y"], dtype="category"), "'a' holds text: 'x' in row 0"),
            (pd.Series([True, False]), "'a' holds booleans: True in row 0"),
            (pd.Series([True, None], dtype="boolean"), "'a' holds bool"),
            (pd.Series([True, None], dtype=object), "'a' holds boolean: True in row 0"),
            (pd.to_datetime(pd.Series(["2020-01-01"] * 2)), "'a' holds dates"),
            (pd.Series([1j, 2j]), "'a' holds complex128"),
            (pd.Series([[1.0], [2.0]]), "'a' holds mixed"),
        ],
    )
    def test_not_numbers(self, column, message):
        X = pd.DataFrame({"a": column, "b": [1.0, 2.0], "c": ["u", "v"]})
        with pytest.raises(ValueError, match=message) as error:
            extract(X, ["a", "b", "c"])
        assert "'c' holds text: 'u' in row 0" in str(error.value)
        assert "'b'" not in str(error.value)

    @pytest.mark.parametrize(
        "X",
        [
            pl.DataFrame({"a": ["0.1"]}),
            pa.table({"a": ["0.1"]}),
            Table({"a": ["0.1"]}),
            Table({"a": MaskedColumn(["0.1"], mask=[False])}),
            np.array([("0.1",)], dtype=[("a", "U3")]),
            np.array([["0.1"]]),
            [["0.1"]],
            fits.BinTableHDU.from_columns([fits.Column("a", "3A", array=["0.1"])]).data,
        ],
        ids=lambda X: type(X).__module__,
    )
    def test_text_in_any_table(self, X):
        with pytest.raises(ValueError, match=r"'a' holds text: '0\.1' in row 0"):
            extract(X, ["a"])

    def test_vector_column(self):
        with pytest.raises(ValueError, match=r"'a' holds an array of shape \(2,\) in each row"):
            extract(Table({"a": np.zeros((3, 2))}), ["a"])

    @pytest.mark.parametrize(
        "row",
        [
            NAMED["pandas"]().iloc[0],
            pl.Series([0.1, 0.2]),
            pa.chunked_array([[0.1, 0.2]]),
            NAMED["astropy"]()[0],
            structured()[0],
            fits_rec()[0],
            np.array([0.1, 0.2]),
            [0.1, 0.2],
        ],
        ids=lambda X: type(X).__module__,
    )
    def test_one_dimension(self, row):
        with pytest.raises(ValueError, match="Reshape your data") as error:
            extract(row, COLUMNS)
        assert "a table of shape (n_galaxies, n_columns)" in str(error.value)
        assert "X.iloc[[0]]" in str(error.value)

    def test_three_dimensions(self):
        with pytest.raises(ValueError, match=r"3 dimensions, of shape \(2, 2, 2\)"):
            extract(np.zeros((2, 2, 2)), COLUMNS)

    @pytest.mark.parametrize("X", [pl.LazyFrame({"a": [1.0]}), {"a": 1.0}, {}, None, "a.csv", 3.0])
    def test_not_a_table(self, X):
        with pytest.raises(TypeError, match=type(X).__name__):
            extract(X, ["a"])

    # Whatever names its columns is never taken by position: here np.asarray would do so.
    @pytest.mark.parametrize(
        ("methods", "advice"),
        [
            ({"columns": ["a"], "compute": None, "map_partitions": None}, r"compute\(\), or one p"),
            ({"columns": ["a"], "to_pandas_df": None}, r"Pass X\.to_pandas_df\(\)\."),
            ({"columns": ["a"], "df": None, "execute": None}, r"Pass X\.df\(\)\."),
            ({"column_names": ["a"]}, r"Pass a pandas\.DataFrame of it\."),
            ({"schema": None, "to_pandas": None, "execute": None}, r"Pass X\.to_pandas\(\)\."),
            ({"colnames": ["a"], "read": None}, r"Pass X\.read\(\)\."),
            ({"keys": None}, "DataFrame of it"),
            ({"coords": None, "to_pandas": None, "compute": None}, r"Pass X\.to_pandas\(\)\."),
            ({"columns": None, "data": None}, r"Pass X\.data\."),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
    )
    @pytest.mark.parametrize("read", [column_names, n_rows, lambda X: extract(as_table(X), ["a"])])
    def test_names_that_cannot_be_read(self, methods, advice, read):
        class Frame(SimpleNamespace):
            shape = (1, 1)

            def __array__(self, dtype=None, copy=None):
                return np.ones((1, 1))

        with pytest.raises(TypeError, match=rf"Frame, whose columns have names.*{advice}"):
            read(Frame(**methods))

    def test_pyarrow_datasets_and_readers(self, tmp_path):
        pa.parquet.write_table(pa.table({"a": [1.0]}), tmp_path / "a.parquet")
        with pytest.raises(TypeError, match=r"Pass X\.to_table\(\)"):
            extract(pa.dataset.dataset(tmp_path), ["a"])
        with pytest.raises(TypeError, match=r"Pass X\.read_all\(\)"):
            extract(pa.table({"a": [1.0]}).to_reader(), ["a"])

    @pytest.mark.parametrize(
        "X",
        [
            [{"a": 1.0}],
            [pd.Series({"a": 1.0})],
            [namedtuple("Row", "a")(1.0)],
            namedtuple("Table", "a")([1.0]),
        ],
    )
    def test_rows_that_name_their_values(self, X):
        with pytest.raises(
            TypeError, match=r"names of its values would be lost\. Pass (X|pandas)\."
        ):
            extract(X, ["a"])

    def test_whole_fits_files(self):
        table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])])
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(), table])
        with pytest.raises(TypeError, match=r"HDUList, a whole FITS file.*hdus\[2\]\.data"):
            extract(hdus, ["a"])
        with pytest.raises(TypeError, match=r"BinTableHDU.*Pass X\.data\."):
            extract(table, ["a"])
        assert extract(table.data, ["a"]) == 1.0

    def test_hdf5_files(self):
        file = hdf5_file()
        with pytest.raises(
            TypeError, match=r"none of its entries is a column.*Pass X\['compound'\]"
        ):
            extract(file, COLUMNS)
        check_plain(extract(file["group"], COLUMNS), EXPECTED)

    def test_dict_that_is_no_table(self):
        with pytest.raises(ValueError, match="equal length; 'a' has 1 rows and 'b' has 2"):
            extract({"a": [1.0], "b": [1.0, 2.0]}, ["a"])
        with pytest.raises(ValueError, match=r"'Z' holds one value for all rows, 0\.1"):
            extract({"a": [1.0, 2.0], "Z": 0.1}, ["a", "Z"])
        shuffled = {"a": pd.Series([1, 2]), "b": pd.Series([1, 2], index=[1, 0])}
        with pytest.raises(ValueError, match="different indexes"):
            extract(shuffled, ["a"])

    def test_repeated_column(self):
        X = pd.DataFrame([[1.0, 2.0, 3.0]], columns=["a", "b", "b"])
        assert extract(X, ["a"]) == 1.0
        with pytest.raises(ValueError, match="more than one column named 'b'"):
            extract(X, ["a", "b"])


class TestRows:
    def test_n_rows(self, table):
        assert n_rows(table) == 3

    def test_take_rows_keeps_the_kind(self, table):
        mask = np.array([True, False, True])
        taken = take_rows(table, mask)
        to_array = isinstance(table, list | h5py.Dataset)
        assert type(taken) is (np.ndarray if to_array else type(table))
        np.testing.assert_array_equal(extract(taken, COLUMNS), EXPECTED[mask])

    def test_labels_play_no_part(self):
        X = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=[2, 1, 2])
        taken = take_rows(X, np.array([False, True, True]))
        pd.testing.assert_frame_equal(taken, pd.DataFrame({"a": [2.0, 3.0]}, index=[1, 2]))

    @pytest.mark.parametrize(
        "y",
        [
            pd.Series([1.0, 2.0, 3.0], index=[5, 5, 6]),
            pl.Series([1.0, 2.0, 3.0]),
            pa.chunked_array([[1.0, 2.0, 3.0]]),
            np.array([1.0, 2.0, 3.0]),
            Column([1.0, 2.0, 3.0]),
            [1.0, 2.0, 3.0],
        ],
        ids=lambda y: type(y).__module__,
    )
    def test_take_rows_of_one_column(self, y):
        np.testing.assert_array_equal(take_rows(y, np.array([False, True, True])), [2.0, 3.0])

    @pytest.mark.parametrize("mask", [[0, 1, 2], [True, False], [[True], [True], [True]]])
    def test_mask_is_boolean_and_of_full_length(self, mask):
        with pytest.raises(ValueError, match=r"boolean array of shape \(3,\)"):
            take_rows(EXPECTED, np.array(mask))

    def test_row_index(self):
        X = pd.DataFrame({"a": [1.0, 2.0]}, index=[4, 9])
        assert row_index(X) is X.index
        assert row_index(X.to_numpy()) is None
        assert row_index(pl.from_pandas(X)) is None
