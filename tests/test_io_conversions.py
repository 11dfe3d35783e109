"""Magnitudes, inverse variances and other units, and which column is which."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from io_tables import BANDS

from sfml import BandSet
from sfml.io import (
    guess_columns,
    open_catalogue,
    read_catalogue,
)


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
        with pytest.raises(
            ValueError, match=r"columns=\{'Z': 'NAME'\}, or .* columns=\{'Z': None\}"
        ):
            open_catalogue(table, BANDS.only("r"))
        assert read_catalogue(table, BANDS.only("r"), {"Z": None}).columns.tolist() == list(table)

    @pytest.mark.parametrize("columns", [["r_flux", "Z"], "r_flux"])
    def test_columns_that_are_no_mapping(self, columns):
        table = {"r_flux": [1.0], "r_fluxerr": [1.0], "Z": [0.1]}
        with pytest.raises(TypeError, match=r"columns must map .* got .*r_flux"):
            open_catalogue(table, BANDS.only("r"), columns)

    def test_a_band_of_which_there_is_nothing(self):
        table = {"r_flux": [1.0], "r_fluxerr": [1.0], "Z": [0.1]}
        with pytest.warns(UserWarning, match="The table has no columns of 1 bands.* missing: g"):
            reader = open_catalogue(table, BANDS)
        assert "no columns of these bands: g" in str(reader.report)
        with pytest.raises(ValueError, match=r"columns=\{'g_flux': 'FLUX_G'\}"):
            open_catalogue(table | {"FLUX_G": [1.0]}, BANDS)
        none = {"g_flux": None, "g_fluxerr": None}
        assert "FLUX_G" in open_catalogue(table | {"FLUX_G": [1.0]}, BANDS, none).names

    def test_names_for_all_bands_of_which_some_are_absent(self):
        columns = {"{band}_flux": "FLUX_{BAND}", "{band}_fluxerr": "ERR_{BAND}", "Z": "zspec"}
        with pytest.warns(UserWarning, match="missing: g"):
            reader = open_catalogue(self.TABLE, BANDS, columns)
        assert reader.names == ["ID", "r_flux", "r_fluxerr", "Z", "note"]
        with pytest.raises(ValueError, match=r"lacks 4 of the 5 columns.*'r_flux': 'FLUX_R'"):
            open_catalogue(
                self.TABLE,
                BANDS,
                columns | {"{band}_flux": "F_{BAND}", "{band}_fluxerr": "E_{BAND}"},
            )

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
