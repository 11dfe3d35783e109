"""Metrics, the score table and the scorers."""

from __future__ import annotations

import doctest
import inspect
import pickle
from itertools import permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfml import TARGETS, StarFormationRegressor, metrics
from sfml.metrics.pairing import targets_of
from sfml.targets import GAMA_TARGET_COLUMNS

ALL = {
    "error": metrics.error,
    "rmse": metrics.rmse,
    "mad": metrics.mad,
    "nmad": metrics.nmad,
    "bias": metrics.bias,
    "outlier_fraction": metrics.outlier_fraction,
    "r2": metrics.r2,
    "adjusted_r2": lambda true, pred, **kwargs: metrics.adjusted_r2(true, pred, 2, **kwargs),
}
every_metric = pytest.mark.parametrize("metric", ALL.values(), ids=ALL)
every_order = pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).normal([10.5, 0.3, 10.2], [0.5, 0.8, 0.6], size=(200, 3))


@pytest.fixture
def predictions(labels) -> np.ndarray:
    noise = np.random.default_rng(1).normal([0.02, -0.05, 0.0], [0.05, 0.2, 0.1], labels.shape)
    return labels + noise


class TestValues:
    """Residuals of 0.1, -0.1, 0.3 and 0.5: values worked out by hand."""

    true = np.array([9.0, 10.0, 11.0, 12.0])
    pred = np.array([9.1, 9.9, 11.3, 12.5])

    @pytest.mark.parametrize(
        ("metric", "expected"),
        [
            (metrics.bias, 0.2),
            (metrics.error, np.sqrt(0.05)),
            (metrics.rmse, 0.3),
            (metrics.mad, 0.25),
            (metrics.nmad, 1.4826 * 0.2),
            (metrics.r2, 1 - 0.36 / 5),
        ],
    )
    def test_by_hand(self, metric, expected):
        assert metric(self.true, self.pred) == pytest.approx(expected)

    def test_adjusted_r2(self):
        expected = 1 - (0.36 / 5) * 3 / 2
        assert metrics.adjusted_r2(self.true, self.pred, 1) == pytest.approx(expected)

    def test_adjusted_r2_charges_for_every_feature(self, labels, predictions):
        r2, n = metrics.r2(labels[:, 1], predictions[:, 1]), len(labels)
        expected = 1 - (1 - r2) * (n - 1) / (n - 23)
        assert metrics.adjusted_r2(labels[:, 1], predictions[:, 1], 22) == pytest.approx(expected)

    def test_bias_is_positive_where_predictions_are_too_high(self):
        assert metrics.bias([9.0], [9.5]) == pytest.approx(0.5)

    def test_outliers_in_dex_are_strictly_beyond_the_threshold(self):
        assert metrics.outlier_fraction([0.0, 0.0, 0.0], [0.5, -0.75, 0.25], 0.5) == 1 / 3

    def test_outliers_in_sigma_are_counted_about_the_bias(self):
        residual = np.r_[np.full(99, 5.0), 6.0]  # all beyond 0.3 dex; one of them off the others
        true = np.zeros(100)
        assert metrics.outlier_fraction(true, residual) == 1.0
        assert metrics.outlier_fraction(true, residual, 3, unit="sigma") == 0.01

    def test_r2_of_equal_labels_follows_scikit_learn(self):
        assert metrics.r2([1.0, 1.0], [1.0, 1.0]) == 1.0
        assert metrics.r2([1.0, 1.0], [1.0, 2.0]) == 0.0


class TestShapes:
    @every_metric
    def test_one_target_gives_a_float(self, metric, labels, predictions):
        assert type(metric(labels[:, 0], predictions[:, 0])) is float

    @every_metric
    def test_raw_values_are_those_of_each_column(self, metric, labels, predictions):
        raw = metric(labels, predictions, multioutput="raw_values")
        expected = [metric(labels[:, k], predictions[:, k]) for k in range(3)]
        np.testing.assert_array_equal(raw, expected)
        assert metric(labels, predictions) == pytest.approx(np.mean(expected))

    def test_a_single_column_matches_a_vector(self, labels, predictions):
        assert metrics.error(labels[:, :1], predictions[:, 0]) == metrics.error(
            labels[:, 0], predictions[:, 0]
        )

    def test_single_precision_is_raised_to_double(self):
        true = np.full(10**6, 1e4, dtype=np.float32)
        pred = true + np.float32(0.25)
        assert metrics.bias(true, pred) == 0.25

    @pytest.mark.parametrize(
        ("true", "pred"),
        [([1.0, 2.0], [1.0]), (np.ones((4, 2)), np.ones((4, 3))), (np.ones((4, 2)), np.ones(4))],
    )
    def test_shapes_must_agree(self, true, pred):
        with pytest.raises(ValueError, match="got shapes"):
            metrics.error(true, pred)

    @pytest.mark.parametrize("bad", [np.ones((2, 2, 2)), 1.0, np.ones((3, 0))])
    def test_other_dimensions_are_refused(self, bad):
        with pytest.raises(ValueError, match="must have shape"):
            metrics.error(bad, bad)


