"""Displays of calibration: what they compute, and which artists and labels they draw."""

from __future__ import annotations

from itertools import permutations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm

from sfml import TARGETS, metrics
from sfml.displays import BinnedResidualDisplay, CoverageDisplay, PITDisplay

LEVELS = (0.05, 0.16, 0.5, 0.84, 0.95)


@pytest.fixture(autouse=True)
def _clean_matplotlib():
    """No display may change global settings or show a figure; all are drawn and closed."""
    before = dict(mpl.rcParams)
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture(name="X")
def centres() -> np.ndarray:
    return np.random.default_rng(0).normal([10.5, 0.3, 10.2], 0.6, (800, 3))


@pytest.fixture
def labels(X) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(1).normal(X, 0.2), columns=list(TARGETS))


class Model:
    """Its input is the mean of a normal distribution of width 0.2; `asked` the levels it got."""

    def predict_quantiles(self, X, q):
        self.asked = tuple(q)
        return X[:, :, None] + 0.2 * norm.ppf(q)


@pytest.fixture
def y_quantiles(X) -> np.ndarray:
    return Model().predict_quantiles(X, LEVELS)


class TestCoverage:
    def test_lines_are_the_coverage_curve(self, labels, y_quantiles):
        labels.loc[:99, "sfr"] = np.nan
        display = CoverageDisplay.from_predictions(labels, y_quantiles, LEVELS)
        curve = metrics.coverage_curve(labels, y_quantiles, LEVELS)
        assert list(display.lines_) == list(TARGETS)
        for name, rows in curve.groupby("target"):
            drawn = display.lines_[name].get_xydata()
            np.testing.assert_array_equal(drawn, rows[["nominal", "empirical"]])
            difference = display.difference_lines_[name].get_ydata()
            np.testing.assert_allclose(difference, rows.empirical - rows.nominal)

    def test_band_is_that_of_the_least_number_of_galaxies(self, labels, y_quantiles):
        labels.loc[:99, "sfr"] = np.nan
        display = CoverageDisplay.from_predictions(labels, y_quantiles, LEVELS)
        corners = display.bands_[0].get_paths()[0].vertices
        at_half = np.sort(corners[np.isclose(corners[:, 0], 0.5), 1])[[0, -1]]
        np.testing.assert_allclose(at_half, binom.ppf([0.025, 0.975], 700, 0.5) / 700)

    def test_labels(self, labels, y_quantiles):
        display = CoverageDisplay.from_predictions(labels, y_quantiles, LEVELS)
        assert display.ax_.get_ylabel() == "empirical coverage"
        assert display.difference_ax_.get_xlabel() == "nominal coverage"
        legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        names = ["stellar mass", "SFR", "dust luminosity"]
        assert legend == ["calibrated (95 %), n = 800", *names]

    def test_from_estimator(self, X, labels):
        model = Model()
        display = CoverageDisplay.from_estimator(model, X, labels, coverages=[0.5, 0.9])
        assert (model.asked[0], model.asked[-1], len(model.asked)) == (0.025, 0.975, 39)
        assert display.curve.nominal.unique().tolist() == [0.5, 0.9]
        np.testing.assert_allclose(display.curve.empirical, display.curve.nominal, atol=0.06)
        CoverageDisplay.from_estimator(model, X, labels, levels=LEVELS)
        assert model.asked == LEVELS

    def test_a_curve_of_joint_samples(self, labels, y_quantiles):
        samples = metrics.sample_quantiles(y_quantiles, LEVELS, 50, random_state=0)
        curve = metrics.tarp(labels, samples, random_state=0)
        assert list(CoverageDisplay(curve=curve).plot().lines_) == ["joint"]

    def test_given_axes_are_split_in_place(self, labels, y_quantiles):
        figure, axes = plt.subplots(1, 2, layout="constrained")
        display = CoverageDisplay.from_predictions(labels, y_quantiles, LEVELS, ax=axes[1])
        assert display.ax_ is axes[1]
        assert display.figure_ is figure
        assert len(figure.axes) == 3

    def test_unknown_options(self, labels, y_quantiles):
        with pytest.raises(TypeError, match="n_bins"):
            CoverageDisplay.from_predictions(labels, y_quantiles, LEVELS, n_bins=5)


class Named(Model):
    """The same, which knows its targets."""

    targets_ = TARGETS


