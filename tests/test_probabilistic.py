"""Metrics of quantiles, intervals, joint samples and photometric redshifts."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import kstest, norm, spearmanr
from sklearn.metrics import mean_pinball_loss

from sfml import TARGETS, metrics
from sfml.targets import GAMA_TARGET_COLUMNS
from sfml.uncertainty.distribution import crps_of, quantiles_at, scores_of

LEVELS = np.array([0.05, 0.16, 0.5, 0.84, 0.95])


class Gaussian:
    """Labels drawn from normal distributions, whose quantiles are predicted."""

    def __init__(self, n: int = 2000, n_targets: int = 3, seed: int = 0):
        rng = np.random.default_rng(seed)
        self.mean = rng.normal([10.5, 0.3, 10.2][:n_targets], 0.6, (n, n_targets))
        self.sigma = rng.uniform(0.05, 0.3, (n, n_targets))
        self.y = rng.normal(self.mean, self.sigma)

    def quantiles(self, levels=LEVELS, *, widen: float = 1.0, shift: float = 0.0) -> np.ndarray:
        spread = widen * self.sigma[:, :, None] * norm.ppf(levels)
        return self.mean[:, :, None] + shift + spread

    def interval(self, coverage: float, **kwargs) -> tuple[np.ndarray, np.ndarray]:
        ends = self.quantiles([(1 - coverage) / 2, (1 + coverage) / 2], **kwargs)
        return ends[..., 0], ends[..., 1]

    def crps(self) -> np.ndarray:
        """Gneiting & Raftery 2007, Eq. 21 turned positive, for each galaxy."""
        z = (self.y - self.mean) / self.sigma
        return self.sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


@pytest.fixture(scope="module")
def gaussian() -> Gaussian:
    return Gaussian()


class TestPinballLoss:
    def test_at_the_median_it_is_half_the_mean_absolute_residual(self, gaussian):
        loss = metrics.pinball_loss(gaussian.y, gaussian.mean[:, :, None], [0.5])
        assert loss == pytest.approx(metrics.mad(gaussian.y, gaussian.mean) / 2)

    def test_scikit_learn_agrees(self, gaussian):
        y, quantiles = gaussian.y[:, 0], gaussian.quantiles()[:, 0]
        expected = [
            mean_pinball_loss(y, quantiles[:, k], alpha=level) for k, level in enumerate(LEVELS)
        ]
        assert metrics.pinball_loss(y, quantiles, LEVELS) == pytest.approx(np.mean(expected))

    def test_the_true_quantile_has_the_least_loss(self, gaussian):
        losses = [
            metrics.pinball_loss(gaussian.y, gaussian.quantiles([0.84], widen=widen), [0.84])
            for widen in (0.7, 1.0, 1.3)
        ]
        assert min(losses) == losses[1]


class TestPIT:
    def test_normal_distributions_are_recovered_beyond_the_outermost_levels(self, gaussian):
        y = gaussian.y + np.linspace(-4, 4, len(gaussian.y))[:, None] * gaussian.sigma
        expected = norm.cdf((y - gaussian.mean) / gaussian.sigma)
        values = metrics.pit(y, gaussian.quantiles([0.16, 0.84]), [0.16, 0.84])
        np.testing.assert_allclose(values, expected, atol=1e-12)

    def test_calibrated_predictions_give_uniform_values_and_others_do_not(self, gaussian):
        def p_value(**kwargs) -> float:
            return kstest(
                metrics.pit(gaussian.y, gaussian.quantiles(**kwargs), LEVELS)[:, 0], "uniform"
            ).pvalue

        assert p_value() > 0.01
        assert p_value(widen=0.7) < 1e-6
        assert p_value(shift=0.05) < 1e-6

    def test_intervals_too_narrow_raise_the_ends(self, gaussian):
        values = metrics.pit(gaussian.y, gaussian.quantiles(widen=0.5), LEVELS)
        assert ((values < 0.05) | (values > 0.95)).mean() > 0.3

    def test_at_a_quantile_it_is_the_level(self):
        quantiles = np.array([9.0, 9.5, 9.6, 10.0, 11.0])
        values = metrics.pit(quantiles, np.tile(quantiles, (5, 1)), LEVELS)
        np.testing.assert_allclose(values, LEVELS)

    def test_between_levels_it_is_linear_in_the_normal_score(self):
        quantiles = [[9.0, 10.0, 12.0]]
        levels = norm.cdf([-1, 0, 1])
        for value, score in ((9.25, -0.75), (11.0, 0.5), (14.0, 2.0), (8.0, -2.0)):
            assert metrics.pit([value], quantiles, levels) == pytest.approx(norm.cdf(score))

    def test_at_equal_quantiles_it_is_the_middle_of_their_levels(self):
        quantiles, levels = [[9.0, 10.0, 10.0, 11.0]], [0.1, 0.3, 0.7, 0.9]
        assert metrics.pit([10.0], quantiles, levels) == pytest.approx(0.5)
        below, above = (metrics.pit([10.0 + d], quantiles, levels)[0] for d in (-1e-9, 1e-9))
        assert below == pytest.approx(0.3)
        assert above == pytest.approx(0.7)

    def test_a_prediction_without_width_is_all_or_nothing(self):
        quantiles = np.full((3, 5), 10.0)
        assert metrics.pit([9.9, 10.0, 10.1], quantiles, LEVELS).tolist() == [0.0, 0.5, 1.0]

    def test_values_stay_on_their_rows(self, gaussian):
        y, quantiles = gaussian.y[:6].copy(), gaussian.quantiles()[:6]
        y[1, 0] = np.nan
        quantiles[2, 1, 3] = np.nan  # one quantile is enough
        values = metrics.pit(y, quantiles, LEVELS)
        assert np.argwhere(np.isnan(values)).tolist() == [[1, 0], [2, 1]]
        full = metrics.pit(gaussian.y[:6], gaussian.quantiles()[:6], LEVELS)
        assert np.isclose(values, full).sum() == 16

    def test_dimensions_follow_the_quantiles(self, gaussian):
        y, quantiles = gaussian.y[:, 0], gaussian.quantiles()[:, 0]
        flat = metrics.pit(y, quantiles, LEVELS)
        assert flat.shape == (2000,)
        tall = metrics.pit(y, quantiles[:, None, :], LEVELS)
        np.testing.assert_array_equal(tall, flat[:, None])
        np.testing.assert_array_equal(metrics.pit(y[:, None], quantiles, LEVELS), flat)


class TestCRPS:
    @pytest.mark.parametrize("levels", [[0.16, 0.84], LEVELS, np.linspace(0.01, 0.99, 99)])
    def test_closed_form_of_the_normal_distribution(self, gaussian, levels):
        score = metrics.crps(
            gaussian.y, gaussian.quantiles(levels), levels, multioutput="raw_values"
        )
        np.testing.assert_allclose(score, gaussian.crps().mean(axis=0), rtol=1e-10)

    def test_it_is_twice_the_integral_of_the_pinball_loss(self):
        quantiles = np.array([[9.0, 9.1, 9.5, 9.5, 11.0]])
        for label in (6.0, 8.5, 9.3, 9.5, 10.0, 14.0):

            def loss(score, label=label):
                level = norm.cdf(score)
                excess = label - quantiles_at(quantiles, LEVELS, np.array([score]))[0, 0]
                return max(level * excess, (level - 1) * excess) * norm.pdf(score)

            kinks = [*norm.ppf(LEVELS), *scores_of(quantiles, LEVELS, np.array([label]))]
            nodes = sorted({-9.0, 9.0, *(kink for kink in kinks if abs(kink) < 9)})
            expected = 2 * sum(quad(loss, low, high)[0] for low, high in pairwise(nodes))
            score = metrics.crps([label], quantiles, LEVELS)
            assert score == pytest.approx(expected, rel=1e-6), label

    def test_a_prediction_without_width_gives_the_absolute_residual(self):
        for label, expected in ((9.0, 1.0), (10.0, 0.0), (13.0, 3.0)):
            score = metrics.crps([label], np.full((1, 5), 10.0), LEVELS)
            assert score == pytest.approx(expected, abs=1e-9)

    def test_calibrated_predictions_score_best(self, gaussian):
        scores = [
            metrics.crps(gaussian.y, gaussian.quantiles(widen=widen, shift=shift), LEVELS)
            for widen, shift in ((1, 0), (0.6, 0), (1.6, 0), (1, 0.1))
        ]
        assert min(scores) == scores[0]


# On a grid, so that equal quantiles and labels at a quantile are met.
steps = st.integers(0, 30).map(lambda k: k / 10)
rows = st.tuples(
    arrays(float, 5, elements=steps).map(np.sort), st.integers(-20, 50).map(lambda k: k / 10)
)


class TestInterpolation:
    @given(rows, st.floats(0.001, 0.999))
    def test_score_and_quantile_are_each_others_inverse(self, row, level):
        quantiles = np.maximum.accumulate(row[0] + 0.01 * np.arange(5))[None]
        score = np.array([norm.ppf(level)])
        value = quantiles_at(quantiles, LEVELS, score)[:, 0]
        assert scores_of(quantiles, LEVELS, value) == pytest.approx(score, abs=1e-6)

    @given(rows)
    def test_a_greater_label_never_has_a_smaller_pit(self, row):
        labels = np.sort(np.r_[np.linspace(-2, 5, 71), row[0]])
        values = metrics.pit(labels, np.tile(row[0], (len(labels), 1)), LEVELS)
        assert (np.diff(values) >= -1e-12).all()
        assert ((values >= 0) & (values <= 1)).all()

    @given(rows)
    def test_crps_lies_between_zero_and_the_mean_distance(self, row):
        quantiles, label = row[0][None], np.array([row[1]])
        score = crps_of(quantiles, LEVELS, label)[0]
        levels = np.linspace(0.0005, 0.9995, 1000)
        distance = np.abs(quantiles_at(quantiles, LEVELS, norm.ppf(levels)) - label).mean()
        assert -1e-9 <= score <= distance + 0.01

    @given(rows, st.floats(-3, 3))
    def test_a_common_shift_changes_nothing(self, row, shift):
        quantiles, label = row[0][None], np.array([row[1]])
        moved = crps_of(quantiles + shift, LEVELS, label + shift)
        assert moved == pytest.approx(crps_of(quantiles, LEVELS, label), abs=1e-6)


class TestCoverage:
    true, lower = np.array([9.0, 10.0, 11.0, 12.0]), np.array([8.5, 10.0, 11.5, 11.0])
    upper = np.array([9.5, 10.5, 12.5, 11.9])

    def test_by_hand(self):
        given = self.true, self.lower, self.upper
        assert metrics.coverage(*given) == 0.5  # ends are inside
        assert metrics.ace(*given, 0.8) == pytest.approx(-0.3)
        assert metrics.mean_width(*given) == pytest.approx(3.4 / 4)
        assert metrics.pinaw(*given) == pytest.approx(3.4 / 4 / 3)
        # widths, and 2 / 0.2 for each dex by which a label is outside: 0.5 and 0.1
        assert metrics.interval_score(*given, 0.8) == pytest.approx((3.4 + 10 * 0.6) / 4)

    def test_ace_shows_the_sign_of_the_miscalibration(self, gaussian):
        for widen, sign in ((0.7, -1), (1.4, 1)):
            lower, upper = gaussian.interval(0.68, widen=widen)
            error = metrics.ace(gaussian.y, lower, upper, 0.68, multioutput="raw_values")
            assert (sign * error > 0.08).all()
        assert abs(metrics.ace(gaussian.y, *gaussian.interval(0.68), 0.68)) < 0.02

    def test_the_true_interval_has_the_least_interval_score(self, gaussian):
        scores = [
            metrics.interval_score(gaussian.y, *gaussian.interval(0.9, widen=widen), 0.9)
            for widen in (0.7, 1.0, 1.4)
        ]
        assert min(scores) == scores[1]

    def test_interval_score_is_the_pinball_loss_of_both_ends(self, gaussian):
        loss = metrics.pinball_loss(gaussian.y, gaussian.quantiles([0.1, 0.9]), [0.1, 0.9])
        score = metrics.interval_score(gaussian.y, *gaussian.interval(0.8), 0.8)
        assert score == pytest.approx(2 * 2 * loss / 0.2)

    def test_pinaw_between_percentiles_of_the_labels_as_in_mirkwoods_code(self, gaussian):
        y, (lower, upper) = gaussian.y[:, 0], (end[:, 0] for end in gaussian.interval(0.68))
        # Not NumPy's default method: it would depend on the scale of the weights.
        ends = np.quantile(y, [0.95, 0.05], method="averaged_inverted_cdf")
        expected = np.mean(upper - lower) / np.subtract(*ends)
        assert metrics.pinaw(y, lower, upper, span=(0.05, 0.95)) == pytest.approx(expected)

    def test_each_target_leaves_its_own_missing_rows_out(self, gaussian):
        lower, upper = (end.copy() for end in gaussian.interval(0.68))
        y = gaussian.y.copy()
        lower[:50, 0], upper[50:90, 0], y[:30, 2] = np.nan, np.nan, np.nan
        raw = metrics.mean_width(y, lower, upper, multioutput="raw_values")
        width = upper - lower
        expected = [width[90:, 0].mean(), width[:, 1].mean(), width[30:, 2].mean()]
        np.testing.assert_allclose(raw, expected)
        assert metrics.mean_width(y, lower, upper) == pytest.approx(np.mean(expected))

    def test_open_ends(self):
        lower, upper = [-np.inf, 9.0], [9.5, np.inf]
        assert metrics.coverage([9.0, 10.0], lower, upper) == 1.0
        assert metrics.mean_width([9.0, 10.0], lower, upper) == np.inf

    def test_tables(self):
        true = pl.DataFrame({"stellar_mass": self.true})
        assert metrics.coverage(true, pd.Series(self.lower), self.upper.tolist()) == 0.5

    def test_errors(self):
        true, lower, upper = self.true, self.lower, self.upper
        with pytest.raises(ValueError, match=r"'target_0' in 4 of 4 rows.*order lower, upper"):
            metrics.coverage(true, upper, lower)
        with pytest.raises(ValueError, match=r"got shapes \(4,\), \(3,\) and \(4,\)"):
            metrics.coverage(true, lower[:3], upper)
        for bad in (68, 0, 1, "0.68", None, (0.68,)):
            with pytest.raises(ValueError, match=r"coverage must lie between 0 and 1.*got"):
                metrics.ace(true, lower, upper, bad)
        with pytest.raises(ValueError, match="have no range"):
            metrics.pinaw([9.0, 9.0], [8.0, 8.0], [9.0, 10.0])
        with pytest.raises(ValueError, match="span must be a growing pair"):
            metrics.pinaw(true, lower, upper, span=(5, 95))
        with pytest.raises(ValueError, match="of 4 rows, 0 have NaN in y_true and 4 in lower"):
            metrics.coverage(true, np.full(4, np.nan), upper)
        coded = np.column_stack([true, true - 9, [-999.0, 0, 0, 0]])
        with pytest.raises(ValueError, match="dust_luminosity must be in dex"):
            metrics.coverage(coded, coded - 1, coded + 1)
        named = pd.DataFrame({"a": true, "b": true})
        with pytest.raises(ValueError, match="y_true has a, b; lower has a, b; upper has b, c"):
            metrics.coverage(named, named, named.rename(columns={"a": "c"})[["b", "c"]])


class TestCoverageCurve:
    def test_calibrated(self, gaussian):
        curve = metrics.coverage_curve(gaussian.y, gaussian.quantiles(), LEVELS)
        assert list(curve) == ["target", "nominal", "empirical", "standard_error", "n"]
        assert list(curve.target.unique()) == list(TARGETS)
        assert len(curve) == 3 * 19
        assert (np.abs(curve.empirical - curve.nominal) < 4 * curve.standard_error).all()

    def test_it_is_the_coverage_of_the_interval(self, gaussian):
        curve = metrics.coverage_curve(
            gaussian.y, gaussian.quantiles(widen=0.6), LEVELS, [0.5, 0.68, 0.9, 0.99]
        )
        for nominal, rows in curve.groupby("nominal"):
            ends = gaussian.interval(nominal, widen=0.6)
            expected = metrics.coverage(gaussian.y, *ends, multioutput="raw_values")
            np.testing.assert_allclose(rows.empirical, expected)

    def test_an_interval_holds_its_ends(self):
        quantiles = np.tile([9.0, 9.5, 10.0, 10.5, 11.0], (2, 1))
        for levels in ([0.05, 0.16, 0.5, 0.84, 0.95], [0.1, 0.15, 0.5, 0.85, 0.9]):
            nominal = [levels[3] - levels[1], levels[4] - levels[0]]
            curve = metrics.coverage_curve([9.0, 10.5], quantiles, levels, nominal)
            assert curve.empirical.tolist() == [0.5, 1.0]

    def test_standard_error(self, gaussian):
        curve = metrics.coverage_curve(gaussian.y, gaussian.quantiles(), LEVELS, [0.68])
        p = curve.empirical
        np.testing.assert_allclose(curve.standard_error, np.sqrt(p * (1 - p) / 2000), rtol=1e-3)
        all_inside = metrics.coverage_curve([10.0] * 5, [[9.0, 10.0, 11.0]] * 5, [0.1, 0.5, 0.9])
        assert (all_inside.standard_error > 0.1).all()

    def test_names(self, gaussian):
        frame = pd.DataFrame(gaussian.y, columns=list(GAMA_TARGET_COLUMNS.values()))
        curve = metrics.coverage_curve(frame, gaussian.quantiles(), LEVELS, [0.9])
        assert curve.target.tolist() == list(TARGETS)
        curve = metrics.coverage_curve(
            gaussian.y[:, 0], gaussian.quantiles()[:, 0], LEVELS, [0.9], targets="age"
        )
        assert curve.target.tolist() == ["age"]

    @pytest.mark.parametrize("bad", [[68], [0.0], [1.0], [np.nan], []])
    def test_coverages_must_be_fractions(self, gaussian, bad):
        with pytest.raises(ValueError, match="coverages must be numbers between 0 and 1"):
            metrics.coverage_curve(gaussian.y, gaussian.quantiles(), LEVELS, bad)


class TestQuantileInput:
    """What all metrics of quantiles refuse, and say."""

    every_metric = pytest.mark.parametrize(
        "metric",
        [metrics.pinball_loss, metrics.pit, metrics.crps, metrics.coverage_curve],
        ids=lambda metric: metric.__name__,
    )
    averaged = pytest.mark.parametrize("metric", [metrics.pinball_loss, metrics.crps])

    @every_metric
    def test_crossing_quantiles_are_shown(self, metric):
        quantiles = np.array([[9.0, 10.0, 11.0], [9.0, 8.5, 11.0]])
        with pytest.raises(ValueError, match=r"cross in 1 of 2 rows; that of galaxy 1, target 0"):
            metric([10.0, 10.0], quantiles, [0.1, 0.5, 0.9])

    @every_metric
    @pytest.mark.parametrize("bad", [[16, 50, 84], [0.0, 0.5, 1.0], [0.5, 0.5, 0.9]])
    def test_levels_must_grow_between_0_and_1(self, metric, bad):
        with pytest.raises(ValueError, match=r"growing levels between 0 and 1.*divided by 100"):
            metric([10.0], [[9.0, 10.0, 11.0]], bad)

    @every_metric
    def test_levels_and_shapes_must_agree(self, metric, gaussian):
        with pytest.raises(ValueError, match=r"got \(1, 3\) for 2 levels"):
            metric([10.0], [[9.0, 10.0, 11.0]], [0.16, 0.84])
        with pytest.raises(ValueError, match=r"got shapes \(2000, 3\) and \(2000, 2, 5\)"):
            metric(gaussian.y, gaussian.quantiles()[:, :2], LEVELS)
        with pytest.raises(ValueError, match=r"got shapes \(1999, 3\) and \(2000, 3, 5\)"):
            metric(gaussian.y[1:], gaussian.quantiles(), LEVELS)

    @every_metric
    def test_infinite_quantiles_and_codes(self, metric):
        with pytest.raises(ValueError, match="y_quantiles holds 1 infinite"):
            metric([10.0], [[9.0, 10.0, np.inf]], [0.1, 0.5, 0.9])
        with pytest.raises(ValueError, match="stellar_mass must be in dex"):
            metric(pd.Series([-999.0], name="stellar_mass"), [[9.0, 10.0]], [0.1, 0.5])

    @every_metric
    def test_no_galaxy_left(self, metric):
        with pytest.raises(ValueError, match="of 2 rows, 1 have NaN in y_true and 1 in y_quan"):
            metric([np.nan, 10.0], [[9.0, 10.0], [np.nan, 10.0]], [0.1, 0.5])

    @pytest.mark.parametrize("metric", [metrics.pit, metrics.crps, metrics.coverage_curve])
    def test_one_level_is_no_distribution(self, metric):
        with pytest.raises(ValueError, match="levels must hold at least 2 growing levels"):
            metric([10.0], [[10.0]], [0.5])

    @averaged
    def test_raw_values_are_those_of_each_target(self, metric, gaussian):
        y, quantiles = gaussian.y.copy(), gaussian.quantiles()
        y[:100, 1], quantiles[50:200, 2, 0] = np.nan, np.nan
        raw = metric(y, quantiles, LEVELS, multioutput="raw_values")
        kept = [slice(None), slice(100, None), np.r_[0:50, 200:2000]]
        expected = [metric(y[rows, k], quantiles[rows, k], LEVELS) for k, rows in enumerate(kept)]
        np.testing.assert_allclose(raw, expected)
        assert metric(y, quantiles, LEVELS) == pytest.approx(np.mean(expected))
        assert type(metric(y, quantiles, LEVELS)) is float

    @averaged
    def test_unknown_multioutput(self, metric, gaussian):
        with pytest.raises(ValueError, match="multioutput must be"):
            metric(gaussian.y, gaussian.quantiles(), LEVELS, multioutput="median")

    def test_the_input_is_not_changed(self, gaussian):
        quantiles = gaussian.quantiles()
        quantiles[0, 0, 0] = np.nan
        before = quantiles.copy()
        metrics.crps(gaussian.y, quantiles, LEVELS)
        np.testing.assert_array_equal(quantiles, before)


class TestIntervalTable:
    def test_values_are_those_of_the_metrics(self, gaussian):
        table = metrics.interval_table(gaussian.y, gaussian.quantiles(), LEVELS)
        assert table.target.tolist() == [name for name in TARGETS for _ in range(2)]
        raw = {"multioutput": "raw_values"}
        crps = metrics.crps(gaussian.y, gaussian.quantiles(), LEVELS, **raw)
        for nominal, rows in table.groupby("nominal"):
            given = gaussian.y, *gaussian.interval(nominal)
            expected = {
                "coverage": metrics.coverage(*given, **raw),
                "ace": metrics.ace(*given, nominal, **raw),
                "mean_width": metrics.mean_width(*given, **raw),
                "pinaw": metrics.pinaw(*given, **raw),
                "interval_score": metrics.interval_score(*given, nominal, **raw),
                "crps": crps,
                "n": [2000] * 3,
            }
            for name, values in expected.items():
                np.testing.assert_allclose(rows[name], values, rtol=1e-9, err_msg=name)
        assert table.standard_error.between(0.003, 0.02).all()

    def test_intervals_given(self, gaussian):
        intervals = {c: np.stack(gaussian.interval(c, widen=0.8), axis=-1) for c in (0.9, 0.5)}
        table = metrics.interval_table(gaussian.y, intervals=intervals, targets=["a", "b", "c"])
        assert table.target.tolist() == ["a", "a", "b", "b", "c", "c"]
        assert table.nominal.tolist() == [0.9, 0.5] * 3
        assert "crps" not in table
        expected = metrics.coverage(gaussian.y, *gaussian.interval(0.5, widen=0.8))
        assert table.coverage[1::2].mean() == pytest.approx(expected)
        both = metrics.interval_table(
            gaussian.y, gaussian.quantiles(), LEVELS, intervals=intervals, targets=["a", "b", "c"]
        )
        pd.testing.assert_frame_equal(both.drop(columns="crps"), table)

    def test_one_target(self, gaussian):
        y, quantiles = gaussian.y[:, 0], gaussian.quantiles()[:, 0]
        pair = {0.9: np.stack(gaussian.interval(0.9), axis=-1)[:, 0]}
        for kwargs in ({"y_quantiles": quantiles, "levels": LEVELS}, {"intervals": pair}):
            assert metrics.interval_table(y, coverages=[0.9], **kwargs).n.tolist() == [2000]

    def test_errors(self, gaussian):
        for kwargs in ({}, {"y_quantiles": gaussian.quantiles()}, {"intervals": {}}):
            with pytest.raises(ValueError, match="Give y_quantiles and levels"):
                metrics.interval_table(gaussian.y, **kwargs)
        with pytest.raises(ValueError, match=r"intervals\[0.9\] must have shape .* \(2000, 3\)"):
            metrics.interval_table(gaussian.y, intervals={0.9: gaussian.y})


class TestBinnedCoverage:
    def test_the_bin_where_intervals_are_too_narrow_is_found(self, gaussian):
        z = np.random.default_rng(3).uniform(0, 0.5, 2000)
        mean, sigma = gaussian.mean[:, 0], np.where(z > 0.4, 0.5, 1.0) * gaussian.sigma[:, 0]
        table = metrics.binned_coverage(
            gaussian.y[:, 0],
            mean - sigma,
            mean + sigma,
            pd.Series(z, name="Z"),
            targets="stellar_mass",
        )
        assert table.n.tolist() == [400] * 5
        assert (table.coverage[:4] > 0.6).all()
        assert table.coverage[4] < 0.5
        assert (table.by_low[1:].to_numpy() == table.by_high[:-1].to_numpy()).all()
        assert (table.by_low[0], table.by_high[4]) == (z.min(), z.max())

    def test_by_hand(self):
        true = np.array([9.0, 10.0, 11.0, 12.0, 10.0, np.nan])
        by = [0.1, 0.2, 0.3, 0.4, np.nan, 0.9]
        table = metrics.binned_coverage(true, true - 0.3, true + 0.1, by, n_bins=2)
        assert table.n.tolist() == [2, 2]
        assert table.by_high.tolist() == pytest.approx([0.25, 0.4])  # 0.9 has no label
        assert table.by_median.tolist() == pytest.approx([0.15, 0.35])
        assert table.mean_residual.tolist() == pytest.approx([-0.1, -0.1])
        assert table.mean_width.tolist() == pytest.approx([0.4, 0.4])

    def test_several_targets_share_the_edges(self, gaussian):
        lower, upper = gaussian.interval(0.68)
        lower[:500, 1] = np.nan
        table = metrics.binned_coverage(gaussian.y, lower, upper, np.arange(2000), n_bins=4)
        assert table.groupby("target", sort=False).n.sum().tolist() == [2000, 1500, 2000]
        assert table.by_low.nunique() == 4
        empty = table[(table.target == "sfr") & (table.n == 0)]
        assert len(empty) == 1
        assert empty.coverage.isna().all()

    @pytest.mark.parametrize(("by", "n_bins"), [([1, 1, 1, 2], 2), ([5, 5, 5, 5], 1)])
    def test_equal_values_share_a_bin(self, by, n_bins):
        true = np.array([9.0, 10.0, 11.0, 12.0])
        table = metrics.binned_coverage(true, true, true, by, n_bins=4)
        assert table.n.sum() == 4
        assert len(table) <= n_bins
        assert (table.n > 0).all()

    def test_errors(self):
        true = np.array([9.0, 10.0])
        with pytest.raises(ValueError, match=r"one value for each of the 2 galaxies; got .*\(3,\)"):
            metrics.binned_coverage(true, true, true, [1, 2, 3])
        with pytest.raises(ValueError, match="by is NaN for all 2"):
            metrics.binned_coverage(true, true, true, [np.nan, np.nan])
        for bad in (0, 2.5):
            with pytest.raises(ValueError, match="n_bins must be a positive integer"):
                metrics.binned_coverage(true, true, true, [1, 2], n_bins=bad)


class TestNames:
    """Targets are matched by name: the order of y's columns changes nothing."""

    every_order = pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)

    @staticmethod
    def values(gaussian, y, rows=slice(None), **options) -> dict[str, object]:
        """What every function gives for these labels."""
        quantiles, (lower, upper) = gaussian.quantiles()[rows], gaussian.interval(0.68)
        lower, upper = lower[rows], upper[rows]
        raw = {"multioutput": "raw_values", **options}
        given = {0.68: np.stack([lower, upper], axis=-1)}
        by = np.arange(len(gaussian.y))[rows]
        return {
            "pinball_loss": metrics.pinball_loss(y, quantiles, LEVELS, **raw),
            "crps": metrics.crps(y, quantiles, LEVELS, **raw),
            "coverage": metrics.coverage(y, lower, upper, **raw),
            "ace": metrics.ace(y, lower, upper, 0.68, **raw),
            "mean_width": metrics.mean_width(y, lower, upper, **raw),
            "pinaw": metrics.pinaw(y, lower, upper, span=(0.05, 0.95), **raw),
            "interval_score": metrics.interval_score(y, lower, upper, 0.68, **raw),
            "coverage_curve": metrics.coverage_curve(y, quantiles, LEVELS, **options),
            "quantile_table": metrics.interval_table(y, quantiles, LEVELS, **options),
            "interval_table": metrics.interval_table(y, intervals=given, **options),
            "binned_coverage": metrics.binned_coverage(y, lower, upper, by, **options),
        }

    @every_order
    @pytest.mark.parametrize("names", [TARGETS, tuple(GAMA_TARGET_COLUMNS.values())])
    def test_the_order_of_labels_changes_nothing(self, gaussian, order, names):
        y = pd.DataFrame(gaussian.y, columns=list(names)).iloc[:, list(order)]
        expected = self.values(gaussian, gaussian.y)
        for name, values in self.values(gaussian, y).items():
            if isinstance(values, pd.DataFrame):
                pd.testing.assert_frame_equal(values, expected[name], check_exact=True, obj=name)
            else:
                np.testing.assert_array_equal(values, expected[name], err_msg=name)

    @every_order
    def test_pit_and_tarp(self, gaussian, order):
        y = pd.DataFrame(gaussian.y, columns=list(TARGETS)).iloc[:, list(order)]
        quantiles = gaussian.quantiles()
        np.testing.assert_array_equal(
            metrics.pit(y, quantiles, LEVELS), metrics.pit(gaussian.y, quantiles, LEVELS)
        )
        samples = metrics.sample_quantiles(quantiles, LEVELS, 5, random_state=0)
        curves = [metrics.tarp(each, samples, random_state=0) for each in (y, gaussian.y)]
        pd.testing.assert_frame_equal(*curves, check_exact=True)

    @every_order
    def test_columns_of_predict_table(self, gaussian, order):
        """Its ends of intervals are named as percentiles, in any order."""
        y = pd.DataFrame(gaussian.y, columns=list(TARGETS))
        lower, upper = gaussian.interval(0.68)
        low = pd.DataFrame(lower, columns=[f"{name}_p16" for name in TARGETS])
        high = pd.DataFrame(upper, columns=[f"{name}_p84" for name in TARGETS])
        shuffled = low.iloc[:, list(order)], high.iloc[:, list(order[::-1])]
        expected = metrics.coverage(gaussian.y, lower, upper, multioutput="raw_values")
        raw = metrics.coverage(y, *shuffled, multioutput="raw_values")
        np.testing.assert_array_equal(raw, expected)
        assert metrics.coverage(y["sfr"], low["sfr_p16"], high["sfr_p84"]) == expected[1]
        with pytest.raises(ValueError, match="y_true has sfr; lower has stellar_mass"):
            metrics.coverage(y["sfr"], low["stellar_mass_p16"], high["stellar_mass_p84"])

    @every_order
    def test_targets_say_what_quantiles_are(self, gaussian, order):
        names = ["A_V", "sfr", "metallicity"]
        y = pd.DataFrame(gaussian.y, columns=names)
        expected = self.values(gaussian, gaussian.y)["quantile_table"]
        table = metrics.interval_table(
            y.iloc[:, list(order)], gaussian.quantiles(), LEVELS, targets=names
        )
        columns = table.columns.drop("target")
        pd.testing.assert_frame_equal(table[columns], expected[columns], check_exact=True)
        assert table.target.tolist() == [name for name in names for _ in range(2)]

    @every_order
    def test_columns_of_a_correlation(self, order):
        quantiles = np.array([[[9.9, 10.0, 10.3], [-0.2, 0.0, 0.2], [1.0, 2.0, 5.0]]])
        ranks = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, -0.5], [0.0, -0.5, 1.0]])
        table = pd.DataFrame(ranks, columns=list(TARGETS), index=list(TARGETS))
        table = table.iloc[list(order), list(order)]
        samples = [
            metrics.sample_quantiles(quantiles, [0.16, 0.5, 0.84], 50, each, random_state=0)
            for each in (ranks, table)
        ]
        np.testing.assert_array_equal(*samples)

    def test_rows_in_another_order_are_refused(self, gaussian):
        y = pd.DataFrame(gaussian.y[:4], columns=list(TARGETS))
        ends = pd.DataFrame(gaussian.y[:4], columns=list(TARGETS))[::-1]
        with pytest.raises(ValueError, match="y_true and lower have the same index labels"):
            metrics.coverage(y, ends, ends)
        with pytest.raises(ValueError, match="y_true and by have the same index labels"):
            metrics.binned_coverage(y, y - 1, y + 1, ends["sfr"])
        with pytest.raises(ValueError, match="z_true and z_pred have the same index labels"):
            metrics.photoz_bias(y["sfr"], ends["sfr"])