class TestInputs:
    @pytest.mark.parametrize(
        "container",
        [
            list,
            pd.Series,
            lambda v: pd.Series(v, dtype="Float64"),
            lambda v: pd.Series([pd.NA if x is None else x for x in v], name="sfr"),
            lambda v: pl.Series("sfr", v),
            lambda v: pd.DataFrame({"sfr": v}),
            lambda v: pl.DataFrame({"sfr": v}),
            lambda v: np.ma.masked_values([-99.0 if x is None else x for x in v], -99.0),
        ],
    )
    def test_containers_with_missing_labels(self, container):
        true, pred = container([1.0, None, 3.0, 4.0]), [1.5, 7.0, 3.5, 5.0]
        assert metrics.bias(true, pred) == pytest.approx(2 / 3)

    def test_rows_in_another_order_are_refused(self):
        true = pd.Series([1.0, 2.0, 3.0], index=[7, 8, 9])
        pred = pd.Series([2.0, 1.0, 3.0], index=[8, 7, 9])
        message = r"y_true and y_pred have the same index labels in another order.*y_pred\.loc"
        with pytest.raises(ValueError, match=message):
            metrics.rmse(true, pred)
        assert metrics.rmse(true, pred.loc[true.index]) == 0.0
        with pytest.raises(ValueError, match="y_true and sample_weight have the same index"):
            metrics.rmse(true, [1.0, 2.0, 3.0], sample_weight=pred)

    def test_rows_with_other_labels_are_matched_by_position(self):
        true = pd.Series([1.0, 2.0, 3.0], index=[7, 8, 9])
        assert metrics.rmse(true, true.reset_index(drop=True)) == 0.0
        assert metrics.rmse(true, true.set_axis([8, 9, 10])) == 0.0

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    @pytest.mark.parametrize("argument", ["y_true", "y_pred"])
    def test_infinite_values_are_refused(self, argument, value):
        arguments = {"y_true": [1.0, 2.0], "y_pred": [1.0, 2.0]} | {argument: [1.0, value]}
        with pytest.raises(ValueError, match=f"{argument} holds 1 infinite"):
            metrics.error(**arguments)

    def test_labels_which_are_no_dex_are_refused_but_wild_predictions_are_scored(self, labels):
        coded = labels.copy()
        coded[0, 1] = -999.0
        with pytest.raises(ValueError, match="sfr must be in dex"):
            metrics.error(coded, labels)
        assert metrics.rmse(labels, coded) > 10

    @pytest.mark.parametrize("container", [list, pd.Series, lambda v: np.array(v, dtype=object)])
    def test_text_is_refused(self, container):
        with pytest.raises(ValueError, match=r"y_true\[:, 0\]' holds text"):
            metrics.error(container(["1.0", "2.0"]), [1.0, 2.0])

    @every_metric
    def test_unknown_multioutput(self, metric, labels):
        with pytest.raises(ValueError, match="multioutput must be"):
            metric(labels, labels, multioutput="median")

    @pytest.mark.parametrize("n_features", [0, -1, 2.5, None])
    def test_number_of_features_must_be_a_positive_integer(self, n_features):
        with pytest.raises(ValueError, match="n_features must be a positive integer"):
            metrics.adjusted_r2([1.0, 2.0], [1.0, 2.0], n_features)

    def test_adjusted_r2_needs_more_galaxies_than_features(self):
        with pytest.raises(ValueError, match="more than 23 galaxies; got 23"):
            metrics.adjusted_r2(np.arange(23.0), np.arange(23.0), 22)
        assert metrics.adjusted_r2(np.arange(24.0), np.arange(24.0), 22) == 1.0

    def test_r2_needs_two_galaxies(self):
        with pytest.raises(ValueError, match="at least 2 galaxies"):
            metrics.r2([1.0, np.nan], [1.0, 2.0])

    @pytest.mark.parametrize("threshold", [0, -1.0, np.nan])
    def test_outlier_threshold_must_be_positive(self, threshold):
        with pytest.raises(ValueError, match="threshold must be positive"):
            metrics.outlier_fraction([1.0], [1.0], threshold)

    def test_outlier_unit_must_be_known(self):
        with pytest.raises(ValueError, match="unit must be"):
            metrics.outlier_fraction([1.0], [1.0], unit="mag")