class TestNames:
    """The order of y's columns changes nothing."""

    every_order = pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)

    @every_order
    def test_all_targets(self, order, X, labels, y_quantiles):
        shuffled = labels.iloc[:, list(order)]
        for y in (labels, shuffled):
            coverage = [
                CoverageDisplay.from_estimator(Named(), X, y, levels=LEVELS),
                CoverageDisplay.from_predictions(y, y_quantiles, LEVELS),
            ]
            expected = metrics.coverage_curve(labels.to_numpy(), y_quantiles, LEVELS)
            for display in coverage:
                pd.testing.assert_frame_equal(display.curve, expected, check_exact=True)
            values = metrics.pit(labels.to_numpy(), y_quantiles, LEVELS)
            for display in (
                PITDisplay.from_estimator(Named(), X, y, levels=LEVELS),
                PITDisplay.from_predictions(y, y_quantiles, LEVELS),
            ):
                drawn = dict(display.values)
                assert list(drawn) == list(TARGETS)
                np.testing.assert_array_equal([drawn[name] for name in TARGETS], values.T)
            plt.close("all")

    @every_order
    def test_one_target(self, order, X, labels):
        shuffled, z = labels.iloc[:, list(order)], np.arange(len(X))
        for k, target in enumerate(TARGETS):
            for y in (labels, shuffled):
                display = BinnedResidualDisplay.from_estimator(Named(), X, y, z, target=target)
                np.testing.assert_allclose(display.residual, X[:, k] - labels[target], atol=1e-12)
                assert display.covered.mean() == pytest.approx(0.68, abs=0.06)
            plt.close("all")

    def test_an_estimator_with_its_own_order(self, X, labels):
        model, order = Named(), [2, 0, 1]
        model.targets_ = tuple(TARGETS[k] for k in order)
        display = PITDisplay.from_estimator(model, X[:, order], labels)
        drawn = dict(display.values)
        assert list(drawn) == list(model.targets_)
        assert all(abs(drawn[target].mean() - 0.5) < 0.05 for target in drawn)
        with pytest.raises(ValueError, match="The estimator predicts dust_luminosity"):
            PITDisplay.from_estimator(model, X[:, order], labels, targets=TARGETS)

    def test_rows_in_another_order_are_refused(self, X, labels):
        table = pd.DataFrame(X)
        for display in (CoverageDisplay, PITDisplay):
            with pytest.raises(ValueError, match="X and y have the same index labels"):
                display.from_estimator(Named(), table, labels[::-1])
        z = pd.Series(np.arange(len(X)))[::-1]
        with pytest.raises(ValueError, match="X and by have the same index labels"):
            BinnedResidualDisplay.from_estimator(Named(), table, labels, z, target="sfr")


class TestPIT:
    def test_histograms_and_bands(self, labels, y_quantiles):
        labels.loc[:99, "sfr"] = np.nan
        display = PITDisplay.from_predictions(labels, y_quantiles, LEVELS, n_bins=10)
        values, drawn = metrics.pit(labels, y_quantiles, LEVELS), dict(display.values)
        assert [panel.get_title() for panel in display.ax_] == [
            "stellar mass, n = 800",
            "SFR, n = 700",
            "dust luminosity, n = 800",
        ]
        for k, name in enumerate(TARGETS):
            kept = values[~np.isnan(values[:, k]), k]
            np.testing.assert_array_equal(drawn[name], kept)
            heights, edges, _ = display.histograms_[name].get_data()
            expected = np.histogram(kept, 10, (0, 1), density=True)[0]
            np.testing.assert_allclose(heights, expected)
            assert (edges[0], edges[-1]) == (0, 1)
        band = display.bands_["sfr"].get_bbox()
        low, high = binom.ppf([0.025, 0.975], 700, 0.1) / 70
        assert (band.y0, band.y1) == pytest.approx((low, high))

    def test_too_narrow_intervals_raise_the_ends_above_the_band(self, X, labels):
        narrow = X[:, :, None] + 0.1 * norm.ppf(LEVELS)
        display = PITDisplay.from_predictions(labels, narrow, LEVELS)
        heights = display.histograms_["sfr"].get_data()[0]
        top = display.bands_["sfr"].get_bbox().y1
        assert min(heights[0], heights[-1]) > 2 * top
        assert display.ax_[1].get_ylim()[1] > heights.max()

    def test_from_estimator(self, X, labels):
        model = Model()
        bare = labels.to_numpy()
        display = PITDisplay.from_estimator(model, X, bare, targets=["a", "b", "c"], n_bins=7)
        assert display.n_bins == 7
        assert len(model.asked) == 39
        assert list(display.values) == ["a", "b", "c"]

    def test_one_target_on_given_axes(self, labels, y_quantiles):
        figure, ax = plt.subplots()
        display = PITDisplay.from_predictions(labels["sfr"], y_quantiles[:, 1], LEVELS, ax=ax)
        assert display.ax_[0] is ax
        assert display.figure_ is figure
        assert list(display.values) == ["sfr"]