class TestWeights:
    def test_integer_weights_are_repeated_rows(self, gaussian):
        y = gaussian.y.copy()
        y[:100, 1] = np.nan
        weight = np.random.default_rng(8).integers(0, 5, len(y))
        rows = np.repeat(np.arange(len(y)), weight)
        expected = TestNames.values(gaussian, y[rows], rows)
        weighted = TestNames.values(gaussian, y, sample_weight=weight)
        for name, values in weighted.items():
            if isinstance(values, pd.DataFrame):
                pd.testing.assert_frame_equal(
                    values, expected[name], check_dtype=False, rtol=1e-9, obj=name
                )
            else:
                np.testing.assert_allclose(values, expected[name], rtol=1e-9, err_msg=name)

    def test_weights_do_something(self, gaussian):
        weight = np.random.default_rng(8).uniform(0, 5, len(gaussian.y))
        weighted = TestNames.values(gaussian, gaussian.y, sample_weight=weight)
        for name, values in TestNames.values(gaussian, gaussian.y).items():
            assert not np.array_equal(values, weighted[name]), name

    @given(st.lists(st.integers(0, 3), min_size=4, max_size=9).filter(lambda w: sum(w) > 0))
    def test_redshifts(self, weight):
        z_true = np.linspace(0.1, 2.0, len(weight))
        z_pred = z_true + np.resize([0.01, -0.3, 0.02, 0.5, -0.04], len(weight))
        repeated = np.repeat(z_true, weight), np.repeat(z_pred, weight)
        for metric in (metrics.photoz_bias, metrics.photoz_nmad, metrics.photoz_outlier_fraction):
            score = metric(z_true, z_pred, sample_weight=weight)
            assert score == pytest.approx(metric(*repeated))
        table = metrics.photoz_table(z_true, z_pred, sample_weight=weight)
        pd.testing.assert_frame_equal(table, metrics.photoz_table(*repeated))

    def test_weights_are_checked(self, gaussian):
        quantiles = gaussian.quantiles()
        with pytest.raises(ValueError, match=r"sample_weight\.shape"):
            metrics.crps(gaussian.y, quantiles, LEVELS, sample_weight=[1.0])
        with pytest.raises(ValueError, match=r"[Nn]egative"):
            metrics.photoz_bias([1.0, 2.0], [1.0, 2.0], sample_weight=[-1, 1])