MADE = [name for name in metrics.__all__ if hasattr(getattr(metrics, name), "of_pair")]


@pytest.mark.parametrize("name", MADE)
def test_examples(name):
    """Of metrics that a decorator made, whose docstrings pytest does not find."""
    (examples,) = doctest.DocTestFinder().find(getattr(metrics, name), name)
    results = doctest.DocTestRunner().run(examples)
    assert results.attempted >= 2
    assert results.failed == 0


def test_arguments_follow_the_signature():
    signature = "(y_true, y_pred, n_features: 'int', *, sample_weight=None, multioutput="
    assert str(inspect.signature(metrics.adjusted_r2)).startswith(signature)
    with pytest.raises(TypeError, match="missing a required argument: 'y_pred'"):
        metrics.error([1.0])
    with pytest.raises(TypeError, match="unexpected keyword argument 'weights'"):
        metrics.error([1.0], [1.0], weights=[1.0])


class TestNames:
    """Targets are matched by name: the order of y's columns changes nothing."""

    named = pytest.mark.parametrize("names", [TARGETS, tuple(GAMA_TARGET_COLUMNS.values())])

    @every_order
    @every_metric
    @named
    def test_the_order_of_labels_changes_nothing(self, metric, names, order, labels, predictions):
        predictions[::7, 1] = np.nan
        expected = metric(labels, predictions, multioutput="raw_values")
        y = pd.DataFrame(labels, columns=list(names)).iloc[:, list(order)]
        for y_pred in (predictions, pd.DataFrame(predictions, columns=list(TARGETS))):
            raw = metric(y, y_pred, multioutput="raw_values")
            np.testing.assert_array_equal(raw, expected)
            assert metric(y, y_pred) == pytest.approx(expected.mean())

    @every_order
    def test_the_order_of_named_predictions_changes_nothing(self, order, labels, predictions):
        expected = metrics.error(labels, predictions, multioutput="raw_values")
        y_pred = pl.DataFrame(dict(zip(TARGETS, predictions.T, strict=True)))
        y_pred = y_pred[[TARGETS[k] for k in order]]
        for y_true in (labels, pd.DataFrame(labels, columns=list(TARGETS))):
            raw = metrics.error(y_true, y_pred, multioutput="raw_values")
            np.testing.assert_array_equal(raw, expected)

    @every_order
    def test_score_table(self, order, labels, predictions):
        y = pd.DataFrame(labels, columns=list(TARGETS)).iloc[:, list(order)]
        expected = metrics.score_table(labels, predictions, n_features=47)
        table = metrics.score_table(y, predictions, n_features=47)
        pd.testing.assert_frame_equal(table, expected, check_exact=True)

    def test_other_targets_in_both_tables(self, labels, predictions):
        y = pd.DataFrame(labels, columns=["A_V", "sfr", "metallicity"])
        y_pred = pd.DataFrame(predictions, columns=["A_V", "sfr", "metallicity"])
        expected = metrics.score_table(y, y_pred)
        shuffled = metrics.score_table(y[["metallicity", "A_V", "sfr"]], y_pred)
        pd.testing.assert_frame_equal(shuffled, expected, check_exact=True)

    def test_targets_say_what_bare_columns_are(self, labels, predictions):
        y = pd.DataFrame(labels[:, :2], columns=["age", "depth"])
        expected = metrics.score_table(y, predictions[:, :2])
        for order in (["age", "depth"], ["depth", "age"]):
            table = metrics.score_table(y[order], predictions[:, :2], targets=["age", "depth"])
            pd.testing.assert_frame_equal(table, expected, check_exact=True)
        backwards = metrics.score_table(y, predictions[:, 1::-1], targets=["depth", "age"])
        pd.testing.assert_frame_equal(backwards, expected[["depth", "age"]], check_exact=True)

    @pytest.mark.parametrize(
        ("true", "pred"),
        [
            (["sfr"], ["stellar_mass"]),
            (["sfr"], ["predicted"]),
            (["a", "b"], ["a", "c"]),
            (list(TARGETS), ["stellar_mass", "sfr", "A_V"]),
            (["a", "b"], ["x", "y"]),
        ],
    )
    def test_a_name_that_is_absent_on_one_side_is_an_error(self, true, pred, labels):
        y_true = pd.DataFrame(labels[:, : len(true)], columns=true)
        y_pred = pd.DataFrame(labels[:, : len(pred)], columns=pred)
        message = f"y_true has {', '.join(true)}; y_pred has {', '.join(pred)}"
        with pytest.raises(ValueError, match=message):
            metrics.rmse(y_true, y_pred)

    def test_targets_do_not_rename_a_target(self, labels):
        y = pd.DataFrame(labels, columns=list(TARGETS))
        with pytest.raises(ValueError, match=r"the names differ: y_true has .*; targets has a, b"):
            metrics.score_table(y, labels, targets=["a", "b", "c"])
        with pytest.raises(ValueError, match="y_true has sfr; targets has stellar_mass"):
            metrics.score_table(y["sfr"], labels[:, 1], targets="stellar_mass")
        assert list(metrics.score_table(y["sfr"].rename("SFR"), labels[:, 1], targets="sfr")) == [
            "sfr"
        ]

    def test_a_name_twice_is_an_error(self, labels):
        y = pd.DataFrame(labels[:, :2], columns=["sfr", GAMA_TARGET_COLUMNS["sfr"]])
        with pytest.raises(ValueError, match="must be unique; got sfr, sfr"):
            metrics.rmse(y, labels[:, :2])

    def test_percentiles_beside_the_labels_are_left_alone(self, labels, predictions):
        y = pd.DataFrame(labels, columns=list(TARGETS)).assign(sfr_p16=0.0, sfr_p84=1.0)
        assert metrics.rmse(y[y.columns[::-1]], predictions) == metrics.rmse(labels, predictions)


