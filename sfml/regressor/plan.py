"""What each regressor is to learn, and from which galaxies: decided before any is trained."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from sfml.neural import KerasMLPRegressor
from sfml.recipes import ALL_TARGETS, FAMILIES, make_estimator, width_regressor
from sfml.regressor.emulators import usable_rows
from sfml.regressor.jobs import Job, check_can_learn, set_seeds
from sfml.targets import check_limits, open_ends

# Posteriors narrower than this, in dex, are a single template: their logarithm has no meaning.
LEAST_POSTERIOR_WIDTH = 0.002
AUTO_CONDITIONS = ("log_redshift_error", "log_snr", "redshift")


class Galaxies(NamedTuple):
    """The galaxies of a `fit`: inputs, labels, and which of them may be learnt from."""

    X: np.ndarray  # (n_galaxies, n_features)
    Y: np.ndarray  # (n_galaxies, n_targets)
    targets: tuple[str, ...]
    good: np.ndarray  # (n_galaxies,), bool: within the limits, and of some weight
    held_back: np.ndarray  # (n_galaxies,), bool


def rng_of(root: int, name: str) -> np.random.Generator:
    """Make a generator by name: a target's model does not depend on which others are trained."""
    return np.random.default_rng([root, zlib.crc32(name.encode())])


def check_estimators(estimators: Any, targets: Any, *, joint: bool) -> tuple[str, ...] | None:
    """Check both parameters; return the names of the targets if they are known without y."""
    if targets is not None and (
        isinstance(targets, str)
        or not len(targets)
        or not all(isinstance(target, str) for target in targets)
    ):
        raise ValueError(f"targets must be None or a list of names; got {targets!r}.")
    if isinstance(estimators, str):
        return None
    pairs = estimators if isinstance(estimators, list | tuple) else [("all", estimators)]
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and _is_regressor(pair[1])):
            raise ValueError(
                f"estimators must be one of {', '.join(FAMILIES)}, a list of (target, regressor) "
                f"pairs, or a regressor; got {pair!r}."
            )
    if not isinstance(estimators, list | tuple):
        return None
    names = [name for name, _ in pairs]
    if not names:
        raise ValueError(
            f"estimators must name at least one (target, regressor); got {estimators!r}."
        )
    if joint and len(names) > 1:
        raise ValueError(
            f"joint=True trains one regressor for all targets; got {len(names)}: {names}."
        )
    if not joint and targets is not None and list(targets) != names:
        raise ValueError(
            f"targets={list(targets)} and the names of estimators, {names}, differ: leave targets "
            "out, or use the same names in the same order."
        )
    return None if joint else tuple(names)


def find_conditions(conditions: Any, n_features: int, names: list[str] | None) -> list[int]:
    """Find the positions of the inputs in whose bins intervals are calibrated."""
    if isinstance(conditions, str):
        return [i for i, name in enumerate(names or ()) if name in AUTO_CONDITIONS]
    found = []
    for condition in conditions:
        if not isinstance(condition, str):
            if not -n_features <= condition < n_features:
                raise ValueError(f"conditions has {condition}, but X has {n_features} columns.")
            found.append(int(condition) % n_features)
        elif names is None:
            raise ValueError(
                f"conditions names {condition!r}, but the columns of X have no names: fit a table, "
                "or a StarFormationPipeline, whose steps name their outputs."
            )
        elif condition not in names:
            close = get_close_matches(condition, names, n=1)
            raise ValueError(
                f"conditions names {condition!r}, which is no input of the regressor: "
                f"{', '.join(names)}.{f' Did you mean {close[0]!r}?' if close else ''}"
            )
        else:
            found.append(names.index(condition))
    return found


