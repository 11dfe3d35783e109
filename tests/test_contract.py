"""The contract from catalogue to score: names, fixed fits, weights, and rows by themselves.

Each test says what a user may rely on whichever step, family or table they use.
"""

from __future__ import annotations

import itertools
import pickle
import threading
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor

import sfml
from sfml import TARGETS, metrics
from sfml.flags import Flag, MissingPredictionWarning

PERMUTATIONS = [list(order) for order in itertools.permutations(TARGETS)]
SHUFFLED = ["sfr", "dust_luminosity", "stellar_mass"]


def make_linear(**parameters):
    """Make a pipeline with a linear model per target, which takes weights and is quick."""
    pipe = sfml.make_star_formation_pipeline(**{"missing": "reject", **parameters})
    targets = parameters.get("targets", TARGETS)
    return pipe.set_params(
        regress__estimators=[(target, Ridge(1e-3)) for target in targets],
        regress__random_state=0,
    )


@pytest.fixture(scope="module")
def catalogue():
    X, y = sfml.make_mock_survey(700, n_templates=2000, random_state=0, return_X_y=True)
    return X, y


@pytest.fixture(scope="module")
def linear(catalogue):
    X, y = catalogue
    return make_linear().fit(X[:500], y[:500])


@pytest.fixture(scope="module")
def networks(catalogue):
    """Recipe "sfml" with quick networks, gaps allowed."""
    X, y = catalogue
    return quick_networks().fit(X[:500], y[:500])


def quick_networks(**parameters):
    pipe = sfml.make_star_formation_pipeline(random_state=0, **parameters)
    quick = {"hidden_layer_sizes": (16,), "epochs": 4, "n_networks": 2, "batch_size": 64}
    return pipe.set_params(
        **{f"regress__{t}__{k}": value for t in TARGETS for k, value in quick.items()}
    )