def worst(curve: pd.DataFrame) -> float:
    """Largest deviation of a coverage curve, in units of what calibrated samples would show."""
    expected = np.sqrt(curve.nominal * (1 - curve.nominal) / curve.n)
    return (np.abs(curve.empirical - curve.nominal) / expected).max()


@pytest.fixture(scope="module")
def centre() -> np.ndarray:
    return np.random.default_rng(1).normal([10.5, 0.3], 1.0, (3000, 2))


class TestTARP:
    @staticmethod
    def draw(centre, correlation=0.0, scale=0.3, size=(), seed=2):
        covariance = scale**2 * np.array([[1, correlation], [correlation, 1]])
        rng = np.random.default_rng(seed)
        return centre + rng.multivariate_normal([0, 0], covariance, (*size, len(centre)))

    @pytest.mark.parametrize("n_samples", [5, 100])
    def test_samples_of_the_true_distribution_pass(self, centre, n_samples):
        y = self.draw(centre, 0.9)
        samples = self.draw(centre, 0.9, size=(n_samples,), seed=3)
        curve = metrics.tarp(y, samples, random_state=0)
        assert list(curve) == ["target", "nominal", "empirical", "standard_error", "n"]
        assert worst(curve) < 3.5

    @pytest.mark.parametrize(("scale", "shift"), [(0.15, 0.0), (0.6, 0.0), (0.3, 0.3)])
    def test_wrong_widths_and_biases_do_not(self, centre, scale, shift):
        samples = self.draw(centre + shift, scale=scale, size=(100,), seed=3)
        assert worst(metrics.tarp(self.draw(centre), samples, random_state=0)) > 6

    def test_a_wrong_correlation_shows_though_the_marginals_are_right(self, centre):
        y = self.draw(centre)
        samples = self.draw(centre, 0.95, size=(100,), seed=3)
        assert worst(metrics.tarp(y, samples, random_state=0)) > 6
        for k in range(2):
            alone = metrics.tarp(y[:, k], samples[:, :, k], random_state=0)
            assert worst(alone) < 3.5

    def test_rows_with_nan_are_left_out(self, centre):
        y, samples = self.draw(centre), self.draw(centre, size=(20,), seed=3)
        y[:10, 0], samples[3, 5:25, 1] = np.nan, np.nan
        assert (metrics.tarp(y, samples, [0.5], random_state=0).n == 2975).all()

    def test_random_state(self, centre):
        y, samples = self.draw(centre), self.draw(centre, size=(20,), seed=3)
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        first, again, other = (metrics.tarp(y, samples, random_state=seed) for seed in (0, 0, 1))
        pd.testing.assert_frame_equal(first, again)
        assert not first.equals(other)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_errors(self, centre):
        y = self.draw(centre)
        for bad in (y, y[None, :5], np.empty((0, *y.shape))):
            with pytest.raises(ValueError, match="samples must have shape"):
                metrics.tarp(y, bad)
        with pytest.raises(ValueError, match="No galaxy has all labels"):
            metrics.tarp(y, np.full((4, *y.shape), np.nan))
        y[:, 1] = 0.5
        with pytest.raises(ValueError, match=r"those of 'target_1' are all 0\.5"):
            metrics.tarp(y, y[None])


