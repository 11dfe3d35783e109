"""The pipeline of recipe "surana2020": its steps, its networks, and scikit-learn's tools on it."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.svm import SVR

import sfml
from sfml import GAMA, TARGETS, GamaSampleSelector, KerasMLPRegressor, StarFormationRegressor

# Tables 1 and 2 of Surana et al. (2020), copied from the paper.
TABLE_1 = {
    "stellar_mass": {"nodes": [22, 44, 66, 66, 1], "epochs": 5000, "patience": 300},
    "sfr": {"nodes": [22, 110, 220, 110, 1], "epochs": 1500, "patience": 500},
    "dust_luminosity": {
        "nodes": [22, 66, 110, 220, 110, 66, 1],
        "epochs": 1700,
        "patience": 300,
    },
}
TABLE_2 = {"learning_rate": 0.001, "batch_size": 256, "loss": "mean_absolute_error"}


def linear(pipe: Pipeline) -> Pipeline:
    """The same pipeline with a linear regressor per target, which is trained at once."""
    names = [name for name, _ in pipe["regress"].estimators]
    return pipe.set_params(**{f"regress__{name}": Ridge() for name in names})


def is_rejected(X: pd.DataFrame) -> np.ndarray:
    """The cuts of section 2.1 that need no label, written out for the mock's columns."""
    flux = X[[f"{name}_flux" for name in GAMA.names]].to_numpy()
    error = X[[f"{name}_fluxerr" for name in GAMA.names]].to_numpy()
    missing = ((flux == -999) | (error == -999) | (error <= 0)).any(axis=1)
    low_snr = (flux / np.where(error > 0, error, np.inf) >= 3).sum(axis=1) < 6
    outside = ~((X["Z"] > 0) & (X["Z"] <= 0.5)).to_numpy()
    return missing | low_snr | outside | (flux < 0).any(axis=1)