def answers(pipe, X):
    """Everything that a fitted pipeline says of a catalogue."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingPredictionWarning)
        predicted = pipe.predict(X)
    return {
        "predict": predicted,
        "quantiles": pipe.predict_quantiles(X, (0.1, 0.5, 0.9)),
        "table": pipe.predict_table(X),
    }


def assert_same(ours, others):
    np.testing.assert_array_equal(ours["predict"], others["predict"])
    np.testing.assert_array_equal(ours["quantiles"], others["quantiles"])
    pd.testing.assert_frame_equal(ours["table"], others["table"])


class TestLabelsByName:
    """Permuting y's columns changes nothing."""

    @pytest.mark.parametrize("order", PERMUTATIONS)
    def test_fit_and_score(self, catalogue, linear, order):
        X, y = catalogue
        other = make_linear().fit(X[:500], y[:500][order])
        assert_same(answers(linear, X[500:]), answers(other, X[500:]))
        assert linear.score(X[500:], y[500:][order]) == linear.score(X[500:], y[500:])

    @pytest.mark.parametrize("order", PERMUTATIONS)
    def test_without_names_of_targets_in_the_regressor(self, catalogue, order):
        X, y = catalogue
        first = sfml.StarFormationRegressor(Ridge(), random_state=0)
        values = X[list(sfml.GAMA.flux_columns[3:12])].to_numpy()
        one = clone(first).fit(values, y)
        other = clone(first).fit(values, y[order])
        np.testing.assert_array_equal(one.predict(values), other.predict(values))
        assert one.targets_ == other.targets_ == TARGETS

    @pytest.mark.parametrize("order", PERMUTATIONS)
    def test_scorers(self, catalogue, linear, order):
        X, y = catalogue
        for name, scorer in metrics.SCORERS.items():
            assert scorer(linear, X[500:], y[500:][order]) == scorer(linear, X[500:], y[500:]), name

    def test_cross_validation_and_grid_search(self, catalogue):
        X, y = catalogue
        pipe, grid = make_linear(), {"regress__sfr__alpha": [1e-3, 10.0]}
        found = [
            GridSearchCV(pipe, grid, scoring=metrics.get_scorer("neg_error", "sfr"), cv=2).fit(
                X, labels
            )
            for labels in (y, y[SHUFFLED])
        ]
        assert found[0].best_params_ == found[1].best_params_
        np.testing.assert_array_equal(*(f.cv_results_["mean_test_score"] for f in found))
        scores = [
            cross_validate(pipe, X, labels, cv=2, scoring=metrics.SCORERS)
            for labels in (y, y[SHUFFLED])
        ]
        for name in metrics.SCORERS:
            np.testing.assert_array_equal(*(s[f"test_{name}"] for s in scores))

    @pytest.mark.parametrize("order", PERMUTATIONS)
    def test_tables(self, catalogue, linear, order):
        X, y = catalogue
        labels = y[500:]
        predicted, levels = linear.predict(X[500:]), (0.16, 0.5, 0.84)
        quantiles = linear.predict_quantiles(X[500:], levels)
        for table in (
            lambda y: metrics.score_table(y, predicted),
            lambda y: metrics.interval_table(y, quantiles, levels, (0.68,)),
            lambda y: metrics.coverage_curve(y, quantiles, levels, (0.68,)),
        ):
            pd.testing.assert_frame_equal(table(labels[order]), table(labels))

    def test_a_target_of_a_joint_regressor(self, catalogue):
        X, y = catalogue
        pipe = sfml.make_star_formation_pipeline(missing="reject", joint=True)
        pipe.set_params(regress__estimators=[("all", LinearRegression())], regress__random_state=0)
        one = clone(pipe).fit(X, y).predict(X)
        np.testing.assert_array_equal(one, pipe.fit(X, y[SHUFFLED]).predict(X))

    def test_another_order_of_targets_is_announced(self, catalogue):
        X, y = catalogue
        with pytest.warns(UserWarning, match="in the order asked for, sfr, dust_luminosity"):
            pipe = make_linear(targets=SHUFFLED).fit(X, y)
        np.testing.assert_allclose(
            pipe.predict(X)[:, 2], make_linear().fit(X, y).predict(X)[:, 0], atol=1e-9
        )

    def test_rows_in_another_order_are_refused(self, catalogue, linear):
        X, y = catalogue
        shuffled = y.sample(frac=1, random_state=1)
        for call in (
            lambda: make_linear().fit(X, shuffled),
            lambda: linear.score(X, shuffled),
            lambda: linear.calibrate(X, shuffled),
            lambda: metrics.SCORERS["r2"](linear, X, shuffled),
            lambda: sfml.GamaSampleSelector().reasons(X, shuffled),
        ):
            with pytest.raises(ValueError, match="labels in another order"):
                call()

    @pytest.mark.parametrize("name", ["flag", "reasons", "sfr__x"])
    def test_a_target_cannot_hide_another_column(self, catalogue, name):
        X, y = catalogue
        model = sfml.StarFormationRegressor(Ridge())
        with pytest.raises(ValueError, match="names of their own"):
            model.fit(X[["r_flux"]].to_numpy(), y.rename(columns={"sfr": name}))