counts = st.integers(3, 12).flatmap(
    lambda n: st.tuples(
        arrays(float, (2, n), elements=st.integers(-40, 40).map(lambda k: k / 8)),
        arrays(int, n, elements=st.integers(0, 4)).filter(lambda w: (w > 0).sum() > 2),
    )
)


class TestWeights:
    @every_metric
    @settings(max_examples=40)
    @given(counts)
    def test_integer_weights_are_repeated_rows(self, metric, drawn):
        (true, pred), weight = drawn
        if weight.sum() < 5:  # too few for the adjusted r2
            weight = weight * 5
        if np.ptp(np.repeat(true, weight)) == 0:
            return  # r2 of equal labels is a matter of rounding, in scikit-learn too
        expected = metric(np.repeat(true, weight), np.repeat(pred, weight))
        assert metric(true, pred, sample_weight=weight) == pytest.approx(expected, abs=1e-9)

    def test_outliers_in_sigma(self, labels, predictions):
        weight = np.random.default_rng(8).integers(0, 5, len(labels))
        repeated = (np.repeat(each, weight, axis=0) for each in (labels, predictions))
        expected = metrics.outlier_fraction(*repeated, 2, unit="sigma")
        fraction = metrics.outlier_fraction(
            labels, predictions, 2, unit="sigma", sample_weight=weight
        )
        assert fraction == pytest.approx(expected)

    def test_score_table(self, labels, predictions):
        labels[:20, 1] = np.nan
        weight = np.random.default_rng(8).integers(0, 5, len(labels))
        repeated = (np.repeat(each, weight, axis=0) for each in (labels, predictions))
        expected = metrics.score_table(*repeated, n_features=5)
        table = metrics.score_table(labels, predictions, n_features=5, sample_weight=weight)
        pd.testing.assert_frame_equal(table, expected)

    @pytest.mark.parametrize("metric", sorted(set(ALL) - {"adjusted_r2"}))
    def test_the_scale_of_weights_changes_nothing(self, metric, labels, predictions):
        weight = np.random.default_rng(8).uniform(0.1, 5, len(labels))
        first, second = (
            ALL[metric](labels, predictions, sample_weight=w) for w in (weight, 1e-6 * weight)
        )
        assert first == pytest.approx(second, rel=1e-9)
        assert first != pytest.approx(ALL[metric](labels, predictions), rel=1e-9)

    @every_metric
    def test_equal_weights_change_nothing(self, metric, labels, predictions):
        weighted = metric(labels, predictions, sample_weight=np.ones(len(labels)))
        assert weighted == pytest.approx(metric(labels, predictions), rel=1e-12)

    @every_metric
    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            ([1.0, 2.0], r"sample_weight\.shape == \(2,\), expected \(200,\)"),
            (np.full(200, np.nan), "NaN"),
            (np.r_[-1.0, np.ones(199)], "[Nn]egative"),
        ],
    )
    def test_weights_are_checked(self, metric, weight, message, labels):
        with pytest.raises(ValueError, match=message):
            metric(labels, labels, sample_weight=weight)

    def test_no_weight_left(self, labels):
        labels[1:, 2] = np.nan
        weight = np.r_[0.0, np.ones(199)]
        with pytest.raises(ValueError, match=r"'dust_luminosity': of 200 rows, 199 .* weight of 0"):
            metrics.rmse(labels, np.nan_to_num(labels), sample_weight=weight)


