"""Intervals of every family of regressors: what is held back, what is covered, what is refused."""

from __future__ import annotations

import copy
import itertools
import pickle
import subprocess
import sys
from dataclasses import replace

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import FillingRidge
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import sfml
from sfml import TARGETS, KerasMLPRegressor, StarFormationRegressor
from sfml.flags import Flag
from sfml.regressor.hold_back import draw_numbers, row_keys
from sfml.uncertainty import LEVELS, QuantileCalibrator
from sfml.uncertainty.domain import DomainDetector

SIGMA = 4
"""Standard errors granted to a share that was counted."""

NETWORK = {"hidden_layer_sizes": (8,), "epochs": 4, "batch_size": 64, "learning_rate": 0.02}


def network(**parameters):
    return KerasMLPRegressor(**{**NETWORK, "quantiles": LEVELS, "scale_target": True, **parameters})


FAMILIES = {
    "mlp": lambda: StarFormationRegressor(network(), random_state=0),
    "mlp without quantiles": lambda: StarFormationRegressor(
        network(quantiles=None), random_state=0
    ),
    "mlp with the median": lambda: StarFormationRegressor(
        network(quantiles=(0.5,)), random_state=0
    ),
    "random_forest": lambda: StarFormationRegressor("random_forest", random_state=0),
    "svr": lambda: StarFormationRegressor("svr", random_state=0),
    "joint mlp": lambda: StarFormationRegressor(network(), joint=True, random_state=0),
    "joint forest": lambda: StarFormationRegressor(
        RandomForestRegressor(10), joint=True, random_state=0
    ),
    "one each": lambda: StarFormationRegressor(
        [
            ("stellar_mass", network(quantiles=(0.16, 0.5, 0.84))),
            ("sfr", make_pipeline(StandardScaler(), SVR())),
            ("dust_luminosity", Ridge()),
        ],
        random_state=0,
    ),
}