class Squash(TransformerMixin, BaseEstimator):
    """A transformer that names nothing, and changes what it is given beyond a factor."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.tanh(X)


class TestSteps:
    """Any step may be exchanged: what another needs of it is found by name, or is an error."""

    @pytest.mark.parametrize(
        "scaler",
        [
            sklearn.preprocessing.StandardScaler(),
            sklearn.preprocessing.RobustScaler(),
            sklearn.preprocessing.MinMaxScaler(),
            "passthrough",
        ],
    )
    def test_gaps_are_learnt_with_any_linear_scaler(self, catalogue, scaler):
        X, y = catalogue
        pipe = quick_networks().set_params(scale=scaler, select__unit_guard=False).fit(X, y)
        assert pipe[-1].intervals_.conditions, "conditions are found by name"
        # The networks have seen galaxies without some of their bands.
        lost = X.assign(**{f"{b}_flux": np.nan for b in sfml.GAMA.names[12:]})
        assert np.isfinite(pipe.predict_quietly(lost)).mean() > 0.95
        assert pipe["features"].fewest_bands_ < 10
        # A galaxy twice as bright has twice the mass, whatever the scaler did to the luminosity.
        bright = X.assign(
            **{c: 2 * X[c].where(X[c] > -900, -499.5) for c in sfml.GAMA.columns[:-1]}
        )
        selected = (X[list(sfml.GAMA.columns[:-1])] > -900).all(axis=1)
        near = pipe["features"].redshift_range_[1] > X.Z
        rows = selected & near
        ratio = pipe.predict(bright[rows])[:, 0] - pipe.predict(X[rows])[:, 0]
        assert np.median(ratio) == pytest.approx(np.log10(2), abs=0.1)

    def test_a_scaler_that_bends_luminosities_is_refused(self, catalogue):
        X, y = catalogue
        pipe = quick_networks().set_params(
            scale=sklearn.preprocessing.QuantileTransformer(n_quantiles=50)
        )
        with pytest.raises(ValueError, match=r"log_brightness.*linear scaler"):
            pipe.fit(X, y)
        # Without an offset there is nothing to be bent.
        pipe.set_params(**{f"regress__{t}__offset_feature": None for t in TARGETS}).fit(X, y)

    def test_no_features_no_offset(self, catalogue):
        X, y = catalogue
        with pytest.raises(ValueError, match="log_brightness"):
            quick_networks().set_params(features="passthrough").fit(X, y)

    def test_a_step_without_names(self, catalogue):
        X, y = catalogue
        pipe = make_linear().set_params(scale=Squash())
        pipe.fit(X, y)
        assert pipe[-1].intervals_.conditions == []
        with pytest.raises(ValueError, match=r"'log_snr'.*have no names"):
            pipe.set_params(regress__conditions=["log_snr"]).fit(X, y)

    def test_absent_conditions_are_an_error(self, catalogue):
        X, y = catalogue
        pipe = make_linear().set_params(regress__conditions=["log_snrs"])
        with pytest.raises(ValueError, match="Did you mean 'log_snr'"):
            pipe.fit(X, y)
        pipe.set_params(regress__conditions=["redshift"], scale="passthrough").fit(X, y)
        names = pipe[:-1].get_feature_names_out().tolist()
        assert pipe[-1].intervals_.conditions == [names.index("redshift")]

    def test_each_fact_is_one_parameter(self, catalogue):
        """The bands, gaps, errors and redshift of all steps change with the selection's."""
        X, y = catalogue
        optical = sfml.GAMA.only("u", "g", "r", "i", "z")
        photometric = replace(sfml.GAMA, redshift_error="Z_err")
        for settings, table in (
            ({"bands": optical}, X),
            ({"missing": "allow"}, X),
            ({"bands": photometric, "redshift": "photometric"}, X.assign(Z_err=0.01)),
            ({"redshift": "none"}, X),
            ({"keep_errors": False}, X),
        ):
            pipe = make_linear().set_params(**{f"select__{k}": v for k, v in settings.items()})
            pipe.set_params(regress__estimators=DecisionTreeRegressor(random_state=0))
            pipe.fit(table, y)
            assert pipe["features"].layout_ == pipe["select"].layout_
            assert np.isfinite(pipe.predict(table)).any()

    def test_parameters_that_contradict_each_other_are_an_error(self, catalogue):
        X, y = catalogue
        pipe = make_linear().set_params(features__errors=False)
        with pytest.raises(ValueError, match="errors=False, but the selection gives True"):
            pipe.fit(X, y)

    def test_unknown_parameters_of_fit_are_an_error(self, catalogue):
        X, y = catalogue
        for missing in ("reject", "allow"):
            pipe = make_linear(missing=missing)
            with pytest.raises(TypeError, match="typo"):
                pipe.fit(X, y, regress__typo=1)
            with pytest.raises(ValueError, match="typo"):
                pipe.fit(X, y, typo__sample_weight=np.ones(len(X)))

    def test_an_ordinary_pipeline_of_the_same_steps(self, catalogue):
        """Names travel as scikit-learn's do; without them, what needs a name is an error."""
        X, y = catalogue
        ours = make_linear().fit(X, y)
        plain = Pipeline(clone(ours).steps).fit(X, y)
        assert np.isfinite(plain.predict(X)).any()
        named = Pipeline(clone(ours).steps).set_output(transform="pandas").fit(X, y)
        assert named[-1].intervals_.conditions == ours[-1].intervals_.conditions

    def test_methods_are_those_of_the_last_step(self, catalogue):
        pipe = sfml.make_star_formation_pipeline()
        assert hasattr(pipe, "predict_interval")
        pipe.set_params(regress=Ridge())
        for name in ("predict_interval", "predict_quantiles", "predict_table", "calibrate"):
            assert not hasattr(pipe, name), name