class TestNaN:
    @every_metric
    def test_nan_leaves_a_galaxy_out_of_its_target_alone(self, metric, labels, predictions):
        holed = predictions.copy()
        holed[::3, 0] = np.nan
        true = labels.copy()
        true[1::3, 2] = np.nan
        kept = [np.arange(200) % 3 != 0, np.full(200, True), np.arange(200) % 3 != 1]
        expected = [metric(labels[rows, k], predictions[rows, k]) for k, rows in enumerate(kept)]
        np.testing.assert_allclose(metric(true, holed, multioutput="raw_values"), expected)

    @every_metric
    def test_no_galaxy_left_names_the_target(self, metric, labels):
        pred = pd.DataFrame(labels, columns=list(TARGETS)).assign(sfr=np.nan)
        with pytest.raises(ValueError, match=r"'sfr': of 200 rows, 0 .* 200 in y_pred"):
            metric(labels, pred)

    def test_no_galaxy_at_all(self):
        with pytest.raises(ValueError, match="of 0 rows"):
            metrics.rmse([], [])


dex = st.floats(-10, 15, allow_nan=False).map(lambda value: round(value, 3))
vectors = st.integers(2, 30).flatmap(lambda n: arrays(float, (2, n), elements=dex))


class TestProperties:
    @given(vectors)
    def test_scatter_and_bias_add_up(self, values):
        true, pred = values
        total = metrics.error(true, pred) ** 2 + metrics.bias(true, pred) ** 2
        assert metrics.rmse(true, pred) ** 2 == pytest.approx(total, abs=1e-9)

    @given(vectors)
    def test_scikit_learn_agrees(self, values):
        true, pred = values
        assert metrics.rmse(true, pred) == pytest.approx(root_mean_squared_error(true, pred))
        assert metrics.mad(true, pred) == pytest.approx(mean_absolute_error(true, pred))
        assert metrics.r2(true, pred) == pytest.approx(r2_score(true, pred))

    @given(vectors, dex)
    def test_scatter_does_not_see_an_offset(self, values, offset):
        true, pred = values
        for scatter in (metrics.error, metrics.nmad):
            assert scatter(true, pred + offset) == pytest.approx(scatter(true, pred), abs=1e-9)

    @given(vectors)
    def test_swapping_labels_and_predictions_turns_the_bias(self, values):
        assert metrics.bias(*values) == pytest.approx(-metrics.bias(*values[::-1]))

    def test_nmad_is_sigma_for_normal_residuals_and_ignores_outliers(self):
        residual = np.random.default_rng(3).normal(0.0, 0.1, 200_000)
        true = np.zeros_like(residual)
        assert metrics.nmad(true, residual) == pytest.approx(0.1, rel=0.01)
        residual[:1000] = 5.0
        assert metrics.nmad(true, residual) == pytest.approx(0.1, rel=0.02)
        assert metrics.error(true, residual) > 0.3


