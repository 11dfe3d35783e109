from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from sfml import GAMA, TARGETS, BandSet, load_gama
from sfml.io.text import TextSource
from sfml.targets import GAMA_TARGET_COLUMNS

BANDS = BandSet(["g", "r"], [0.47, 0.6176])
LABELS = list(GAMA_TARGET_COLUMNS.values())


@pytest.fixture
def lambdar() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "CATAID": [300, 100, 500, 200],
            "RA": [130.0, 131.0, 132.0, 133.0],
            "g_flux": [3e-5, -999.0, 5e-5, -2e-6],
            "g_fluxerr": [3e-6, -999.0, 5e-6, 2e-6],
            "r_flux": [6e-5, 7e-5, 8e-5, 9e-5],
            "r_fluxerr": [6e-6, 7e-6, 8e-6, 9e-6],
            "FIELD": ["G09", "G12", "G15", "G09"],
        }
    )


@pytest.fixture
def magphys() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "CATAID": [100, 200, 300],
            "Z": [0.1, 0.2, 0.3],
            "mass_stellar_best_fit": [1e9, 2e10, 3e11],
            "mass_stellar_percentile50": [9.1, 10.2, 11.3],
            "SFR_0_1Gyr_percentile50": [-1.1, 0.2, 1.3],
            "L_dust_percentile50": [8.1, 9.2, 10.3],
        }
    )


# Written out by hand: the galaxies of both tables in LambdarCat's order, 300, 100, 200.
EXPECTED_X = pd.DataFrame(
    {
        "g_flux": [3e-5, -999.0, -2e-6],
        "r_flux": [6e-5, 7e-5, 9e-5],
        "g_fluxerr": [3e-6, -999.0, 2e-6],
        "r_fluxerr": [6e-6, 7e-6, 9e-6],
        "Z": [0.3, 0.1, 0.2],
    },
    index=pd.Index([300, 100, 200], name="CATAID"),
)
EXPECTED_Y = pd.DataFrame(
    {
        "stellar_mass": [11.3, 9.1, 10.2],
        "sfr": [1.3, -1.1, 0.2],
        "dust_luminosity": [10.3, 8.1, 9.2],
    },
    index=EXPECTED_X.index,
)


def check(result, rtol: float = 0.0) -> None:
    X, y = result
    pd.testing.assert_frame_equal(X, EXPECTED_X, rtol=rtol, atol=0, check_exact=not rtol)
    pd.testing.assert_frame_equal(y, EXPECTED_Y, rtol=rtol, atol=0, check_exact=not rtol)


def write_fits(frame: pd.DataFrame, path, unit: str | None = None, scale: float = 1.0):
    """Big-endian FITS, the fluxes in `unit`; codes are not scaled, as GAMA would not."""
    columns = []
    for name, values in frame.items():
        if "_flux" in name:
            values = values.where(values == -999, values * scale)
            columns.append(fits.Column(name, "D", unit=unit, array=values.to_numpy()))
        elif values.dtype.kind in "if":
            code = {"i": "J", "f": "D"}[values.dtype.kind]
            columns.append(fits.Column(name, code, array=values.to_numpy()))
        else:
            columns.append(fits.Column(name, "3A", array=values.to_numpy(dtype="U3")))
    image = fits.ImageHDU(np.zeros((2, 2)))
    hdus = [fits.PrimaryHDU(), image, fits.BinTableHDU.from_columns(columns)]
    fits.HDUList(hdus).writeto(path)
    return path


