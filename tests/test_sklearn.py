"""scikit-learn's common checks on every estimator of the package.

`GamaSampleSelector()` with a band set is not among them: the checks fit arrays of 2 to 10 columns,
which a selector that needs 21 fluxes, 21 errors and a redshift must refuse. The same class with
``bands="positional"`` takes any columns, and is checked; what the checks ask of every estimator is
asked of the default selector below, on a catalogue.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils.estimator_checks import parametrize_with_checks

from sfml import GAMA, FluxFeatures, GamaSampleSelector, KerasMLPRegressor, StarFormationRegressor
from sfml.domain import DomainDetector
from sfml.features.scaler import StandardScaler

WEIGHTS_AS_REPEATED_ROWS = {
    "check_sample_weight_equivalence_on_dense_data": "weights equal repeated rows to 1e-7 only "
    "where training is exact and draws nothing: networks draw batches, in single precision, "
    "forests draw rows, and libsvm stops at a tolerance. scikit-learn excepts its forests and SVR "
    "as well. test_neural compares both for a network that learns in whole batches."
}
"""Check name to the reason why an estimator may fail it. One that passes all the same is an error
(pytest's ``xfail_strict``)."""


def small_network() -> KerasMLPRegressor:
    return KerasMLPRegressor((32,), learning_rate=0.02, batch_size=32, epochs=150, patience=50)


ESTIMATORS = [
    GamaSampleSelector("positional", z_range=None, negative="allow", min_bands=0),
    FluxFeatures("positional"),
    StandardScaler(),
    small_network(),
    StarFormationRegressor(Ridge()),
    StarFormationRegressor(LinearRegression(), joint=True),
    StarFormationRegressor(small_network()),
    StarFormationRegressor(small_network(), joint=True),
    StarFormationRegressor("random_forest"),
    StarFormationRegressor("svr"),
    # The checks fit a few dozen rows and predict at once: too few for a rate of 1 per cent.
    DomainDetector(false_alarm_rate=0.2, held_back=0.5),
]


def expected_failures(estimator: BaseEstimator) -> dict[str, str]:
    regressor = getattr(estimator, "estimators", estimator)
    inexact = isinstance(regressor, KerasMLPRegressor) or regressor in ("random_forest", "svr")
    return WEIGHTS_AS_REPEATED_ROWS if inexact else {}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_common_checks(estimator, check):
    check(estimator)


class TestTheDefaultSelector:
    def test_needs_a_catalogue(self):
        with pytest.raises(ValueError, match="10 columns without names, but exactly 43"):
            GamaSampleSelector().fit(np.ones((30, 10)))

    def test_constructor_only_stores(self):
        selector = GamaSampleSelector(GAMA, z_range=[0, 1], targets=["sfr"])
        assert selector.bands is GAMA
        assert vars(selector).keys() == selector.get_params().keys()
        assert selector.z_range == [0, 1]

    def test_fit_changes_no_parameter_and_transform_no_attribute(self, galaxies):
        selector = GamaSampleSelector()
        parameters = selector.get_params()
        assert selector.fit(*galaxies) is selector
        assert selector.get_params() == parameters
        before = dict(vars(selector))
        selector.transform(galaxies[0])
        selector.select(*galaxies)
        selector.reasons(*galaxies)
        assert vars(selector).keys() == before.keys()
        assert all(value is before[name] for name, value in vars(selector).items())

    def test_fit_twice_is_fit_once(self, galaxies):
        X, y = galaxies
        once = GamaSampleSelector().fit(X, y)
        twice = GamaSampleSelector().fit(X[:50], y[:50]).fit(X, y)
        assert once.report_ == twice.report_
        np.testing.assert_array_equal(once.transform(X), clone(once).fit_transform(X, y))

    def test_each_row_is_transformed_by_itself(self, galaxies):
        X, y = galaxies
        selector = GamaSampleSelector().fit(X, y)
        together = selector.transform(X)
        order = np.random.default_rng(0).permutation(len(X))
        np.testing.assert_array_equal(selector.transform(X.iloc[order]), together[order])
        alone = np.vstack([selector.transform(X.iloc[[i]]) for i in range(0, len(X), 40)])
        np.testing.assert_array_equal(alone, together[::40])

    def test_transform_needs_fit(self, galaxies):
        with pytest.raises(NotFittedError):
            GamaSampleSelector().transform(galaxies[0])

    @pytest.mark.parametrize("keep_errors", [False, True])
    def test_output_is_named(self, galaxies, keep_errors):
        X, y = galaxies
        selector = GamaSampleSelector(keep_errors=keep_errors).set_output(transform="pandas")
        out = selector.fit_transform(X, y)
        errors = [f"{name}_fluxerr" for name in GAMA.names] if keep_errors else []
        expected = [*(f"{name}_flux" for name in GAMA.names), *errors, "redshift"]
        assert isinstance(out, pd.DataFrame)
        assert out.columns.tolist() == expected
        assert selector.get_feature_names_out().tolist() == expected
        assert out.index.equals(X.index)