class TestScoreTable:
    paper_rows = (
        "error",
        "root mean square error",
        "mean absolute deviation",
        "r2 adjusted",
        "time taken to train (seconds)",
    )

    def test_rows_are_the_papers_in_its_order(self, labels, predictions):
        table = metrics.score_table(labels, predictions, n_features=22, fit_time=[1110, 183, 477])
        assert tuple(table.index[:5]) == self.paper_rows
        assert list(table.columns) == list(TARGETS)
        assert list(table.loc["time taken to train (seconds)"]) == [1110, 183, 477]

    def test_values(self, labels, predictions):
        predictions[:7, 1] = np.nan
        table = metrics.score_table(labels, predictions, n_features=22)
        expected = {
            "error": metrics.error(labels, predictions, multioutput="raw_values"),
            "root mean square error": metrics.rmse(labels, predictions, multioutput="raw_values"),
            "mean absolute deviation": metrics.mad(labels, predictions, multioutput="raw_values"),
            "r2 adjusted": metrics.adjusted_r2(labels, predictions, 22, multioutput="raw_values"),
            "bias": metrics.bias(labels, predictions, multioutput="raw_values"),
            "NMAD": metrics.nmad(labels, predictions, multioutput="raw_values"),
            "outlier fraction (> 0.3 dex)": metrics.outlier_fraction(
                labels, predictions, multioutput="raw_values"
            ),
            "outlier fraction (> 3 sigma)": metrics.outlier_fraction(
                labels, predictions, 3, unit="sigma", multioutput="raw_values"
            ),
            "number of galaxies": [200, 193, 200],
        }
        pd.testing.assert_frame_equal(
            table, pd.DataFrame(expected, index=list(TARGETS)).T, check_dtype=False
        )

    def test_adjusted_r2_needs_a_number_of_inputs(self, labels, predictions):
        table = metrics.score_table(labels, predictions)
        assert "r2 adjusted" not in table.index
        given = metrics.score_table(labels, predictions, n_features=47)
        pd.testing.assert_frame_equal(given.drop(index="r2 adjusted"), table)
        expected = metrics.adjusted_r2(labels, predictions, 47, multioutput="raw_values")
        np.testing.assert_allclose(given.loc["r2 adjusted"], expected)
        with pytest.raises(ValueError, match="more than 201 galaxies; got 200"):
            metrics.score_table(labels, predictions, n_features=200)

    def test_one_time_stands_for_all_targets(self, labels, predictions):
        table = metrics.score_table(labels, predictions, fit_time=12.5)
        assert (table.loc["time taken to train (seconds)"] == 12.5).all()

    def test_names_come_from_columns(self, labels, predictions):
        frame = pd.DataFrame(labels, columns=list(GAMA_TARGET_COLUMNS.values()))
        assert list(metrics.score_table(frame, predictions)) == list(TARGETS)
        two = pl.DataFrame({"a": labels[:, 0], "b": labels[:, 1]})
        assert list(metrics.score_table(two, predictions[:, :2])) == ["a", "b"]
        assert list(metrics.score_table(labels[:, :2], two)) == ["a", "b"]

    def test_names_without_columns(self, labels, predictions):
        table = metrics.score_table(pd.DataFrame(labels[:, :2]), predictions[:, :2])
        assert list(table) == ["target_0", "target_1"]
        series = pd.Series(labels[:, 1], name="sfr")
        assert list(metrics.score_table(series, predictions[:, 1])) == ["sfr"]
        named = metrics.score_table(labels, predictions, targets=["a", "b", "c"])
        assert list(named) == ["a", "b", "c"]

    def test_one_name_a_column(self, labels, predictions):
        with pytest.raises(ValueError, match="got 1 names"):
            metrics.score_table(labels, predictions, targets="sfr")
        with pytest.raises(ValueError, match="must be unique"):
            metrics.score_table(labels, predictions, targets=["a", "a", "b"])

    def test_one_time_a_target(self, labels, predictions):
        with pytest.raises(ValueError, match="fit_time must be one number"):
            metrics.score_table(labels, predictions, fit_time=[1.0, 2.0])


class Rejecting(RegressorMixin, BaseEstimator):
    """Fit all targets by ridge regression; predict NaN where the first input is negative."""

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def fit(self, X, y):
        self.ridge_ = Ridge(self.alpha).fit(X, np.asarray(y))
        return self

    def predict(self, X):
        prediction = self.ridge_.predict(X)
        prediction[np.asarray(X)[:, 0] < 0] = np.nan
        return prediction


