"""Targets whose networks are set alike share one."""

import copy
from functools import partial

import numpy as np
import pytest

import sfml
from sfml import TARGETS, KerasMLPRegressor, StarFormationRegressor

LEVELS = (0.16, 0.5, 0.84)


def network(**params):
    return KerasMLPRegressor(
        (8,), epochs=3, batch_size=64, quantiles=LEVELS, patience=None, **params
    )


def regressor(**own):
    pairs = [(target, own.get(target, network())) for target in TARGETS]
    return StarFormationRegressor(pairs, share_networks=True, random_state=0)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    return X, X[:, :3] + [10, 0, 10] + 0.1 * rng.normal(size=(400, 3))


class TestSharing:
    def test_alike_networks_are_one(self, data):
        X, y = data
        model = regressor().fit(X, y)
        assert model.emulators_.targets == [[0, 1, 2]]
        for k, target in enumerate(TARGETS):
            alone = model.named_estimators_[target]
            np.testing.assert_allclose(alone.predict(X), model.predict(X)[:, k], rtol=1e-5)
            assert alone.coefs_[0] is model.estimators_[0].coefs_[0]
            assert alone.gradient(X[:5]).shape == (5, 4)

    def test_a_target_set_otherwise_has_its_own(self, data):
        X, y = data
        model = regressor(sfr=network(weight_decay=0.1)).fit(X, y)
        assert model.emulators_.targets == [[0, 2], [1]]
        assert [e.n_outputs_ for e in model.estimators_] == [1, 1, 1]
        np.testing.assert_allclose(
            model.predict_quantiles(X, 0.5)[:, :, 0], model.predict(X), atol=0.2
        )

    @pytest.mark.parametrize("params", [{"quantiles": None}, {"callbacks": [object()]}])
    def test_those_that_cannot_stay_alone(self, data, params):
        pairs = [(target, network().set_params(**params)) for target in TARGETS]
        model = StarFormationRegressor(pairs, share_networks=True)
        jobs = sfml.regressor.plan._group(model, TARGETS, None)
        assert [places for _, places, _ in jobs] == [[0], [1], [2]]

    def test_callbacks_that_are_made_anew_are_no_reason_to_stay_alone(self, data):
        import keras

        X, y = data
        epochs = []

        class Count(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                epochs.append(epoch)

        own = {target: network(callbacks=[Count, partial(Count)]) for target in TARGETS}
        model = regressor(**own).fit(X, y)
        assert model.emulators_.targets == [[0, 1, 2]]
        assert epochs == [0, 0, 1, 1, 2, 2]
        np.testing.assert_array_equal(model.predict(X), regressor().fit(X, y).predict(X))

    def test_a_target_between_shared_ones_keeps_its_place(self, data):
        X, y = data
        pipe = regressor(sfr=network(learning_rate=0.01)).fit(X, y)
        np.testing.assert_array_equal(
            pipe.predict(X)[:, 1], pipe.named_estimators_["sfr"].predict(X)
        )


class TestMissingLabels:
    def test_galaxies_that_lack_some_are_learnt_from(self, data):
        X, y = data
        y[::3, 1] = np.nan
        model = regressor().fit(X, y)
        n = 400 - model.n_calibration_
        assert model.n_train_["stellar_mass"] == model.n_train_["dust_luminosity"] == n
        assert model.n_train_["sfr"] < 0.75 * n
        assert np.isfinite(model.predict_interval(X)).all()

    def test_what_is_not_known_teaches_nothing(self, data):
        """Its part of the loss is 0."""
        X, y = data
        pinball = sfml.neural.backend.load("network").pinball_loss(LEVELS)
        known = y[:8, :2].astype(np.float32)
        partly = known.copy()
        partly[:, 1] = np.nan
        outputs = np.tile(X[:8, :1].astype(np.float32), 6)
        alone = pinball(known[:, :1], outputs[:, :3]).numpy()
        np.testing.assert_allclose(pinball(partly, outputs).numpy(), alone / 2, rtol=1e-5)
        assert (pinball(known, outputs).numpy() > alone / 2).all()

    @pytest.mark.parametrize("hole", [np.s_[3], np.s_[:, 1]])
    def test_a_row_or_column_of_nothing_is_an_error(self, data, hole):
        X, y = data
        y[hole] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            network().fit(X, y)


class TestPercentiles:
    def test_they_are_learnt_beside_and_not_kept(self):
        X, y = sfml.make_mock_survey(
            400, n_templates=1000, random_state=0, return_X_y=True, percentiles=True
        )
        pipe = sfml.make_star_formation_pipeline(random_state=0)
        pipe.set_params(**{f"regress__{target}__epochs": 3 for target in TARGETS})
        names = list(TARGETS)
        with_them = copy.deepcopy(pipe).fit(X, y)
        without = copy.deepcopy(pipe).fit(X, y[names])
        for fitted in (with_them, without):
            assert [e.n_outputs_ for e in fitted[-1].emulators_.estimators] == [3]
        assert with_them.predict(X).shape == (400, 3)
        assert not np.array_equal(with_them.predict(X), without.predict(X))


class TestWarmStart:
    @pytest.mark.parametrize("changed", [{}, {"sfr__epochs": 2}])
    def test_it_goes_on_from_what_was_shared(self, data, changed):
        X, y = data
        model = regressor().set_params(**{f"{t}__learning_rate": 1e-2 for t in TARGETS})
        before = model.fit(X[:300], y[:300]).predict(X)
        model.set_params(
            warm_start=True, **{f"{t}__learning_rate": 1e-9 for t in TARGETS}, **changed
        )
        np.testing.assert_allclose(model.fit(X, y).predict(X), before, atol=1e-4)
        assert model.emulators_.targets == ([[0, 2], [1]] if changed else [[0, 1, 2]])


def test_a_target_without_any_label_is_named(data):
    X, y = data
    y[:, 1] = np.nan
    with pytest.raises(ValueError, match="No galaxy is left to train 'sfr' on, of 400 given"):
        regressor().fit(X, y)
