"""Flags: stable numbers, readable names, and a reason for every reservation."""

import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin

from sfml import GAMA, FluxFeatures, GamaSampleSelector, StarFormationRegressor
from sfml.flags import CUT_FLAGS, DESCRIPTIONS, Flag, describe, flag_where

NUMBERS = {
    "REDSHIFT": 1,
    "FEW_BANDS": 2,
    "LOW_SNR": 4,
    "NEGATIVE_FLUX": 8,
    "COLOURS": 16,
    "WIDE_INTERVAL": 32,
    "QUANTILE_CROSSING": 64,
    "NOT_PREDICTED": 128,
    "UNIT": 256,
}
"""They are written into catalogues: a new flag takes a new bit."""

FLUXES, ERRORS = list(GAMA.flux_columns), list(GAMA.error_columns)


def test_numbers_never_change():
    assert set(NUMBERS) == {flag.name for flag in Flag}
    for name, number in NUMBERS.items():
        assert Flag[name] == number


def test_every_flag_is_described():
    assert set(DESCRIPTIONS) == set(Flag)
    assert all(text and text[0].islower() for text in DESCRIPTIONS.values())


def test_every_cut_of_the_selection_has_a_flag():
    catalogue = pd.DataFrame(np.ones((1, 43)), columns=list(GAMA.columns))
    assert set(GamaSampleSelector().reasons(catalogue)) == set(CUT_FLAGS)


@given(st.lists(st.lists(st.sampled_from(list(Flag)), unique=True), max_size=30))
def test_text_and_number_say_the_same(sets):
    numbers = [sum(flags) for flags in sets]
    texts = describe(numbers)
    assert texts.shape == (len(sets),)
    for flags, text in zip(sets, texts, strict=True):
        words = text.split("|") if text else []
        assert [Flag[word.upper()] for word in words] == sorted(flags)


def test_flags_are_raised_where_they_are():
    where = np.array([True, False, True])
    both = flag_where(Flag.COLOURS, where) | flag_where(Flag.LOW_SNR, ~where)
    assert both.tolist() == [16, 4, 16]
    assert describe(both).tolist() == ["colours", "low_snr", "colours"]


def test_columns_of_flags_can_be_asked_for_one():
    flags = pd.Series([0, 16, 48, 4])
    expected = [False, True, True, False]
    assert ((flags & Flag.COLOURS) > 0).tolist() == expected
    assert ((flags.to_numpy() & Flag.COLOURS) > 0).tolist() == expected
    assert Flag.COLOURS in Flag(48)
    assert Flag.LOW_SNR not in Flag(48)