class TestEnergyScore:
    def test_one_target_is_the_crps(self):
        """Of an ensemble, in its form without bias (Ferro 2014), by hand."""
        samples, y = np.array([[0.0], [1.0], [3.0]]), np.array([1.5])
        # Mean distance (1.5 + 0.5 + 1.5) / 3, mean distance of pairs (1 + 2 + 3) / 3.
        assert metrics.energy_score(y, samples) == pytest.approx(3.5 / 3 - 1.0)

    def test_the_true_distribution_scores_best(self, centre):
        y = TestTARP.draw(centre, 0.9)
        scores = {
            (correlation, scale): metrics.energy_score(
                y, TestTARP.draw(centre, correlation, scale, size=(50,), seed=3)
            )
            for correlation, scale in [(0.9, 0.3), (-0.5, 0.3), (0.9, 0.15), (0.9, 0.6)]
        }
        assert min(scores, key=scores.get) == (0.9, 0.3)

    def test_the_number_of_samples_makes_no_bias(self, centre):
        y = TestTARP.draw(centre, 0.5)
        few, many = (
            metrics.energy_score(y, TestTARP.draw(centre, 0.5, size=(n,), seed=3)) for n in (2, 60)
        )
        assert few == pytest.approx(many, rel=0.05)

    def test_weights_and_gaps(self, centre):
        y, samples = TestTARP.draw(centre), TestTARP.draw(centre, size=(9,), seed=3)
        y[0] = np.nan
        weight = np.arange(len(y)) < 100
        expected = metrics.energy_score(y[1:100], samples[:, 1:100])
        assert metrics.energy_score(y, samples, sample_weight=weight) == pytest.approx(expected)
        with pytest.raises(ValueError, match="a weight above 0"):
            metrics.energy_score(y, samples, sample_weight=np.arange(len(y)) < 1)

    def test_a_scale_changes_the_unit_of_each_target(self):
        y, samples = np.array([[10.0, 2.0]]), np.array([[[10.0, 5.0]], [[10.0, 5.0]]])
        assert metrics.energy_score(y, samples, scale=[9.0, 3.0]) == pytest.approx(1.0)
        for bad in ([1.0], [1.0, 0.0], [1.0, np.nan]):
            with pytest.raises(ValueError, match="positive number for each of the 2 targets"):
                metrics.energy_score(y, samples, scale=bad)

    def test_one_sample_is_an_error(self, centre):
        with pytest.raises(ValueError, match="at least two samples; got 1"):
            metrics.energy_score(centre, centre[None])