def every_parameter(pipe):
    """Another value for each parameter of a fitted pipeline, by its name."""
    others = {
        "bands": sfml.GAMA.only("K", "r"),
        "targets": ["dust_luminosity", "sfr", "stellar_mass"],
        "redshift": "none",
        "missing": "allow",
        "negative": "allow",
        "z_range": (0.2, 0.21),
        "conditions": [0],
        "quantiles": (0.4, 0.5, 0.6),
        "activation": "linear",
        "offset_feature": 0,
        "ignored_features": (0, 1),
        "target_limits": {"sfr": (100, 200)},
        "upper_limits": 1.0,
        "redshift_grid": "follow",
        "hidden_layer_sizes": (3,),
        "random_state": 7,
    }
    for name, value in pipe.get_params().items():
        short = name.rsplit("__", 1)[-1]
        if name in ("steps", "memory", "transform_input", *dict(pipe.steps)):
            continue
        if hasattr(value, "fit") or short == "estimators":
            continue
        if short in others:
            yield name, others[short]
        elif isinstance(value, bool):
            yield name, not value
        elif isinstance(value, int | float):
            yield name, value + 1
        elif value is None:
            yield name, 1


class TestFittedObjects:
    """What is fitted is fixed: parameters count for the next fit."""

    @pytest.mark.parametrize("which", ["linear", "networks"])
    def test_no_parameter_plays_a_part_after_fit(self, catalogue, request, which):
        X, _ = catalogue
        fitted = request.getfixturevalue(which)
        before = answers(fitted, X[500:])
        for name, value in every_parameter(fitted):
            changed = pickle.loads(pickle.dumps(fitted)).set_params(**{name: value})
            assert_same(answers(changed, X[500:]), before)

    def test_nor_does_a_step_that_was_exchanged(self, catalogue, linear):
        X, y = catalogue
        before = answers(linear, X[500:])
        for name, step in (
            *(("scale", "passthrough"), ("features", "passthrough"), ("scale", None)),
            *(("select", sfml.GamaSampleSelector()), ("regress", Ridge())),
        ):
            changed = pickle.loads(pickle.dumps(linear)).set_params(**{name: step})
            assert_same(answers(changed, X[500:]), before)
        with pytest.raises(ValueError, match="log_brightness"):
            quick_networks().fit(X, y).set_params(features="passthrough").fit(X, y)

    def test_nor_do_those_of_the_fitted_parts(self, catalogue, networks):
        X, _ = catalogue
        before = answers(networks, X[500:])
        changed = pickle.loads(pickle.dumps(networks))
        for network in changed[-1].estimators_:
            network.set_params(activation="linear", offset_feature=None, quantiles=None)
        changed[-1].domain_.set_params(false_alarm_rate=0.9, n_components=1)
        for calibrator in changed[-1].intervals_.calibrators.values():
            calibrator.set_params(levels=(0.4, 0.5, 0.6), n_groups=1)
        changed[-1].set_params(joint=True, estimators="svr")
        assert_same(answers(changed, X[500:]), before)

    def test_score_uses_the_limits_of_fit(self, catalogue):
        X, y = catalogue
        pipe = make_linear(stellar_mass_range=(10, None)).fit(X, y)
        before = pipe.score(X, y)
        pipe.set_params(regress__target_limits=None)
        assert pipe.score(X, y) == before

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
    def test_a_fit_that_fails_leaves_the_last_one(self, catalogue, monkeypatch, error):
        X, y = catalogue
        pipe = quick_networks().fit(X[:300], y[:300])
        before = answers(pipe, X[500:])

        def fail(*args, **kwargs):
            raise error

        for place in (
            "sfml.regressor.regressor.fit_one",
            "sfml.regressor.regressor.DomainDetector.fit",
            "sfml.uncertainty.intervals.QuantileCalibrator.fit",
            "sfml.features.scaler.StandardScaler.fit",
        ):
            with monkeypatch.context() as patched:
                patched.setattr(place, fail)
                with pytest.raises(error):
                    pipe.fit(X, y)
            assert_same(answers(pipe, X[500:]), before)
        with monkeypatch.context() as patched:
            patched.setattr("sfml.uncertainty.intervals.QuantileCalibrator.fit", fail)
            with pytest.raises(error):
                pipe.refit(X[:400], y[:400])
        assert_same(answers(pipe, X[500:]), before)

    def test_a_first_fit_that_fails_leaves_nothing(self, catalogue):
        X, y = catalogue
        pipe = make_linear()
        with pytest.raises(ValueError, match="infinite"):
            pipe.fit(X, y.assign(sfr=-np.inf))
        with pytest.raises(NotFittedError):
            pipe.predict(X)
        for _, step in pipe.steps:
            assert not [name for name in vars(step) if name.endswith("_")]

    def test_a_warm_start_does_not_touch_the_networks_it_starts_from(self, catalogue):
        X, y = catalogue
        pipe = quick_networks().set_params(regress__warm_start=True).fit(X[:300], y[:300])
        first = pipe[-1].named_estimators_["sfr"]
        coefs = [coef.copy() for coef in first.coefs_]
        pipe.fit(X, y)
        assert pipe[-1].named_estimators_["sfr"] is not first
        for before, now in zip(coefs, first.coefs_, strict=True):
            np.testing.assert_array_equal(before, now)


