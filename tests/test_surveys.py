from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sfml
from sfml import GAMA, BandSet, surveys, triage

ASKED_FOR = ["GAMA", "SDSS+WISE", "DES", "KiDS-VIKING", "HSC", "LSST", "Euclid", "COSMOS2020"]
ASKED_FOR += ["CANDELS", "DESI-Legacy"]
TEN_LINES = """
[MINE]
title = "My survey"
unit = "uJy"
flux = "F_{band}"
error = "E_{band}"
redshift = "z_best"
bands = [
    {name = "g", wavelength = 0.4787, sedpy = "lsst_baseline_g"},
    {name = "K", wavelength = 2.15, magphys = 322, cigale = "paranal.vircam.Ks"},
]
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_surveys_are_listed():
    assert surveys.list_surveys() == ASKED_FOR
    surveys.list_surveys().clear()
    assert surveys.list_surveys() == ASKED_FOR


def test_the_file_is_part_of_the_package():
    raw = Path(sfml.__file__).with_name("surveys.toml").read_text(encoding="utf-8")
    assert list(tomllib.loads(raw)) == ASKED_FOR
    assert raw.isascii()


def test_gama_is_sfmls():
    assert surveys.load_survey("GAMA") == GAMA


@pytest.mark.parametrize(
    ("name", "n_bands", "first_flux", "last_error", "redshift", "unit"),
    [
        ("SDSS+WISE", 9, "u_flux", "W4_fluxerr", "z", "nanomaggy"),
        ("DES", 5, "flux_auto_g", "fluxerr_auto_y", "Z", "3.631 nJy"),
        ("KiDS-VIKING", 9, "u_flux", "Ks_fluxerr", "Z_B", "Jy"),
        ("HSC", 5, "g_cmodel_flux", "y_cmodel_fluxerr", "photoz_best", "nJy"),
        ("LSST", 6, "u_cModelFlux", "y_cModelFluxErr", "Z", "nJy"),
        (
            *("Euclid", 13, "flux_u_ext_megacam_2fwhm_aper", "fluxerr_h_2fwhm_aper"),
            *("phz_median", "uJy"),
        ),
        ("COSMOS2020", 27, "CFHT_u_FLUX", "IRAC_CH2_FLUXERR", "lp_zBEST", "uJy"),
        ("CANDELS", 17, "CTIO_U_FLUX", "IRAC_CH4_FLUXERR", "Z", "uJy"),
        ("DESI-Legacy", 8, "flux_g", "flux_err_w4", "z_phot_median", "nanomaggy"),
    ],
)
def test_layouts(name, n_bands, first_flux, last_error, redshift, unit):
    bands = surveys.load_survey(name)
    assert len(bands) == n_bands
    assert (bands.flux_columns[0], bands.error_columns[-1]) == (first_flux, last_error)
    assert (bands.redshift, bands.unit) == (redshift, unit)


def test_des_counts_are_those_of_zero_point_30():
    """A count of 1 is a source of 30 AB magnitudes."""
    from sfml.tables.units import conversion_factor

    factor = conversion_factor(surveys.load_survey("DES").unit, "Jy")
    assert factor == pytest.approx(3631 * 10 ** (-0.4 * 30))


@pytest.mark.parametrize("name", ASKED_FOR)
def test_each_survey_says_what_it_is(name):
    text = surveys.describe(name)
    for word in ("Release: ", "Cite: ", "Notes: ", "Columns: ", "avelengths"):
        assert word in text
    bands = surveys.load_survey(name)
    for band, wavelength in zip(bands.names, bands.wavelengths, strict=True):
        assert f"  {band}, {wavelength:g} micron" in text


@pytest.mark.parametrize("name", ASKED_FOR)
@pytest.mark.parametrize("code", surveys.CODES)
def test_filters_are_those_of_bands_and_each_its_own(name, code):
    found = surveys.filters(name, code)
    names = surveys.load_survey(name).names
    assert list(found) == [band for band in names if band in found]
    # DECam's and HSC's filters are of one name wherever they stand, and of one band each.
    assert len(set(found.values())) == len(found)
    found.clear()
    assert surveys.filters(name, code) is not found


@pytest.mark.parametrize("code", surveys.CODES)
def test_one_filter_has_one_wavelength(code):
    """Where two surveys name the same filter, their wavelengths agree to 2 per cent."""
    seen: dict[object, float] = {}
    for name in ASKED_FOR:
        bands = surveys.load_survey(name)
        wavelengths = dict(zip(bands.names, bands.wavelengths, strict=True))
        for band, filter_name in surveys.filters(name, code).items():
            first = seen.setdefault(filter_name, wavelengths[band])
            assert wavelengths[band] == pytest.approx(first, rel=0.02), (name, band)


def test_known_filters():
    assert surveys.filters("GAMA", "magphys")["K"] == 322
    assert surveys.filters("GAMA", "sedpy")["P100"] == "herschel_pacs_100"
    assert surveys.filters("HSC", "cigale")["y"] == "subaru.hsc.Y"
    assert surveys.filters("CANDELS", "cigale")["ACS_F606W"] == "hst.acs.wfc.F606W"
    assert surveys.filters("DES", "sedpy")["y"] == "decam_Y"
    assert surveys.filters("DES", "cigale") == {}
    assert "u" not in surveys.filters("KiDS-VIKING", "magphys")


def test_triage_reads_the_file():
    assert surveys.filters("GAMA", "magphys") == triage.MAGPHYS_FILTER_IDS
    assert surveys.filters("GAMA", "cigale") == triage.CIGALE_FILTERS
    assert surveys.filters("GAMA", "cigale_2020") == triage.CIGALE_FILTERS_2020


def test_a_surveys_filters_are_what_the_writers_take(tmp_path):
    bands = surveys.load_survey("HSC")
    X = pd.DataFrame([[1e3] * 5 + [10.0] * 5 + [0.3]], columns=list(bands.columns))
    path = triage.write_cigale(
        X, tmp_path / "in.txt", bands=bands, filter_names=surveys.filters("HSC", "cigale")
    )
    assert path.read_text().startswith("# id redshift subaru.hsc.g subaru.hsc.g_err")


def test_errors_from_the_inverse_variances_of_the_legacy_survey():
    """As its notes say, and that a band without one is not measured."""
    bands = surveys.load_survey("DESI-Legacy")
    assert "1/sqrt(flux_ivar_{band})" in surveys.describe("DESI-Legacy")
    table = pd.DataFrame({"flux_ivar_g": [4.0, 0.0]})
    table["flux_err_g"] = table["flux_ivar_g"].where(table["flux_ivar_g"] > 0) ** -0.5
    assert "flux_err_g" in bands.error_columns
    np.testing.assert_array_equal(table["flux_err_g"], [0.5, np.nan])


def test_names_that_are_not_there():
    with pytest.raises(ValueError, match=r"no survey 'gama', only GAMA, .*mean 'GAMA'.*read_surv"):
        surveys.load_survey("gama")
    with pytest.raises(ValueError, match=r"no survey 'COSMOS2015'.*Did you mean 'COSMOS2020'"):
        surveys.describe("COSMOS2015")
    with pytest.raises(ValueError, match=r"no code 'bagpipes', only magphys, cigale, .*sedpy"):
        surveys.filters("GAMA", "bagpipes")
    with pytest.raises(ValueError, match=r"no survey 'X'"):
        surveys.filters("X", "sedpy")


class TestAFileOfOnesOwn:
    def test_ten_lines(self, tmp_path):
        assert len(TEN_LINES.strip().splitlines()) == 10
        found = surveys.read_surveys(write(tmp_path, TEN_LINES))
        assert list(found) == ["MINE"]
        survey = found["MINE"]
        assert survey.bands == BandSet(
            *(["g", "K"], [0.4787, 2.15], "F_{band}", "E_{band}", "z_best", "uJy")
        )
        assert survey.filters("sedpy") == {"g": "lsst_baseline_g"}
        assert survey.filters("magphys") == {"K": 322}
        assert survey.filters("cigale_2020") == {}
        assert survey.describe().splitlines() == [
            "MINE: My survey",
            "Columns: F_{band}, E_{band}, z_best; unit uJy; missing: -999, -99, -9",
            "2 bands:",
            "  g, 0.4787 micron; sedpy lsst_baseline_g",
            "  K, 2.15 micron; magphys 322; cigale paranal.vircam.Ks",
        ]
        assert surveys.list_surveys() == ASKED_FOR

    def test_the_least(self, tmp_path):
        path = write(tmp_path, "[A]\nbands = [{name = 'r', wavelength = 1}]\nmissing_codes = []")
        survey = surveys.read_surveys(str(path))["A"]
        assert survey.bands == BandSet(["r"], [1.0], missing_codes=[])
        assert survey.describe().splitlines()[1].endswith("missing: NaN only")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("wavelength = 2.15", "wavelenght = 2.15", r"band 'K'.*no key 'wavelenght'.*'waveleng"),
            ("wavelength = 2.15", "wavelength = '2'", r"band 'K': it needs a wavel.*got '2'"),
            ("wavelength = 2.15", "wavelength = true", r"band 'K': it needs a wavel.*got True"),
            ("wavelength = 2.15, ", "", r"band 'K': it needs a wavelength in micron; got None"),
            ("wavelength = 2.15", "wavelength = 21500", r"looks like Angstrom"),
            ('name = "K", ', "", r"it needs a name, which is text; got None"),
            ('name = "K"', 'name = "g"', r"must be unique.*'g'"),
            ("322", "'322'", r"band 'K': its magphys filter must be a number; got '322'"),
            ("322", "true", r"its magphys filter must be a number; got True"),
            ('"paranal.vircam.Ks"', "3", r"its cigale filter must be text; got 3"),
            ("sedpy =", "sedpi =", r"no key 'sedpi'.*Did you mean 'sedpy'"),
            ("unit =", "units =", r"no key 'units'.*Did you mean 'unit'"),
            ('"uJy"', '"mag"', r"unit must be a unit of flux density.*'mag'"),
            ('"uJy"', "1", r"unit must be text; got 1"),
            ('"F_{band}"', '"F"', r"flux must contain '\{band\}'"),
            ('"My survey"', "3", r"title must be text; got 3"),
            ('unit = "uJy"', "missing_codes = [true]", r"must be a list of numbers; got \[True\]"),
            ('unit = "uJy"', "missing_codes = -99", r"must be a list of numbers; got -99"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, old, new, message):
        assert TEN_LINES.count(old) == 1
        path = write(tmp_path, TEN_LINES.replace(old, new))
        with pytest.raises(ValueError, match=rf"mine\.toml', survey 'MINE': .*{message}"):
            surveys.read_surveys(path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"mine\.toml' has no survey: each is a table, such as \[MINE\]"),
            ("bands = 3", r"survey 'bands': expected a table \[bands\]; got 3"),
            ("[A]", r"survey 'A': it needs bands = \[\{name.*got None"),
            ("[A]\nbands = []", r"it needs bands.*got \[\]"),
            ("[A]\nbands = ['g']", r"it needs bands.*got \['g'\]"),
            ("[A\n", r"mine\.toml' is no TOML file: .*line 1"),
        ],
    )
    def test_what_is_no_survey(self, tmp_path, text, message):
        with pytest.raises(ValueError, match=message):
            surveys.read_surveys(write(tmp_path, text))

    def test_files_that_are_none(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            surveys.read_surveys(tmp_path / "not-there.toml")
        (tmp_path / "latin.toml").write_bytes(b"[A]\ntitle = '\xe9'")
        with pytest.raises(ValueError, match=r"latin\.toml' is no TOML file"):
            surveys.read_surveys(tmp_path / "latin.toml")