class TestInputs:
    @pytest.mark.parametrize(
        "kind",
        [
            lambda frame: frame,
            lambda frame: frame.set_index("CATAID"),
            pl.from_pandas,
            pa.Table.from_pandas,
            Table.from_pandas,
            lambda frame: frame.to_records(index=False),
        ],
        ids=["pandas", "pandas_indexed", "polars", "pyarrow", "astropy", "structured"],
    )
    def test_tables(self, lambdar, magphys, kind):
        check(load_gama(kind(lambdar), kind(magphys), bands=BANDS))

    def test_kinds_may_differ(self, lambdar, magphys):
        check(load_gama(pl.from_pandas(lambdar), Table.from_pandas(magphys), bands=BANDS))

    @pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".CSV"])
    def test_csv(self, lambdar, magphys, tmp_path, suffix):
        paths = [tmp_path / f"lambdar{suffix}", tmp_path / f"magphys{suffix}"]
        lambdar.to_csv(paths[0], index=False)
        magphys.to_csv(paths[1], index=False)
        check(load_gama(*paths, bands=BANDS))

    @pytest.mark.parametrize("index", ["CATAID", None])
    def test_parquet(self, lambdar, magphys, tmp_path, index):
        paths = [str(tmp_path / "lambdar.parquet"), str(tmp_path / "magphys.parquet")]
        # Unevenly spaced: pandas would store 100, 200, 300 as a range, without a column.
        magphys = magphys.iloc[[1, 0, 2]]
        for frame, path in zip([lambdar, magphys], paths, strict=True):
            (frame.set_index(index) if index else frame).to_parquet(path)
        check(load_gama(*paths, bands=BANDS))
        joined = load_gama(*paths, bands=BANDS, return_X_y=False)
        assert joined["CATAID"].tolist() == [300, 100, 200]

    @pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
    def test_fits(self, lambdar, magphys, tmp_path, suffix):
        paths = (
            write_fits(lambdar, tmp_path / f"l{suffix}", "Jy"),
            write_fits(magphys, tmp_path / f"m{suffix}"),
        )
        X, y = load_gama(*paths, bands=BANDS)
        check((X, y))
        assert all(dtype.isnative for dtype in [*X.dtypes, *y.dtypes, X.index.dtype])

    def test_only_the_columns_needed_are_read(self, lambdar, magphys, tmp_path, monkeypatch):
        read = []
        read_text = TextSource.read

        def spy(self, names):
            frame = read_text(self, names)
            read.extend(frame.columns if len(frame) else [])
            return frame

        monkeypatch.setattr(TextSource, "read", spy)
        lambdar.to_csv(tmp_path / "l.csv", index=False)
        load_gama(tmp_path / "l.csv", magphys, bands=BANDS)
        assert set(read) == {"CATAID", *BANDS.flux_columns, *BANDS.error_columns}


class TestUnitsAndMissing:
    def test_fits_millijansky(self, lambdar, magphys, tmp_path):
        path = write_fits(lambdar, tmp_path / "l.fits", "mJy", scale=1e3)
        check(load_gama(path, magphys, bands=BANDS), rtol=1e-14)

    def test_unit_of_the_band_set(self, lambdar, magphys):
        table = Table.from_pandas(lambdar)
        for name in [*BANDS.flux_columns, *BANDS.error_columns]:
            table[name].unit = "Jy"
        X, _ = load_gama(table, magphys, bands=BandSet(BANDS.names, BANDS.wavelengths, unit="mJy"))
        assert X.loc[300, "r_flux"] == pytest.approx(0.06, rel=1e-14)
        assert X.loc[100, "g_flux"] == -999.0

    def test_not_a_flux(self, lambdar, magphys, tmp_path):
        path = write_fits(lambdar, tmp_path / "l.fits", "mag")
        with pytest.raises(
            ValueError, match=r"LambdarCat .*l\.fits.*: Units .*'g_flux' is in 'mag', exp.*'Jy'"
        ):
            load_gama(path, magphys, bands=BANDS)

    @pytest.mark.parametrize("unit", ["-", "no such unit"])
    def test_units_of_properties_are_not_read(self, lambdar, magphys, tmp_path, unit):
        table = Table.from_pandas(magphys)
        columns = [fits.Column(n, "D", unit=unit, array=table[n]) for n in table.colnames]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "m.fits")
        check(load_gama(lambdar, tmp_path / "m.fits", bands=BANDS))

    def test_masked_is_nan(self, lambdar, magphys):
        table = Table.from_pandas(lambdar)
        table["r_flux"] = MaskedColumn(table["r_flux"], mask=[True, False, False, False])
        X, _ = load_gama(table, magphys, bands=BANDS)
        assert X["r_flux"].isna().tolist() == [True, False, False]

    def test_fits_null(self, lambdar, magphys, tmp_path):
        columns = [
            fits.Column(n, "J", null=-1, array=v)
            if n == "L_dust_percentile50"
            else fits.Column(n, "D", array=magphys[n].to_numpy())
            for n, v in magphys.assign(L_dust_percentile50=[8, -1, 10]).items()
        ]
        fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "m.fits")
        _, y = load_gama(lambdar, tmp_path / "m.fits", bands=BANDS)
        np.testing.assert_array_equal(y["dust_luminosity"], [10.0, 8.0, np.nan])

    def test_codes_of_labels_become_nan_with_a_warning(self, lambdar, magphys):
        coded = magphys.assign(SFR_0_1Gyr_percentile50=[-99.0, 0.2, -9.0])
        with pytest.warns(UserWarning, match=re.escape("NaN in y: {'sfr': 1}")):
            _, y = load_gama(lambdar, coded, bands=BANDS)
        np.testing.assert_array_equal(y["sfr"], [-9.0, np.nan, 0.2])
        joined = load_gama(lambdar, coded, bands=BANDS, return_X_y=False)
        assert joined["SFR_0_1Gyr_percentile50"].tolist() == [-9.0, -99.0, 0.2]