class TestScorers:
    @pytest.fixture(name="X")
    def inputs(self, labels) -> np.ndarray:
        X = np.random.default_rng(5).normal(size=(len(labels), 4))
        X[:, 1:] = labels + 0.1 * X[:, 1:]
        return X

    @pytest.fixture
    def y(self, labels) -> pd.DataFrame:
        return pd.DataFrame(labels, columns=list(GAMA_TARGET_COLUMNS.values()))

    def test_scikit_learns_own_scorer_fails_where_ours_does_not(self, X, y):
        model = Rejecting().fit(X, y)
        with pytest.raises(ValueError, match="NaN"):
            r2_score(y, model.predict(X))
        kept = X[:, 0] >= 0
        expected = r2_score(y[kept], model.predict(X[kept]))
        assert metrics.get_scorer("r2")(model, X, y) == pytest.approx(expected)

    @pytest.mark.parametrize("name", metrics.SCORERS)
    def test_sign_and_mean_over_targets(self, name, X, y):
        model = Rejecting().fit(X, y)
        metric = getattr(metrics, name.removeprefix("neg_"))
        sign = -1 if name.startswith("neg_") else 1
        raw = sign * metric(y, model.predict(X), multioutput="raw_values")
        assert metrics.SCORERS[name](model, X, y) == pytest.approx(raw.mean())
        for position, target in enumerate(TARGETS):
            for chosen in (target, position):
                score = metrics.get_scorer(name, target=chosen)(model, X, y)
                assert score == pytest.approx(raw[position])

    def test_other_targets_may_be_unlabelled(self, X, y):
        model = Rejecting().fit(X, y)
        unlabelled = y.assign(L_dust_percentile50=np.nan)
        score = metrics.get_scorer("neg_error", "sfr")(model, X, unlabelled)
        assert score == metrics.get_scorer("neg_error", "sfr")(model, X, y)

    def test_cross_validate_with_all_scorers(self, X, y):
        results = cross_validate(
            Rejecting(), X, y, cv=3, scoring=metrics.SCORERS, error_score="raise"
        )
        for name in metrics.SCORERS:
            assert np.isfinite(results[f"test_{name}"]).all()

    def test_grid_search_in_two_processes(self, X, y):
        search = GridSearchCV(
            Rejecting(),
            {"alpha": [1e6, 1e-3]},
            scoring=metrics.get_scorer("neg_nmad", "stellar_mass"),
            cv=2,
            n_jobs=2,
            error_score="raise",
        )
        search = clone(search).fit(X, y)
        assert search.best_params_ == {"alpha": 1e-3}
        assert -0.3 < search.best_score_ < 0

    def test_scorers_can_be_pickled(self, X, y):
        model = Rejecting().fit(X, y)
        scorer = metrics.get_scorer("neg_rmse", "sfr")
        assert pickle.loads(pickle.dumps(scorer))(model, X, y) == scorer(model, X, y)

    def test_repr_says_how_to_make_it(self):
        assert repr(metrics.SCORERS["r2"]) == "get_scorer('r2')"
        assert repr(metrics.get_scorer("neg_mad", "sfr")) == "get_scorer('neg_mad', target='sfr')"

    def test_one_prediction_serves_all_scorers(self, X, y):
        asked = []

        class Counting(Rejecting):
            def predict(self, X):
                asked.append(len(X))
                return super().predict(X)

        cross_validate(Counting(), X, y, cv=2, scoring=metrics.SCORERS)
        assert asked == [100, 100]

    def test_unknown_names(self, X, y):
        with pytest.raises(ValueError, match="scoring must be one of r2, neg_error"):
            metrics.get_scorer("error")
        model = Rejecting().fit(X, y)
        for target in ("SFR", 3, -1):
            with pytest.raises(ValueError, match="none of the targets, stellar_mass, sfr"):
                metrics.get_scorer("r2", target)(model, X, y)