class TestSBCRanks:
    def test_ranks_of_true_samples_are_uniform(self, centre):
        y, samples = TestTARP.draw(centre), TestTARP.draw(centre, size=(19,), seed=3)
        for ranks in metrics.sbc_ranks(y, samples).T:
            counts = np.bincount(ranks.astype(int), minlength=20)
            assert ((counts - 150) ** 2 / 150).sum() < 45  # chi2 of 19 degrees: p = 0.001

    def test_narrow_samples_leave_the_label_at_the_ends(self, centre):
        samples = TestTARP.draw(centre, scale=0.1, size=(19,), seed=3)
        ranks = metrics.sbc_ranks(TestTARP.draw(centre), samples)
        assert np.isin(ranks, [0, 19]).mean() > 0.3

    def test_rows_stay_and_ties_are_drawn(self):
        y, samples = np.array([[1.0], [np.nan], [1.0]]), np.ones((4, 3, 1))
        samples[:, 2] = [[0.0], [0.0], [2.0], [2.0]]
        first = metrics.sbc_ranks(np.tile(y, (100, 1)), np.tile(samples, (1, 100, 1)))
        assert set(np.unique(first[::3])) == {0, 1, 2, 3, 4}
        assert np.isnan(first[1::3]).all()
        assert (first[2::3] == 2).all()


