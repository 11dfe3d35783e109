"""Learn from the galaxies that the SPS code has fitted since."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sfml import metrics
from sfml.metrics.pairing import predict_with, read_labels
from sfml.neural import KerasMLPRegressor
from sfml.pipeline import StarFormationPipeline
from sfml.recipes import make_estimator
from sfml.regressor import StarFormationRegressor

# To go on from trained networks, a quarter of the recipe's highest learning rate and a third of
# its epochs reach what training anew does.
WARM_RATE, WARM_EPOCHS = 0.25, 1 / 3


def refit(
    pipe: StarFormationPipeline,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    warm_start: bool = True,
    X_test: Any = None,
    y_test: Any = None,
) -> tuple[StarFormationPipeline, pd.DataFrame | None]:
    """Train a copy of a pipeline on more galaxies, and measure what that gained.

    Parameters
    ----------
    pipe : StarFormationPipeline
        A fitted pipeline, which stays as it is. Its regressor may be a family of regressors, one
        of which every target gets a copy, or one per target.
    X : table or array of shape (n_galaxies, n_columns)
        Catalogue: the galaxies of the first fit and those labelled since.
    y : array-like of shape (n_galaxies, n_targets)
        Their labels in dex, such as `merge` returns; NaN where a galaxy has none.
    groups : array-like of shape (n_galaxies,), default=None
        Group of each galaxy, which must be given if `fit` was given groups.
    warm_start : bool, default=True
        Whether networks go on from their weights, with a quarter of the learning rate and a third
        of the epochs, on inputs scaled as before; other regressors are trained anew. False trains
        everything anew, transformers included: the safer choice if the further galaxies are of
        another kind.
    X_test : table or array of shape (n_test, n_columns), default=None
        Galaxies that are in neither fit, to measure the gain.
    y_test : array-like of shape (n_test, n_targets), default=None
        Their labels, in dex.

    Returns
    -------
    pipe : StarFormationPipeline
        The pipeline trained on these galaxies.
    gain : DataFrame or None
        Before, after and their ratio (below 1 is better), for each target: the scatter `sigma`,
        the mean absolute residual `mad` and `nmad` of the test galaxies, in dex. None without them.

    Raises
    ------
    NotFittedError
        If the pipeline is not fitted.
    ValueError
        If only one of `X_test` and `y_test` is given, or by `fit`.

    Examples
    --------
    >>> import sfml
    >>> from sfml import triage
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> pipe = pipe.fit(X[:100], y[:100])
    >>> better, gain = triage.refit(pipe, X[:200], y[:200], X_test=X[200:], y_test=y[200:])
    >>> gain.columns.tolist()
    ['before', 'after', 'ratio']
    """
    if (X_test is None) != (y_test is None):
        raise ValueError("To measure the gain, both X_test and y_test are needed; got one of them.")
    check_is_fitted(pipe)
    if warm_start:
        new = deepcopy(pipe)
        new[-1].set_params(estimators=_gentler(new[-1]))
        new.refit(X, y, groups=groups)
        new[-1].set_params(estimators=clone(pipe[-1]).estimators)
    else:
        new = clone(pipe).fit(X, y, **({} if groups is None else {"groups": groups}))
    gain = None if X_test is None else _gain(pipe, new, X_test, y_test)
    return new, gain


def _gentler(regressor: StarFormationRegressor) -> list[tuple[str, Any]]:
    """List the unfitted regressors by name, with networks that learn slower and for less long."""
    given = regressor.estimators
    named = dict(given) if isinstance(given, list | tuple) else {}
    pairs = []
    for name in regressor.named_estimators_:
        if isinstance(given, str):
            estimator = make_estimator(given, name)
        else:
            estimator = clone(named.get(name, given))
        if isinstance(estimator, KerasMLPRegressor):
            estimator.set_params(
                learning_rate=WARM_RATE * estimator.learning_rate,
                epochs=max(1, round(WARM_EPOCHS * estimator.epochs)),
            )
        pairs.append((name, estimator))
    return pairs


def _gain(before: Any, after: Any, X: Any, y: Any) -> pd.DataFrame:
    labels, targets = read_labels(before, X, y)
    measures = {"sigma": metrics.error, "mad": metrics.mad, "nmad": metrics.nmad}
    predicted = [predict_with(pipe, X).reshape(labels.shape) for pipe in (before, after)]
    rows = {
        (target, name): [float(measure(labels[:, k], values[:, k])) for values in predicted]
        for k, target in enumerate(targets)
        for name, measure in measures.items()
    }
    index = pd.MultiIndex.from_tuples(rows, names=["target", "measure"])
    gain = pd.DataFrame(list(rows.values()), index=index, columns=["before", "after"])
    return gain.assign(ratio=gain["after"] / gain["before"])