class TestScorersAndTargets:
    """A scorer reads y by the estimator's own targets."""

    @pytest.fixture(name="X")
    def inputs(self, labels) -> np.ndarray:
        return labels + 0.25 * np.random.default_rng(5).normal(size=labels.shape)

    @pytest.fixture
    def y(self, labels) -> pd.DataFrame:
        return pd.DataFrame(labels, columns=list(TARGETS))

    @pytest.fixture
    def model(self) -> StarFormationRegressor:
        pairs = [(target, Ridge()) for target in TARGETS]
        return StarFormationRegressor(pairs, calibration_fraction=None, random_state=0)

    def wrapped(self, model):
        yield model
        yield make_pipeline(StandardScaler(), model)
        yield GridSearchCV(model, {"sfr__alpha": [1.0, 1e-3]}, cv=2, scoring=metrics.SCORERS["r2"])
        yield TransformedTargetRegressor(model, check_inverse=False)

    def test_targets_are_found_inside(self, model, X, y):
        assert targets_of(model) is None
        for estimator in self.wrapped(model):
            assert targets_of(estimator.fit(X, y)) == TARGETS
        assert targets_of(LinearRegression().fit(X, y)) is None
        assert targets_of(make_pipeline(StandardScaler(), "passthrough").fit(X)) is None

    @every_order
    def test_the_order_of_y_changes_nothing(self, order, model, X, y):
        shuffled = y.iloc[:, list(order)]
        for estimator in self.wrapped(model):
            estimator.fit(X, y)
            for name, scorer in metrics.SCORERS.items():
                assert scorer(estimator, X, shuffled) == scorer(estimator, X, y)
                sfr = metrics.get_scorer(name, "sfr")
                assert sfr(estimator, X, shuffled) == sfr(estimator, X, y)
                assert sfr(estimator, X, y) == metrics.get_scorer(name, 1)(estimator, X, shuffled)

    @every_order
    def test_cross_validation(self, order, model, X, y):
        scores = [
            cross_validate(model, X, table, cv=KFold(3), scoring=metrics.SCORERS)
            for table in (y, y.iloc[:, list(order)])
        ]
        for name in metrics.SCORERS:
            np.testing.assert_array_equal(*(each[f"test_{name}"] for each in scores))
            assert np.isfinite(scores[0][f"test_{name}"]).all()
        search = GridSearchCV(
            model, {"sfr__alpha": [1e6, 1e-3]}, scoring=metrics.get_scorer("neg_rmse", "sfr"), cv=3
        ).fit(X, y.iloc[:, list(order)])
        assert search.best_params_ == {"sfr__alpha": 1e-3}
        assert -0.4 < search.best_score_ < 0

    def test_a_model_with_its_own_order(self, X, y):
        order = ["sfr", "dust_luminosity", "stellar_mass"]
        model = StarFormationRegressor(Ridge(), calibration_fraction=None).fit(X, y[order])
        predictions = pd.DataFrame(model.predict(X), columns=list(model.targets_))
        expected = np.array([metrics.error(y[name], predictions[name]) for name in order])
        for k, target in enumerate(order):
            scorer = metrics.get_scorer("neg_error", target)
            assert scorer(model, X, y) == pytest.approx(-expected[k])
        assert metrics.SCORERS["neg_error"](model, X, y) == pytest.approx(-expected.mean())

    def test_an_estimator_without_targets_predicts_in_the_order_of_y(self, X, y):
        order = ["sfr", "dust_luminosity", "stellar_mass"]
        model = Ridge().fit(X, y[order])
        residual = model.predict(X)[:, 0] - y["sfr"]
        score = metrics.get_scorer("neg_rmse", "sfr")(model, X, y[order])
        assert score == pytest.approx(-np.sqrt(np.mean(residual**2)))

    def test_a_target_that_y_lacks(self, model, X, y):
        model.fit(X, y)
        with pytest.raises(ValueError, match="y must have 3 columns"):
            metrics.SCORERS["r2"](model, X, y[["sfr", "stellar_mass"]])

    def test_rows_of_inputs_and_labels_in_another_order(self, model, X, y):
        model.fit(X, y)
        with pytest.raises(ValueError, match="X and y have the same index labels"):
            metrics.SCORERS["r2"](model, pd.DataFrame(X), y[::-1])

    def test_weights(self, model, X, y):
        model.fit(X, y)
        weight = np.random.default_rng(8).integers(0, 5, len(y))
        repeated = np.repeat(X, weight, axis=0), y.loc[y.index.repeat(weight)]
        for scorer in (*metrics.SCORERS.values(), metrics.get_scorer("neg_nmad", "sfr")):
            score = scorer(model, X, y, sample_weight=weight)
            assert score == pytest.approx(scorer(model, *repeated))
            assert score != pytest.approx(scorer(model, X, y))

    def test_metadata_routing(self, X, y):
        weight = np.random.default_rng(8).integers(1, 5, len(y)).astype(float)
        with sklearn.config_context(enable_metadata_routing=True):
            model = Ridge().set_fit_request(sample_weight=False)
            scoring = {
                name: metrics.get_scorer(name).set_score_request(sample_weight=True)
                for name in metrics.SCORERS
            }
            params = {"params": {"sample_weight": weight}}
            given = cross_validate(model, X, y, cv=KFold(2), scoring=scoring, **params)
            search = GridSearchCV(model, {"alpha": [1.0]}, cv=KFold(2), scoring=scoring["neg_mad"])
            search.fit(X, y, sample_weight=weight)
        half = len(y) // 2
        halves = slice(half), slice(half, None)
        for k, (test, train) in enumerate((halves, halves[::-1])):
            fold = Ridge().fit(X[train], y[train])
            for name, scorer in metrics.SCORERS.items():
                expected = scorer(fold, X[test], y[test], sample_weight=weight[test])
                assert given[f"test_{name}"][k] == pytest.approx(expected)
        assert search.best_score_ == pytest.approx(given["test_neg_mad"].mean())
        assert pickle.loads(pickle.dumps(scoring["r2"])) is not None