class TestTheFlagsOfAPipeline:
    """Each kind of galaxy gets the flag that says what is wrong with it."""

    @pytest.fixture
    def kept(self, complete_pipe, survey):
        """Galaxies that the selection keeps."""
        X, _ = survey
        return X[~complete_pipe["select"].reasons(X).any(axis=1)]

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"Z": 0.7}, "redshift"),
            ({"Z": -9.0}, "redshift"),
            ({"W3_flux": -999.0}, "few_bands"),
            ({"W3_fluxerr": 0.0}, "few_bands"),
            ({"W3_fluxerr": 9.9e99}, "few_bands"),
            ({"W3_flux": -1e-5}, "negative_flux"),
        ],
    )
    def test_cuts(self, complete_pipe, kept, change, word):
        before = complete_pipe.predict_table(kept)
        assert not before["reasons"].str.contains(f"{word}|not_predicted").all()
        table = complete_pipe.predict_table(kept.assign(**change))
        # Beside the cuts, a galaxy may be too bright for its new redshift.
        assert (table["reasons"].str.removesuffix("|unit") == f"{word}|not_predicted").all()
        assert (table["flag"] & ~Flag.UNIT == Flag[word.upper()] | Flag.NOT_PREDICTED).all()
        assert table.drop(columns=["flag", "reasons"]).isna().all(axis=None)

    def test_the_cut_in_signal_to_noise(self, complete_pipe, kept):
        """Errors of half the flux in every band, which are unlike those of training too."""
        halves = {error: kept[flux] / 2 for flux, error in zip(FLUXES, ERRORS, strict=True)}
        flag = complete_pipe.predict_table(kept.assign(**halves))["flag"] & ~Flag.UNIT
        # Half of the flux of the brightest is an error that says nothing: the band is missing.
        missing = flag & Flag.FEW_BANDS > 0
        assert missing.mean() < 0.1
        assert (flag[~missing] == Flag.LOW_SNR | Flag.NOT_PREDICTED).all()

    def test_no_band_at_all_is_too_few_bands(self, gappy_pipe, kept):
        table = gappy_pipe.predict_table(kept.assign(**dict.fromkeys(FLUXES, np.nan)))
        assert set(table["reasons"]) == {"few_bands|not_predicted"}

    def test_several_reasons_add_up(self, complete_pipe, kept):
        table = complete_pipe.predict_table(kept.assign(Z=0.7, u_flux=-999.0, W3_flux=-1e-5))
        expected = "redshift|few_bands|negative_flux|not_predicted"
        assert set(table["reasons"].str.removesuffix("|unit")) == {expected}
        assert set(table["flag"] & ~Flag.UNIT) == {1 + 2 + 8 + 128}

    def test_a_redshift_beyond_those_of_training(self, complete_pipe, kept):
        """Within the selection's limits, so that there is a prediction."""
        low, _ = complete_pipe["features"].redshift_range_
        pipe = copy.deepcopy(complete_pipe).set_params(select__unit_guard=False)
        table = pipe.predict_table(kept.assign(Z=0.9 * low))
        assert (table["flag"] & Flag.REDSHIFT > 0).all()
        assert not (table["flag"] & Flag.NOT_PREDICTED).any()

    def test_training_galaxies_are_within_their_own_range(self, complete_pipe, kept):
        flag = complete_pipe["features"].flag(complete_pipe["select"].transform(kept))
        assert not (flag & Flag.REDSHIFT).any()
        assert not (flag & Flag.FEW_BANDS).any()
        # One galaxy in a thousand is below the threshold, and of so few the faintest one.
        assert (flag & Flag.LOW_SNR > 0).sum() <= 1

    def test_noisier_galaxies_than_in_training(self, complete_pipe, kept):
        noisy = kept.assign(**{name: 30 * kept[name] for name in ERRORS})
        flag = complete_pipe["features"].flag(noisy[FLUXES + ERRORS + ["Z"]].to_numpy())
        assert (flag & Flag.LOW_SNR > 0).mean() > 0.9

    def test_fewer_bands_than_in_training(self, kept):
        columns = FLUXES + ERRORS + ["Z"]
        gaps = kept[columns].to_numpy(copy=True)
        gaps[::2, [3, 24]] = np.nan
        features = FluxFeatures().fit(gaps)
        assert features.fewest_bands_ == 20
        assert not (features.flag(gaps) & Flag.FEW_BANDS).any()
        gaps[:, [4, 25]] = np.nan
        few = features.flag(gaps) & Flag.FEW_BANDS > 0
        assert few.tolist() == [row % 2 == 0 for row in range(len(gaps))]
        blank = np.full((1, 43), np.nan)
        assert features.flag(blank).tolist() == [0]

    def test_galaxies_with_gaps_are_not_flagged_for_them(self, gappy_pipe, kept):
        table = gappy_pipe.predict_table(kept.assign(W3_flux=-999.0, S500_flux=np.nan))
        assert not (table["flag"] & (Flag.FEW_BANDS | Flag.NOT_PREDICTED)).any()

    def test_colours_unlike_those_of_training(self, complete_pipe, kept):
        """A zero point 3 magnitudes off in one band."""
        table = complete_pipe.predict_table(kept)
        shifted = kept.assign(g_flux=16 * kept["g_flux"], g_fluxerr=16 * kept["g_fluxerr"])
        wrong = complete_pipe.predict_table(shifted)
        usual = (table["flag"] & Flag.COLOURS > 0).mean()
        found = (wrong["flag"] & Flag.COLOURS > 0).mean()
        n_held_back = complete_pipe["regress"].n_calibration_
        # Half of the galaxies were learnt from, and look less odd than they are.
        assert usual < 0.01 + 4 * np.sqrt(0.01 * 0.99 * (1 / n_held_back + 1 / len(kept)))
        assert found > 0.9

    def test_none_are_out_of_domain_where_that_is_not_learnt(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline(method="svr", targets=["sfr"], max_train_samples=100)
        pipe.set_params(regress__false_alarm_rate=None).fit(X, y[["sfr"]])
        assert pipe["regress"].domain_ is None
        assert not (pipe.predict_table(X)["flag"] & Flag.COLOURS).any()

    def test_wide_intervals(self, complete_pipe, kept):
        narrow = complete_pipe.predict_table(kept, max_width=0.0)
        assert (narrow["flag"] & Flag.WIDE_INTERVAL > 0).all()
        assert narrow["reasons"].str.contains("wide_interval").all()
        generous = complete_pipe.predict_table(kept, max_width=99.0)
        assert not (generous["flag"] & Flag.WIDE_INTERVAL).any()

    def test_flags_change_no_number(self, complete_pipe, kept):
        numbers = [
            complete_pipe.predict_table(kept, **options).drop(columns=["flag", "reasons"])
            for options in ({}, {"max_width": 0.0})
        ]
        pd.testing.assert_frame_equal(*numbers)

    def test_flags_do_not_depend_on_neighbours(self, complete_pipe, survey):
        X, _ = survey
        table = complete_pipe.predict_table(X)
        order = np.random.default_rng(0).permutation(len(X))
        pd.testing.assert_frame_equal(complete_pipe.predict_table(X.iloc[order]), table.iloc[order])


class Crossing(RegressorMixin, BaseEstimator):
    """Quantiles that are in order for positive inputs alone."""

    quantiles = (0.16, 0.5, 0.84)

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[:, 0]

    def predict_quantiles(self, X):
        return X[:, [0]] + np.where(X[:, [0]] > 0, 1, -1) * np.array([-0.3, 0, 0.3])


def test_quantiles_that_cross_are_put_in_order_and_flagged():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (600, 1))
    y = X.ravel() + 0.3 * rng.normal(size=600)
    table = StarFormationRegressor(Crossing(), random_state=0).fit(X, y).predict_table(X)
    np.testing.assert_array_equal(table["flag"] & Flag.QUANTILE_CROSSING > 0, X[:, 0] < 0)
    assert (table["target_0_p16"] <= table["target_0"]).all()
    assert (table["target_0"] <= table["target_0_p84"]).all()
