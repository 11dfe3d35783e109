"""Displays: what they compute, and which artists and labels they draw."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sfml import GAMA, TARGETS, BandSet, StarFormationRegressor
from sfml.displays import (
    DistributionDisplay,
    LossCurveDisplay,
    LowSNRDisplay,
    PredictionDisplay,
    StandardisationDisplay,
)
from sfml.metrics import error, nmad


@pytest.fixture(autouse=True)
def _clean_matplotlib():
    """No display may change global settings or show a figure; all are drawn and closed."""
    before = dict(mpl.rcParams)
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.fixture
def labels() -> pd.DataFrame:
    values = np.random.default_rng(0).normal([10.5, 0.3, 10.2], [0.5, 0.8, 0.6], size=(300, 3))
    return pd.DataFrame(values, columns=list(TARGETS))


@pytest.fixture
def predictions(labels) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0.0, [0.05, 0.2, 0.1], labels.shape)
    return labels.to_numpy() + noise


def counts(histogram) -> np.ndarray:
    return histogram.get_data()[0]


def test_importing_displays_does_not_import_matplotlib():
    code = "import sys, sfml.displays; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"sfml\[plot\]"):
        DistributionDisplay.from_catalogue(pd.DataFrame({"Z": [0.1]}))


class TestPrediction:
    def test_points_are_the_chosen_target(self, labels, predictions):
        display = PredictionDisplay.from_predictions(labels, predictions, target="sfr")
        drawn = np.asarray(display.points_.get_offsets())
        expected = np.column_stack([labels["sfr"], predictions[:, 1]])
        np.testing.assert_array_equal(drawn[drawn[:, 0].argsort()], expected[labels.sfr.argsort()])
        residual = np.asarray(display.residual_points_.get_offsets())
        np.testing.assert_allclose(residual[:, 1], drawn[:, 1] - drawn[:, 0])

    def test_labels_name_the_target_its_unit_and_the_truth(self, labels, predictions):
        display = PredictionDisplay.from_predictions(
            labels, predictions, target="stellar_mass", truth="MAGPHYS"
        )
        quantity = r"log$_{10}$ stellar mass / M$_\odot$"
        assert display.residual_ax_.get_xlabel() == f"{quantity} (MAGPHYS)"
        assert display.ax_.get_ylabel() == f"{quantity} (predicted)"
        assert display.ax_.get_shared_x_axes().joined(display.ax_, display.residual_ax_)

    def test_lines(self):
        true = np.array([8.0, 9.0, 10.0, 11.0])
        display = PredictionDisplay.from_predictions(true, 0.5 * true + 5, target="stellar_mass")
        fit_x, fit_y = display.best_fit_.get_data()
        np.testing.assert_allclose(fit_y, 0.5 * np.asarray(fit_x) + 5)
        assert display.best_fit_.get_linestyle() == "--"
        assert display.best_fit_.get_label() == "best fit, slope 0.500"
        x, y = display.identity_.get_data()
        np.testing.assert_array_equal(x, y)
        assert x[0] < 8 < 11 < x[1]

    def test_annotation_and_rows_left_out(self, labels, predictions):
        predictions[:20, 1] = np.nan
        labels.loc[30:34, "sfr"] = np.nan
        display = PredictionDisplay.from_predictions(labels, predictions, target="sfr")
        kept = np.r_[20:30, 35:300]
        true, pred = labels["sfr"].to_numpy()[kept], predictions[kept, 1]
        assert display.text_.get_text().splitlines() == [
            rf"$\sigma$ = {error(true, pred):.4f} dex",
            f"NMAD = {nmad(true, pred):.4f} dex",
            "n = 275",
            "25 left out (NaN)",
        ]

    def test_few_points_have_one_colour(self, labels, predictions):
        display = PredictionDisplay.from_predictions(labels, predictions, target=0)
        assert display.colorbar_ is None
        assert display.points_.get_array() is None

    def test_many_points_are_coloured_by_density(self):
        rng = np.random.default_rng(2)
        true = np.r_[rng.normal(10, 0.1, 1500), 13.0]
        display = PredictionDisplay.from_predictions(true, true + rng.normal(0, 0.1, 1501))
        density = display.points_.get_array()
        offsets = np.asarray(display.points_.get_offsets())
        assert density[offsets[:, 0] == 13.0] == 1
        assert density.max() > 10
        assert (np.diff(density) >= 0).all()  # the densest are drawn last
        np.testing.assert_array_equal(density, display.residual_points_.get_array())
        assert display.colorbar_.ax.get_ylabel() == "galaxies per cell"

    @pytest.mark.parametrize("n", [5, 2000])
    def test_perfect_predictions_of_equal_labels(self, n):
        display = PredictionDisplay.from_predictions(np.full(n, 10.0), np.full(n, 10.0))
        assert display.best_fit_ is None
        assert len(display.points_.get_offsets()) == n

    def test_a_vector_is_named_by_its_target(self):
        for vector in ([9.0, 10.0], pd.Series([9.0, 10.0], name="L_dust"), np.array([9.0, 10.0])):
            display = PredictionDisplay.from_predictions(
                vector, [9.0, 10.0], target="dust_luminosity"
            )
            assert display.target == "dust_luminosity"
            assert "dust luminosity" in display.ax_.get_ylabel()

    def test_gamas_column_names(self, labels, predictions):
        labels.columns = ["mass_stellar_percentile50", "SFR_0_1Gyr_percentile50", "L_dust"]
        display = PredictionDisplay.from_predictions(labels, predictions, target="sfr")
        np.testing.assert_array_equal(display.y_true, labels["SFR_0_1Gyr_percentile50"])

    def test_one_target_must_be_chosen(self, labels, predictions):
        with pytest.raises(ValueError, match="target= of stellar_mass, sfr, dust_luminosity"):
            PredictionDisplay.from_predictions(labels, predictions)
        with pytest.raises(ValueError, match="target='SFR' is none of the targets"):
            PredictionDisplay.from_predictions(labels, predictions, target="SFR")

    def test_from_estimator(self, labels):
        X = labels.to_numpy() ** 2
        model = LinearRegression().fit(X, labels)
        display = PredictionDisplay.from_estimator(model, X, labels, target="dust_luminosity")
        np.testing.assert_array_equal(display.y_pred, model.predict(X)[:, 2])

    @pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
    def test_the_order_of_labels_changes_nothing(self, order, labels, predictions):
        X = labels.to_numpy() ** 2
        pairs = [(target, LinearRegression()) for target in TARGETS]
        model = StarFormationRegressor(pairs, calibration_fraction=None).fit(X, labels)
        shuffled = labels.iloc[:, list(order)]
        for k, target in enumerate(TARGETS):
            for chosen in (target, k):
                display = PredictionDisplay.from_predictions(shuffled, predictions, target=chosen)
                np.testing.assert_array_equal(display.y_true, labels[target])
                np.testing.assert_array_equal(display.y_pred, predictions[:, k])
                display = PredictionDisplay.from_estimator(model, X, shuffled, target=chosen)
                np.testing.assert_array_equal(display.y_true, labels[target])
                np.testing.assert_array_equal(display.y_pred, model.predict(X)[:, k])
                assert display.target == target
            plt.close("all")

    def test_targets_say_what_bare_predictions_are(self, labels, predictions):
        labels.columns = ["A_V", "sfr", "metallicity"]
        display = PredictionDisplay.from_predictions(
            labels, predictions[:, ::-1], target="A_V", targets=["metallicity", "sfr", "A_V"]
        )
        np.testing.assert_array_equal(display.y_true, labels["A_V"])
        np.testing.assert_array_equal(display.y_pred, predictions[:, 0])

    def test_one_target_of_an_estimator_without_names(self, labels):
        X, y = labels.to_numpy(), labels["sfr"].to_numpy()
        model = StarFormationRegressor(LinearRegression(), calibration_fraction=None).fit(X, y)
        for estimator in (model, LinearRegression().fit(X, y)):
            display = PredictionDisplay.from_estimator(estimator, X, y, target="sfr")
            assert display.target == "sfr"

    def test_one_target_is_not_drawn_as_another(self, labels, predictions):
        with pytest.raises(ValueError, match="y_true has sfr; targets has stellar_mass"):
            PredictionDisplay.from_predictions(
                labels["sfr"], predictions[:, 1], target="stellar_mass"
            )

    def test_rows_in_another_order_are_refused(self, labels):
        model = LinearRegression().fit(labels.to_numpy(), labels)
        with pytest.raises(ValueError, match="X and y have the same index labels"):
            PredictionDisplay.from_estimator(model, labels, labels[::-1], target="sfr")

    def test_given_axes_are_split_in_place(self, labels, predictions):
        figure, axes = plt.subplots(1, 2, layout="constrained")
        for ax, target in zip(axes, TARGETS, strict=False):
            display = PredictionDisplay.from_predictions(labels, predictions, target=target, ax=ax)
            assert display.ax_ is ax
            assert display.figure_ is figure
        assert len(figure.axes) == 4
        assert plt.get_fignums() == [figure.number]

    def test_axes_without_a_grid_are_refused(self, labels, predictions):
        ax = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
        with pytest.raises(ValueError, match="must belong to a grid"):
            PredictionDisplay.from_predictions(labels, predictions, target="sfr", ax=ax)


class FakeNetwork:
    def __init__(self, history=None):
        if history is not None:
            self.history_ = history


class TestLossCurve:
    @pytest.fixture
    def history(self) -> pd.DataFrame:
        losses = {"loss": [0.9, 0.5, 0.3, 0.2], "val_loss": [0.95, 0.6, 0.5, 0.55]}
        return pd.DataFrame(losses, index=[1, 2, 3, 4])

    def test_curves_and_best_epoch(self, history):
        display = LossCurveDisplay.from_history(history, target="sfr")
        training, validation = display.lines_
        np.testing.assert_array_equal(training.get_xydata(), history["loss"].reset_index())
        np.testing.assert_array_equal(validation.get_xydata(), history["val_loss"].reset_index())
        assert [line.get_label() for line in display.lines_] == ["training", "validation"]
        np.testing.assert_array_equal(display.best_.get_xydata(), [[3, 0.5]])
        assert display.best_epoch == 3
        assert display.ax_.get_yscale() == "log"
        assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("epoch", "loss")
        assert "SFR" in display.ax_.get_title()

    def test_without_validation_rows(self, history):
        display = LossCurveDisplay.from_history(history[["loss"]])
        assert len(display.lines_) == 1
        assert display.best_ is None
        assert display.best_epoch is None

    def test_epochs_without_a_finite_loss(self, history):
        history["val_loss"] = [np.nan, 0.6, 0.5, np.nan]
        assert LossCurveDisplay.from_history(history).best_epoch == 3
        history["val_loss"] = np.nan
        assert LossCurveDisplay.from_history(history).best_ is None

    @pytest.mark.parametrize("spread", [1.5, 5.0, 40.0, 1e4])
    def test_every_span_of_losses_has_readable_ticks(self, spread):
        history = pd.DataFrame({"loss": np.geomspace(0.013 * spread, 0.013, 50)})
        axis = LossCurveDisplay.from_history(history).ax_.yaxis
        low, high = axis.get_view_interval()
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        assert 3 <= len(ticks) <= 15

    def test_from_estimator(self, history):
        network = FakeNetwork(history)
        pipe = Pipeline([("scale", StandardScaler()), ("regress", network)])
        search = SimpleNamespace(best_estimator_=pipe)
        for estimator in (network, pipe, search):
            display = LossCurveDisplay.from_estimator(estimator)
            np.testing.assert_array_equal(display.loss, history["loss"])

    def test_from_one_of_several_targets(self, history):
        several = FakeNetwork({"stellar_mass": history, "sfr": 2 * history})
        display = LossCurveDisplay.from_estimator(Pipeline([("regress", several)]), target="sfr")
        np.testing.assert_array_equal(display.loss, 2 * history["loss"])
        assert display.target == "sfr"
        for target in (None, "SFR"):
            with pytest.raises(ValueError, match="target= of stellar_mass, sfr"):
                LossCurveDisplay.from_estimator(several, target=target)
        assert LossCurveDisplay.from_estimator(FakeNetwork({"sfr": history})).target == "sfr"

    @pytest.mark.parametrize("estimator", [FakeNetwork(), FakeNetwork({}), LinearRegression()])
    def test_without_history(self, estimator):
        with pytest.raises(TypeError, match="has no history_"):
            LossCurveDisplay.from_estimator(estimator)

    def test_history_without_loss(self, history):
        with pytest.raises(ValueError, match="it has val_loss"):
            LossCurveDisplay.from_history(history[["val_loss"]])


TWO_BANDS = BandSet(["g", "S500"], [0.47, 500.0])
PHOTOMETRY = {
    # S/N of 10, 3 (not low), 2, negative; and missing by code, error and NaN
    "g_flux": [10.0, 3.0, 2.0, -1.0, -999.0, 1.0, np.nan],
    "g_fluxerr": [1.0, 1.0, 1.0, 1.0, -999.0, -1.0, 1.0],
    "S500_flux": [-999.0] * 7,
    "S500_fluxerr": [-999.0] * 7,
}


class TestLowSNR:
    @pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame])
    def test_counts_leave_missing_measurements_out(self, table):
        display = LowSNRDisplay.from_catalogue(table(PHOTOMETRY), TWO_BANDS)
        assert display.counts.tolist() == [2, 0]
        assert display.n_measured.tolist() == [4, 0]
        assert [bar.get_height() for bar in display.bars_] == [2, 0]

    def test_labels(self):
        display = LowSNRDisplay.from_catalogue(pd.DataFrame(PHOTOMETRY), TWO_BANDS, min_snr=5)
        assert display.ax_.get_ylabel() == "galaxies with S/N < 5"
        assert "missing ones do not count" in display.ax_.get_xlabel()
        assert [tick.get_text() for tick in display.ax_.get_xticklabels()] == ["g", "S500"]
        assert [text.get_text() for text in display.ax_.texts] == ["75%", "none"]

    def test_missing_columns_are_named(self):
        catalogue = pd.DataFrame(PHOTOMETRY).drop(columns=["g_fluxerr"])
        with pytest.raises(ValueError, match="g_fluxerr"):
            LowSNRDisplay.from_catalogue(catalogue, TWO_BANDS)

    def test_the_simulated_survey_is_deepest_in_the_optical(self, shared_data):
        catalogue = pd.read_parquet(shared_data / "bagpipes_survey.parquet")
        display = LowSNRDisplay.from_catalogue(catalogue)
        share = dict(zip(GAMA.names, display.counts / display.n_measured, strict=True))
        assert max(share, key=share.__getitem__) == "W4"
        assert share["r"] < 0.01
        flux, error = catalogue["S250_flux"], catalogue["S250_fluxerr"]
        expected = ((flux / error < 3) & (flux != -999)).sum()
        assert display.counts[GAMA.names.index("S250")] == expected


CATALOGUE = pd.DataFrame(
    {
        "Z": [0.0, 0.1, 0.5, 0.6, np.nan],
        "mass_stellar_percentile50": [8.0, 9.0, 10.0, 11.0, 8.5],
    }
)
LIMITS = {"Z": (0, 0.5), "mass_stellar_percentile50": (9.0, None)}


class TestDistribution:
    def test_fractions_include_both_ends_and_leave_nan_out(self):
        display = DistributionDisplay.from_catalogue(CATALOGUE, limits=LIMITS)
        assert display.fraction_inside("Z") == 0.75
        assert display.fraction_inside("mass_stellar_percentile50") == 0.6
        assert display.texts_["Z"].get_text() == "75.0% within limits"

    def test_lines_stand_at_the_limits(self):
        display = DistributionDisplay.from_catalogue(CATALOGUE, limits=LIMITS)
        positions = {
            name: [line.get_xdata()[0] for line in lines]
            for name, lines in display.limit_lines_.items()
        }
        assert positions == {"Z": [0, 0.5], "mass_stellar_percentile50": [9.0]}

    def test_histograms_and_labels(self):
        display = DistributionDisplay.from_catalogue(pl.from_pandas(CATALOGUE))
        assert [panel.get_xlabel() for panel in display.ax_] == [
            "redshift",
            r"log$_{10}$ stellar mass / M$_\odot$",
        ]
        assert counts(display.histograms_["Z"]).sum() == 4
        assert display.texts_ == {}
        assert display.fraction_inside("Z") == 1.0

    def test_given_axes(self):
        figure, axes = plt.subplots(1, 2, layout="constrained")
        display = DistributionDisplay.from_catalogue(CATALOGUE, ax=axes)
        assert list(display.ax_) == list(axes)
        alone = DistributionDisplay.from_catalogue(CATALOGUE, "Z", ax=axes[0])
        assert alone.figure_ is figure
        with pytest.raises(ValueError, match="must hold 2 axes"):
            DistributionDisplay.from_catalogue(CATALOGUE, ax=axes[0])

    def test_errors(self):
        with pytest.raises(ValueError, match="'Q'"):
            DistributionDisplay.from_catalogue(CATALOGUE, ["Z", "Q"])
        with pytest.raises(ValueError, match="not drawn: Q"):
            DistributionDisplay.from_catalogue(CATALOGUE, limits={"Q": (0, 1)})
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match="Column 'Z' must hold"):
                DistributionDisplay.from_catalogue(CATALOGUE.assign(Z=bad))
        with pytest.raises(ValueError, match="No columns"):
            DistributionDisplay.from_catalogue(np.ones((3, 2)))


class TestStandardisation:
    @pytest.fixture(name="X")
    def fluxes(self) -> pd.DataFrame:
        scale = 10.0 ** np.arange(-6, 2)
        fluxes = np.random.default_rng(4).lognormal(size=(500, 8)) * scale
        fluxes[::10, 0] = np.nan
        return pd.DataFrame(fluxes, columns=[f"f{k}" for k in range(8)])

    def test_before_and_after_a_lone_scaler(self, X):
        pipeline = Pipeline([("scale", StandardScaler())]).fit(X)
        display = StandardisationDisplay.from_estimator(pipeline, X, features=["f7", "f0"])
        np.testing.assert_array_equal(display.before, X[["f7", "f0"]])
        np.testing.assert_allclose(np.nanmean(display.after, axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(np.nanstd(display.after, axis=0), 1)

    def test_what_precedes_the_scaler_is_applied(self, X):
        log = FunctionTransformer(np.log10, feature_names_out="one-to-one")
        steps = [("features", log), ("scale", StandardScaler()), ("regress", LinearRegression())]
        kept = X.dropna()
        pipeline = Pipeline(steps).fit(kept, kept["f0"])
        display = StandardisationDisplay.from_estimator(pipeline, kept, features="f3")
        np.testing.assert_allclose(display.before[:, 0], np.log10(kept["f3"]))
        assert display.names == ["f3"]
        assert display.ax_[0].get_xscale() == "linear"

    def test_six_inputs_are_drawn_unless_named(self, X):
        pipeline = Pipeline([("scale", StandardScaler())]).fit(X)
        display = StandardisationDisplay.from_estimator(pipeline, X)
        assert display.names == ["f0", "f1", "f3", "f4", "f6", "f7"]
        legend = display.ax_[1].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == display.names

    def test_inputs_of_very_different_widths_get_an_arcsinh_axis(self, X):
        pipeline = Pipeline([("scale", StandardScaler())]).fit(X)
        before, after = StandardisationDisplay.from_estimator(pipeline, X).ax_
        assert (before.get_xscale(), after.get_xscale()) == ("asinh", "linear")
        assert before.get_title() == "before standardising"
        assert after.get_title() == "after standardising"

    def test_histograms_are_fractions_of_the_rows_with_a_value(self):
        values = np.array([[0.0], [0.0], [1.0], [1.0], [np.nan]])
        display = StandardisationDisplay.from_arrays(values, values, ["z"])
        ((histogram,), _) = display.histograms_
        fractions = counts(histogram)
        assert fractions[[0, -1]].tolist() == [0.5, 0.5]
        assert fractions.sum() == 1

    def test_a_constant_input(self):
        display = StandardisationDisplay.from_arrays(np.ones((5, 1)), np.zeros((5, 1)), ["z"])
        assert counts(display.histograms_[0][0]).sum() == 1

    def test_errors(self, X):
        with pytest.raises(ValueError, match="a step called 'scale'"):
            StandardisationDisplay.from_estimator(make_pipeline(StandardScaler()).fit(X), X)
        pipeline = Pipeline([("scale", StandardScaler())]).fit(X)
        with pytest.raises(ValueError, match="g, h are none of the inputs"):
            StandardisationDisplay.from_estimator(pipeline, X, features=["f0", "g", "h"])
        with pytest.raises(ValueError, match="got shapes"):
            StandardisationDisplay.from_arrays(np.ones((3, 2)), np.ones((3, 2)), ["a"])
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match="Input 'a' must hold"):
                StandardisationDisplay.from_arrays(np.full((3, 1), bad), np.ones((3, 1)), ["a"])
