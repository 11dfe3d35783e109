"""Sensitivities of predictions to bands, importances of bands, and the band to observe next."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

import sfml
from sfml import GAMA, TARGETS, KerasMLPRegressor, StarFormationPipeline, explain
from sfml.metrics import get_scorer
from sfml.neural.forward import ACTIVATIONS
from sfml.neural.gradient import SLOPES

STEP = 1e-6  # dex, of the finite differences
# So that some of the galaxies are rejected.
PAPERS_CUTS = {"missing": "reject", "negative": "reject", "z_range": (0, 0.5), "min_bands": 6}


@pytest.fixture
def gappy(galaxies):
    """X and y of the mock galaxies, with a good many missing bands in each of several ways."""
    X, y = galaxies
    X.iloc[::5, X.columns.get_indexer(["FUV_flux", "NUV_flux"])] = -999
    X.iloc[::7, X.columns.get_loc("K_flux")] = np.nan
    X.iloc[::11, X.columns.get_loc("r_fluxerr")] = -9
    return X, y


@pytest.fixture(scope="module")
def _fitted():
    return {}


@pytest.fixture
def fitted(galaxies, quick_pipeline, _fitted):
    """Function that gives a quick pipeline trained on the mock galaxies, one's own to change."""

    def fit(recipe: str = "surana2020", **parameters):
        key = (recipe, *parameters.items())
        if key not in _fitted:
            cuts = PAPERS_CUTS if recipe == "sfml" else {}
            _fitted[key] = quick_pipeline(recipe, **{**cuts, **parameters}).fit(*galaxies)
        return copy.deepcopy(_fitted[key])

    return fit


def brighter(X: pd.DataFrame, band: str, dex: float) -> pd.DataFrame:
    """Scale a band's flux where it is known."""
    column = f"{band}_flux"
    known = ~GAMA.is_missing(X[column].to_numpy())
    return X.assign(**{column: np.where(known, X[column] * 10**dex, X[column])})


def median_of(network) -> int:
    return 0 if network.quantiles_ is None else list(network.quantiles_).index(0.5)


def predict_in_double(pipe, X) -> np.ndarray:
    """What `predict` gives, of shape (n_galaxies, n_targets), but not rounded to float32."""
    inputs = np.asarray(pipe[:-1].transform(X))
    parts = []
    for network in pipe[-1].estimators_:
        offset = network.inputs_.offsets(inputs)
        hidden = np.empty((len(inputs), len(network.inputs_.columns)))
        network.inputs_.write(inputs, hidden)
        coefs = [c.reshape(-1, *c.shape[-2:]).astype(float) for c in network.coefs_]
        biases = [b.reshape(-1, 1, b.shape[-1]).astype(float) for b in network.intercepts_]
        for coef, bias in zip(coefs[:-1], biases[:-1], strict=True):
            hidden = ACTIVATIONS[network.activation](hidden @ coef + bias)
        out = (hidden @ coefs[-1] + biases[-1]).mean(axis=0)
        medians = out.reshape(len(inputs), network.n_outputs_, -1)[:, :, median_of(network)]
        if network.output_range_ is not None:
            medians = np.clip(medians, *network.output_range_)
        parts.append(medians + offset)
    blank = np.isnan(inputs).all(axis=1)
    return np.where(blank[:, np.newaxis], np.nan, np.concatenate(parts, axis=1))


def assert_are_derivatives(pipe, X) -> None:
    """Compare sensitivities with central differences, galaxy by galaxy and band by band."""
    table = explain.band_sensitivities(pipe, X)
    predicted = pipe.predict(X).reshape(len(X), -1)
    values = table.to_numpy().reshape(*predicted.shape, -1)
    assert np.isfinite(predicted).any()
    np.testing.assert_allclose(predicted, predict_in_double(pipe, X), rtol=1e-5, atol=1e-4)
    wrong = n = 0
    for j, band in enumerate(GAMA.names):
        up, down = (predict_in_double(pipe, brighter(X, band, s * STEP)) for s in (1, -1))
        expected = (up - down) / (2 * STEP)
        observed = ~GAMA.is_missing(X[f"{band}_flux"].to_numpy())
        observed &= X[f"{band}_fluxerr"].to_numpy() > 0
        known = observed[:, np.newaxis] & np.isfinite(predicted)
        np.testing.assert_array_equal(np.isfinite(values[:, :, j]), known)
        close = np.isclose(values[:, :, j], expected, rtol=1e-5, atol=1e-6)
        wrong += np.sum(known & ~close)
        n += known.sum()
    # A galaxy may sit on the kink of a ReLU.
    assert wrong <= 0.003 * n


