"""Going on from a trained network, with more galaxies."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import make_quick_pipeline
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

import sfml
from sfml import recipes, triage
from sfml.neural import KerasMLPRegressor
from sfml.regressor.hold_back import draw_numbers, row_keys

RATE_TOO_SMALL_TO_LEARN = 1e-9


def data(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X.sum(axis=1) + 10


def network(**parameters) -> KerasMLPRegressor:
    settings = {"epochs": 30, "learning_rate": 0.02, "batch_size": 32, "random_state": 0}
    return KerasMLPRegressor((16,), **{**settings, "warm_start": True, **parameters})


class TestTheNetwork:
    @pytest.mark.parametrize(
        "parameters",
        [{}, {"scale_target": True}, {"n_networks": 2}, {"quantiles": (0.16, 0.5, 0.84)}],
        ids=str,
    )
    def test_it_goes_on_from_where_it_was(self, parameters):
        X, y = data()
        mlp = network(**parameters).fit(X, y)
        before = mlp.predict(X)
        mlp.set_params(learning_rate=RATE_TOO_SMALL_TO_LEARN, epochs=1).fit(X, y)
        np.testing.assert_allclose(mlp.predict(X), before, atol=1e-4)

    def test_more_epochs_learn_more(self):
        X, y = data()
        mlp = network(epochs=3, learning_rate=0.003).fit(X, y)
        first = mlp.score(X, y)
        assert mlp.set_params(epochs=60).fit(X, y).score(X, y) > first

    def test_without_it_a_fit_starts_anew(self):
        X, y = data()
        once = network(warm_start=False).fit(X, y).predict(X)
        twice = network(warm_start=False).fit(X, y).fit(X, y).predict(X)
        np.testing.assert_array_equal(once, twice)

    def test_other_layers_are_an_error(self):
        X, y = data()
        mlp = network().fit(X, y).set_params(hidden_layer_sizes=(8,))
        with pytest.raises(ValueError, match=r"weights of shapes .*\(3, 16\).*needs .*\(3, 8\)"):
            mlp.fit(X, y)

    def test_a_forest_starts_anew_without_a_warning(self):
        X, y = data()
        model = sfml.StarFormationRegressor("random_forest", random_state=0, targets=["other"])
        model.fit(X, y).set_params(warm_start=True).fit(X, y + 5)
        assert abs(model.predict(X).mean() - (y + 5).mean()) < 0.5


class TestLots:
    def test_a_galaxy_keeps_its_lot(self):
        X, _ = data(500)
        lots = draw_numbers(row_keys(X), 3)
        order = np.random.default_rng(1).permutation(500)
        np.testing.assert_array_equal(draw_numbers(row_keys(X[order]), 3), lots[order])
        np.testing.assert_array_equal(draw_numbers(row_keys(np.vstack([X, X + 1])), 3)[:500], lots)

    def test_another_seed_draws_others(self):
        X, _ = data(2000)
        held = [draw_numbers(row_keys(X), s) < np.uint64(2**64 // 5) for s in (0, 1)]
        # Independent: a fifth of a fifth in both, within 4 binomial errors.
        assert abs((held[0] & held[1]).mean() - 0.04) < 4 * np.sqrt(0.04 * 0.96 / 2000)

    def test_what_was_held_back_stays_so(self):
        X, y = data(400)
        model = sfml.StarFormationRegressor(network(epochs=1), random_state=None)
        model.fit(X[:300], y[:300])
        first = model.n_calibration_
        assert first == 60
        held = draw_numbers(row_keys(X), model._root) <= model._last_number
        model.set_params(warm_start=True).fit(X, y)
        assert held[:300].sum() == first
        assert model.n_calibration_ == held.sum()
        np.testing.assert_array_equal(
            draw_numbers(row_keys(X), model._root) <= model._last_number, held
        )


@pytest.fixture(scope="module")
def fitted():
    X, y = sfml.make_mock_survey(900, n_templates=2000, random_state=3, return_X_y=True)
    pipe = make_quick_pipeline("sfml", missing="allow")
    return pipe.fit(X[:500], y[:500]), X, y


class TestRefit:
    def test_the_first_pipeline_stays_as_it_is(self, fitted):
        pipe, X, y = fitted
        before, parameters = pipe.predict(X), str(pipe.get_params())
        new, gain = triage.refit(pipe, X[:700], y[:700])
        assert gain is None
        np.testing.assert_array_equal(pipe.predict(X), before)
        assert str(pipe.get_params()) == parameters
        assert str(new.get_params()) == parameters
        assert new[-1].n_train_["sfr"] > pipe[-1].n_train_["sfr"]

    def test_a_warm_one_keeps_the_transformers(self, fitted):
        pipe, X, y = fitted
        new, _ = triage.refit(pipe, X[:700], y[:700])
        np.testing.assert_array_equal(new[:-1].transform(X), pipe[:-1].transform(X))
        anew, _ = triage.refit(pipe, X[:700], y[:700], warm_start=False)
        assert not np.array_equal(anew[:-1].transform(X), pipe[:-1].transform(X), equal_nan=True)

    def test_the_gain_is_that_of_the_test_galaxies(self, fitted):
        pipe, X, y = fitted
        new, gain = triage.refit(pipe, X[:700], y[:700], X_test=X[700:], y_test=y[700:])
        for when, model in (("before", pipe), ("after", new)):
            sigma = sfml.metrics.error(y[700:], model.predict(X[700:]), multioutput="raw_values")
            np.testing.assert_allclose(gain.xs("sigma", level="measure")[when], sigma)
        np.testing.assert_allclose(gain["ratio"], gain["after"] / gain["before"])

    def test_half_of_the_test_galaxies_is_an_error(self, fitted):
        pipe, X, y = fitted
        with pytest.raises(ValueError, match="both X_test and y_test"):
            triage.refit(pipe, X, y, X_test=X)
        with pytest.raises(ValueError, match="order"):
            triage.refit(pipe, X[:550], y[:550], X_test=X[700:], y_test=y[700:][::-1])

    def test_labels_may_be_absent(self, fitted):
        pipe, X, y = fitted
        labels = y.copy()
        labels.iloc[550:] = np.nan
        new, _ = triage.refit(copy.deepcopy(pipe), X, labels)
        assert new[-1].n_given_ == pipe.refit(X[:550], y[:550])[-1].n_given_

    @pytest.mark.parametrize(
        ("estimators", "joint"),
        [
            *(("mlp", False), ("mlp", True), ("random_forest", False)),
            *((network(epochs=3), False), ([("all", network(epochs=3))], True)),
            (LinearRegression(), False),
        ],
        ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value)[:13],
    )
    def test_every_form_of_estimators(self, estimators, joint, monkeypatch):
        """A family's name, one regressor for every target, or pairs of a name and a regressor."""
        monkeypatch.setitem(recipes.SURANA2020_TRAINING, "learning_rate", 0.02)
        for name in recipes.SURANA2020_NETWORKS:
            small = {"hidden_layer_sizes": (8,), "epochs": 3}
            monkeypatch.setitem(recipes.SURANA2020_NETWORKS, name, small)
        targets = ["sfr", "dust_luminosity"]
        X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=3, return_X_y=True)
        regressor = sfml.StarFormationRegressor(
            estimators, targets=targets, joint=joint, random_state=0
        )
        # The paper's recipe leaves galaxies with missing bands out, which these cannot take.
        pipe = make_quick_pipeline("surana2020", targets=targets).set_params(regress=regressor)
        pipe.fit(X[:200], y[targets][:200])
        parameters, before = str(pipe.get_params()), pipe.predict(X)
        new, _ = triage.refit(pipe, X, y[targets])
        assert str(new.get_params()) == parameters
        assert new[-1].targets_ == pipe[-1].targets_
        assert sum(new[-1].n_train_.values()) > sum(pipe[-1].n_train_.values())
        np.testing.assert_array_equal(pipe.predict(X), before)
        networks = [each for each in new[-1].estimators_ if isinstance(each, KerasMLPRegressor)]
        assert {(each.learning_rate, each.epochs) for each in networks} <= {(0.005, 1)}

    def test_what_is_not_fitted(self):
        with pytest.raises(NotFittedError):
            triage.refit(make_quick_pipeline("sfml"), np.zeros((3, 3)), np.zeros((3, 3)))