class TestTheRecipe:
    def test_steps(self):
        pipe = sfml.make_star_formation_pipeline("surana2020")
        assert isinstance(pipe, Pipeline)
        assert type(pipe) is sfml.StarFormationPipeline
        assert [name for name, _ in pipe.steps] == ["select", "features", "scale", "regress"]
        assert isinstance(pipe["select"], GamaSampleSelector)
        assert pipe["features"] == "passthrough"
        assert isinstance(pipe["regress"], StarFormationRegressor)
        assert [name for name, _ in pipe["regress"].estimators] == list(TARGETS)

    def test_cuts_are_those_of_section_2_1(self):
        pipe = sfml.make_star_formation_pipeline("surana2020")
        cuts = {"z_range": (0, 0.5), "missing": "reject", "negative": "reject"}
        for name, value in {**cuts, "min_bands": 6, "min_snr": 3}.items():
            assert getattr(pipe["select"], name) == value
        assert pipe["regress"].target_limits == {"stellar_mass": (9.0, None)}

    @pytest.mark.parametrize("target", TARGETS)
    def test_settings_are_those_of_tables_1_and_2(self, target):
        network = dict(sfml.make_star_formation_pipeline("surana2020")["regress"].estimators)[
            target
        ]
        wanted = {name: TABLE_1[target][name] for name in ("epochs", "patience")} | TABLE_2
        assert {name: getattr(network, name) for name in wanted} == wanted
        assert network.kernel_initializer == "random_normal"
        assert network.validation_fraction == 0.2

    def test_networks_are_those_of_table_1(self, selected):
        pipe = sfml.make_star_formation_pipeline("surana2020", random_state=0)
        pipe.set_params(**{f"regress__{name}__epochs": 1 for name in TARGETS}).fit(*selected)
        for name, network in pipe["regress"].named_estimators_.items():
            nodes = [network.coefs_[0].shape[0], *(coef.shape[1] for coef in network.coefs_)]
            assert nodes == TABLE_1[name]["nodes"]
            keras_model = network.to_keras()
            activations = [layer.activation.__name__ for layer in keras_model.layers]
            assert activations == ["relu"] * (len(nodes) - 2) + ["linear"]
            assert keras_model.loss.__name__ == "mean_absolute_error"
            assert type(keras_model.optimizer).__name__ == "Adam"
            assert keras_model.optimizer.learning_rate.numpy() == np.float32(0.001)

    def test_rows_are_split_64_16_20(self, selected, quick_pipeline):
        X, y = (table[:250] for table in selected)
        X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
        pipe = quick_pipeline().fit(X_train, y_train)
        for network in pipe["regress"].estimators_:
            shares = network.n_train_ / 250, network.n_validation_ / 250, len(X_test) / 250
            assert shares == (0.64, 0.16, 0.2)

    def test_the_scaler_sees_the_selected_rows_alone(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = linear(quick_pipeline()).fit(X, y)
        kept = X.loc[~is_rejected(X), [*(f"{name}_flux" for name in GAMA.names), "Z"]]
        np.testing.assert_allclose(pipe["scale"].mean_, kept.mean())
        np.testing.assert_allclose(pipe["scale"].scale_, kept.std(ddof=0))

    def test_low_masses_are_left_out_of_the_training(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = linear(quick_pipeline()).fit(X, y)
        kept = ~is_rejected(X) & (y["stellar_mass"] >= 9).to_numpy()
        n_held_back = pipe["regress"].n_calibration_
        assert n_held_back == round(0.2 * kept.sum())
        assert set(pipe["regress"].n_train_.values()) == {kept.sum() - n_held_back}
        assert pipe["select"].report_.n_selected == kept.sum()
        assert kept.sum() < (~is_rejected(X)).sum()

    def test_linear_model_by_hand(self, galaxies, quick_pipeline):
        """The whole road, against the same steps written out."""
        X, y = galaxies
        pipe = quick_pipeline(calibration_fraction=None)
        pipe.set_params(**{f"regress__{name}": LinearRegression() for name in TARGETS}).fit(X, y)
        kept = ~is_rejected(X)
        inputs = X.loc[kept, [*(f"{name}_flux" for name in GAMA.names), "Z"]].to_numpy()
        inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
        design = np.column_stack([inputs, np.ones(len(inputs))])
        labels = y[kept].to_numpy()
        trained = labels[:, 0] >= 9
        solution, *_ = np.linalg.lstsq(design[trained], labels[trained], rcond=None)
        np.testing.assert_allclose(pipe.predict(X)[kept], design @ solution, rtol=1e-6)


class TestOptions:
    @pytest.mark.parametrize(
        "targets", [("sfr",), ["dust_luminosity", "stellar_mass"], ("sfr", "dust_luminosity")]
    )
    def test_targets_in_any_number_and_order(self, galaxies, quick_pipeline, targets):
        X, y = galaxies
        pipe = linear(quick_pipeline(targets=targets)).fit(X, y[list(targets)])
        predicted = pipe.predict(X)
        assert predicted.shape == (len(X), len(targets))
        assert pipe["regress"].targets_ == tuple(targets)
        for i, name in enumerate(targets):
            other = [name for name in targets if name != targets[i]]
            again = quick_pipeline(targets=[*other, name])
            again = linear(again).fit(X, y[[*other, name]]).predict(X)
            np.testing.assert_array_equal(again[:, -1], predicted[:, i])

    def test_an_array_y_is_read_by_position(self, galaxies, quick_pipeline):
        X, y = galaxies
        by_name = linear(quick_pipeline()).fit(X, y).predict(X)
        by_position = linear(quick_pipeline()).fit(X, y.to_numpy()).predict(X)
        np.testing.assert_array_equal(by_name, by_position)
        swapped = linear(quick_pipeline()).fit(X, y[list(TARGETS[::-1])]).predict(X)
        np.testing.assert_array_equal(by_name, swapped)

    def test_the_mass_cut_goes_with_the_mass(self):
        pipe = sfml.make_star_formation_pipeline("surana2020", targets=("sfr",))
        assert pipe["regress"].target_limits is None

    def test_a_target_of_ones_own_takes_the_network_of_the_mass(self, galaxies, quick_pipeline):
        X, y = galaxies
        y = y.assign(dust_mass=y["dust_luminosity"] - 2)[["stellar_mass", "dust_mass"]]
        targets = ("stellar_mass", "dust_mass")
        mass, dust = (
            estimator
            for _, estimator in sfml.make_star_formation_pipeline("surana2020", targets=targets)[
                "regress"
            ].estimators
        )
        assert mass.get_params() == dust.get_params()
        pipe = quick_pipeline(targets=targets).fit(X, y)
        assert pipe.predict(X).shape == (len(X), 2)
        assert np.isfinite(pipe.score(X, y))

    def test_bands_in_any_number(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = linear(quick_pipeline(bands=GAMA.without("X", "Y"))).fit(
            X.drop(columns=["X_flux", "X_fluxerr", "Y_flux", "Y_fluxerr"]), y
        )
        assert pipe["regress"].n_features_in_ == 20
        assert "X_flux" not in pipe["scale"].get_feature_names_out(
            pipe["select"].get_feature_names_out()
        )

    def test_a_survey_of_ones_own(self, quick_pipeline):
        bands = sfml.BandSet(
            ["u", "g", "r", "i", "z", "J", "K"],
            [0.36, 0.47, 0.62, 0.75, 0.89, 1.25, 2.15],
            flux="f_{band}",
            error="df_{band}",
            redshift="zspec",
            unit="mJy",
            missing_codes=(-1e30,),
        )
        X, y = sfml.make_mock_survey(
            200, bands=bands, n_templates=1000, random_state=0, return_X_y=True
        )
        pipe = linear(quick_pipeline(bands=bands)).fit(X, y)
        assert (
            np.isfinite(pipe.predict(X)).all(axis=1).sum()
            == (pipe["select"].transform(X)[:, 0] > 0).sum()
        )
        assert pipe["regress"].n_features_in_ == 8

    def test_joint(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline(joint=True).fit(X, y)
        (network,) = pipe["regress"].estimators_
        assert isinstance(network, KerasMLPRegressor)
        assert network.coefs_[-1].shape[1] == 3
        assert pipe["regress"].targets_ == TARGETS
        assert np.isfinite(pipe.score(X, y))
        largest = sfml.make_star_formation_pipeline("surana2020", joint=True)["regress"].estimators[
            0
        ][1]
        assert largest.hidden_layer_sizes == (66, 110, 220, 110, 66)

    def test_random_forest(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline(method="random_forest").fit(X, y)
        assert all(isinstance(e, RandomForestRegressor) for e in pipe["regress"].estimators_)
        np.testing.assert_array_equal(
            pipe.predict(X), quick_pipeline(method="random_forest").fit(X, y).predict(X)
        )
        assert pipe.score(X, y) > 0.8

    def test_svr(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline(method="svr").fit(X, y)
        assert all(isinstance(e, SVR) for e in pipe["regress"].estimators_)
        assert pipe.score(X, y) > 0.8

    def test_training_on_a_subsample(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline(method="svr", max_train_samples=100).fit(X, y)
        assert set(pipe["regress"].n_train_.values()) == {100}
        again = quick_pipeline(method="svr", max_train_samples=100).fit(X, y)
        other = quick_pipeline(method="svr", max_train_samples=100, random_state=1).fit(X, y)
        np.testing.assert_array_equal(pipe.predict(X), again.predict(X))
        assert not np.array_equal(pipe.predict(X), other.predict(X), equal_nan=True)


class TestRowsStayInPlace:
    @pytest.mark.parametrize("labels", ["shuffled", "repeated", "text"])
    def test_nan_for_rejected_rows_and_for_no_others(self, galaxies, quick_pipeline, labels):
        X, y = galaxies
        if labels == "repeated":
            X, y = X.set_axis([7] * len(X)), y.set_axis([7] * len(X))
        if labels == "text":
            X = X.set_axis([f"G{i}" for i in range(len(X))])  # and y has other labels
        predicted = linear(quick_pipeline()).fit(X, y).predict(X)
        rejected = is_rejected(X)
        assert 0 < rejected.sum() < len(X)
        np.testing.assert_array_equal(np.isnan(predicted), np.repeat(rejected[:, None], 3, axis=1))

    def test_labels_play_no_part(self, galaxies, quick_pipeline):
        X, y = galaxies
        labelled = linear(quick_pipeline()).fit(X, y).predict(X)
        plain = linear(quick_pipeline()).fit(X.reset_index(drop=True), y.to_numpy())
        np.testing.assert_array_equal(labelled, plain.predict(X.reset_index(drop=True)))
        others = linear(quick_pipeline()).fit(X, y.set_axis(range(len(y))))
        np.testing.assert_array_equal(labelled, others.predict(X))

    def test_each_galaxy_is_predicted_by_itself(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline().fit(X, y)
        together = pipe.predict(X)
        order = np.random.default_rng(3).permutation(len(X))
        np.testing.assert_array_equal(pipe.predict(X.iloc[order]), together[order])
        alone = np.vstack([pipe.predict(X.iloc[[i]]) for i in range(0, len(X), 50)])
        np.testing.assert_array_equal(alone, together[::50])

    def test_columns_may_come_in_any_order_among_others(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = linear(quick_pipeline()).fit(X, y)
        other = X[X.columns[::-1]].assign(CATAID=np.arange(len(X)), name="NGC")
        np.testing.assert_array_equal(pipe.predict(other), pipe.predict(X))

    def test_input_is_never_changed(self, galaxies, quick_pipeline):
        X, y = galaxies
        before = X.copy(), y.copy()
        pipe = linear(quick_pipeline()).fit(X, y)
        pipe.predict(X)
        pipe.score(X, y)
        pd.testing.assert_frame_equal(X, before[0])
        pd.testing.assert_frame_equal(y, before[1])


class TestScikitLearnsTools:
    def test_clone(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = quick_pipeline().fit(X, y)
        copy = clone(pipe)
        assert not hasattr(copy["regress"], "estimators_")
        for own, copied in zip(pipe["regress"].estimators, copy["regress"].estimators, strict=True):
            assert own[0] == copied[0]
            assert own[1] is not copied[1]
            assert own[1].get_params() == copied[1].get_params()
        np.testing.assert_array_equal(copy.fit(X, y).predict(X), pipe.predict(X))

    @pytest.mark.slow
    def test_grid_search_over_layers_in_one_and_two_processes(self, galaxies, quick_pipeline):
        X, y = galaxies
        grid = {"regress__stellar_mass__hidden_layer_sizes": [(8,), (4, 4)]}
        results = [
            GridSearchCV(quick_pipeline(targets=["stellar_mass"]), grid, cv=2, n_jobs=n_jobs).fit(
                X, y[["stellar_mass"]]
            )
            for n_jobs in (1, 2)
        ]
        for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
            scores = [search.cv_results_[name] for search in results]
            assert np.isfinite(scores[0]).all()
            assert scores[0][0] != scores[0][1]
            np.testing.assert_array_equal(*scores)
        np.testing.assert_array_equal(*(search.predict(X) for search in results))
        best = results[0].best_estimator_["regress"].estimators_[0]
        sizes = results[0].best_params_["regress__stellar_mass__hidden_layer_sizes"]
        assert [coef.shape[1] for coef in best.coefs_[:-1]] == list(sizes)

    def test_grid_search_over_regressors(self, galaxies, quick_pipeline):
        X, y = galaxies
        forest = RandomForestRegressor(5, random_state=0)
        grid = {"regress__sfr": [forest, SVR(), LinearRegression()], "select__min_bands": [6, 10]}
        search = GridSearchCV(
            linear(quick_pipeline()), grid, cv=3, scoring=sfml.metrics.SCORERS, refit="neg_rmse"
        ).fit(X, y)
        assert np.isfinite(search.cv_results_["mean_test_r2"]).all()
        assert len(set(search.cv_results_["mean_test_r2"])) == 6
        kind = type(search.best_params_["regress__sfr"])
        assert type(search.best_estimator_["regress"].named_estimators_["sfr"]) is kind

    def test_cross_val_predict(self, galaxies, quick_pipeline):
        X, y = galaxies
        folds = KFold(3, shuffle=True, random_state=0)
        predicted = cross_val_predict(linear(quick_pipeline()), X, y, cv=folds)
        assert predicted.shape == y.shape
        np.testing.assert_array_equal(np.isnan(predicted[:, 0]), is_rejected(X))
        for train, test in folds.split(X):
            fold = linear(quick_pipeline()).fit(X.iloc[train], y.iloc[train])
            np.testing.assert_array_equal(predicted[test], fold.predict(X.iloc[test]))

    def test_cross_validate_with_our_scorers(self, galaxies, quick_pipeline):
        X, y = galaxies
        get_scorer = sfml.metrics.get_scorer
        scoring = sfml.metrics.SCORERS | {"sfr": get_scorer("neg_rmse", "sfr")}
        folds = KFold(3)
        scores = cross_validate(linear(quick_pipeline()), X, y, cv=folds, scoring=scoring)
        assert all(np.isfinite(scores[f"test_{name}"]).all() for name in scoring)
        train, test = next(folds.split(X))
        fold = linear(quick_pipeline()).fit(X.iloc[train], y.iloc[train])
        residual = fold.predict(X.iloc[test]) - y.iloc[test]
        rms = np.sqrt(np.nanmean(residual**2, axis=0))
        assert scores["test_neg_rmse"][0] == pytest.approx(-rms.mean())
        assert scores["test_sfr"][0] == pytest.approx(-rms[1])

    def test_score_is_that_of_the_rows_that_can_be_scored(self, galaxies, quick_pipeline):
        X, y = galaxies
        pipe = linear(quick_pipeline()).fit(X, y)
        kept = ~is_rejected(X) & (y["stellar_mass"] >= 9).to_numpy()
        predicted, actual = pipe.predict(X)[kept], y[kept].to_numpy()
        left = ((actual - predicted) ** 2).sum(axis=0)
        total = ((actual - actual.mean(axis=0)) ** 2).sum(axis=0)
        assert pipe.score(X, y) == pytest.approx((1 - left / total).mean())

    def test_permutation_importance(self, galaxies, quick_pipeline):
        X, y = galaxies
        X = X.assign(CATAID=np.arange(len(X)))
        pipe = linear(quick_pipeline()).fit(X, y)
        importance = permutation_importance(pipe, X, y, n_repeats=2, random_state=0)
        mean = pd.Series(importance.importances_mean, X.columns)
        assert np.isfinite(mean).all()
        assert mean["CATAID"] == 0
        assert mean["Z"] > 0.01
        assert mean.idxmax().endswith("_flux")

    def test_pandas_output(self, galaxies, quick_pipeline):
        X, y = galaxies
        expected = linear(quick_pipeline()).fit(X, y).predict(X)
        pipe = linear(quick_pipeline()).set_output(transform="pandas").fit(X, y)
        inputs = pipe[:-1].transform(X)
        assert isinstance(inputs, pd.DataFrame)
        assert inputs.index.equals(X.index)
        names = [*(f"{name}_flux" for name in GAMA.names), "redshift"]
        assert inputs.columns.tolist() == names
        assert pipe[:-1].get_feature_names_out().tolist() == inputs.columns.tolist()
        assert pipe["regress"].feature_names_in_.tolist() == inputs.columns.tolist()
        np.testing.assert_array_equal(pipe.predict(X), expected)
        assert pipe.predict(X.iloc[:0]).shape == (0, 3)

    def test_polars_output(self, galaxies, quick_pipeline):
        X, y = galaxies
        expected = linear(quick_pipeline()).fit(X, y).predict(X)
        pipe = linear(quick_pipeline()).set_output(transform="polars").fit(X, y)
        # Columns lie in another order in memory, which a linear solver's last bits depend on.
        np.testing.assert_allclose(pipe.predict(X), expected, rtol=1e-10)
        assert pipe.predict(X.iloc[:0]).shape == (0, 3)

    def test_random_state_objects(self, galaxies, quick_pipeline):
        X, y = galaxies
        first, again = (
            quick_pipeline(targets=["sfr"], random_state=np.random.RandomState(5))
            .fit(X, y[["sfr"]])
            .predict(X)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)

    def test_dumps_are_small_and_the_same(self, galaxies, quick_pipeline, tmp_path):
        X, y = galaxies
        pipe = quick_pipeline().fit(X, y)
        joblib.dump(pipe, tmp_path / "model.joblib")
        assert (tmp_path / "model.joblib").stat().st_size < 100_000
        np.testing.assert_array_equal(
            joblib.load(tmp_path / "model.joblib").predict(X), pipe.predict(X)
        )


NO_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"tensorflow", "keras", "scikeras", "matplotlib", "astropy"}:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocked())
import joblib
pipe, X, y, expected, score = joblib.load(sys.argv[1])
assert (pipe.predict(X) == expected).all()
assert pipe.predict(X.iloc[[0]]).tolist() == expected[[0]].tolist()
assert pipe["regress"].history_["sfr"].shape == (3, 2)
assert pipe.score(X, y) == score
try:
    import tensorflow
except ImportError:
    print("no tensorflow")
"""

FIT = """
import os, sys, joblib
environment = dict(os.environ)
pipe, X, y = joblib.load(sys.argv[1])
joblib.dump(pipe.fit(X, y).predict(X), sys.argv[1])
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ.keys() - environment.keys()
"""


def run(program: str, *arguments: object) -> str:
    """What a program prints in a fresh interpreter, in which warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestProcesses:
    def test_a_model_predicts_where_there_is_no_tensorflow(
        self, selected, quick_pipeline, tmp_path
    ):
        X, y = selected
        pipe = quick_pipeline().fit(X, y)
        model = pipe, X, y, pipe.predict(X), pipe.score(X, y)
        joblib.dump(model, tmp_path / "model.joblib")
        assert run(NO_KERAS, tmp_path / "model.joblib") == "no tensorflow\n"

    def test_a_seed_gives_the_same_result_wherever_it_is_trained(
        self, selected, quick_pipeline, tmp_path
    ):
        X, y = selected
        pipe = quick_pipeline()
        joblib.dump((pipe, X, y), tmp_path / "fresh.joblib")
        run(FIT, tmp_path / "fresh.joblib")
        expected = joblib.load(tmp_path / "fresh.joblib")
        quick_pipeline(random_state=1).fit(X, y)  # leaves other weights and another history
        results = {"here, after others": pipe.fit(X, y)}
        results["two processes"] = clone(pipe).set_params(regress__n_jobs=2).fit(X, y)
        with joblib.parallel_backend("threading", n_jobs=3):
            results["threads"] = clone(pipe).fit(X, y)
        results["on clones at once"] = joblib.Parallel(n_jobs=2, prefer="threads")(
            joblib.delayed(clone(pipe).fit)(X, y) for _ in range(2)
        )[1]
        for fitted in results.values():
            np.testing.assert_array_equal(fitted.predict(X), expected)
        assert not np.array_equal(quick_pipeline(random_state=1).fit(X, y).predict(X), expected)


def global_state() -> dict[str, Any]:
    """What a fit could change for the rest of the process."""
    import keras
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import config

    return {
        # First, since Keras draws from `random` when it is first asked for its own generator.
        "keras seeds": keras.src.random.seed_generator.global_seed_generator()
        .state.numpy()
        .tolist(),
        "random": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "numpy options": (np.geterr(), np.get_printoptions()),
        "tensorflow generator": tf.random.get_global_generator().state.numpy().tolist(),
        "tensorflow seed": context.global_seed(),
        "determinism": config.is_op_determinism_enabled(),
        "eager": tf.config.functions_run_eagerly(),
        "jit": tf.config.optimizer.get_jit(),
        "threads": (
            tf.config.threading.get_intra_op_parallelism_threads(),
            tf.config.threading.get_inter_op_parallelism_threads(),
        ),
        "tensorflow log level": tf.get_logger().level,
        "keras": (keras.config.floatx(), keras.config.epsilon(), keras.config.dtype_policy().name),
        "keras format": keras.config.image_data_format(),
        "interactive": keras.config.is_interactive_logging_enabled(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "scikit-learn": sklearn.get_config(),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "path": list(sys.path),
        "folder": Path.cwd(),
        "excepthook": sys.excepthook,
    }


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("parameters", [{}, {"method": "random_forest"}, {"max_train_samples": 50}])
def test_fit_changes_no_global_state(galaxies, quick_pipeline, parameters):
    X, y = galaxies
    before = global_state()
    pipe = quick_pipeline(**parameters).fit(X, y)
    pipe.predict(X)
    pipe.score(X, y)
    after = global_state()
    assert {name for name in before if before[name] != after[name]} == set()


def test_without_a_seed_fits_differ(galaxies, quick_pipeline):
    X, y = galaxies
    first, second = (quick_pipeline(random_state=None).fit(X, y).predict(X) for _ in range(2))
    assert not np.array_equal(first, second, equal_nan=True)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "surana"}, r"recipe must be one of sfml, surana2020; got 'surana'"),
        ({"method": "forest"}, r"must be one of mlp, random_forest, svr; got 'forest'"),
        ({"targets": "sfr"}, r"targets must be a sequence of names.*got 'sfr'"),
        ({"targets": ()}, r"targets must be a sequence of names.*got \(\)"),
        ({"redshift": "spec"}, r"redshift must be one of .*spectroscopic.*; got 'spec'"),
        ({"recipe": "surana2020", "missing": "allow"}, r"surana2020.* needs every band"),
        ({"recipe": "surana2020", "redshift": "none"}, r"surana2020.* needs every band"),
        ({"targets": ("sfr", "redshift")}, r"The redshift is an input: to predict it"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        sfml.make_star_formation_pipeline(**parameters)
