"""Outside what it has learnt a network is dull, not wild."""

import numpy as np
import pytest

import sfml
from sfml import TARGETS, KerasMLPRegressor
from sfml.neural.mlp import OUTPUT_MARGIN
from sfml.recipes import RECIPES

FAR = np.array([[1e3, 0.0], [-1e3, 1e6], [30.0, -30.0]])


def fit(n_outputs=1, **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = np.column_stack([3 * X[:, 0] + X[:, 1], X[:, 1]])[:, :n_outputs]
    params = {"learning_rate": 0.01, "epochs": 20, "patience": None, "saturation": 0.01} | params
    mlp = KerasMLPRegressor((16,), batch_size=32, random_state=0, **params)
    return mlp.fit(X, y[:, 0] if n_outputs == 1 else y), X, y


class TestRegressor:
    @pytest.mark.parametrize("quantiles", [None, (0.1, 0.5, 0.9)])
    @pytest.mark.parametrize("n_outputs", [1, 2])
    @pytest.mark.parametrize("n_networks", [1, 2])
    def test_it_is_constant_beyond_its_inputs(self, quantiles, n_outputs, n_networks):
        mlp, X, y = fit(n_outputs, quantiles=quantiles, n_networks=n_networks)
        low, high = mlp.inputs_.low, mlp.inputs_.high
        np.testing.assert_allclose([low, high], np.quantile(X, [0.01, 0.99], axis=0), atol=0.4)
        np.testing.assert_allclose(
            mlp.predict(FAR), mlp.predict(np.clip(FAR, low, high)), rtol=1e-5
        )
        margin = OUTPUT_MARGIN * np.ptp(y, axis=0)
        predicted = mlp.predict(np.random.default_rng(1).normal(0, 1e4, (1000, 2)))
        predicted = predicted.reshape(1000, -1)
        assert (predicted >= y.min(axis=0) - margin - 1e-5).all()
        assert (predicted <= y.max(axis=0) + margin + 1e-5).all()

    def test_without_it_is_not(self):
        assert np.abs(fit(saturation=None)[0].predict(FAR)).max() > 100

    def test_outputs_are_bounded_even_if_the_inputs_say_otherwise(self):
        mlp, X, y = fit(saturation=0.0)
        mlp.intercepts_[-1] = mlp.intercepts_[-1] + 1000
        np.testing.assert_allclose(mlp.predict(X), mlp.output_range_[1, 0], rtol=1e-5)
        assert y.max() < mlp.output_range_[1, 0] <= y.max() + OUTPUT_MARGIN * np.ptp(y)
        assert not mlp.gradient(X).any()

    def test_the_gradient_is_that_of_what_is_predicted(self):
        mlp, X, _ = fit()
        rows = np.vstack([X[:20], FAR])
        step = 1e-3
        numeric = np.stack(
            [
                (mlp.predict(rows + step * unit) - mlp.predict(rows - step * unit)) / (2 * step)
                for unit in np.eye(2)
            ],
            axis=1,
        )
        np.testing.assert_allclose(mlp.gradient(rows), numeric, atol=0.02)
        assert not mlp.gradient(FAR)[[0, 1, 2], [0, 1, 0]].any()

    def test_the_offset_does_not_saturate(self):
        mlp, _, _ = fit(offset_feature=0)
        rows = np.array([[0.0, 0.5], [1e3, 0.5]])
        assert np.diff(mlp.predict(rows)) == pytest.approx(1e3, rel=1e-4)

    def test_an_input_of_two_values_keeps_both(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(400, 2))
        X[:, 1] = 0
        X[:2, 1] = 1
        mlp = KerasMLPRegressor((4,), epochs=1, saturation=0.02, random_state=0)
        mlp.fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
        assert mlp.inputs_.low[1] <= 0
        assert mlp.inputs_.high[1] >= 1

    def test_keras_is_given_inputs_within_the_range(self):
        mlp, X, _ = fit(2, quantiles=(0.1, 0.5, 0.9))
        rows = np.vstack([X[:10], FAR]).astype(np.float32)
        inside = np.clip(rows, mlp.inputs_.low, mlp.inputs_.high)
        expected = mlp.raw_quantiles(rows).reshape(len(rows), -1)
        np.testing.assert_allclose(mlp.to_keras()(inside).numpy(), expected, rtol=1e-3, atol=1e-4)

    def test_a_warm_start_keeps_the_range(self):
        mlp, X, y = fit()
        low = mlp.inputs_.low
        mlp.set_params(warm_start=True, epochs=1).fit(10 * X, 10 * y[:, 0])
        np.testing.assert_array_equal(mlp.inputs_.low, low)

    def test_missing_inputs_stay_missing(self):
        X = np.random.default_rng(0).normal(5, 1, size=(300, 2))
        X[::3, 1] = np.nan
        mlp = KerasMLPRegressor(
            (4,), epochs=1, saturation=0.02, fill_missing=True, random_state=0
        ).fit(X, X[:, 0])
        rows = np.array([[5.0, np.nan], [5.0, 0.0]])
        assert np.ptp(mlp.predict(rows)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_both_recipes_saturate(recipe):
    pipe = sfml.make_star_formation_pipeline(recipe)
    for target in TARGETS:
        assert pipe.get_params()[f"regress__{target}__saturation"] is not None