class TestBinnedResidual:
    @pytest.fixture
    def z(self) -> pd.Series:
        return pd.Series(np.random.default_rng(2).uniform(0, 0.5, 800), name="Z")

    def test_medians_percentiles_and_coverage(self, X, labels, z):
        labels.loc[:9, "sfr"] = np.nan
        z[20:30] = np.nan
        predicted, width = X.copy(), np.full(X.shape, 0.2)
        predicted[40:45, 1] = np.nan
        display = BinnedResidualDisplay.from_predictions(
            labels,
            predicted,
            z,
            lower=X - width,
            upper=X + width,
            coverage=0.68,
            target="sfr",
            n_bins=4,
        )
        kept = np.r_[10:20, 30:40, 45:800]
        residual = X[kept, 1] - labels["sfr"].to_numpy()[kept]
        np.testing.assert_allclose(display.residual, residual)
        inner = np.quantile(z[kept], [0.25, 0.5, 0.75], method="averaged_inverted_cdf")
        groups = np.digitize(z[kept], inner)  # the upper edge is outside
        members = [groups == k for k in range(4)]
        middle = [np.median(residual[here]) for here in members]
        np.testing.assert_allclose(display.median_[0].get_ydata(), middle)
        high, _, low = display.band_.get_data()
        expected = np.array([np.percentile(residual[here], [16, 84]) for here in members])
        np.testing.assert_allclose(np.column_stack([low, high]), expected)
        covered = [np.mean(np.abs(residual[here]) <= 0.2) for here in members]
        np.testing.assert_allclose(display.coverage_[0].get_ydata(), covered)
        error = np.sqrt(0.68 * 0.32 / np.bincount(groups))
        np.testing.assert_allclose(display.expected_.get_data()[0], 0.68 + error)
        assert display.ax_.get_ylim()[0] < expected.min()

    def test_labels(self, X, labels, z):
        display = BinnedResidualDisplay.from_estimator(Model(), X, labels, z, target=0)
        assert display.coverage_ax_.get_xlabel() == "redshift"
        assert display.ax_.get_ylabel() == "stellar mass\npred. − actual / dex"
        assert display.coverage_ax_.get_ylabel() == "coverage\n(nominal 0.68)"
        display = BinnedResidualDisplay.from_estimator(
            Model(), X, labels, z.to_numpy(), target=0, by_name="S/N in r"
        )
        assert display.coverage_ax_.get_xlabel() == "S/N in r"

    def test_from_estimator(self, X, labels, z):
        model = Model()
        display = BinnedResidualDisplay.from_estimator(
            model, X, labels, z, coverage=0.9, target="dust_luminosity"
        )
        assert model.asked == pytest.approx((0.05, 0.5, 0.95))
        np.testing.assert_allclose(
            display.residual, X[:, 2] - labels["dust_luminosity"], atol=1e-12
        )
        assert display.covered.mean() == pytest.approx(0.9, abs=0.03)

    def test_one_target_by_its_name(self, X, labels, z):
        display = BinnedResidualDisplay.from_predictions(
            labels["sfr"].to_numpy(),
            X[:, 1],
            z,
            lower=X[:, 1] - 0.2,
            upper=X[:, 1] + 0.2,
            coverage=0.68,
            target="sfr",
        )
        assert display.target == "sfr"

    def test_equal_values_and_empty_bins(self):
        true = np.linspace(9, 10, 40)
        given = {"lower": true - 1, "upper": true + 1, "coverage": 0.68}
        by = np.repeat([1.0, 4.0], 20)
        display = BinnedResidualDisplay.from_predictions(true, true, by, n_bins=8, **given)
        assert display.coverage_[0].get_ydata().tolist() == [1.0, 1.0]
        alone = BinnedResidualDisplay.from_predictions(true, true, np.full(40, 2.0), **given)
        assert len(alone.median_[0].get_ydata()) == 1

    def test_errors(self, X, labels, z):
        given = {"lower": X - 1, "upper": X + 1, "coverage": 0.68}
        with pytest.raises(ValueError, match="Choose target= of stellar_mass, sfr"):
            BinnedResidualDisplay.from_predictions(labels, X, z, **given)
        with pytest.raises(ValueError, match="target='SFR' is none of the targets"):
            BinnedResidualDisplay.from_predictions(labels, X, z, target="SFR", **given)
        with pytest.raises(ValueError, match="No galaxy of 800"):
            BinnedResidualDisplay.from_predictions(labels, X, z * np.nan, target="sfr", **given)
        with pytest.raises(ValueError, match="coverage must lie between 0 and 1"):
            BinnedResidualDisplay.from_estimator(Model(), X, labels, z, coverage=68)
