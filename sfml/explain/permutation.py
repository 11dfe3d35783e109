"""How much worse predictions become where a band is that of another galaxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length, check_random_state

from sfml import tables
from sfml.explain.steps import in_columns_of, selector_of
from sfml.metrics import get_scorer
from sfml.photometry import REDSHIFT_COLUMNS
from sfml.selection import GamaSampleSelector
from sfml.targets import REDSHIFT, read_targets


def permutation_importance(
    pipe: Pipeline,
    X: Any,
    y: Any,
    *,
    scoring: str = "neg_error",
    target: str | None = None,
    by: str | Mapping[str, Sequence[str]] = "band",
    n_repeats: int = 5,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame:
    """Say how much worse the predictions become if a band is exchanged between galaxies.

    A band's flux, its error and its being missing go together: a flux beside another's error would
    make galaxies that do not exist. So do a redshift and its error.

    Parameters
    ----------
    pipe : Pipeline
        Fitted, with regressors of any family.
    X : table or array of shape (n_galaxies, n_columns)
        Catalogue, best one that the pipeline has not seen. It is not changed.
    y : array-like of shape (n_galaxies, n_targets)
        Labels in dex.
    scoring : str, default="neg_error"
        A score of `sfml.metrics.get_scorer`: larger is better. Galaxies without a label are left
        out.
    target : str or None, default=None
        Target whose score it is; None for the mean over the targets.
    by : "band" or dict of str to sequence of str, default="band"
        What is exchanged at once: one band, or the bands of a group, such as
        ``{"ultraviolet": ["FUV", "NUV"]}``. A group from one galaxy stays together.
    n_repeats : int, default=5
        Permutations.
    n_jobs : int or None, default=None
        Bands at the same time, in threads unless `joblib.parallel_config` says otherwise.
    random_state : int, RandomState or None, default=None
        Seed of the permutations, which are the same for every band.

    Returns
    -------
    DataFrame of shape (n_bands, 2) or (n_bands + 1, 2)
        ``importance``, what the score loses on average over the permutations (in dex for
        "neg_error"), and ``std``, their standard deviation; indexed by band or group, the last one
        being "redshift" if the pipeline reads one.

    Raises
    ------
    TypeError, ValueError
        If a parameter is none of the above, if the pipeline does not begin with a
        `GamaSampleSelector`, or if no galaxy is left to score.

    See Also
    --------
    sklearn.inspection.permutation_importance : Permutes column by column; the pipeline is an
        estimator like others there.
    band_sensitivities : Galaxy by galaxy, for networks.

    Notes
    -----
    Galaxies which the selection rejects are left out first, and it is not asked again after a
    permutation: all scores are of the same galaxies. Bands next to each other tell nearly the same,
    so that each looks less important than the two would together (Breiman 2001): exchange groups
    to see that.

    References
    ----------
    Breiman, L. 2001, Machine Learning, 45, 5.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(n_galaxies=400, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(targets=["sfr"], random_state=0)
    >>> pipe = pipe.set_params(regress__sfr__epochs=5).fit(X, y[["sfr"]])
    >>> infrared = {"infrared": ["P100", "P160", "S250", "S350", "S500"]}
    >>> sfml.explain.permutation_importance(
    ...     pipe, X, y[["sfr"]], by=infrared, random_state=0
    ... ).index.tolist()
    ['infrared', 'redshift']
    """
    if isinstance(n_repeats, bool) or not isinstance(n_repeats, Integral) or n_repeats < 1:
        raise ValueError(f"n_repeats must be a whole number of at least 1; got {n_repeats!r}.")
    tables.check_same_rows(X, y)
    select = selector_of(pipe)
    groups = _groups(select, by)
    scorer = get_scorer(scoring, target)
    given = select.transform(X)
    values = np.asarray(given, dtype=np.float64)
    Y, names = read_targets(y, getattr(pipe[-1], "targets_", None))
    check_consistent_length(values, Y)
    kept = np.logical_not(np.isnan(values).all(axis=1))
    values, labels = values[kept], pd.DataFrame(Y[kept], columns=pd.Index(names))
    if not len(values):
        raise ValueError(
            f"No galaxy is left to score: the selection rejects all {len(kept)}, see the "
            "selector's reasons(X)."
        )
    rng = check_random_state(random_state)
    orders = [rng.permutation(len(values)) for _ in range(int(n_repeats))]
    rest = pipe[1:]

    def score(columns: list[int], order: np.ndarray) -> float:
        moved = values.copy()
        moved[:, columns] = values[order][:, columns]
        return float(scorer(rest, in_columns_of(moved, given), labels))

    best = score([], orders[0])
    scores = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(score)(columns, order) for columns in groups.values() for order in orders
    )
    lost = best - np.reshape(scores, (len(groups), n_repeats))
    return pd.DataFrame(
        {"importance": lost.mean(axis=1), "std": lost.std(axis=1)},
        index=pd.Index(list(groups), name="band"),
    )


def _groups(select: GamaSampleSelector, by: Any) -> dict[str, list[int]]:
    """Name what is exchanged at once, and the columns of the selection's output that it takes."""
    bands = select.bands_
    assert bands is not None
    n = len(bands)
    if isinstance(by, str) and by == "band":
        named: Mapping[str, Sequence[str]] = {name: [name] for name in bands.names}
    elif isinstance(by, Mapping) and by and REDSHIFT not in by:
        named = by
    else:
        raise ValueError(
            "by must be 'band' or a dict of groups of bands, such as "
            f"{{'ultraviolet': ['FUV', 'NUV']}}, none of them called {REDSHIFT!r}; got {by!r}."
        )
    groups = {}
    for group, members in named.items():
        inside = bands.only(*([members] if isinstance(members, str) else members)).names
        places = [bands.names.index(name) for name in inside]
        groups[group] = places + [n + j for j in places] * select.layout_.errors
    first = (2 if select.layout_.errors else 1) * n
    n_redshift = len(REDSHIFT_COLUMNS[select.layout_.redshift])
    if n_redshift:
        groups[REDSHIFT] = list(range(first, first + n_redshift))
    return groups