def simulate(n_galaxies, seed=0):
    """Three targets whose scatter grows with the first input, on which they do not depend."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n_galaxies, 4))
    sigma = 0.05 + 0.25 * (X[:, [0]] + 1)
    truth = np.column_stack([10 + X[:, 1], X[:, 2], 10 + X[:, 3]])
    return X, pd.DataFrame(truth + sigma * rng.normal(size=(n_galaxies, 3)), columns=TARGETS)


def with_percentiles(y):
    halves = {f"{t}_p16": y[t] - 0.2 - 0.1 * k for k, t in enumerate(TARGETS)}
    return y.assign(**halves, **{f"{t}_p84": y[t] + 0.1 for t in TARGETS})


@pytest.fixture(scope="module")
def fitted():
    """Each family, fitted to 600 galaxies when first asked for; not to be changed."""
    models = {}

    def get(family):
        if family not in models:
            models[family] = FAMILIES[family]().fit(*simulate(600))
        return models[family]

    return get


@pytest.fixture(scope="module")
def trained_on_many():
    """Each family with bins of the first input, fitted to 2000 galaxies."""
    models = {}

    def get(family):
        if family not in models:
            model = FAMILIES[family]().set_params(conditions=(0,))
            models[family] = model.fit(*simulate(2000))
        return models[family]

    return get


@pytest.fixture(scope="module")
def linear():
    """A linear model with percentiles, fitted to 600 galaxies; not to be changed."""
    X, y = simulate(600)
    return StarFormationRegressor(Ridge(), random_state=0).fit(X, with_percentiles(y))


class TestEveryFamily:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_shapes_and_the_median(self, fitted, family):
        model, (X, _) = fitted(family), simulate(50, seed=1)
        predicted = model.predict(X)
        assert model.n_calibration_ == 120
        assert model.predict_quantiles(X).shape == (50, 3, 3)
        assert model.predict_quantiles(X, 0.3).shape == (50, 3, 1)
        assert model.predict_quantiles(X[:0], (0.2, 0.7)).shape == (0, 3, 2)
        assert model.predict_interval(X).shape == (50, 3, 2)
        assert model.predict_interval(X[:0], 0.5).shape == (0, 3, 2)
        np.testing.assert_array_equal(model.predict_quantiles(X, 0.5)[:, :, 0], predicted)
        mean, std = model.predict(X, return_std=True)
        np.testing.assert_array_equal(mean, predicted)
        low, high = np.moveaxis(model.predict_quantiles(X, (0.16, 0.84)), 2, 0)
        np.testing.assert_array_equal(std, (high - low) / 2)
        assert (std > 0).all()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_quantiles_grow_and_intervals_are_nested(self, fitted, family):
        model, (X, _) = fitted(family), simulate(200, seed=1)
        quantiles = model.predict_quantiles(X, np.linspace(0.01, 0.99, 50))
        assert (np.diff(quantiles, axis=2) >= -1e-12).all()
        intervals = [model.predict_interval(X, c) for c in (0.2, 0.5, 0.68, 0.9, 0.95)]
        for inner, outer in itertools.pairwise(intervals):
            assert (outer[..., 0] <= inner[..., 0]).all()
            assert (outer[..., 1] >= inner[..., 1]).all()
            # Calibration may move neighbouring quantiles of single galaxies onto each other.
            assert np.mean(np.ptp(outer, axis=2) > np.ptp(inner, axis=2)) > 0.99

    @pytest.mark.parametrize("family", FAMILIES)
    def test_intervals_are_those_of_the_quantiles(self, fitted, family):
        model, (X, _) = fitted(family), simulate(50, seed=1)
        ends = model.predict_quantiles(X, (0.25, 0.75))
        np.testing.assert_array_equal(model.predict_interval(X, 0.5), ends)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_galaxy_does_not_depend_on_its_neighbours(self, fitted, family):
        model, (X, _) = fitted(family), simulate(150, seed=1)
        q = (0.07, 0.16, 0.33, 0.5, 0.77, 0.9)
        together = model.predict_quantiles(X, q)
        alone = np.vstack([model.predict_quantiles(X[i : i + 1], q) for i in range(150)])
        if "Ridge" in repr(model.estimators) or "forest" in family:
            # Their own predictions are matrix products, or sums over trees in threads.
            np.testing.assert_allclose(alone, together, rtol=1e-13)
        else:
            np.testing.assert_array_equal(alone, together)
        order = np.random.default_rng(0).permutation(150)
        np.testing.assert_allclose(model.predict_quantiles(X[order], q), together[order])

    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_pickle_predicts_the_same(self, fitted, family):
        model, (X, _) = fitted(family), simulate(20, seed=1)
        other = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(other.predict_quantiles(X), model.predict_quantiles(X))
        pd.testing.assert_frame_equal(other.predict_table(X), model.predict_table(X))

    @pytest.mark.parametrize("family", ["mlp", "random_forest", "one each"])
    def test_a_seed_gives_the_same_intervals_whatever_the_jobs(self, fitted, family):
        model, (X, _) = fitted(family), simulate(50, seed=1)
        expected = model.predict_quantiles(X)
        for n_jobs in (1, 2):
            again = clone(model).set_params(n_jobs=n_jobs).fit(*simulate(600))
            np.testing.assert_array_equal(again.predict_quantiles(X), expected)
        other = clone(model).set_params(random_state=1).fit(*simulate(600))
        assert not np.array_equal(other.predict_quantiles(X), expected)

    @pytest.mark.parametrize("estimator", [network(), Ridge()], ids=["mlp", "ridge"])
    def test_one_dimension(self, estimator):
        X, y = simulate(300)
        model = StarFormationRegressor(estimator, random_state=0).fit(X, y["sfr"])
        assert model.predict_quantiles(X[:9], (0.3, 0.5)).shape == (9, 2)
        assert model.predict_interval(X[:9]).shape == (9, 2)
        assert model.predict_interval(X[:0]).shape == (0, 2)
        mean, std = model.predict(X[:9], return_std=True)
        assert mean.shape == std.shape == (9,)
        np.testing.assert_array_equal(model.predict_quantiles(X, 0.5)[:, 0], model.predict(X))
        assert model.predict_table(X[:9]).columns.tolist() == [
            *("sfr", "sfr_p16", "sfr_p84", "flag", "reasons")
        ]
        one_column = clone(model).fit(X, y[["sfr"]])
        assert one_column.predict_quantiles(X[:9]).shape == (9, 1, 3)


class TestCoverage:
    """Galaxies not seen are covered as claimed: within the errors of both samples' numbers."""

    @pytest.mark.parametrize("coverage", [0.5, 0.68, 0.9])
    @pytest.mark.parametrize("family", ["mlp", "random_forest", "svr", "joint mlp"])
    def test_overall(self, trained_on_many, family, coverage):
        model, (X, y) = trained_on_many(family), simulate(5000, seed=2)
        low, high = np.moveaxis(model.predict_interval(X, coverage), 2, 0)
        share = ((low <= y) & (y <= high)).to_numpy().mean(axis=0)
        error = np.sqrt(coverage * (1 - coverage) * (1 / model.n_calibration_ + 1 / len(X)))
        assert np.all(np.abs(share - coverage) < SIGMA * error)

    @pytest.mark.parametrize("family", ["mlp", "random_forest"])
    def test_in_bins_of_a_condition(self, trained_on_many, family):
        model, (X, y) = trained_on_many(family), simulate(5000, seed=2)
        low, high = np.moveaxis(model.predict_interval(X), 2, 0)
        inside = ((low <= y) & (y <= high)).to_numpy()
        for k, target in enumerate(TARGETS):
            edges = model.intervals_.calibrators[target].edges_[0]
            bins = np.searchsorted(edges, X[:, 0], side="right")
            for b in range(len(edges) + 1):
                rows = bins == b
                n_calibrated = model.n_calibration_ / (len(edges) + 1)
                error = np.sqrt(0.68 * 0.32 * (1 / n_calibrated + 1 / rows.sum()))
                assert abs(inside[rows, k].mean() - 0.68) < SIGMA * error

    def test_without_the_condition_a_forest_has_one_width_for_all(self, trained_on_many):
        """What the condition is there for."""
        with_condition, (X, y) = trained_on_many("random_forest"), simulate(5000, seed=2)
        model = clone(with_condition).set_params(conditions=()).fit(*simulate(2000))
        low, high = np.moveaxis(model.predict_interval(X), 2, 0)
        quiet = X[:, 0] < -0.8
        share = ((low <= y) & (y <= high)).to_numpy()[quiet].mean(axis=0)
        error = np.sqrt(0.68 * 0.32 * (1 / (model.n_calibration_ / 10) + 1 / quiet.sum()))
        assert np.all(share > 0.68 + SIGMA * error)


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps the numbers, in its first input, of the rows it was given."""

    def fit(self, X, y):
        self.seen_ = X[:, 0].astype(int)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X))


class VariantRecorder(Recorder):
    """The same for regressors that take variants and rows to validate on, as our networks do."""

    offset_feature = None

    def fit(self, X, y, X_val=None, y_val=None, variants=(), feature_names=None):
        super().fit(X, y)
        self.validated_ = np.array([]) if X_val is None else X_val[:, 0].astype(int)
        self.variants_ = [variant[:, 0].astype(int) for variant in variants]
        return self


def numbered(n_galaxies):
    """Rows whose first input is their number."""
    X, y = simulate(n_galaxies)
    return np.column_stack([np.arange(n_galaxies), X]), y


class TestHoldingBack:
    def test_a_fifth_is_held_back_from_every_target(self):
        X, y = numbered(200)
        model = StarFormationRegressor(Recorder(), random_state=0).fit(X, y)
        assert model.n_calibration_ == 40
        learnt = model.estimators_[0].seen_
        assert len(set(learnt)) == 160
        for estimator in model.estimators_:
            np.testing.assert_array_equal(estimator.seen_, learnt)
        assert model.n_train_ == dict.fromkeys(TARGETS, 160)
        assert all(c.n_rows_ == 40 for c in model.intervals_.calibrators.values())

    @pytest.mark.parametrize(("share", "n_held_back"), [(0.1, 20), (0.5, 100), (None, 0)])
    def test_the_share(self, share, n_held_back):
        X, y = numbered(200)
        model = StarFormationRegressor(Recorder(), calibration_fraction=share, random_state=0)
        model.fit(X, y)
        assert model.n_calibration_ == n_held_back
        assert len(model.estimators_[0].seen_) == 200 - n_held_back
        assert bool(model.intervals_.calibrators) == (share is not None)

    def test_small_samples_are_learnt_from_as_a_whole(self):
        X, y = numbered(50)
        assert StarFormationRegressor(Recorder()).fit(X, y).n_calibration_ == 10
        model = StarFormationRegressor(Recorder()).fit(X[:49], y[:49])
        assert model.n_calibration_ == 0
        assert model.n_train_["sfr"] == 49
        with pytest.raises(ValueError, match="49 galaxies to learn from, of which at least"):
            model.predict_interval(X)

    def test_variants_of_held_back_rows_are_held_back(self):
        X, y = numbered(300)
        variants = [X + np.array([0, 0.1 * k, 0, 0, 0]) for k in (1, 2, 3)]
        model = StarFormationRegressor(VariantRecorder(), random_state=0).fit(
            X, y, variants=variants
        )
        for estimator in model.estimators_:
            assert not set(estimator.seen_) & set(estimator.validated_)
            assert {*estimator.seen_, *estimator.validated_} == set(range(300))
            assert len(estimator.variants_) == 3
            for seen in estimator.variants_:
                np.testing.assert_array_equal(seen, estimator.seen_)
        assert model.n_calibration_ == 60

    @pytest.mark.parametrize(("n_galaxies", "n_versions"), [(500, 1), (1000, 2)])
    def test_intervals_are_calibrated_with_and_without_bands_where_there_are_enough(
        self, n_galaxies, n_versions, monkeypatch
    ):
        """Each galaxy counts once, however many versions of it there are."""
        n_rows = []

        class Watched(QuantileCalibrator):
            def fit(self, quantiles, *args, **kwargs):
                n_rows.append(len(quantiles))
                return super().fit(quantiles, *args, **kwargs)

        monkeypatch.setattr("sfml.uncertainty.intervals.QuantileCalibrator", Watched)
        X, y = numbered(n_galaxies)
        variants = [X + np.array([0, 0.1 * k, 0, 0, 0]) for k in (1, 2)]
        model = StarFormationRegressor(Recorder(), random_state=0).fit(X, y, variants=variants)
        assert n_rows == [n_versions * n_galaxies // 5] * 3
        assert {c.n_rows_ for c in model.intervals_.calibrators.values()} == {n_galaxies // 5}

    def test_other_regressors_learn_from_the_first_variant_too(self):
        X, y = numbered(300)
        variants = [X + np.array([1000 * k, 0, 0, 0, 0]) for k in (1, 2)]
        model = StarFormationRegressor(Recorder(), random_state=0).fit(X, y, variants=variants)
        seen = model.estimators_[0].seen_
        assert len(seen) == 2 * 240
        np.testing.assert_array_equal(seen[240:], seen[:240] + 1000)

    def test_the_posterior_is_learnt_from_the_same_rows(self):
        X, y = numbered(200)
        model = StarFormationRegressor(Recorder(), random_state=0).fit(X, with_percentiles(y))
        for estimator in model.posterior_.estimators_:
            np.testing.assert_array_equal(estimator.seen_, model.estimators_[0].seen_)

    def test_the_domain_is_learnt_from_the_same_rows(self, monkeypatch):
        given = {}

        class Watched(DomainDetector):
            def fit(self, X, y=None):
                given["learnt"] = X[:, 0].astype(int)
                return super().fit(X)

            def calibrate(self, X):
                given["held back"] = X[:, 0].astype(int)
                return super().calibrate(X)

        monkeypatch.setattr("sfml.regressor.regressor.DomainDetector", Watched)
        X, y = numbered(600)
        model = StarFormationRegressor(Recorder(), random_state=0).fit(X, y)
        np.testing.assert_array_equal(np.sort(given["learnt"]), np.sort(model.estimators_[0].seen_))
        assert not set(given["learnt"]) & set(given["held back"])
        assert len(given["held back"]) == 120

    def test_labels_of_held_back_rows_reach_no_regressor(self):
        X, y = numbered(300)
        model = StarFormationRegressor(Ridge(), random_state=0)
        recorder = StarFormationRegressor(Recorder(), random_state=0).fit(X, y)
        aside = np.setdiff1d(np.arange(300), recorder.estimators_[0].seen_)
        expected = clone(model).fit(X, y)
        wrong = y.copy()
        wrong.iloc[aside] += np.random.default_rng(0).normal(0, 3, (60, 3))
        other = clone(model).fit(X, wrong)
        np.testing.assert_array_equal(other.predict(X), expected.predict(X))
        std, wider = (model.predict(X, return_std=True)[1] for model in (expected, other))
        assert (wider > std).all()

    def test_rows_out_of_limits_or_blank_are_neither(self):
        X, y = numbered(400)
        X[:50] = np.nan
        y.iloc[50:100] = np.nan
        limits = {"stellar_mass": (9.5, None)}
        model = StarFormationRegressor(VariantRecorder(), target_limits=limits, random_state=0)
        model.fit(X, y)
        good = np.flatnonzero((np.arange(400) >= 100) & (y["stellar_mass"] >= 9.5))
        for estimator in model.estimators_:
            both = np.sort(np.concatenate([estimator.seen_, estimator.validated_]))
            np.testing.assert_array_equal(both, good)
        assert model.n_calibration_ == round(0.2 * len(good))

    def test_labels_missing_for_one_target_change_no_other(self):
        X, y = numbered(300)
        gaps = y.copy()
        gaps.iloc[::3, 1] = np.nan
        full, partial = (
            StarFormationRegressor(VariantRecorder(), random_state=0).fit(X, labels)
            for labels in (y, gaps)
        )
        np.testing.assert_array_equal(full.estimators_[0].seen_, partial.estimators_[0].seen_)
        seen = full.estimators_[1].seen_
        np.testing.assert_array_equal(partial.estimators_[1].seen_, seen[seen % 3 > 0])
        assert partial.intervals_.calibrators["sfr"].n_rows_ == np.sum(
            full.estimators_[1].validated_ % 3 > 0
        )

    def test_the_draw_depends_on_a_rows_own_values_and_the_seed_alone(self):
        X, _ = simulate(500)
        numbers = draw_numbers(row_keys(X), 7)
        order = np.random.default_rng(0).permutation(500)
        np.testing.assert_array_equal(draw_numbers(row_keys(X[order]), 7), numbers[order])
        np.testing.assert_array_equal(draw_numbers(row_keys(X[100:103]), 7), numbers[100:103])
        np.testing.assert_array_equal(draw_numbers(row_keys(np.asfortranarray(X)), 7), numbers)
        np.testing.assert_array_equal(draw_numbers(row_keys(X * 1000 / 1000), 7), numbers)
        assert not np.array_equal(draw_numbers(row_keys(X), 8), numbers)
        assert len(np.unique(numbers)) == 500

    def test_the_draw_is_even(self):
        """Twenty bins hold as many rows each as chance lets expect, whatever the inputs."""
        n_rows, n_bins = 20_000, 20
        inputs = {
            "normal": np.random.default_rng(0).normal(size=(n_rows, 5)),
            "one of many differs": np.eye(30)[3] * np.arange(n_rows)[:, np.newaxis],
            "whole numbers": np.arange(float(n_rows))[:, np.newaxis],
        }
        for name, X in inputs.items():
            counts = np.histogram(draw_numbers(row_keys(X), 3) / 2.0**64, n_bins, (0, 1))[0]
            chi2 = np.sum((counts - n_rows / n_bins) ** 2) / (n_rows / n_bins)
            freedom = n_bins - 1
            assert chi2 < freedom + SIGMA * np.sqrt(2 * freedom), name

    def test_equal_rows_are_on_the_same_side(self):
        X, y = numbered(300)
        twice = np.vstack([X, X]), pd.concat([y, y + 0.1])
        model = StarFormationRegressor(VariantRecorder(), random_state=0).fit(*twice)
        for estimator in model.estimators_:
            assert not set(estimator.seen_) & set(estimator.validated_)

    def test_a_subsample_leaves_the_held_back_rows_alone(self):
        X, y = numbered(300)
        model = StarFormationRegressor(VariantRecorder(), max_train_samples=30, random_state=0)
        model.fit(X, y)
        assert model.n_calibration_ == 60
        assert set(model.n_train_.values()) == {30}
        assert not set(model.estimators_[0].seen_) & set(model.estimators_[0].validated_)


class TestTable:
    COLUMNS = (*(f"{t}{end}" for t in TARGETS for end in ("", "_p16", "_p84")), "flag", "reasons")

    @pytest.mark.parametrize("labels", ["shuffled", "repeated", "text", "none"])
    def test_rows_are_aligned_with_the_catalogue(self, complete_pipe, survey, labels):
        X, _ = survey
        index = {
            "shuffled": X.index,
            "repeated": pd.Index([7] * len(X), name="field"),
            "text": pd.Index([f"G{i}" for i in range(len(X))]),
            "none": pd.RangeIndex(len(X)),
        }[labels]
        table = complete_pipe.predict_table(X.set_axis(index))
        assert table.index.equals(index)
        assert table.index.names == index.names
        assert tuple(table.columns) == self.COLUMNS
        predicted = complete_pipe.predict(X)
        quantiles = complete_pipe.predict_quantiles(X, (0.16, 0.84))
        for k, target in enumerate(TARGETS):
            np.testing.assert_array_equal(table[target], predicted[:, k])
            np.testing.assert_array_equal(table[f"{target}_p16"], quantiles[:, k, 0])
            np.testing.assert_array_equal(table[f"{target}_p84"], quantiles[:, k, 1])

    @pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
    def test_arrays_and_other_tables_get_row_numbers(self, complete_pipe, survey):
        pl = pytest.importorskip("polars")
        X, _ = survey
        expected = complete_pipe.predict_table(X).reset_index(drop=True)
        for other in (pl.DataFrame(X.to_dict("list")), X[list(sfml.GAMA.columns)].to_numpy()):
            pd.testing.assert_frame_equal(complete_pipe.predict_table(other), expected)

    def test_several_levels_of_labels(self, complete_pipe, survey):
        X, _ = survey
        index = pd.MultiIndex.from_product([["G09", "G12"], range(len(X) // 2)], names=["f", "i"])
        table = complete_pipe.predict_table(X.set_axis(index))
        assert table.index.equals(index)
        assert table.index.names == ["f", "i"]

    def test_rejected_rows_have_no_numbers_but_reasons(self, complete_pipe, survey):
        X, _ = survey
        table = complete_pipe.predict_table(X)
        reasons = complete_pipe["select"].reasons(X)
        rejected = reasons.any(axis=1)
        assert 0 < rejected.sum() < len(X)
        numbers = table.drop(columns=["flag", "reasons"])
        np.testing.assert_array_equal(
            numbers.isna(), np.repeat(rejected.to_numpy()[:, None], 9, axis=1)
        )
        not_predicted = (table["flag"] & Flag.NOT_PREDICTED) > 0
        np.testing.assert_array_equal(not_predicted, rejected)
        for cut, word in (("redshift", "redshift"), ("missing", "few_bands"), ("snr", "low_snr")):
            assert reasons[cut].any()
            assert table.loc[reasons[cut], "reasons"].str.contains(word).all()
        assert table.loc[rejected, "reasons"].str.contains("not_predicted").all()

    def test_no_rows(self, complete_pipe, survey):
        table = complete_pipe.predict_table(survey[0].iloc[:0])
        assert table.shape == (0, 11)
        assert tuple(table.columns) == self.COLUMNS

    def test_a_table_of_inputs_keeps_its_labels(self, linear):
        X, _ = simulate(20, seed=1)
        X = pd.DataFrame(X, index=[f"G{i}" for i in range(20)])
        model = clone(linear).fit(
            pd.DataFrame(simulate(300)[0]).rename(columns=str), simulate(300)[1]
        )
        table = model.predict_table(X.rename(columns=str))
        assert table.index.tolist() == X.index.tolist()
        assert isinstance(linear.predict_table(X.to_numpy()).index, pd.RangeIndex)

    def test_wide_intervals_are_flagged_by_a_limit_for_all_or_by_target(self, linear):
        X, _ = simulate(400, seed=1)
        usual = linear.predict_table(X)
        width = np.column_stack([usual[f"{t}_p84"] - usual[f"{t}_p16"] for t in TARGETS])
        middle = np.median(width)

        def wide(**options):
            return (linear.predict_table(X, **options)["flag"] & Flag.WIDE_INTERVAL).to_numpy() > 0

        np.testing.assert_array_equal(wide(max_width=middle), (width > middle).any(axis=1))
        np.testing.assert_array_equal(wide(max_width={"sfr": middle}), width[:, 1] > middle)
        assert not wide(max_width=100).any()
        limits = [linear.intervals_.usual_widths[t] for t in TARGETS]
        np.testing.assert_array_equal(wide(), (width > limits).any(axis=1))
        assert not wide(uncertainty="sps").any()
        with pytest.raises(
            ValueError, match=r"max_width names \['SFR'\]; targets are stellar_mass"
        ):
            linear.predict_table(X, max_width={"SFR": 0.3})

    def test_the_usual_width_is_that_of_all_but_one_in_a_hundred(self, trained_on_many):
        model, (X, _) = trained_on_many("mlp"), simulate(4000, seed=1)
        widths = np.ptp(model.predict_interval(X), axis=2)
        for k, target in enumerate(TARGETS):
            share = np.mean(widths[:, k] > model.intervals_.usual_widths[target])
            error = np.sqrt(0.01 * 0.99 * (1 / model.n_calibration_ + 1 / len(X)))
            assert abs(share - 0.01) < SIGMA * error + 1 / model.n_calibration_


class TestPosterior:
    def test_the_codes_own_widths_are_learnt(self, linear):
        X, _ = simulate(50, seed=1)
        median = linear.predict(X)[:, :, np.newaxis]
        ends = linear.predict_interval(X, uncertainty="sps") - median
        halves = np.array([[-0.2, 0.1], [-0.3, 0.1], [-0.4, 0.1]])
        np.testing.assert_allclose(ends, np.broadcast_to(halves, ends.shape), atol=1e-6)

    def test_both_are_added_in_quadrature(self, linear):
        X, _ = simulate(50, seed=1)
        median = linear.predict(X)[:, :, np.newaxis]
        emulator, sps, total = (
            linear.predict_interval(X, uncertainty=u) - median for u in ("emulator", "sps", "total")
        )
        np.testing.assert_allclose(np.abs(total), np.hypot(emulator, sps), rtol=1e-6)
        for u in ("emulator", "sps", "total"):
            np.testing.assert_array_equal(linear.predict_quantiles(X, 0.5, uncertainty=u), median)

    def test_the_table_takes_them_too(self, linear):
        X, _ = simulate(50, seed=1)
        for u in ("emulator", "sps", "total"):
            table = linear.predict_table(X, uncertainty=u)
            expected = linear.predict_quantiles(X, 0.84, uncertainty=u)
            np.testing.assert_array_equal(table["sfr_p84"], expected[:, 1, 0])

    def test_real_posteriors_of_the_mock(self, complete_pipe, survey):
        """Predicted half-widths go with those of the labels, for galaxies and on the whole."""
        X, y = survey
        widths = np.ptp(complete_pipe.predict_interval(X, uncertainty="sps"), axis=2)
        known = np.isfinite(widths).all(axis=1)
        for k, target in enumerate(TARGETS):
            actual = (y[f"{target}_p84"] - y[f"{target}_p16"]).to_numpy()[known]
            ratio = np.median(widths[known, k] / np.maximum(actual, 0.004))
            assert 0.5 < ratio < 2
        total = np.ptp(complete_pipe.predict_interval(X, uncertainty="total"), axis=2)
        emulator = np.ptp(complete_pipe.predict_interval(X), axis=2)
        assert (total[known] >= np.maximum(widths, emulator)[known] - 1e-9).all()

    def test_percentiles_change_no_prediction(self, linear):
        X, y = simulate(600)
        plain = clone(linear).fit(X, y)
        np.testing.assert_array_equal(plain.predict_quantiles(X), linear.predict_quantiles(X))
        assert plain.posterior_ is None

    def test_narrow_posteriors_are_no_infinite_logarithms(self):
        X, y = simulate(200)
        y = y.assign(**{f"{t}_{p}": y[t] for t in TARGETS for p in ("p16", "p84")})
        model = StarFormationRegressor(Ridge(), random_state=0).fit(X, y)
        width = np.ptp(model.predict_interval(X, uncertainty="sps"), axis=2)
        np.testing.assert_allclose(width, 2 * 0.002, rtol=1e-6)

    @pytest.mark.parametrize("uncertainty", ["sps", "total"])
    def test_without_percentiles_they_are_refused(self, fitted, uncertainty):
        model, (X, _) = fitted("svr"), simulate(5)
        for call in (model.predict_quantiles, model.predict_interval, model.predict_table):
            with pytest.raises(ValueError, match=rf"'{uncertainty}' needs .*stellar_mass_p16"):
                call(X, uncertainty=uncertainty)


class TestRefusals:
    def test_before_fit(self):
        X, y = simulate(5)
        model = StarFormationRegressor(Ridge())
        for call in (model.predict, model.predict_interval, model.predict_quantiles):
            with pytest.raises(NotFittedError):
                call(X)
        for call in (model.predict_table, lambda X: model.calibrate(X, y)):
            with pytest.raises(NotFittedError):
                call(X)
        with pytest.raises(NotFittedError):
            model.predict(X, return_std=True)
        with pytest.raises(NotFittedError):
            sfml.make_star_formation_pipeline().predict_table(pd.DataFrame())

    def test_not_calibrated(self):
        X, y = simulate(100)
        model = StarFormationRegressor(Ridge(), calibration_fraction=None).fit(X, y)
        assert np.isfinite(model.predict(X)).all()
        calls = [model.predict_quantiles, model.predict_interval, model.predict_table]
        for call in [*calls, lambda X: model.predict(X, return_std=True)]:
            with pytest.raises(ValueError, match=r"not calibrated.*calibrate\(X, y\)"):
                call(X)

    def test_the_codes_own_uncertainty_needs_no_calibration(self):
        X, y = simulate(100)
        model = StarFormationRegressor(Ridge(), calibration_fraction=None)
        model.fit(X, with_percentiles(y))
        assert np.isfinite(model.predict_interval(X, uncertainty="sps")).all()
        with pytest.raises(ValueError, match="not calibrated"):
            model.predict_interval(X, uncertainty="total")

    def test_levels_beyond_what_the_held_back_rows_tell(self, linear):
        X, _ = simulate(5)
        message = r"120 galaxies held back cannot tell the quantiles \[0.001\] of stellar_mass"
        with pytest.raises(ValueError, match=message):
            linear.predict_quantiles(X, (0.001, 0.5))
        with pytest.raises(ValueError, match=r"at least 0\.0083 from 0 and 1"):
            linear.predict_interval(X, 0.999)
        assert np.isfinite(linear.predict_quantiles(X, (1 / 121, 120 / 121))).all()

    @pytest.mark.parametrize("name", ["posterior", None, "Total"])
    def test_an_unknown_uncertainty(self, linear, name):
        with pytest.raises(ValueError, match=rf"one of emulator, sps, total; got {name!r}"):
            linear.predict_interval(simulate(5)[0], uncertainty=name)

    def test_levels_and_coverages_that_are_none(self, linear):
        X, _ = simulate(5)
        with pytest.raises(ValueError, match="q must hold levels between 0 and 1"):
            linear.predict_quantiles(X, (16, 84))
        with pytest.raises(ValueError, match=r"coverage must lie between 0 and 1.*Per cent"):
            linear.predict_interval(X, 68)

    def test_another_number_of_inputs(self, linear):
        with pytest.raises(ValueError, match="X has 3 features, but"):
            linear.predict_interval(np.zeros((5, 3)))


class TestCalibrate:
    def test_on_galaxies_of_ones_own(self):
        X, y = simulate(600)
        model = StarFormationRegressor(Ridge(), calibration_fraction=None, random_state=0)
        model.fit(X, y)
        own = simulate(400, seed=5)
        before = model.predict(X)
        assert model.calibrate(*own) is model
        assert {c.n_rows_ for c in model.intervals_.calibrators.values()} == {400}
        np.testing.assert_array_equal(model.predict(X), before)
        np.testing.assert_array_equal(model.predict_quantiles(X, 0.5)[:, :, 0], before)
        by_hand = QuantileCalibrator().fit(
            np.repeat(model.predict(own[0])[:, [1]], len(LEVELS), axis=1),
            own[1]["sfr"],
            np.column_stack([model.predict(own[0])[:, 1], np.zeros(400)]),
        )
        np.testing.assert_allclose(by_hand.shifts_, model.intervals_.calibrators["sfr"].shifts_)

    def test_it_makes_intervals_as_wide_as_the_galaxies_are_scattered(self, linear):
        model, (X, y) = copy.deepcopy(linear), simulate(500, seed=5)
        before = np.ptp(model.predict_interval(X), axis=2).mean()
        scattered = y + np.random.default_rng(0).normal(0, 2, y.shape)
        after = np.ptp(model.calibrate(X, scattered).predict_interval(X), axis=2).mean()
        assert after > 3 * before
        assert model.intervals_.usual_widths["sfr"] > linear.intervals_.usual_widths["sfr"]

    def test_it_shifts_predictions_if_told_to(self, linear):
        model, (X, y) = copy.deepcopy(linear), simulate(500, seed=5)
        offset = pd.Series({"stellar_mass": 0.3, "sfr": -0.2, "dust_luminosity": 0.0})
        kept = copy.deepcopy(model).calibrate(X, y + offset)
        model.calibrate(X, y + offset, shift=True)
        before, after = linear.predict(X), model.predict(X)
        expected = np.median(y + offset - before, axis=0)
        np.testing.assert_allclose(after - before, np.broadcast_to(expected, after.shape))
        np.testing.assert_array_equal(model.predict_quantiles(X, 0.5)[:, :, 0], after)
        assert model.shifts_ == pytest.approx(dict(zip(model.targets_, expected, strict=True)))
        assert abs(model.shifts_["stellar_mass"] - 0.3) < 0.03
        np.testing.assert_array_equal(kept.predict(X), before)
        # The median of `kept` stays where it was, and so must lie in its intervals.
        wide, narrow = (np.ptp(m.predict_interval(X), axis=2).mean(axis=0) for m in (kept, model))
        assert narrow[0] < wide[0]
        new, truth = simulate(3000, seed=6)
        low, high = np.moveaxis(model.predict_interval(new, 0.68), 2, 0)
        inside = ((low < truth + offset) & (truth + offset < high)).mean(axis=0)
        np.testing.assert_allclose(inside, 0.68, atol=4 * np.sqrt(0.68 * 0.32 / 500))
        drawn = model.sample(new[:50], 4000, random_state=0)
        np.testing.assert_allclose(np.median(drawn, axis=1), model.predict(new[:50]), atol=0.05)

    def test_a_later_call_begins_anew(self, linear):
        (X, y), other = simulate(500, seed=5), simulate(500, seed=7)
        model = copy.deepcopy(linear).calibrate(X, y + 1, shift=True)
        model.calibrate(other[0], other[1] - 1, shift=True)
        assert -1.1 < model.shifts_["sfr"] < -0.9
        with pytest.raises(ValueError, match="nothing to calibrate on"):
            model.calibrate(X, y * np.nan, shift=True)
        assert -1.1 < model.shifts_["sfr"] < -0.9
        model.calibrate(X, y)
        assert model.shifts_ == {}
        np.testing.assert_array_equal(model.predict(X), linear.predict(X))
        again = model.calibrate(X, y + 1, shift=True).fit(*simulate(600))
        assert again.shifts_ == {}

    def test_learning_anew_ends_the_shift(self, linear):
        X, y = simulate(200, seed=8)
        model = copy.deepcopy(linear).set_params(warm_start=True)
        model.calibrate(X, y + 1, shift=True)
        with pytest.warns(UserWarning, match="no longer shifted"):
            model.fit(*simulate(600))
        assert model.shifts_ == {}

    def test_galaxies_of_no_weight_shift_nothing(self, linear):
        X, y = simulate(200, seed=8)
        weights = np.r_[1.0, np.zeros(199)]
        with pytest.raises(ValueError, match="fewer than 2"):
            copy.deepcopy(linear).calibrate(X, y + 1, weights, shift=True)

    def test_weights_count_in_the_shift(self, linear):
        X, y = simulate(400, seed=5)
        moved = y.copy()
        moved.iloc[200:] += 1
        weights = np.r_[np.zeros(200), np.ones(200)]
        model = copy.deepcopy(linear).calibrate(X, moved, weights, shift=True)
        assert 0.9 < model.shifts_["sfr"] < 1.1

    def test_limits_and_gaps_are_left_out(self, linear):
        model = clone(linear).set_params(target_limits={"stellar_mass": (10, None)})
        model.fit(*simulate(600))
        X, y = simulate(300, seed=5)
        X[:10] = np.nan
        y.iloc[10:30, 1] = np.nan
        model.calibrate(X, y)
        within = (y["stellar_mass"] >= 10).to_numpy()
        assert model.intervals_.calibrators["stellar_mass"].n_rows_ == within[10:].sum()
        assert model.intervals_.calibrators["sfr"].n_rows_ == within[30:].sum()

    def test_nothing_to_calibrate_on(self, linear):
        X, y = simulate(30)
        X = X + 0.01  # others than those learnt from
        with pytest.raises(ValueError, match=r"Of the 30 galaxies given, fewer than 2 .* sfr"):
            copy.deepcopy(linear).calibrate(X, y.assign(sfr=np.nan))
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            copy.deepcopy(linear).calibrate(X, y[:-1])

    def test_a_pipeline_on_a_catalogue(self, complete_pipe, survey):
        X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=5, return_X_y=True)
        pipe = copy.deepcopy(complete_pipe)
        with pytest.raises(ValueError, match=r"fit has learnt from .* of the 900 galaxies given"):
            pipe.calibrate(*survey)
        assert pipe.calibrate(X, y + 0.5) is pipe
        np.testing.assert_array_equal(pipe.predict(X), complete_pipe.predict(X))
        assert np.nanmedian(pipe.predict_interval(X)[..., 1] - pipe.predict(X)) > 0.3


class TestPipelines:
    def test_they_ask_the_last_step(self, complete_pipe, survey):
        X, _ = survey
        inputs = complete_pipe[:-1].transform(X)
        regress = complete_pipe["regress"]
        np.testing.assert_array_equal(
            complete_pipe.predict_quantiles(X, (0.2, 0.6)),
            regress.predict_quantiles(inputs, (0.2, 0.6)),
        )
        np.testing.assert_array_equal(
            complete_pipe.predict_interval(X, 0.9), regress.predict_interval(inputs, 0.9)
        )
        mean, std = complete_pipe.predict(X, return_std=True)
        np.testing.assert_array_equal(mean, complete_pipe.predict(X))
        assert (std[np.isfinite(mean)] > 0).all()

    def test_a_galaxy_does_not_depend_on_its_neighbours(self, complete_pipe, gappy_pipe, survey):
        X, _ = survey
        q = (0.07, 0.16, 0.33, 0.5, 0.77, 0.9)
        for pipe in (complete_pipe, gappy_pipe):
            together = pipe.predict_quantiles(X, q)
            order = np.random.default_rng(3).permutation(len(X))
            np.testing.assert_array_equal(pipe.predict_quantiles(X.iloc[order], q), together[order])
            some = range(0, len(X), 30)
            alone = np.vstack([pipe.predict_quantiles(X.iloc[[i]], q) for i in some])
            np.testing.assert_array_equal(alone, together[::30])

    @pytest.mark.parametrize("method", ["random_forest", "svr"])
    @pytest.mark.parametrize("recipe", ["sfml", "surana2020"])
    def test_other_families(self, survey, quick_pipeline, recipe, method):
        X, y = survey
        pipe = quick_pipeline(recipe, method=method, missing="reject", max_train_samples=200)
        pipe.fit(X, y)
        rejected = pipe["select"].reasons(X).any(axis=1)
        low, high = np.moveaxis(pipe.predict_interval(X), 2, 0)
        np.testing.assert_array_equal(np.isnan(low), np.isnan(pipe.predict(X)))
        assert (high > low)[~rejected].all()
        wider = pipe.predict_interval(X, uncertainty="total")
        assert (np.ptp(wider, axis=2) > high - low)[~rejected].all()

    def test_the_papers_networks_have_intervals_too(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline().fit(X, y)
        assert all(network.quantiles_ is None for network in pipe["regress"].estimators_)
        interval = pipe.predict_interval(X)
        kept = ~pipe["select"].reasons(X).any(axis=1).to_numpy()
        assert (np.ptp(interval[kept], axis=2) > 0).all()

    def test_a_joint_network(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline("sfml", joint=True).fit(X, y)
        np.testing.assert_array_equal(pipe.predict_quantiles(X, 0.5)[..., 0], pipe.predict(X))
        assert list(pipe["regress"].intervals_.calibrators) == list(TARGETS)
        assert pipe.predict_interval(X, uncertainty="total").shape == (len(X), 3, 2)

    def test_the_recipes_networks_learn_quantiles(self):
        for name, estimator in sfml.make_star_formation_pipeline()["regress"].estimators:
            assert estimator.quantiles == LEVELS, name

    @pytest.mark.parametrize(
        ("recipe", "redshift", "wanted"),
        [
            ("sfml", "spectroscopic", ["log_snr", "redshift"]),
            ("sfml", "photometric", ["log_redshift_error", "log_snr", "redshift"]),
            ("sfml", "none", ["log_snr"]),
            ("surana2020", "spectroscopic", ["redshift"]),
        ],
    )
    def test_intervals_hold_in_bins_of_noise_and_redshift(
        self, survey, quick_pipeline, recipe, redshift, wanted
    ):
        X, y = survey
        bands = replace(sfml.GAMA, redshift_error="Z_err")
        pipe = quick_pipeline(recipe, bands=bands, redshift=redshift, targets=["sfr"])
        pipe.set_params(regress__sfr=FillingRidge()).fit(X.assign(Z_err=0.01), y[["sfr"]])
        names = pipe[:-1].get_feature_names_out()
        assert [names[k] for k in pipe["regress"].intervals_.conditions] == wanted

    def test_clone_and_grid_search_over_the_share_held_back(self, survey, quick_pipeline):
        X, y = survey
        pipe = quick_pipeline()
        pipe.set_params(**{f"regress__{t}": LinearRegression() for t in TARGETS})
        grid = {"regress__calibration_fraction": [0.1, 0.4, None]}
        search = GridSearchCV(pipe, grid, cv=3).fit(X, y[list(TARGETS)])
        scores = search.cv_results_["mean_test_score"]
        assert np.isfinite(scores).all()
        assert len(set(scores)) == 3
        best = search.best_params_["regress__calibration_fraction"]
        assert search.best_estimator_["regress"].calibration_fraction == best
        assert type(search.best_estimator_) is type(clone(pipe)) is sfml.StarFormationPipeline


PREDICT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "scikeras", "matplotlib", "astropy"}:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocked())
import joblib, pandas
for pipe, X, expected, table in joblib.load(sys.argv[1]):
    assert (pipe.predict_quantiles(X.iloc[:5]) == expected).all()
    pandas.testing.assert_frame_equal(pipe.predict_table(X, uncertainty="total"), table)
print("predicted")
"""


def test_intervals_need_no_tensorflow(complete_pipe, gappy_pipe, survey, tmp_path):
    X = survey[0][complete_pipe["select"].reasons(survey[0]).sum(axis=1) == 0]
    models = [
        (pipe, X, pipe.predict_quantiles(X[:5]), pipe.predict_table(X, uncertainty="total"))
        for pipe in (complete_pipe, gappy_pipe)
    ]
    joblib.dump(models, tmp_path / "models.joblib")
    command = [sys.executable, "-W", "error", "-c", PREDICT, str(tmp_path / "models.joblib")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "predicted\n", done.stderr


def test_equal_rows_are_learnt_from_and_not_all_held_back():
    model = StarFormationRegressor(Ridge(), targets=["sfr"], random_state=0)
    model.fit(np.ones((60, 2)), np.full(60, 0.5))
    assert model.n_train_["sfr"] == 60
    assert model.predict(np.ones((1, 2))) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="not calibrated"):
        model.predict_interval(np.ones((1, 2)))
