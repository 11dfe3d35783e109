"""scikit-learn's common checks on every estimator of the package.

`GamaSampleSelector()` itself, with the column layout of a survey, is not among them: the checks
fit arrays of 2 to 10 columns, which is no catalogue with 21 fluxes, 21 errors and a redshift, and
are refused as such. With ``bands="positional"`` it takes any columns, through the same code.
"""

from __future__ import annotations

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from sfml import GamaSampleSelector, KerasMLPRegressor, StarFormationRegressor
from sfml.pipeline import StandardScaler

EXPECTED_FAILURES: dict[str, str] = {}
"""Check name to the reason why an estimator may fail it. A check that passes all the same fails."""


def small_network() -> KerasMLPRegressor:
    return KerasMLPRegressor((32,), learning_rate=0.02, batch_size=32, epochs=150, patience=50)


ESTIMATORS = [
    GamaSampleSelector("positional", z_range=None, negative="allow", min_bands=0),
    StandardScaler(),
    small_network(),
    StarFormationRegressor(small_network()),
    StarFormationRegressor(small_network(), joint=True),
    StarFormationRegressor("random_forest"),
    StarFormationRegressor("svr"),
]


def expected_failures(estimator: BaseEstimator) -> dict[str, str]:
    return EXPECTED_FAILURES


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures, xfail_strict=True)
def test_common_checks(estimator, check):
    check(estimator)