class TestCalibration:
    """Intervals are calibrated on galaxies that were not learnt from."""

    def test_galaxies_learnt_from_are_refused(self, catalogue):
        X, y = catalogue
        pipe = make_linear().fit(X[:500], y[:500])
        with pytest.raises(ValueError, match=r"has learnt from \d+ of the 500"):
            pipe.calibrate(X[:500], y[:500])
        with pytest.raises(ValueError, match="has learnt from"):
            pipe.calibrate(X[400:], y[400:])
        before = pipe.predict_interval(X[500:])
        pipe.calibrate(X[500:], y[500:])
        assert not np.array_equal(pipe.predict_interval(X[500:]), before)

    def test_those_held_back_stay_so_in_a_warm_start(self, catalogue, monkeypatch):
        """Though another fit of the scaler changes all inputs."""
        X, y = catalogue
        seen = []
        fit_one = sfml.regressor.regressor.fit_one

        def spy(job, data, verbose):
            seen.append((job.rows, job.held_back))
            return fit_one(job, data, verbose)

        monkeypatch.setattr("sfml.regressor.regressor.fit_one", spy)
        pipe = quick_networks().set_params(regress__warm_start=True).fit(X[:500], y[:500])
        pipe.fit(X, y)
        (learnt, _), (_, held_back) = seen
        assert len(held_back) > 100
        assert not np.intersect1d(learnt, held_back).size

    def test_a_galaxy_counts_once_however_it_is_shown(self, catalogue):
        X, y = catalogue
        X, y = pd.concat([X, 1.01 * X]), pd.concat([y, y + np.log10(1.01)])
        pipe = quick_networks().fit(X, y)
        n = pipe[-1].n_calibration_
        assert n >= 200, "both versions are used from here on"
        for calibrator in pipe[-1].intervals_.calibrators.values():
            assert calibrator.n_rows_ <= n