class TestSampleQuantiles:
    quantiles = np.array([[[9.9, 10.0, 10.3], [-0.2, 0.0, 0.2], [1.0, 2.0, 5.0]]])
    levels = np.array([0.16, 0.5, 0.84])
    correlation = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, -0.5], [0.0, -0.5, 1.0]])

    def test_marginals_and_rank_correlation(self):
        samples = metrics.sample_quantiles(
            self.quantiles, self.levels, 20_000, self.correlation, random_state=0
        )
        assert samples.shape == (20_000, 1, 3)
        below = (samples[:, 0, :, None] <= self.quantiles[0]).mean(axis=0)
        np.testing.assert_allclose(below, np.tile(self.levels, (3, 1)), atol=0.01)
        np.testing.assert_allclose(spearmanr(samples[:, 0]).statistic, self.correlation, atol=0.02)

    def test_targets_are_independent_by_default(self):
        samples = metrics.sample_quantiles(self.quantiles, self.levels, 20_000, random_state=0)
        np.testing.assert_allclose(spearmanr(samples[:, 0]).statistic, np.eye(3), atol=0.02)

    def test_perfect_rank_correlation(self):
        samples = metrics.sample_quantiles(
            self.quantiles[:, :2], self.levels, 100, np.ones((2, 2)), random_state=0
        )
        assert spearmanr(samples[:, 0]).statistic == pytest.approx(1)

    def test_tarp_passes_with_the_rank_correlation_of_the_pit_values(self):
        gaussian = Gaussian(n_targets=2)
        rng = np.random.default_rng(5)
        covariance = [[1, 0.9], [0.9, 1]]
        y = gaussian.mean + gaussian.sigma * rng.multivariate_normal([0, 0], covariance, 2000)
        quantiles = gaussian.quantiles()
        ranks = pd.DataFrame(metrics.pit(y, quantiles, LEVELS)).corr("spearman")
        samples = metrics.sample_quantiles(quantiles, LEVELS, 100, ranks, random_state=0)
        assert worst(metrics.tarp(y, samples, random_state=0)) < 3.5

    def test_one_target_has_no_axis_of_its_own(self):
        samples = metrics.sample_quantiles(self.quantiles[:, 0], self.levels, 7, random_state=0)
        assert samples.shape == (7, 1)

    def test_nan_stays(self):
        quantiles = np.repeat(self.quantiles, 2, axis=0)
        quantiles[1, 2, 0] = np.nan
        samples = metrics.sample_quantiles(quantiles, self.levels, 4, random_state=0)
        assert np.isnan(samples).any(axis=0).tolist() == [[False] * 3, [False, False, True]]

    def test_random_state(self):
        first, again, other = (
            metrics.sample_quantiles(self.quantiles, self.levels, 9, random_state=seed)
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_errors(self):
        def draw(n_samples=5, correlation=None):
            return metrics.sample_quantiles(self.quantiles, self.levels, n_samples, correlation)

        for bad in (0, 2.5):
            with pytest.raises(ValueError, match="n_samples must be a positive integer"):
                draw(bad)
        with pytest.raises(ValueError, match=r"shape \(3, 3\).* got \(2, 2\)"):
            draw(correlation=np.eye(2))
        asymmetric, beyond = np.eye(3), np.eye(3)
        asymmetric[0, 1] = 0.5
        beyond[0, 1] = beyond[1, 0] = 1.5
        for bad in (asymmetric, beyond, 2 * np.eye(3)):
            with pytest.raises(ValueError, match="must be symmetric, with ones"):
                draw(correlation=bad)
        impossible = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
        with pytest.raises(ValueError, match="cannot be that of any distribution"):
            draw(correlation=impossible)


class TestPhotoZ:
    """Scaled errors of 0.02, -0.02, 0.04, 0.5 and -0.2."""

    z_true = np.array([1.0, 1.0, 0.5, 1.0, 1.0])
    z_pred = np.array([1.04, 0.96, 0.56, 2.0, 0.6])

    def test_by_hand(self):
        assert metrics.photoz_bias(self.z_true, self.z_pred) == pytest.approx(0.02)
        # distances from the median: 0, 0.04, 0.02, 0.48, 0.22
        assert metrics.photoz_nmad(self.z_true, self.z_pred) == pytest.approx(1.4826 * 0.04)
        assert metrics.photoz_outlier_fraction(self.z_true, self.z_pred) == 0.4
        assert metrics.photoz_outlier_fraction(self.z_true, self.z_pred, 0.3) == 0.2

    def test_nmad_is_sigma_and_takes_the_bias_off(self):
        rng = np.random.default_rng(0)
        z = rng.uniform(0, 2, 50_000)
        pred = z + (1 + z) * rng.normal(0.05, 0.03, len(z))
        assert metrics.photoz_nmad(z, pred) == pytest.approx(0.03, rel=0.02)
        assert metrics.photoz_bias(z, pred) == pytest.approx(0.05, rel=0.02)

    def test_redshifts_are_no_dex(self):
        """A column called like a target, or redshifts of 40, pass: nothing here is in dex."""
        z = pd.Series([40.0, 41.0], name="sfr")
        assert metrics.photoz_bias(z, z) == 0.0

    def test_nan_is_left_out(self):
        true = np.r_[self.z_true, np.nan, 1.0]
        pred = np.r_[self.z_pred, 1.0, np.nan]
        table = metrics.photoz_table(true, pred)
        assert table.loc["number of galaxies", "z_pred"] == 5
        assert table.loc["bias", "z_pred"] == pytest.approx(0.02)

    def test_table_of_several_sets(self):
        sets = pd.DataFrame({"eazy": self.z_pred, "ours": self.z_true})
        table = metrics.photoz_table(self.z_true, sets, threshold=0.3)
        rows = ["bias", "sigma NMAD", "outlier fraction (> 0.3)", "number of galaxies"]
        assert list(table.index) == rows
        np.testing.assert_allclose(table["eazy"], [0.02, 1.4826 * 0.04, 0.2, 5])
        np.testing.assert_allclose(table["ours"], [0, 0, 0, 5])
        bare = metrics.photoz_table(self.z_true, sets.to_numpy())
        assert list(bare) == ["z_pred_0", "z_pred_1"]

    def test_errors(self):
        with pytest.raises(ValueError, match=r"above -1; got -9 in 1 of 2 rows.*must become NaN"):
            metrics.photoz_bias([-9.0, 1.0], [1.0, 1.0])
        with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
            metrics.photoz_nmad([1.0, 1.0], [1.0, 1.0, 1.0])
        with pytest.raises(ValueError, match="of 2 rows, 1 have NaN in z_true and 1 in z_pred"):
            metrics.photoz_bias([np.nan, 1.0], [1.0, np.nan])
        for bad in (0, np.nan):
            with pytest.raises(ValueError, match="threshold must be positive"):
                metrics.photoz_outlier_fraction([1.0], [1.0], bad)
