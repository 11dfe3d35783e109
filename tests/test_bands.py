"""BandSet: names, columns, subsets and missing codes."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
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
        ({"names": ["a"], "wavelengths": [1], "error": "{band}_flux"}, "same name.*a_flux"),
        ({"names": ["a"], "wavelengths": [1], "redshift": "a_flux"}, "same name.*a_flux"),
    ],
)
def test_nonsense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        BandSet(**arguments)


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