class TestWeights:
    """sample_weight counts everywhere, as so many rows."""

    @pytest.fixture
    def weights(self, catalogue):
        return np.random.default_rng(0).integers(0, 4, len(catalogue[0]))

    def test_weights_equal_repeated_rows(self, catalogue, weights):
        X, y = catalogue
        pipe = make_linear().set_params(regress__false_alarm_rate=None)
        pipe.set_params(regress__calibration_fraction=None, features__redshift_grid=None)
        weighted = clone(pipe).fit(X, y, regress__sample_weight=weights)
        repeated = np.repeat(np.arange(len(X)), weights)
        # The scaler and the reference colours have no weights: give both the same.
        other = pickle.loads(pickle.dumps(weighted))
        other[-1].fit(other[:-1].transform(X.iloc[repeated]), y.iloc[repeated], feature_names=None)
        np.testing.assert_allclose(weighted.predict(X), other.predict(X), atol=1e-6)
        score = weighted.score(X, y, sample_weight=weights)
        assert score == pytest.approx(weighted.score(X.iloc[repeated], y.iloc[repeated]))

    def test_a_galaxy_without_weight_is_not_there(self, catalogue):
        X, y = catalogue
        weights = np.repeat([1.0, 0.0], [500, 200])
        bad = y.copy()
        bad.iloc[500:] = 13.0, 4.0, 15.0
        pipe = make_linear().set_params(features__redshift_grid=None)
        other = clone(pipe).fit(X, y, sample_weight=weights)
        np.testing.assert_array_equal(
            pipe.fit(X, bad, sample_weight=weights).predict_interval(X[:500]),
            other.predict_interval(X[:500]),
        )

    def test_scale_of_the_weights_plays_no_part(self, catalogue, weights):
        X, y = catalogue
        pipe = quick_networks()
        one = clone(pipe).fit(X, y, sample_weight=1.0 + weights)
        other = clone(pipe).fit(X, y, sample_weight=8 * (1.0 + weights))
        np.testing.assert_allclose(one.predict_quantiles(X), other.predict_quantiles(X), atol=2e-3)

    def test_metadata_routing(self, catalogue, weights):
        X, y = catalogue
        with sklearn.config_context(enable_metadata_routing=True):
            pipe = make_linear()
            pipe[-1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
            pipe["scale"].set_fit_request(sample_weight=False)
            fitted = clone(pipe).fit(X, y, sample_weight=1.0 + weights)
            scorer = metrics.get_scorer("neg_error").set_score_request(sample_weight=True)
            found = cross_validate(
                pipe, X, y, cv=2, scoring=scorer, params={"sample_weight": 1.0 + weights}
            )
        expected = make_linear().fit(X, y, sample_weight=1.0 + weights)
        np.testing.assert_allclose(fitted.predict(X), expected.predict(X))
        plain = cross_validate(make_linear(), X, y, cv=2, scoring=metrics.get_scorer("neg_error"))
        assert not np.allclose(found["test_score"], plain["test_score"])

    def test_a_regressor_without_weights_is_an_error(self, catalogue):
        from sklearn.neighbors import KNeighborsRegressor

        X, y = catalogue
        pipe = make_linear().set_params(regress__estimators=KNeighborsRegressor())
        with pytest.raises(ValueError, match="KNeighborsRegressor takes none"):
            pipe.fit(X, y, sample_weight=np.ones(len(X)))

    @pytest.mark.parametrize("wrong", [-1.0, np.nan])
    def test_weights_must_not_be_negative_or_missing(self, catalogue, wrong):
        X, y = catalogue
        with pytest.raises(ValueError, match=r"[Nn]egative|NaN"):
            make_linear().fit(X, y, sample_weight=np.full(len(X), wrong))


class TestRowsByThemselves:
    """A prediction never depends on the rows beside it."""

    @pytest.mark.parametrize("which", ["linear", "networks"])
    def test_one_row_and_many(self, catalogue, request, which):
        X, _ = catalogue
        pipe = request.getfixturevalue(which)
        table = pipe.predict_table(X[500:])
        for i in (0, 7, 150):
            alone = pipe.predict_table(X[500 + i : 501 + i])
            pd.testing.assert_frame_equal(alone, table[i : i + 1])

    def test_a_galaxy_in_another_unit_is_flagged_alone_and_among_others(self, catalogue, networks):
        X, _ = catalogue
        rows = X[500:600].copy()
        fluxes = list(sfml.GAMA.columns[:-1])
        rows.iloc[3, rows.columns.get_indexer(fluxes)] *= 1e6
        alone, among = networks.predict_table(rows[3:4]), networks.predict_table(rows)[3:4]
        pd.testing.assert_frame_equal(alone, among)
        assert alone["flag"].iloc[0] & Flag.UNIT

    @pytest.mark.parametrize("n", [1, 50, 99])
    def test_few_galaxies_in_another_unit_are_flagged(self, catalogue, networks, n):
        X, _ = catalogue
        fluxes = list(sfml.GAMA.columns[:-1])
        wrong = X[500 : 500 + n].assign(**{c: 1000 * X[c].where(X[c] > -900) for c in fluxes})
        assert (networks.predict_table(wrong)["flag"] & Flag.UNIT != 0).all()

    @pytest.mark.parametrize("which", ["linear", "networks"])
    @pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.01, 100, 1e3, 1e9])
    def test_a_catalogue_in_another_unit_is_refused(self, catalogue, request, which, factor):
        X, _ = catalogue
        pipe = request.getfixturevalue(which)  # the one rejects gaps, the other allows them
        fluxes = list(sfml.GAMA.columns[:-1])
        wrong = X[500:].assign(**{c: factor * X[c].where(X[c] > -900) for c in fluxes})
        with pytest.raises(ValueError, match="in another unit"):
            pipe.predict(wrong)

    @pytest.mark.parametrize("factor", [2.756, 1 / 2.756, 3.631])
    def test_a_small_factor_is_a_warning_and_a_flag(self, catalogue, networks, factor):
        X, _ = catalogue
        fluxes = list(sfml.GAMA.columns[:-1])
        wrong = X[500:].assign(**{c: factor * X[c].where(X[c] > -900) for c in fluxes})
        with pytest.warns(UserWarning, match="times those of training, alike in every band"):
            table = networks.predict_table(wrong)
        assert (table["flag"] & Flag.UNIT != 0).mean() > 0.8

    def test_no_rows(self, linear, catalogue):
        X, _ = catalogue
        none = linear.predict_table(X[:0])
        assert none.dtypes.equals(linear.predict_table(X[:2]).dtypes)
        assert linear.predict(X[:0]).shape == (0, 3)

    def test_predictions_in_threads_agree(self, catalogue, networks):
        X, _ = catalogue
        expected, found = networks.predict_table(X[500:]), []
        threads = [
            threading.Thread(target=lambda: found.append(networks.predict_table(X[500:])))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for table in found:
            pd.testing.assert_frame_equal(table, expected)

    def test_strict_floating_point_errors(self, catalogue, networks):
        X, _ = catalogue
        expected = networks.predict_table(X[500:])
        with np.errstate(all="raise"):
            pd.testing.assert_frame_equal(networks.predict_table(X[500:]), expected)


class TestMessages:
    def test_a_missing_prediction_points_to_our_scorers(self, catalogue):
        X, y = catalogue
        pipe = make_linear(z_range=(0, 0.3)).fit(X, y)
        with pytest.warns(MissingPredictionWarning, match=r"sfml\.metrics\.SCORERS"):
            pipe.predict(X)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(metrics.SCORERS["r2"](pipe, X, y))
            pipe.predict_table(X)

    def test_a_regressor_that_cannot_take_gaps_says_so(self, catalogue):
        X, y = catalogue
        pipe = make_linear(missing="allow")
        with pytest.warns(UserWarning, match="Ridge cannot take"):
            pipe.fit(X, y)
        gap = X[:1].assign(K_flux=-999.0, K_fluxerr=-999.0)
        table = pipe.predict_table(gap)
        assert table["reasons"].iloc[0] == "few_bands|not_predicted"

    def test_what_is_no_regressor_is_refused(self, catalogue):
        X, y = catalogue
        values = X[["r_flux", "Z"]].to_numpy()
        for wrong in (sklearn.preprocessing.StandardScaler(), [("sfr", PCA())], (("sfr", 3),)):
            with pytest.raises(ValueError, match="estimators"):
                sfml.StarFormationRegressor(wrong).fit(values, y)
        pairs = tuple((target, Ridge()) for target in TARGETS)
        model = sfml.StarFormationRegressor(pairs).set_params(sfr=LinearRegression())
        assert model.fit(values, y).predict(values).shape == y.shape
        assert isinstance(model.named_estimators_["sfr"], LinearRegression)
        forest = sfml.StarFormationRegressor(RandomForestRegressor(3))
        assert forest.get_params()["estimators__n_estimators"] == 3
        assert clone(forest).fit(values, y).predict(values).shape == y.shape


class TestTablesByName:
    """A table that has names is read by name, whatever it is."""

    def test_every_kind_of_table(self, catalogue, linear):
        import polars as pl
        import pyarrow as pa
        from astropy.table import Table

        X, _ = catalogue
        rows = X[500:][list(sfml.GAMA.columns)].reset_index(drop=True)
        turned = rows[list(reversed(rows.columns))]
        expected = linear.predict_table(rows).reset_index(drop=True)
        for table in (
            turned,
            pl.from_pandas(turned),
            pa.Table.from_pandas(turned),
            pa.RecordBatch.from_pandas(turned),
            Table.from_pandas(turned),
            turned.to_records(index=False),
            {name: turned[name].to_numpy() for name in turned},
        ):
            found = linear.predict_table(table).reset_index(drop=True)
            pd.testing.assert_frame_equal(found, expected)