class TestJoin:
    def test_counts(self, lambdar, magphys):
        X, _ = load_gama(lambdar, magphys, bands=BANDS)
        assert X.attrs["gama_join"] == {
            "n_lambdar": 4,
            "n_magphys": 3,
            "n_joined": 3,
            "n_lambdar_only": 1,
            "n_magphys_only": 0,
        }

    def test_magphys_without_fluxes_is_a_warning(self, lambdar, magphys):
        with pytest.warns(
            UserWarning, match="2 of the 3 galaxies of MagPhys.*CATAID 200, 300"
        ) as w:
            X, y = load_gama(lambdar.iloc[[1, 2]], magphys, bands=BANDS)
        assert w[0].filename == __file__
        assert X.index.tolist() == y.index.tolist() == [100]
        assert X.attrs["gama_join"]["n_magphys_only"] == 2

    def test_no_galaxy_in_common(self, lambdar, magphys):
        with pytest.raises(ValueError, match=r"No galaxy is in both.*500\), MagPhys 3 \(100, 200"):
            load_gama(lambdar.iloc[[2]], magphys, bands=BANDS)

    def test_input_is_unchanged(self, lambdar, magphys):
        before = lambdar.copy(), magphys.copy()
        X, y = load_gama(lambdar, magphys, bands=BANDS)
        X[:], y[:] = 0.0, 0.0
        joined = load_gama(lambdar, magphys, bands=BANDS, return_X_y=False)
        joined[BANDS.flux_columns[0]] = 0.0
        pd.testing.assert_frame_equal(lambdar, before[0])
        pd.testing.assert_frame_equal(magphys, before[1])

    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_a_merge(self, seed):
        rng = np.random.default_rng(seed)
        left = pd.DataFrame(rng.uniform(1e-6, 1e-3, (200, 4)), columns=BANDS.columns[:4])
        left.insert(0, "CATAID", rng.permutation(10**6)[:200])
        right = pd.DataFrame(rng.uniform(0, 0.5, (150, 4)), columns=["Z", *LABELS])
        right.insert(0, "CATAID", rng.permutation(left["CATAID"].to_numpy())[:150])
        X, y = load_gama(left, right, bands=BANDS)
        merged = left.merge(right, on="CATAID", how="inner").set_index("CATAID")
        pd.testing.assert_frame_equal(X, merged[list(BANDS.columns)])
        np.testing.assert_array_equal(y, merged[LABELS])
        assert y.columns.tolist() == list(TARGETS)

    def test_a_survey_split_and_joined(self, shared_data, tmp_path):
        whole = pd.read_parquet(shared_data / "bagpipes_survey.parquet")
        fluxes = ["CATAID", *GAMA.flux_columns, *GAMA.error_columns]
        whole[fluxes].to_parquet(tmp_path / "lambdar.parquet")
        shuffled = whole.drop(columns=fluxes[1:]).sample(frac=0.6, random_state=0)
        write_fits(shuffled, tmp_path / "magphys.fits")
        X, y = load_gama(tmp_path / "lambdar.parquet", tmp_path / "magphys.fits")
        kept = whole[whole["CATAID"].isin(shuffled["CATAID"])].set_index("CATAID")
        pd.testing.assert_frame_equal(X, kept[list(GAMA.columns)].astype(float))
        np.testing.assert_array_equal(y, kept[LABELS])
        assert X.index.equals(y.index)


