"""BandSet: names, columns, subsets and missing codes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from sfml import GAMA, BandSet, GamaSampleSelector

GAMA_NAMES = [
    *("FUV", "NUV", "u", "g", "r", "i", "z", "X", "Y", "J", "H", "K"),
    *("W1", "W2", "W3", "W4", "P100", "P160", "S250", "S350", "S500"),
]


def test_gama_has_the_surveys_bands_and_columns():
    assert list(GAMA.names) == GAMA_NAMES
    assert GAMA.flux_columns[7] == "X_flux"
    assert GAMA.error_columns[-1] == "S500_fluxerr"
    assert GAMA.columns[-1] == GAMA.redshift == "Z"
    assert len(GAMA.columns) == 43


def test_gama_wavelengths_are_in_micron():
    wavelength = dict(zip(GAMA.names, GAMA.wavelengths, strict=True))
    assert wavelength["FUV"] == pytest.approx(0.153, abs=0.01)
    assert wavelength["r"] == pytest.approx(0.62, abs=0.02)
    assert wavelength["X"] < wavelength["Y"] < wavelength["J"]
    assert wavelength["S500"] == 500


def test_missing_is_by_exact_code_only():
    values = np.array([-999.0, -99.0, -9.0, np.nan, -998.999, -1e-6, 0.0, -9.5])
    assert GAMA.is_missing(values).tolist() == [True] * 4 + [False] * 4


def test_missing_codes_are_compared_in_the_precision_of_the_column():
    survey = BandSet(["a"], [1.0], missing_codes=[-99.9])
    assert survey.is_missing(np.array([-99.9], dtype=np.float32)).all()


def test_subsets_keep_order_and_leave_the_original_alone():
    assert GAMA.without("X", "Y").names == tuple(n for n in GAMA_NAMES if n not in "XY")
    subset = GAMA.only("r", "g")
    assert subset.names == ("g", "r")
    assert subset.wavelengths == (GAMA.wavelengths[3], GAMA.wavelengths[4])
    assert len(GAMA) == 21


def test_a_survey_of_ones_own():
    survey = BandSet(
        ["a", "b"], [0.5, 1], flux="F({band})", error="dF({band})", redshift="zspec", unit="mJy"
    )
    assert survey.columns == ("F(a)", "F(b)", "dF(a)", "dF(b)", "zspec")


def test_sets_compare_hash_pickle_and_clone_by_value():
    same = BandSet(GAMA.names, list(GAMA.wavelengths))
    assert same == GAMA
    assert hash(same) == hash(GAMA)
    assert pickle.loads(pickle.dumps(GAMA)) == GAMA
    assert clone(GamaSampleSelector(GAMA)).bands == GAMA


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["a", "a"], "wavelengths": [1, 2]}, r"unique.*'a'"),
        ({"names": [], "wavelengths": []}, "at least one band"),
        ({"names": "ugriz", "wavelengths": [1, 2, 3, 4, 5]}, "names must be a sequence.*'ugriz'"),
        ({"names": ["a", "b"], "wavelengths": [1]}, "1 wavelengths for 2 bands"),
        ({"names": ["a"], "wavelengths": [-1]}, "positive, in micron"),
        ({"names": ["a"], "wavelengths": [1], "flux": "flux"}, "flux must contain '{band}'"),
        ({"names": ["a"], "wavelengths": [1], "error": "{band}_flux"}, "more than once.*a_flux"),
        ({"names": ["a"], "wavelengths": [1], "redshift": "a_flux"}, "more than once.*a_flux"),
    ],
)
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BandSet(**arguments)


@pytest.mark.parametrize(("factor", "unit"), [(1e4, "Angstrom"), (1e3, "nanometres")])
@pytest.mark.parametrize(
    "bands",
    [
        GAMA,
        GAMA.only("u", "g", "r", "i", "z"),
        GAMA.only("r"),
        GAMA.only("S250", "S350", "K"),
        BandSet(["F435W", "F606W", "F775W"], [0.43, 0.59, 0.77]),
    ],
    ids=lambda bands: "-".join(bands.names[:3]),
)
def test_wavelengths_in_another_unit_are_refused_with_the_factor(bands, factor, unit):
    wrong = [factor * wavelength for wavelength in bands.wavelengths]
    message = rf"must be in micron; .* looks like {unit}\. Divide them by {factor:g}\."
    with pytest.raises(ValueError, match=message):
        replace(bands, wavelengths=wrong)


@given(st.sets(st.sampled_from(GAMA_NAMES), min_size=1), st.floats(0.9, 1.1))
def test_wavelengths_in_micron_are_taken_for_any_bands(names, factor):
    bands = GAMA.only(*names)
    shifted = replace(bands, wavelengths=[factor * w for w in bands.wavelengths])
    assert len(shifted) == len(names)


def test_wavelengths_from_the_ultraviolet_to_the_radio_are_taken():
    BandSet(["K", "MIPS24", "SCUBA850", "VLA"], [2.15, 24, 850, 2.1e5])
    BandSet(["S250", "S350", "S500"], [250, 350, 500])
    BandSet(["P70", "P100", "P160", "S250", "S350", "S500"], [70, 100, 160, 250, 350, 500])


@pytest.mark.parametrize("unit", ["Jy", "mJy", "uJy", "nJy", "nanomaggy", "erg / (s cm2 Hz)"])
def test_units_of_flux_density(unit):
    assert replace(GAMA, unit=unit).unit == unit


@pytest.mark.parametrize("unit", ["mag", "ABmag", "mag(AB)", "erg / s", "jansky's", "", None])
def test_what_is_no_unit_of_flux_density_is_refused_when_the_set_is_made(unit):
    with pytest.raises(ValueError, match=r"unit of flux density.*3631 \* 10\*\*\(-0\.4 \* mag\)"):
        replace(GAMA, unit=unit)


def test_namesakes_at_another_wavelength_are_not_gamas():
    survey = BandSet(["r", "i", "Y", "F110W"], [0.62, 0.80, 1.02, 1.1])
    assert [survey.is_gama_band(name) for name in (*survey.names, "K")] == [
        *(True, False, True, False),
        False,
    ]


def test_an_unknown_band_is_named_with_a_suggestion():
    with pytest.raises(ValueError, match=r"'S50' is not a band.*Did you mean 'S500'"):
        GAMA.without("S50")
    with pytest.raises(ValueError, match="at least one band"):
        GAMA.without(*GAMA.names)


def test_a_survey_may_name_the_errors_of_its_redshifts():
    survey = replace(GAMA, redshift_error="Z_err")
    assert GAMA.redshift_error is None
    assert survey.columns == GAMA.columns
    assert survey.without("u").redshift_error == "Z_err"
    assert survey != GAMA
