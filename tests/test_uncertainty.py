"""Quantiles as arrays: coverage after calibration, interpolation, posteriors added."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtr, ndtri
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from sfml import StarFormationRegressor, metrics
from sfml.uncertainty import (
    LEVELS,
    QuantileCalibrator,
    add_posterior,
    check_coverage,
    check_levels,
    interpolate_quantiles,
    uncross,
)

FIVE = (0.05, 0.16, 0.5, 0.84, 0.95)
SIGMA = 4
"""Standard errors granted: of the few hundred comparisons below none should be so far off."""

values = st.floats(-50, 50, width=32)
quantiles_of_five = arrays(np.float64, st.tuples(st.integers(1, 5), st.just(5)), elements=values)


def simulate(n_rows, seed, n_conditions=2, levels=FIVE):
    """Labels whose scatter grows with the first condition, and quantiles that are wrong.

    They are right in shape, but too narrow where the second condition is small and too wide
    where it is large.
    """
    rng = np.random.default_rng(seed)
    conditions = rng.uniform(size=(n_rows, n_conditions))
    sigma = 0.05 + 0.4 * conditions[:, 0]
    y = sigma * rng.normal(size=n_rows)
    claimed = sigma * (0.4 + 1.6 * conditions[:, 1])
    return claimed[:, np.newaxis] * ndtri(levels), y, conditions


def share_below(quantiles, y, rows):
    return (y[rows, np.newaxis] < quantiles[rows]).mean(axis=0)


def rows_by_bin(calibrator, conditions):
    """Name and rows of each bin of each condition, and of all."""
    yield "all", np.ones(len(conditions), dtype=bool)
    for k, edges in enumerate(calibrator.edges_):
        bins = np.searchsorted(edges, conditions[:, k], side="right")
        for b in range(len(edges) + 1):
            yield f"condition {k}, bin {b}", bins == b


class TestCoverage:
    def test_held_back_rows_are_covered_bin_by_bin(self):
        """By construction: in each bin at most as many rows are amiss as there are terms."""
        quantiles, y, conditions = simulate(3000, seed=0)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        calibrated = calibrator.predict(quantiles, conditions)
        n_terms = len(calibrator.shifts_)
        assert n_terms == 1 + 2 * 4
        for name, rows in rows_by_bin(calibrator, conditions):
            amiss = np.abs(share_below(calibrated, y, rows) - FIVE) * rows.sum()
            # The correction for their number moves the levels by up to half the terms, a share
            # of which is in each bin.
            granted = n_terms + n_terms / 2 * rows.mean()
            assert np.all(np.delete(amiss, 2) <= granted), name

    def test_further_rows_are_covered_overall_and_in_every_bin(self):
        quantiles, y, conditions = simulate(4000, seed=1)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        quantiles, y, conditions = simulate(40_000, seed=2)
        calibrated = calibrator.predict(quantiles, conditions)
        levels = np.asarray(FIVE)
        for name, rows in rows_by_bin(calibrator, conditions):
            n_calibrated, n_tested = 4000 * rows.mean(), rows.sum()
            error = np.sqrt(levels * (1 - levels) * (1 / n_calibrated + 1 / n_tested))
            share = share_below(calibrated, y, rows)
            assert np.all(np.abs(share - levels) < SIGMA * error), name

    def test_the_quantiles_had_been_wrong(self):
        quantiles, y, conditions = simulate(40_000, seed=2)
        for k, low, high in ((1, 0.0, 0.2), (1, 0.8, 1.0)):
            rows = (conditions[:, k] >= low) & (conditions[:, k] < high)
            share = share_below(quantiles, y, rows)
            error = np.sqrt(0.16 * 0.84 / rows.sum())
            assert np.all(np.abs(share - FIVE)[[1, 3]] > 10 * error)

    def test_without_conditions_coverage_holds_overall_alone(self):
        quantiles, y, conditions = simulate(4000, seed=1)
        grouped = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y)
        assert calibrator.shifts_.shape == (1, 5)
        quantiles, y, conditions = simulate(40_000, seed=2)
        calibrated = calibrator.predict(quantiles)
        error = np.sqrt(0.16 * 0.84 * (1 / 4000 + 1 / 40_000))
        assert share_below(calibrated, y, slice(None))[1] == pytest.approx(0.16, abs=SIGMA * error)
        lowest = conditions[:, 1] < grouped.edges_[1][0]
        assert share_below(calibrated, y, lowest)[1] > 0.16 + SIGMA * np.sqrt(0.16 * 0.84 / 800)

    @pytest.mark.parametrize("coverage", [0.68, 0.9])
    def test_few_rows_are_right_on_average(self, coverage):
        """Each end is an order statistic of 60 scores: which one is known, and so the mean."""
        n_rows, n_samples = 60, 300
        levels = (*check_coverage(coverage), 0.5)
        levels = tuple(sorted(levels))
        rng = np.random.default_rng(0)
        covered = []
        for _ in range(n_samples):
            y = rng.normal(size=n_rows)
            calibrator = QuantileCalibrator(levels).fit(np.zeros((n_rows, 3)), y)
            low, _, high = calibrator.predict(np.zeros((1, 3)))[0]
            covered.append(norm.cdf(high) - norm.cdf(low))
        ranks = np.round(np.array([levels[0], levels[2]]) * (n_rows + 1))
        expected = (ranks[1] - ranks[0]) / (n_rows + 1)
        error = np.std(covered) / np.sqrt(n_samples)
        assert np.mean(covered) == pytest.approx(expected, abs=SIGMA * error)
        assert abs(expected - coverage) <= 1 / (n_rows + 1)

    @pytest.mark.parametrize("n_rows", [150, 600])
    def test_the_terms_of_many_bins_are_made_up_for(self, n_rows):
        """Without the correction of the levels, so many terms would leave intervals too short."""
        n_samples = 60
        covered = []
        for seed in range(n_samples):
            quantiles, y, conditions = simulate(n_rows, seed)
            calibrator = QuantileCalibrator(FIVE, n_groups=5).fit(quantiles, y, conditions)
            quantiles, y, conditions = simulate(2000, seed=10_000 + seed)
            ends = calibrator.predict(quantiles, conditions)[:, [1, 3]].T
            covered.append(np.mean((ends[0] < y) & (y < ends[1])))
        error = np.std(covered) / np.sqrt(n_samples)
        assert np.mean(covered) == pytest.approx(0.68, abs=SIGMA * error + 1 / (n_rows + 1))

    @pytest.mark.parametrize("n_rows", [200, 500])
    def test_outer_levels_neither_overshoot_nor_fall_short(self, n_rows):
        """They have too few galaxies for 21 terms, and are read from those of inner levels."""
        n_samples = 40
        outer = [(LEVELS[k], LEVELS[-1 - k]) for k in range(3)]
        covered = np.empty((n_samples, 3))
        for seed in range(n_samples):
            quantiles, y, conditions = simulate(n_rows, seed, n_conditions=5, levels=LEVELS)
            calibrator = QuantileCalibrator().fit(quantiles, y, conditions)
            quantiles, y, conditions = simulate(
                2000, seed=10_000 + seed, n_conditions=5, levels=LEVELS
            )
            calibrated = calibrator.predict(quantiles, conditions)
            for k in range(3):
                inside = (calibrated[:, k] < y) & (y < calibrated[:, -1 - k])
                covered[seed, k] = inside.mean()
        error = covered.std(axis=0) / np.sqrt(n_samples)
        assert np.all(np.abs(covered.mean(axis=0) - np.ptp(outer, axis=1)) < 0.01 + 2 * error)

    def test_outer_levels_know_the_groups_of_inner_ones(self):
        """With 500 galaxies, 5 lie beyond the 99th percentile: none for most bins."""
        quantiles, y, conditions = simulate(500, seed=1, n_conditions=5, levels=LEVELS)
        calibrator = QuantileCalibrator().fit(quantiles, y, conditions)
        quantiles, y, conditions = simulate(20_000, seed=2, n_conditions=5, levels=LEVELS)
        for condition, low in ((1, 0.0), (1, 0.8)):
            rows = (conditions[:, condition] >= low) & (conditions[:, condition] < low + 0.2)
            calibrated = calibrator.predict(quantiles[rows], conditions[rows])
            inside = (calibrated[:, 1] < y[rows]) & (y[rows] < calibrated[:, -2])
            assert inside.mean() == pytest.approx(0.95, abs=0.035)


class TestWeights:
    def test_whole_weights_are_rows_of_the_same_galaxy_repeated(self):
        quantiles, y, conditions = simulate(600, seed=1)
        times = np.random.default_rng(0).integers(0, 4, 600)
        each = np.repeat(np.arange(600), times)
        weighted = QuantileCalibrator(FIVE).fit(quantiles, y, conditions, sample_weight=times)
        repeated = QuantileCalibrator(FIVE).fit(
            quantiles[each], y[each], conditions[each], galaxy=each
        )
        assert weighted.n_rows_ == repeated.n_rows_ == int(times.sum() ** 2 / (times**2).sum())
        for one, other in zip(weighted.edges_, repeated.edges_, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(weighted.shifts_, repeated.shifts_, rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize("factor", [1e-6, 1, 7e5])
    def test_a_common_factor_changes_nothing(self, factor):
        quantiles, y, conditions = simulate(600, seed=2)
        equal = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        scaled = QuantileCalibrator(FIVE).fit(quantiles, y, conditions, np.full(600, factor))
        assert scaled.n_rows_ == equal.n_rows_ == 600
        np.testing.assert_allclose(scaled.shifts_, equal.shifts_, rtol=1e-6, atol=1e-9)

    def test_two_versions_of_a_galaxy_count_once(self):
        quantiles, y, conditions = simulate(99, seed=3)
        twice = [np.concatenate([part, part]) for part in (quantiles, y, conditions)]
        calibrator = QuantileCalibrator(FIVE).fit(
            *twice, sample_weight=np.full(198, 0.5), galaxy=np.tile(np.arange(99), 2)
        )
        assert calibrator.n_rows_ == 99
        assert len(calibrator.shifts_) == 1  # too few for two groups, where 198 would not be
        assert not calibrator.supports(0.0099)
        assert calibrator.supports(0.01)
        once = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        np.testing.assert_allclose(calibrator.shifts_, once.shifts_, atol=1e-12)

    def test_coverage_holds_for_the_weighted_population(self):
        """Half of the galaxies scatter twice as much, but stand for a tenth of the population."""
        rng = np.random.default_rng(0)
        wide = np.arange(8000) % 2 == 1
        y, weight = rng.normal(size=8000) * np.where(wide, 2, 1), np.where(wide, 1.0, 9.0)
        points = np.zeros((8000, 5))
        calibrator = QuantileCalibrator(FIVE).fit(points, y, sample_weight=weight)
        assert calibrator.n_rows_ == int(8000 * 25 / 41)
        low, high = calibrator.predict(points[:1])[0, [1, 3]]
        covered = [0.9 * np.ptp(ndtr([low, high])), 0.1 * np.ptp(ndtr([low / 2, high / 2]))]
        error = np.sqrt(0.68 * 0.32 / calibrator.n_rows_)
        assert sum(covered) == pytest.approx(0.68, abs=SIGMA * error)

    def test_weights_that_are_none(self):
        quantiles, y, _ = simulate(100, seed=4)
        calibrator = QuantileCalibrator(FIVE)
        for weight, message in (
            (np.where(np.arange(100) == 3, -1.0, 1.0), "Negative values in data"),
            (np.where(np.arange(100) == 3, np.nan, 1.0), "sample_weight contains NaN"),
            (np.ones(99), "sample_weight.shape"),
        ):
            with pytest.raises(ValueError, match=message):
                calibrator.fit(quantiles, y, sample_weight=weight)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            calibrator.fit(quantiles, y, galaxy=np.arange(99))
        assert not hasattr(calibrator, "levels_")


class TestCalibrator:
    def test_good_quantiles_stay_where_they_are(self):
        rng = np.random.default_rng(0)
        sigma = rng.uniform(0.1, 1, 20_000)
        quantiles = sigma[:, np.newaxis] * ndtri(FIVE)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, sigma * rng.normal(size=20_000))
        # The error of a quantile is that of its level over the density, in units of the width.
        error = np.sqrt(np.multiply(FIVE, 1 - np.array(FIVE)) / 20_000)
        error /= norm.pdf(ndtri(FIVE)) * np.ptp(ndtri((0.16, 0.84)))
        assert np.all(np.abs(calibrator.shifts_[0]) < SIGMA * error)

    def test_the_median_is_never_shifted(self):
        quantiles, y, conditions = simulate(1000, seed=3)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y + 1, conditions)
        calibrated = calibrator.predict(quantiles, conditions)
        np.testing.assert_array_equal(calibrated[:, 2], quantiles[:, 2])
        assert (np.diff(calibrated, axis=1) >= 0).all()

    def test_points_get_intervals_in_dex(self):
        rng = np.random.default_rng(0)
        points = rng.uniform(8, 12, 1000)
        y = points + 0.3 * rng.normal(size=1000)
        repeated = np.repeat(points[:, np.newaxis], 5, axis=1)
        calibrated = QuantileCalibrator(FIVE).fit(repeated, y).predict(repeated)
        width = calibrated - points[:, np.newaxis]
        np.testing.assert_allclose(width, np.broadcast_to(width[0], width.shape), atol=1e-12)
        error = np.sqrt(np.multiply(FIVE, 1 - np.array(FIVE)) / 1000) / norm.pdf(ndtri(FIVE))
        assert np.all(np.abs(width[0] - 0.3 * ndtri(FIVE)) <= 0.3 * SIGMA * error)

    def test_a_galaxy_does_not_depend_on_its_neighbours(self):
        quantiles, y, conditions = simulate(2000, seed=4)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        together = calibrator.predict(quantiles, conditions)
        alone = [
            calibrator.predict(quantiles[i : i + 1], conditions[i : i + 1]) for i in range(2000)
        ]
        np.testing.assert_array_equal(np.vstack(alone), together)

    def test_bins_are_of_equal_numbers_and_as_many_as_there_are_rows_for(self):
        for n_rows, n_groups in ((99, 1), (250, 2), (500, 5), (5000, 5)):
            quantiles, y, conditions = simulate(n_rows, seed=5)
            edges = QuantileCalibrator(FIVE).fit(quantiles, y, conditions).edges_
            assert [len(e) + 1 for e in edges] == [n_groups, n_groups]
            counts = np.bincount(np.searchsorted(edges[0], conditions[:, 0], side="right"))
            assert np.ptp(counts) <= 1
        edges = QuantileCalibrator(FIVE, n_groups=3).fit(quantiles, y, conditions).edges_
        assert [len(e) for e in edges] == [2, 2]

    def test_conditions_of_few_values_have_fewer_bins(self):
        quantiles, y, conditions = simulate(1000, seed=6)
        conditions[:, 0] = 7.0
        conditions[:, 1] = np.arange(1000) % 3
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        assert [edges.tolist() for edges in calibrator.edges_] == [[], [1.0, 2.0]]
        beyond = calibrator.predict(quantiles[:2], [[-1e9, -1e9], [1e9, 1e9]])
        assert np.isfinite(beyond).all()

    def test_levels_need_a_row_beyond_them(self):
        calibrator = QuantileCalibrator(FIVE).fit(np.zeros((19, 5)), np.arange(19.0))
        assert calibrator.supports(0.05)
        assert calibrator.supports(0.95)
        assert not calibrator.supports(0.049)
        assert not calibrator.supports(0.951)
        assert calibrator.supports(check_coverage(0.9)[0])

    def test_no_rows_give_no_rows(self):
        quantiles, y, conditions = simulate(500, seed=7)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        assert calibrator.predict(quantiles[:0], conditions[:0]).shape == (0, 5)

    def test_it_is_an_estimator(self):
        quantiles, y, conditions = simulate(500, seed=8)
        calibrator = QuantileCalibrator(FIVE, n_groups=2)
        with pytest.raises(NotFittedError):
            calibrator.predict(quantiles, conditions)
        with pytest.raises(NotFittedError):
            calibrator.supports(0.5)
        assert calibrator.fit(quantiles, y, conditions) is calibrator
        expected = calibrator.predict(quantiles, conditions)
        copy = clone(calibrator)
        assert copy.get_params() == {"levels": FIVE, "n_groups": 2}
        for other in (copy.fit(quantiles, y, conditions), pickle.loads(pickle.dumps(calibrator))):
            np.testing.assert_array_equal(other.predict(quantiles, conditions), expected)

    def test_parameters_set_after_fit_wait_for_the_next(self):
        quantiles, y, conditions = simulate(500, seed=8)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        expected = calibrator.predict(quantiles, conditions)
        calibrator.set_params(levels=(0.1, 0.5), n_groups=1)
        np.testing.assert_array_equal(calibrator.predict(quantiles, conditions), expected)

    def test_a_fit_that_fails_leaves_the_last_one(self):
        quantiles, y, conditions = simulate(500, seed=8)
        calibrator = QuantileCalibrator(FIVE).fit(quantiles, y, conditions)
        expected = calibrator.predict(quantiles, conditions)
        with pytest.raises(ValueError, match="y contains NaN"):
            calibrator.fit(quantiles[:, :5], np.full(500, np.nan))
        with pytest.raises(ValueError, match="one column for each of the 11 levels"):
            calibrator.set_params(levels=LEVELS).fit(quantiles, y)
        np.testing.assert_array_equal(calibrator.predict(quantiles, conditions), expected)

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"levels": (0.84, 0.5, 0.16)}, "levels must hold .* growing levels between 0 and 1"),
            ({"levels": (16, 50, 84)}, "Percentiles are divided by 100"),
            ({"levels": (0.1, 0.4, 0.9)}, "levels must hold 0.5, that of the median; got"),
            ({"levels": 0.5}, "'levels' parameter of QuantileCalibrator must be an array-like"),
            ({"n_groups": 0}, "'n_groups' .* Got 0 instead"),
        ],
    )
    def test_parameters_out_of_range(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            QuantileCalibrator(**parameters).fit(np.zeros((50, 3)), np.arange(50.0))

    def test_wrong_input_is_explained(self):
        quantiles, y, conditions = simulate(200, seed=9)
        calibrator = QuantileCalibrator(FIVE)
        with pytest.raises(ValueError, match="one column for each of the 5 levels; got 4"):
            calibrator.fit(quantiles[:, :4], y)
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            calibrator.fit(quantiles, y[:-1])
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            calibrator.fit(quantiles, y, conditions[:-1])
        with pytest.raises(ValueError, match="y contains NaN"):
            calibrator.fit(quantiles, np.where(y > 0, np.nan, y))
        with pytest.raises(ValueError, match="NaN"):
            calibrator.fit(np.where(quantiles > 1, np.nan, quantiles + 1), y)
        calibrator.fit(quantiles, y, conditions)
        with pytest.raises(ValueError, match="conditions has 1 columns, but 2 in fit"):
            calibrator.predict(quantiles, conditions[:, :1])
        with pytest.raises(ValueError, match="conditions has 0 columns, but 2 in fit"):
            calibrator.predict(quantiles)


class TestUncross:
    @given(quantiles_of_five)
    def test_the_median_stays_and_the_others_grow_away_from_it(self, quantiles):
        before = quantiles.copy()
        out = uncross(quantiles, FIVE)
        np.testing.assert_array_equal(quantiles, before)
        np.testing.assert_array_equal(out[:, 2], quantiles[:, 2])
        assert (np.diff(out, axis=1) >= 0).all()
        assert (out[:, :2] <= quantiles[:, :2]).all()
        assert (out[:, 3:] >= quantiles[:, 3:]).all()
        np.testing.assert_array_equal(uncross(out, FIVE), out)

    @given(quantiles_of_five)
    def test_quantiles_in_order_are_left_alone(self, quantiles):
        ordered = np.sort(quantiles, axis=1)
        np.testing.assert_array_equal(uncross(ordered, FIVE), ordered)

    def test_the_median_may_be_the_first_level_or_the_last(self):
        assert uncross([[1.0, 0.5, 2.0]], (0.5, 0.7, 0.9)).tolist() == [[1.0, 1.0, 2.0]]
        assert uncross([[1.0, 2.0, 0.5]], (0.1, 0.3, 0.5)).tolist() == [[0.5, 0.5, 0.5]]
        assert uncross([3.0, 1.0, 2.0], (0.16, 0.5, 0.84)).tolist() == [1.0, 1.0, 2.0]


class TestInterpolation:
    @given(quantiles_of_five)
    def test_the_levels_given_are_kept(self, quantiles):
        quantiles = np.sort(quantiles, axis=1)
        np.testing.assert_array_equal(interpolate_quantiles(quantiles, FIVE, FIVE), quantiles)

    @given(st.floats(-20, 20), st.floats(1e-3, 10), st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1))
    def test_a_normal_distribution_is_recovered(self, mean, sigma, q):
        quantiles = mean + sigma * ndtri(np.array([FIVE]))
        expected = mean + sigma * ndtri(np.array([q]))
        read = interpolate_quantiles(quantiles, FIVE, q)
        np.testing.assert_allclose(read, expected, rtol=1e-9, atol=1e-9)

    @given(quantiles_of_five, st.lists(st.floats(1e-6, 1 - 1e-6), min_size=2, max_size=20))
    def test_higher_levels_have_higher_quantiles(self, quantiles, q):
        quantiles, q = np.sort(quantiles, axis=1), np.sort(q)
        read = interpolate_quantiles(quantiles, FIVE, q)
        rounding = 1e-12 * np.abs(read).max(initial=1)
        assert (np.diff(read, axis=1) >= -rounding).all()

    def test_levels_in_any_order(self):
        quantiles = np.sort(np.random.default_rng(0).normal(size=(4, 11)), axis=1)
        q = [0.9, 0.1, 0.5]
        read = interpolate_quantiles(quantiles, LEVELS, q)
        for k, level in enumerate(q):
            np.testing.assert_array_equal(
                read[:, [k]], interpolate_quantiles(quantiles, LEVELS, [level])
            )

    def test_a_galaxy_does_not_depend_on_its_neighbours(self):
        quantiles = np.sort(np.random.default_rng(0).normal(size=(1000, 11)), axis=1)
        q = np.random.default_rng(1).uniform(size=7)
        together = interpolate_quantiles(quantiles, LEVELS, q)
        alone = [interpolate_quantiles(row[np.newaxis], LEVELS, q) for row in quantiles]
        np.testing.assert_array_equal(np.vstack(alone), together)


class TestPosterior:
    @settings(max_examples=50)
    @given(
        arrays(np.float64, (3, 5), elements=st.floats(-3, 3)),
        arrays(np.float64, (3, 2), elements=st.floats(0, 3)),
    )
    def test_properties(self, quantiles, widths):
        quantiles = np.sort(quantiles, axis=1)
        total = add_posterior(quantiles, FIVE, widths)
        sps = add_posterior(quantiles, FIVE, widths, emulator=False)
        for out in (total, sps):
            np.testing.assert_array_equal(out[:, 2], quantiles[:, 2])
        from_median = [np.abs(a - quantiles[:, [2]]) for a in (total, sps, quantiles)]
        rounding = 1e-12
        assert (from_median[0] >= np.maximum(*from_median[1:]) - rounding).all()
        assert (from_median[0] <= from_median[1] + from_median[2] + rounding).all()
        np.testing.assert_allclose(sps[:, 1], quantiles[:, 2] - widths[:, 0], atol=1e-12)
        np.testing.assert_allclose(sps[:, 3], quantiles[:, 2] + widths[:, 1], atol=1e-12)
        alone = add_posterior(quantiles, FIVE, np.zeros((3, 2)))
        np.testing.assert_allclose(alone, quantiles, atol=1e-12)

    def test_widths_of_normal_distributions_add_in_quadrature(self):
        emulator = 10 + 0.3 * ndtri([FIVE])
        posterior = 0.4 * ndtri(0.84)
        total = add_posterior(emulator, FIVE, [[posterior, posterior]])
        np.testing.assert_allclose(total, 10 + 0.5 * ndtri([FIVE]), rtol=1e-12)

    def test_each_half_has_its_own_width(self):
        out = add_posterior(np.zeros((1, 5)), FIVE, [[0.1, 0.2]], emulator=False)[0]
        assert out[3] == pytest.approx(-2 * out[1])
        assert ndtr(out[4] / out[3] * ndtri(0.84)) == pytest.approx(0.95)


@pytest.mark.parametrize(
    "q", [0, 1, -0.1, 1.1, 16, np.nan, [0.5, np.nan], [], [[0.16, 0.84]], "half", None, [0.5, "a"]]
)
def test_levels_that_are_none(q):
    with pytest.raises(ValueError, match=r"q must hold levels between 0 and 1, such as .*; got"):
        check_levels(q)


@pytest.mark.parametrize("q", [0.5, [0.5], (0.84, 0.16), np.array([0.1, 0.9]), [1e-9]])
def test_levels_that_are(q):
    assert check_levels(q).tolist() == np.atleast_1d(q).tolist()


@pytest.mark.parametrize("coverage", [0, 1, 68, -0.5, np.nan, None, "0.68", [0.68], True])
def test_coverages_that_are_none(coverage):
    with pytest.raises(ValueError, match=r"coverage must lie between 0 and 1, such as 0.68; got"):
        check_coverage(coverage)


@given(st.floats(1e-9, 1 - 1e-9))
def test_intervals_are_central(coverage):
    low, high = check_coverage(coverage)
    assert low + high == pytest.approx(1)
    assert high - low == pytest.approx(coverage)
    assert 0 < low < 0.5 < high < 1


def test_the_recipes_levels():
    assert sorted(LEVELS) == list(LEVELS)
    np.testing.assert_allclose(np.add(LEVELS, LEVELS[::-1]), 1)
    assert {0.16, 0.5, 0.84} < set(LEVELS)


def test_the_bias_of_held_back_galaxies_is_predicted_minus_actual():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X @ [0.3, 0.1] + 10
    uneven = np.where(rng.random(400) < 0.3, 0.5, 0.0)  # labels that are too high now and then
    weights = rng.uniform(0.5, 2, 400)
    model = StarFormationRegressor(Ridge(), targets=["stellar_mass"], random_state=0)
    model.fit(X, y).calibrate(X + 1e-3, y + uneven, weights)
    held_back = model.intervals_.held_back["stellar_mass"]
    predicted = model.predict(X + 1e-3)
    expected = metrics.bias(y + uneven, predicted, sample_weight=weights)
    assert held_back.bias == pytest.approx(expected)
    assert held_back.bias < -0.1
    assert held_back.nmad == pytest.approx(
        metrics.nmad(y + uneven, predicted, sample_weight=weights)
    )