class TestGradient:
    def test_every_activation_has_a_slope(self):
        assert SLOPES.keys() == ACTIVATIONS.keys()

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_slopes_are_derivatives(self, activation):
        x = np.linspace(-4, 4, 100)  # without zero
        act = ACTIVATIONS[activation]
        expected = (act(x + STEP) - act(x - STEP)) / (2 * STEP)
        given = x.copy()
        np.testing.assert_allclose(SLOPES[activation](given), expected, atol=1e-7)
        np.testing.assert_array_equal(given, x)

    @pytest.mark.parametrize(("n_networks", "activation"), [(1, "relu"), (3, "silu"), (3, "tanh")])
    def test_network(self, n_networks, activation):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1100, 4))  # more than a block
        y = np.column_stack([X[:, 0] * X[:, 1], X[:, 3]])
        network = KerasMLPRegressor(
            (6, 5),
            n_networks=n_networks,
            activation=activation,
            quantiles=(0.16, 0.5, 0.84),
            offset_feature=3,
            ignored_features=(1,),
            learning_rate=0.05,
            epochs=2,
            random_state=0,
        ).fit(X, y)
        step = 1e-2  # the network predicts in single precision
        gradient = network.gradient(X)
        assert gradient.shape == (1100, 2, 4)
        assert (gradient[:, :, 3] == 1).all()
        assert (gradient[:, :, 1] == 0).all()
        for move, slope in zip(step * np.eye(4), np.moveaxis(gradient, 2, 0), strict=True):
            expected = (network.predict(X + move) - network.predict(X - move)) / (2 * step)
            off = np.abs(slope - expected)
            assert np.quantile(off, 0.9) < 2e-3  # others may have a ReLU's kink between

    def test_one_output_and_no_rows(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        network = KerasMLPRegressor((4,), epochs=1, random_state=0).fit(X, X[:, 0])
        assert network.gradient(X).shape == (50, 3)
        assert network.gradient(X[:0]).shape == (0, 3)

    def test_unknown_inputs_have_none(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        network = KerasMLPRegressor((4,), epochs=1, fill_missing=True, random_state=0)
        network.fit(X, X[:, 0])
        unknown, mean = X.copy(), X.copy()
        unknown[:, 1], mean[:, 1] = np.nan, 0
        gradient = network.gradient(unknown)
        assert (gradient[:, 1] == 0).all()
        np.testing.assert_array_equal(gradient[:, [0, 2]], network.gradient(mean)[:, [0, 2]])


class TestBandSensitivities:
    @pytest.mark.parametrize(
        ("recipe", "parameters"),
        [
            ("surana2020", {}),
            ("surana2020", {"joint": True}),
            ("sfml", {}),
            ("sfml", {"joint": True}),
            ("sfml", {"missing": "allow"}),
        ],
    )
    @pytest.mark.filterwarnings("ignore:The cut 'missing':UserWarning")
    def test_are_derivatives(self, gappy, quick_pipeline, recipe, parameters):
        X, y = gappy
        pipe = quick_pipeline(recipe, **parameters).fit(X, y)
        assert_are_derivatives(pipe, X)

    def test_are_derivatives_without_errors(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline("sfml", **PAPERS_CUTS).set_params(select__keep_errors=False)
        assert_are_derivatives(pipe.fit(X, y), X)

    def test_are_derivatives_without_redshift(self, galaxies, quick_pipeline):
        X, y = galaxies
        y = y[["stellar_mass"]].assign(redshift=X["Z"])
        pipe = quick_pipeline(
            "sfml", redshift="none", targets=["stellar_mass", "redshift"], **PAPERS_CUTS
        )
        assert_are_derivatives(pipe.fit(X, y), X)

    def test_are_derivatives_without_scaler(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline("sfml", **PAPERS_CUTS).set_params(scale="passthrough")
        assert_are_derivatives(pipe.fit(X, y), X)

    def test_tell_how_predict_moves(self, galaxies, fitted):
        X, _ = galaxies
        pipe = fitted("sfml")
        step = 0.003  # that float32 can tell
        moved = pipe.predict(brighter(X, "K", step)) - pipe.predict(brighter(X, "K", -step))
        expected = explain.band_sensitivities(pipe, X).xs("K", axis=1, level="band")
        known = np.isfinite(moved)
        close = np.isclose(moved[known] / (2 * step), expected.to_numpy()[known], atol=0.02)
        assert close.mean() > 0.99  # the step may end where an input saturates

    def test_rows_are_those_of_the_catalogue(self, galaxies, fitted):
        X, _ = galaxies
        pipe = fitted("sfml")
        before = X.copy()
        table = explain.band_sensitivities(pipe, X)
        pd.testing.assert_frame_equal(X, before)
        assert table.index.equals(X.index)
        assert list(table.columns) == [(t, b) for t in TARGETS for b in GAMA.names]
        some = explain.band_sensitivities(pipe, X.iloc[[7, 3, 60]])
        np.testing.assert_allclose(some, table.iloc[[7, 3, 60]], rtol=1e-9)
        one = explain.band_sensitivities(pipe, X, target="sfr")
        pd.testing.assert_frame_equal(one, table["sfr"])
        assert explain.band_sensitivities(pipe, X.iloc[:0]).shape == (0, 63)

    def test_rejected_galaxies_have_none(self, galaxies, fitted):
        X, _ = galaxies
        pipe = fitted("sfml")
        rejected = pipe["select"].reasons(X).any(axis=1)
        table = explain.band_sensitivities(pipe, X)
        assert rejected.any()
        assert table[rejected].isna().all(axis=None)
        assert table[~rejected].notna().all(axis=None)

    def test_zero_and_negative_fluxes(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline("sfml", **PAPERS_CUTS).set_params(select__negative="allow").fit(X, y)
        kept = pipe["select"].select(X).head(20)
        zero, negative = kept.assign(S500_flux=0.0), kept.assign(S500_flux=-1e-3)
        sensitivity = [explain.band_sensitivities(pipe, x, target="sfr") for x in (zero, negative)]
        noise = [explain.band_noise(pipe, x, target="sfr") for x in (zero, negative)]
        assert (sensitivity[0]["S500"] == 0).all()
        assert (noise[0]["S500"] > 0).all()
        slope = sensitivity[1]["S500"] / (-1e-3 * np.log(10))
        np.testing.assert_allclose(noise[1]["S500"], np.abs(slope * kept["S500_fluxerr"]))

    def test_pandas_output(self, galaxies, quick_pipeline, fitted):
        X, y = galaxies
        expected = explain.band_sensitivities(fitted("sfml"), X)
        pipe = quick_pipeline("sfml", **PAPERS_CUTS).set_output(transform="pandas").fit(X, y)
        pd.testing.assert_frame_equal(explain.band_sensitivities(pipe, X), expected)

    @pytest.mark.parametrize("method", ["random_forest", "svr"])
    def test_only_networks_have_gradients(self, selected, quick_pipeline, method):
        X, y = (table.head(60) for table in selected)
        pipe = quick_pipeline("surana2020", method=method, calibration_fraction=None).fit(X, y)
        with pytest.raises(ValueError, match=r"Only networks have gradients.*permutation_import"):
            explain.band_sensitivities(pipe, X)

    def test_errors(self, selected, quick_pipeline):
        X, y = (table.head(60) for table in selected)
        pipe = quick_pipeline("surana2020", calibration_fraction=None).fit(X, y)
        with pytest.raises(ValueError, match="Did you mean 'stellar_mass'"):
            explain.band_sensitivities(pipe, X, target="stelar_mass")
        with pytest.raises(TypeError, match=r"fitted pipeline.*got a LinearRegression"):
            explain.band_sensitivities(LinearRegression(), X)
        with pytest.raises(ValueError, match="must begin with a GamaSampleSelector"):
            explain.band_sensitivities(pipe[1:], X)
        with pytest.raises(ValueError, match="must end with a StarFormationRegressor"):
            explain.band_sensitivities(pipe[:-1], X)
        steps = [*pipe.steps[:-1], ("pca", PCA(22)), pipe.steps[-1]]
        with pytest.raises(ValueError, match="step 'pca' is a PCA"):
            explain.band_sensitivities(StarFormationPipeline(steps).fit(X, y), X)


class TestBandNoise:
    @pytest.mark.parametrize("recipe", ["surana2020", "sfml"])
    def test_is_the_sensitivity_times_the_relative_error(self, galaxies, fitted, recipe):
        X, _ = galaxies
        pipe = fitted(recipe)
        noise = explain.band_noise(pipe, X)
        sensitivity = explain.band_sensitivities(pipe, X)
        flux, error = X[list(GAMA.flux_columns)], X[list(GAMA.error_columns)]
        relative = error.to_numpy() / flux.to_numpy() / np.log(10)
        expected = (sensitivity * np.tile(relative, 3)).abs()
        pd.testing.assert_frame_equal(noise, expected)

    def test_adds_up_to_the_scatter_under_noise(self, selected, quick_pipeline):
        X, y = selected
        pipe = quick_pipeline("sfml", **PAPERS_CUTS).set_params(select__negative="allow").fit(X, y)
        X = X.head(50)
        errors = 0.2 * X[list(GAMA.error_columns)].to_numpy()  # small: to first order
        quiet = X.assign(**dict(zip(GAMA.error_columns, errors.T, strict=True)))
        expected = np.sqrt((explain.band_noise(pipe, quiet, target="sfr") ** 2).sum(axis=1))
        rng = np.random.default_rng(0)
        flux = X[list(GAMA.flux_columns)].to_numpy()
        draws = [flux + errors * rng.normal(size=flux.shape) for _ in range(100)]
        noisy = [quiet.assign(**dict(zip(GAMA.flux_columns, d.T, strict=True))) for d in draws]
        scatter = np.std([pipe.predict(x)[:, 1] for x in noisy], axis=0)
        assert np.median(scatter / expected) == pytest.approx(1, abs=0.1)

    def test_needs_errors(self, selected, quick_pipeline):
        X, y = (table.head(60) for table in selected)
        X = X[[*GAMA.flux_columns, "Z"]]
        pipe = quick_pipeline("surana2020", calibration_fraction=None)
        pipe = pipe.set_params(select__min_bands=0).fit(X, y)
        assert explain.band_sensitivities(pipe, X).notna().all(axis=None)
        with pytest.raises(ValueError, match="X has 22 columns, but 43 are needed"):
            explain.band_noise(pipe, X)


class TestPermutationImportance:
    def test_a_band_goes_with_its_error(self, galaxies, fitted):
        X, y = galaxies
        pipe = fitted("sfml")
        before = X.copy(), y.copy()
        table = explain.permutation_importance(pipe, X, y, n_repeats=1, random_state=3)
        pd.testing.assert_frame_equal(X, before[0])
        pd.testing.assert_frame_equal(y, before[1])
        assert table.index.tolist() == [*GAMA.names, "redshift"]
        X, y = (t[~pipe["select"].reasons(X).any(axis=1)] for t in (X, y))
        order = np.random.RandomState(3).permutation(len(X))
        scorer = get_scorer("neg_error")
        for band in ("K", "S500"):
            columns = [f"{band}_flux", f"{band}_fluxerr"]
            moved = X.copy()
            moved[columns] = X[columns].to_numpy()[order]
            moved.loc[pipe["select"].reasons(moved).any(axis=1)] = X  # no other cut applies
            expected = scorer(pipe, X, y) - scorer(pipe, moved, y)
            assert table.loc[band, "importance"] == pytest.approx(expected, abs=1e-6)

    def test_labels_of_rows_play_no_part(self, galaxies, fitted):
        X, y = galaxies
        pipe = fitted()
        kinds = [
            (X, y),
            (X.set_axis(np.zeros(len(X))), y.to_numpy()),
            (X.reset_index(drop=True), y.set_axis([f"galaxy {k}" for k in range(len(y))])),
        ]
        tables = [
            explain.permutation_importance(pipe, *kind, n_repeats=1, random_state=0)
            for kind in kinds
        ]
        pd.testing.assert_frame_equal(tables[0], tables[1])
        pd.testing.assert_frame_equal(tables[0], tables[2])
        with pytest.raises(ValueError, match="order"):
            explain.permutation_importance(pipe, X, y[::-1], random_state=0)

    def test_jobs_and_seeds(self, galaxies, fitted):
        X, y = galaxies
        pipe = fitted()
        one, two, other = (
            explain.permutation_importance(
                pipe, X, y, n_repeats=2, random_state=seed, n_jobs=n_jobs
            )
            for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
        )
        pd.testing.assert_frame_equal(one, two)
        assert not one.equals(other)
        assert (one["std"] > 0).any()

    def test_what_is_not_read_counts_nothing(self, galaxies, fitted):
        X, y = galaxies
        pipe = fitted()
        for network in pipe["regress"].estimators_:
            first = network.coefs_[0].copy()
            first[GAMA.names.index("W1")] = 0
            network.coefs_[0] = first
        table = explain.permutation_importance(pipe, X, y, n_repeats=2, random_state=0)
        assert table.loc["W1"].eq(0).all()
        assert table["importance"].drop("W1").ne(0).all()

    def test_groups_and_targets(self, galaxies, fitted):
        X, y = galaxies
        pipe = fitted("sfml", missing="allow", min_bands=3)
        by = {"all": GAMA.names, "ultraviolet": ["FUV", "NUV"], "K": "K"}
        options = {"by": by, "n_repeats": 3, "random_state": 0, "scoring": "neg_rmse"}
        mean = explain.permutation_importance(pipe, X, y, **options)["importance"]
        each = [
            explain.permutation_importance(pipe, X, y, target=target, **options)["importance"]
            for target in TARGETS
        ]
        assert mean.index.tolist() == ["all", "ultraviolet", "K", "redshift"]
        assert mean["all"] > mean["ultraviolet"]
        pd.testing.assert_series_equal(sum(each) / 3, mean)

    def test_any_regressor(self, selected, quick_pipeline):
        X, y = selected
        X = X.head(100).assign(Z=0.1)
        pipe = quick_pipeline("sfml", method="random_forest").fit(X, y.head(100))
        table = explain.permutation_importance(pipe, X, y.head(100), n_repeats=1, random_state=0)
        assert table["importance"].max() > 0.01
        assert table.loc["redshift", "importance"] == 0

    def test_percentiles_among_the_labels_are_left_alone(self, selected, fitted):
        X, y = selected
        pipe = fitted()
        more = y.assign(sfr_p16=y["sfr"] - 0.1, sfr_p84=y["sfr"] + 0.1)
        options = {"n_repeats": 1, "random_state": 0}
        pd.testing.assert_frame_equal(
            explain.permutation_importance(pipe, X, y, **options),
            explain.permutation_importance(pipe, X, more, **options),
        )

    def test_errors(self, selected, quick_pipeline):
        X, y = (table.head(60) for table in selected)
        pipe = quick_pipeline(calibration_fraction=None).fit(X, y)
        with pytest.raises(ValueError, match="n_repeats must be a whole number"):
            explain.permutation_importance(pipe, X, y, n_repeats=0)
        with pytest.raises(ValueError, match="by must be 'band' or a dict"):
            explain.permutation_importance(pipe, X, y, by="column")
        with pytest.raises(ValueError, match=r"'FUW' is not a band.*Did you mean 'FUV'"):
            explain.permutation_importance(pipe, X, y, by={"uv": ["FUW"]})
        with pytest.raises(ValueError, match="the selection rejects all 60"):
            explain.permutation_importance(pipe, X.assign(Z=3.0), y)


@pytest.fixture
def with_gaps(galaxies, fitted):
    """A pipeline for missing bands, a complete catalogue and one with two kinds of gaps."""
    X, _ = galaxies
    pipe = fitted("sfml", missing="allow", min_bands=3)
    complete = sfml.GamaSampleSelector().select(X)
    asked = complete.head(30).copy()
    asked.iloc[::2, asked.columns.get_indexer(["FUV_flux", "NUV_flux"])] = -999
    asked.iloc[1::2, asked.columns.get_loc("K_fluxerr")] = np.nan
    return pipe, complete, asked


def widths(pipe, X, coverage=0.68):
    return np.diff(pipe.predict_interval(X, coverage))[:, :, 0]


class TestBestExtraBand:
    def test_ratios_are_those_of_the_nearest_galaxy(self, with_gaps):
        """With the galaxies themselves as reference, and one neighbour, the answer is known."""
        pipe, complete, asked = with_gaps
        truth = complete.head(30)
        for target, k in (("sfr", 1), (None, slice(None))):
            table = explain.best_extra_band(
                pipe, asked, truth, target=target, n_neighbours=1, coverage=0.5
            )
            before = widths(pipe, asked, 0.5)
            for band, rows in (("FUV", slice(0, None, 2)), ("K", slice(1, None, 2))):
                columns = [f"{band}_flux", f"{band}_fluxerr"]
                after = widths(pipe, asked.assign(**truth[columns]), 0.5)
                log_ratio = np.log(after / before)[rows, k].reshape(15, -1).mean(axis=1)
                np.testing.assert_allclose(table[band].iloc[rows], np.exp(log_ratio), rtol=1e-5)

    def test_table(self, with_gaps):
        pipe, complete, asked = with_gaps
        table = explain.best_extra_band(pipe, asked, complete)
        assert table.index.equals(asked.index)
        assert table.columns.tolist() == [*GAMA.names, "best"]
        ratios = table.drop(columns="best")
        missing = np.zeros(ratios.shape, dtype=bool)
        missing[::2, :2] = True
        missing[1::2, GAMA.names.index("K")] = True
        np.testing.assert_array_equal(ratios.notna(), missing)
        for best, (_, row) in zip(table["best"], ratios.iterrows(), strict=True):
            assert best == row.idxmin() if row.min() < 1 else pd.isna(best)

    def test_is_the_median_of_the_neighbours(self, with_gaps):
        pipe, complete, asked = with_gaps
        everyone = explain.best_extra_band(pipe, asked, complete, n_neighbours=10**6)
        for band in ("FUV", "K"):
            known = everyone[band].dropna()
            assert len(known) == 15
            assert (known == known.iloc[0]).all()
        gone = {"FUV": ["FUV", "NUV"], "K": ["K"]}
        for band, bands in gone.items():
            without = complete.assign(**{f"{name}_flux": np.nan for name in bands})
            given_back = without.assign(**{f"{band}_flux": complete[f"{band}_flux"]})
            ratio = np.log(widths(pipe, given_back) / widths(pipe, without)).mean(axis=1)
            expected = np.exp(np.nanmedian(ratio))
            assert everyone[band].dropna().iloc[0] == pytest.approx(expected, rel=1e-5)

    def test_galaxies_without_an_answer(self, with_gaps):
        pipe, complete, asked = with_gaps
        asked = asked.assign(Z=np.where(np.arange(30) < 4, 3.0, asked["Z"]))
        reference = complete.assign(NUV_flux=np.nan)  # tells nothing of the ultraviolet
        table = explain.best_extra_band(pipe, asked, reference)
        assert table.iloc[:4].isna().all(axis=None)  # rejected
        assert table["NUV"].isna().all()
        assert table["FUV"].iloc[4::2].notna().all()
        assert table["K"].isna().all()  # reference galaxies lack a band that these have
        full = explain.best_extra_band(pipe, complete.head(3), complete)
        assert full.isna().all(axis=None)
        assert explain.best_extra_band(pipe, asked.iloc[:0], complete).shape == (0, 22)

    def test_rows_do_not_depend_on_each_other(self, with_gaps):
        pipe, complete, asked = with_gaps
        table = explain.best_extra_band(pipe, asked, complete)
        some = explain.best_extra_band(pipe, asked.iloc[[5, 2, 8]], complete)
        numbers = list(GAMA.names)
        np.testing.assert_allclose(some[numbers], table.iloc[[5, 2, 8]][numbers], rtol=1e-6)

    def test_errors(self, with_gaps, selected, quick_pipeline):
        pipe, complete, asked = with_gaps
        with pytest.raises(ValueError, match="n_neighbours must be a whole number"):
            explain.best_extra_band(pipe, asked, complete, n_neighbours=0)
        with pytest.raises(ValueError, match="coverage must lie between 0 and 1"):
            explain.best_extra_band(pipe, asked, complete, coverage=68)
        with pytest.raises(ValueError, match="target must be None"):
            explain.best_extra_band(pipe, asked, complete, target="mass")
        with pytest.raises(ValueError, match="rejects all 3 galaxies of reference"):
            explain.best_extra_band(pipe, asked, complete.head(3).assign(Z=3.0))
        X, y = (table.head(60) for table in selected)
        strict = quick_pipeline("sfml", calibration_fraction=None, **PAPERS_CUTS).fit(X, y)
        with pytest.raises(ValueError, match="knows no missing bands"):
            explain.best_extra_band(strict, X, X)


@pytest.mark.slow
def test_best_extra_band_is_right_where_the_truth_is_known():
    """Ratios predicted from other galaxies agree with those found when the band is revealed."""
    X, y = sfml.make_mock_survey(6000, random_state=0, return_X_y=True)
    pipe = sfml.make_star_formation_pipeline(targets=["sfr"], random_state=0)
    pipe.fit(X.head(5000), y[["sfr"]].head(5000))
    truth = sfml.GamaSampleSelector().select(X.tail(1000))
    gone = ["FUV", "NUV", "W3", "W4", "P100", "P160", "S250", "S350", "S500"]
    asked = truth.assign(**{f"{band}_flux": np.nan for band in gone})
    table = explain.best_extra_band(pipe, asked, X.head(5000))
    before = widths(pipe, asked)[:, 0]
    found = {
        band: widths(pipe, asked.assign(**{f"{band}_flux": truth[f"{band}_flux"]}))[:, 0] / before
        for band in gone
    }
    realised = pd.DataFrame(found, index=asked.index)
    expected = table[gone].astype(float)
    expected, realised = expected.to_numpy(), realised.to_numpy()
    # Which bands help a galaxy: few widths, by which a linear correlation lives, are rare ones
    # that disagreement has stretched.
    ranks = [spearmanr(one, other).statistic for one, other in zip(expected, realised, strict=True)]
    assert np.mean(ranks) > 0.65
    assert abs(np.median(np.log(expected / realised))) < 0.05
    chosen = realised[np.arange(len(asked)), expected.argmin(axis=1)]
    assert chosen.mean() < 0.8 * realised.mean()


def test_nearest_galaxies_are_those_of_the_standardised_inputs():
    X, y = sfml.make_mock_survey(200, n_templates=2000, random_state=3, return_X_y=True)
    X.loc[X.index[[5, 150]], "Z"] = -1.0
    pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    pipe.fit(X[:100], y[:100])
    distances, rows = sfml.explain.nearest_galaxies(pipe, X[100:], X[:100], n_neighbors=100 - 1)
    inputs = np.asarray(pipe[:-1].transform(X))
    expected = np.linalg.norm(inputs[120] - inputs[rows[20]], axis=1)
    complete = np.isfinite(expected)
    assert complete.sum() > 50
    np.testing.assert_allclose(distances[20][complete], expected[complete])
    assert (np.diff(distances[20]) >= 0).all()
    assert 5 not in rows
    assert (rows[50] == -1).all()
    assert np.isnan(distances[50]).all()
    itself, found = sfml.explain.nearest_galaxies(pipe, X[:5], X[:100], n_neighbors=1)
    assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(itself, 0, atol=1e-6)
    with pytest.raises(ValueError, match=r"n_neighbors=100.*it has 99 among 100"):
        sfml.explain.nearest_galaxies(pipe, X, X[:100], n_neighbors=100)
    with pytest.raises(ValueError, match="positive integer"):
        sfml.explain.nearest_galaxies(pipe, X, X, n_neighbors=0)