class TestWholeTable:
    @pytest.mark.parametrize("kind", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
    def test_all_columns(self, lambdar, magphys, kind):
        joined = load_gama(kind(lambdar), kind(magphys), bands=BANDS, return_X_y=False)
        expected = lambdar.merge(magphys, on="CATAID")
        pd.testing.assert_frame_equal(joined, expected)
        assert joined.attrs["gama_join"]["n_lambdar_only"] == 1

    # astropy's Table.read leaves text as bytes.
    @pytest.mark.parametrize("load", [str, Table.read, lambda path: fits.getdata(path, 2)])
    def test_fits(self, lambdar, magphys, tmp_path, load):
        write_fits(lambdar, tmp_path / "l.fits", "mJy", scale=1e3)
        write_fits(magphys, tmp_path / "m.fits")
        tables = load(tmp_path / "l.fits"), load(tmp_path / "m.fits")
        joined = load_gama(*tables, bands=BANDS, return_X_y=False)
        pd.testing.assert_frame_equal(
            joined, lambdar.merge(magphys, on="CATAID"), check_dtype=False, rtol=1e-14, atol=0
        )
        assert joined["FIELD"].tolist() == ["G09", "G12", "G09"]

    def test_names_in_both(self, lambdar, magphys):
        joined = load_gama(
            lambdar.assign(Z=[0.3, 0.100001, 9.9, 0.2]),
            magphys.assign(RA=[1.0, 2.0, 3.0]),
            bands=BANDS,
            return_X_y=False,
        )
        assert joined["RA"].tolist() == [130.0, 131.0, 133.0]
        assert joined["RA_magphys"].tolist() == [3.0, 1.0, 2.0]
        assert joined["Z"].tolist() == [0.3, 0.1, 0.2]
        assert joined.columns.is_unique

    @pytest.mark.parametrize("return_X_y", [True, False])
    def test_redshifts_must_agree(self, lambdar, magphys, return_X_y):
        other = lambdar.assign(Z=[0.3, 0.11, 9.9, 0.2])
        with pytest.raises(ValueError, match=r"'Z' is in both.*1 of 3 galaxies.*CATAID 100"):
            load_gama(other, magphys, bands=BANDS, return_X_y=return_X_y)


class TestPercentiles:
    @pytest.fixture
    def complete(self, magphys) -> pd.DataFrame:
        ends = {
            name.replace("50", str(p)): magphys[name] + shift
            for name in LABELS
            for p, shift in ((16, -0.1), (84, 0.2))
        }
        return magphys.assign(**ends)

    def test_beside_the_medians(self, lambdar, complete):
        X, y = load_gama(lambdar, complete, bands=BANDS, percentiles=True)
        check((X, y[list(TARGETS)]))
        assert y.columns.tolist() == [
            *TARGETS,
            *("stellar_mass_p16", "stellar_mass_p84", "sfr_p16", "sfr_p84"),
            *("dust_luminosity_p16", "dust_luminosity_p84"),
        ]
        for target in TARGETS:
            np.testing.assert_array_equal(y[f"{target}_p16"], EXPECTED_Y[target] - 0.1)
            np.testing.assert_array_equal(y[f"{target}_p84"], EXPECTED_Y[target] + 0.2)

    def test_only_where_asked_for(self, lambdar, complete):
        check(load_gama(lambdar, complete, bands=BANDS))

    def test_from_a_file(self, lambdar, complete, tmp_path):
        complete.to_parquet(tmp_path / "m.parquet")
        _, y = load_gama(lambdar, tmp_path / "m.parquet", bands=BANDS, percentiles=True)
        assert y["sfr_p84"].tolist() == [1.5, -0.9000000000000001, 0.4]

    def test_absent_linear_or_coded(self, lambdar, magphys, complete):
        with pytest.raises(ValueError, match=r"MagPhys lacks 6 of the 11.*percentile16'"):
            load_gama(lambdar, magphys, bands=BANDS, percentiles=True)
        with pytest.raises(ValueError, match=r"'L_dust_percentile84' reaches 1e\+10"):
            load_gama(
                lambdar, complete.assign(L_dust_percentile84=1e10), bands=BANDS, percentiles=True
            )
        coded = complete.assign(L_dust_percentile16=[-99.0, 9.0, 10.0])
        with pytest.warns(UserWarning, match=re.escape("{'dust_luminosity_p16': 1}")):
            _, y = load_gama(lambdar, coded, bands=BANDS, percentiles=True)
        assert y["dust_luminosity_p16"].isna().tolist() == [False, True, False]


class TestErrors:
    def test_absent_columns_of_both_tables(self, lambdar, magphys):
        with pytest.raises(ValueError, match="LambdarCatv01") as error:
            load_gama(
                lambdar.rename(columns={"r_flux": "R_FLUX"}).drop(columns="g_fluxerr"),
                magphys.drop(columns=["Z", "CATAID"]),
                bands=BANDS,
            )
        message = str(error.value)
        assert "LambdarCat lacks 2 of the 5 columns needed: 'r_flux' (did you mean 'R_FLUX'?), "
        assert "'r_flux' (did you mean 'R_FLUX'?)" in message
        assert "'g_fluxerr'" in message
        assert "MagPhys lacks 2 of the 5 columns needed: 'CATAID', 'Z'." in message

    def test_absent_columns_of_a_file(self, lambdar, magphys, tmp_path):
        lambdar.to_csv(tmp_path / "l.csv", index=False)
        with pytest.raises(ValueError, match=r"LambdarCat lacks 38 of the 43.*has 7 columns: 'CAT"):
            load_gama(tmp_path / "l.csv", magphys)

    @pytest.mark.parametrize("bad", [100.5, np.nan, np.inf, 2.0**60])
    def test_cataid_is_an_integer(self, lambdar, magphys, bad):
        lambdar["CATAID"] = [300.0, bad, 500.0, 200.0]
        with pytest.raises(ValueError, match=r"LambdarCat: CATAID must be an integer.*1 rows"):
            load_gama(lambdar, magphys, bands=BANDS)

    def test_cataid_as_whole_floats(self, lambdar, magphys):
        check(load_gama(lambdar.astype({"CATAID": float}), magphys, bands=BANDS))

    def test_cataid_as_text(self, lambdar, magphys):
        magphys["CATAID"] = ["G100", "G200", "G300"]
        with pytest.raises(ValueError, match=r"MagPhys: .*'CATAID' holds text: 'G100' in row 0"):
            load_gama(lambdar, magphys, bands=BANDS)

    def test_cataid_repeats(self, lambdar, magphys):
        twice = pd.concat([magphys, magphys.iloc[:2], magphys.iloc[:1]])
        with pytest.raises(ValueError, match=r"MagPhys: CATAID.*unique; 2 repeat.* 100, 200"):
            load_gama(lambdar, twice, bands=BANDS)

    @pytest.mark.parametrize("return_X_y", [True, False])
    def test_linear_labels(self, lambdar, magphys, return_X_y):
        magphys["mass_stellar_percentile50"] = magphys["mass_stellar_best_fit"]
        with pytest.raises(ValueError, match=r"percentile50' reaches 3e\+11.*_best_fit"):
            load_gama(lambdar, magphys, bands=BANDS, return_X_y=return_X_y)

    def test_missing_file(self, magphys, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no file '.*l\.fits'.*dr4/data/cat"):
            load_gama(tmp_path / "l.fits", magphys)

    def test_unknown_format(self, magphys, tmp_path):
        (tmp_path / "l.xlsx").write_text("CATAID\n1\n")
        with pytest.raises(ValueError, match=r"must end in one of \.fits, .*\.parquet"):
            load_gama(tmp_path / "l.xlsx", magphys)

    def test_fits_without_a_table(self, magphys, tmp_path):
        fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "image.fits")
        with pytest.raises(ValueError, match="no table among its 1 HDUs"):
            load_gama(tmp_path / "image.fits", magphys)

    def test_array(self, magphys):
        with pytest.raises(ValueError, match="LambdarCat must be a file or a table"):
            load_gama(np.zeros((3, 5)), magphys)


def test_no_warning_in_the_normal_case(lambdar, magphys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_gama(lambdar, magphys, bands=BANDS)