def read_limits(limits: Any, targets: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Check `target_limits`; write infinities for its open ends."""
    for name, pair in (limits or {}).items():
        check_limits(f"target_limits[{name!r}]", pair)
        if name not in targets:
            raise ValueError(
                f"target_limits names {name!r}, but the targets are {', '.join(targets)}."
            )
    return {name: open_ends(pair) for name, pair in (limits or {}).items()}


def within_limits(
    Y: np.ndarray, targets: Sequence[str], limits: Mapping[str, tuple[float, float]]
) -> np.ndarray:
    """Say which galaxies have labels within the limits, of shape (n_galaxies,)."""
    within = np.ones(len(Y), dtype=bool)
    for name, (low, high) in limits.items():
        column = Y[:, list(targets).index(name)]
        within &= (column >= low) & (column <= high)
    return within


def plan_jobs(
    regressor: Any,
    galaxies: Galaxies,
    widths: np.ndarray | None,
    root: int,
    earlier: Any,
    *,
    weighted: bool,
    chunked: bool = False,
) -> list[Job]:
    """Decide what each regressor is to learn, and from which rows.

    `widths` are those of the SPS code's posterior, if y has them; `earlier` is the fitted
    regressor whose networks are gone on from, or None; `chunked`, whether the galaxies are a sample
    of those to learn from.
    """
    X, Y, targets, good, held_back = galaxies
    jobs = []
    for name, places, estimator in _group(regressor, targets, earlier):
        names = [targets[k] for k in places]
        one = len(places) == 1 and not regressor.joint
        target = Y[:, places[0]] if one else Y[:, places]
        check_can_learn(estimator, target, weighted=weighted, chunked=chunked)
        rng = rng_of(root, name)
        set_seeds(estimator, rng)
        usable = usable_rows(X, estimator)
        known = np.isfinite(target).reshape(len(Y), -1)
        labelled = known.all(axis=1) if regressor.joint else known.any(axis=1)
        chosen = usable & labelled & good
        rows, aside = np.flatnonzero(chosen & ~held_back), np.flatnonzero(chosen & held_back)
        for each, column in zip([name] if regressor.joint else names, known.T, strict=False):
            if not column[rows].any():
                raise ValueError(
                    f"No galaxy is left to train {each!r} on, of {len(X)} given: "
                    f"{np.sum(~usable)} have NaN inputs (in a pipeline: rejected by the selection, "
                    f"see the selector's report_ and reasons), {np.sum(~column)} have no label, "
                    f"and {np.sum(~good)} lie outside target_limits or have no weight."
                )
        most = regressor.max_train_samples
        if most is not None and len(rows) > most:
            rows = np.sort(rng.choice(rows, most, replace=False))
        beside: list[int] = []
        if regressor.share_networks and _can_share(estimator) and earlier is None:
            beside = _with_percentiles(widths, places, rows)
        labels = partial(_labels, places=places if not one else places[0], beside=beside)
        job = Job(name, places, estimator, labels(Y, widths), rows, aside, labels, regressor.joint)
        jobs.append(job)
    return jobs


def _group(
    regressor: Any, targets: Sequence[str], earlier: Any
) -> list[tuple[str, list[int], Any]]:
    """List the regressors to train: name, positions of the targets, and the unfitted regressor.

    If networks are to be shared, targets whose networks are set alike get one with several outputs.
    """
    if regressor.joint:
        pairs = isinstance(regressor.estimators, list | tuple)
        name = regressor.estimators[0][0] if pairs else ALL_TARGETS
        return [(name, list(range(len(targets))), _make(regressor.estimators, name, earlier))]
    groups: dict[Any, list[int]] = {}
    made = [_make(regressor.estimators, name, earlier) for name in targets]
    for k, estimator in enumerate(made):
        key: Any = k
        if regressor.share_networks and _can_share(estimator):
            # Only what shared a network before can share it in going on from there.
            before = None if earlier is None else id(_earlier(earlier, targets[k])[0])
            key = repr(sorted(estimator.get_params(deep=False).items())), before
        groups.setdefault(key, []).append(k)
    found = []
    for places in groups.values():
        estimator, names = made[places[0]], [targets[k] for k in places]
        if len(places) > 1 and earlier is not None:
            fitted = [_earlier(earlier, name) for name in names]
            shared = fitted[0][0].select_outputs([output for _, output in fitted])
            estimator = shared.set_params(**estimator.get_params(deep=False))
        found.append((",".join(names), places, estimator))
    return found


def _can_share(estimator: Any) -> bool:
    """Whether a regressor of several targets learns from galaxies that lack some of the labels."""
    return isinstance(estimator, KerasMLPRegressor) and estimator.quantiles is not None


def _earlier(earlier: Any, target: str) -> tuple[Any, int]:
    """Find the fitted regressor of a target, and which of its outputs that is."""
    return earlier.emulators_.find(list(earlier.targets_).index(target))


def _with_percentiles(widths: np.ndarray | None, places: list[int], rows: np.ndarray) -> list[int]:
    """Find the targets of which these rows have the SPS code's percentiles."""
    if widths is None:
        return []
    return [k for k in places if np.isfinite(widths[rows, k]).any()]


def _labels(
    Y: np.ndarray, widths: np.ndarray | None, *, places: int | list[int], beside: list[int]
) -> np.ndarray:
    """Make what is learnt of labels: those of the targets, and percentiles beside them."""
    target = Y[:, places]
    if not beside or widths is None:
        return target
    percentiles = [
        column for k in beside for column in (Y[:, k] - widths[:, k, 0], Y[:, k] + widths[:, k, 1])
    ]
    return np.column_stack([target, *percentiles])


def plan_posterior(
    widths: np.ndarray | None, targets: tuple[str, ...], job: Job, root: int
) -> tuple[list[Job], tuple[str, ...]]:
    """Plan the one regressor of the SPS code's posterior widths, and for which targets.

    It is of the family of `job`, and learns from the same rows.
    """
    if widths is None:
        return [], ()
    known = np.isfinite(widths).any(axis=(0, 2))
    labels = partial(_log_widths, known=known)
    logs = labels(np.empty(0), widths)
    labelled = np.isfinite(logs).all(axis=1)
    estimator = width_regressor(job.estimator)
    set_seeds(estimator, rng_of(root, "posterior"))
    rows, aside = (part[labelled[part]] for part in (job.rows, job.held_back))
    names = tuple(name for name, is_known in zip(targets, known, strict=True) if is_known)
    return [Job("posterior", [], estimator, logs, rows, aside, labels, needs_all=True)], names


def _log_widths(Y: np.ndarray, widths: np.ndarray, *, known: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(widths[:, known], LEAST_POSTERIOR_WIDTH)).reshape(len(widths), -1)


def _make(estimators: Any, name: str, earlier: Any) -> Any:
    """Make the unfitted regressor of this name, or a copy of the one to go on from."""
    if isinstance(estimators, str):
        new = make_estimator(estimators, name)
    else:
        pairs = isinstance(estimators, list | tuple)
        new = clone(dict(estimators)[name] if pairs else estimators)
    if earlier is None or not isinstance(new, KerasMLPRegressor):
        return new
    # The seed, if it has none of its own, is that of the last fit.
    params = new.get_params(deep=False) | {"warm_start": True}
    params.pop("random_state")
    return copy.copy(earlier.named_estimators_[name]).set_params(**params)


def _is_regressor(estimator: Any) -> bool:
    able = all(hasattr(estimator, name) for name in ("fit", "predict", "get_params"))
    return able and get_tags(estimator).estimator_type in ("regressor", None)
