"""One regressor to train: from which rows, with which weights and seed, and telling of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.utils import gen_batches, get_tags
from sklearn.utils.validation import has_fit_parameter

from sfml.features.flux_features import BRIGHTNESS, REDSHIFT_FEATURES
from sfml.regressor.emulators import usable_rows
from sfml.stopping import stopped

if TYPE_CHECKING:
    from sfml.regressor.chunks import LearntChunks

ROWS_AT_A_TIME = 50_000


class Training(NamedTuple):
    """What all regressors learn from, and what the steps before them know by name.

    With `chunks`, networks learn from these, of which the rest is a sample.
    """

    X: np.ndarray  # (n_galaxies, n_features)
    variants: np.ndarray  # (n_variants, n_galaxies, n_features)
    first_is_usual: bool  # whether the first variant is such as galaxies to be predicted are
    weights: np.ndarray | None  # (n_galaxies,)
    feature_names: list[str] | None
    offset_map: tuple[float, float] | None  # from the brightness, as scaled, back to dex
    chunks: LearntChunks | None = None

    def draw(self, rows: np.ndarray, most: int | None, rng: np.random.Generator) -> np.ndarray:
        """Draw from these rows, as they are and as their first two variants, at most so many."""
        versions = [self.X, *self.variants[:2]]
        version, row = np.divmod(rng.permutation(len(versions) * len(rows))[:most], len(rows))
        drawn = np.empty((len(row), self.X.shape[1]))
        for k, X in enumerate(versions):
            drawn[version == k] = X[rows[row[version == k]]]
        return drawn

    def in_single_precision(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows as networks learn from them, without one more copy in double precision."""
        copied = np.empty((len(rows), self.X.shape[1]), np.float32)
        with np.errstate(over="ignore"):  # the network refuses what is infinite then
            for some in gen_batches(len(rows), ROWS_AT_A_TIME):
                copied[some] = self.X[rows[some]]
        return copied


class Job(NamedTuple):
    """One regressor to train: its targets' values, the rows to learn from and those held back."""

    name: str
    targets: list[int]
    """Positions of the targets that it is to predict, its first outputs."""
    estimator: Any
    target: np.ndarray
    """(n_galaxies,) or (n_galaxies, n_outputs); outputs after those of the targets are learnt
    beside them, and not kept."""
    rows: np.ndarray
    held_back: np.ndarray
    labels: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    """Makes `target` of labels, (n_galaxies, n_targets), and the widths of the posterior."""
    needs_all: bool = False
    """Whether galaxies that lack one of the labels are left out."""

    def known(self, target: np.ndarray) -> np.ndarray:
        """Say which galaxies have the labels that are needed, of shape (n_galaxies,)."""
        known = np.isfinite(target.reshape(len(target), -1))
        return known.all(axis=1) if self.needs_all else known[:, : len(self.targets)].any(axis=1)


def check_can_learn(
    estimator: Any, target: np.ndarray, *, weighted: bool, chunked: bool = False
) -> None:
    """Raise if a regressor cannot do what is asked of it."""
    kind = type(estimator).__name__
    if chunked and not has_fit_parameter(estimator, "chunks"):
        raise ValueError(
            f"Only networks can learn in chunks, as fit_dataset and fit_library give them; {kind} "
            'cannot. Use method="mlp", or fit it to a sample in memory.'
        )
    if target.ndim > 1 and not get_tags(estimator).target_tags.multi_output:
        raise ValueError(
            f"joint=True needs a regressor with several outputs; {kind} has one. Use joint=False, "
            "or another regressor."
        )
    if weighted and not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"sample_weight was given, but the fit of {kind} takes none. Use another regressor, "
            "or no weights."
        )


def set_seeds(estimator: Any, rng: np.random.Generator) -> None:
    """Seed whatever is random in a regressor and was left without a seed."""
    for name, value in sorted(estimator.get_params(deep=True).items()):
        if value is None and (name == "random_state" or name.endswith("__random_state")):
            estimator.set_params(**{name: int(rng.integers(2**31 - 1))})


def fit_one(job: Job, data: Training, verbose: int) -> Any:
    """Train one regressor, on variants of the rows too.

    Our networks draw one of a galaxy's variants each epoch, and watch the loss of the rows held
    back; other regressors get the first variant as so many further rows, if it is a usual one.
    If training was asked to stop, a regressor of no target, which can be done without, is None.
    """
    if stopped() and not job.targets:
        return None
    rows, estimator = job.rows, job.estimator
    weights = None if data.weights is None else data.weights[rows]
    is_network = has_fit_parameter(estimator, "variants")
    x, y = data.in_single_precision(rows) if is_network else data.X[rows], job.target[rows]
    given: dict[str, Any] = {}
    if is_network:
        given = {"feature_names": data.feature_names}
        # Which features of the redshift there are, FluxFeatures decides.
        absent = set(REDSHIFT_FEATURES) - set(data.feature_names or ())
        later = [c for c in getattr(estimator, "extrapolated_features", ()) if c not in absent]
        if len(later) < len(getattr(estimator, "extrapolated_features", ())):
            estimator.set_params(extrapolated_features=later)
        if estimator.offset_feature == BRIGHTNESS:
            given["offset_map"] = data.offset_map
        if len(job.held_back):
            given |= {"X_val": data.X[job.held_back], "y_val": job.target[job.held_back]}
            if data.weights is not None:
                given["sample_weight_val"] = data.weights[job.held_back]
        if len(data.variants):
            given["variants"] = data.variants[:, rows]
        if data.chunks is not None:
            given["chunks"] = data.chunks.of(job)
    elif len(data.variants) and data.first_is_usual:
        more = data.variants[0][rows]
        usable = usable_rows(more, estimator)
        x, y = np.vstack([x, more[usable]]), np.concatenate([y, y[usable]])
        if weights is not None:
            weights = np.concatenate([weights, weights[usable]])
    if weights is not None:
        given["sample_weight"] = weights
    with _progress(job.name, estimator, len(rows)) if verbose else nullcontext():
        fitted = estimator.fit(x, y, **given)
    if y.ndim > 1 and y.shape[1] > len(job.targets) > 0:
        return fitted.select_outputs(range(len(job.targets)))
    return fitted


@contextmanager
def _progress(name: str, estimator: Any, n_galaxies: int) -> Iterator[None]:
    """Say what is trained while it is, and how long it took."""
    from rich.console import Console

    console = Console()
    what = f"{name}: {type(estimator).__name__} on {n_galaxies:,} galaxies"
    start = time.perf_counter()
    with console.status(f"training {what}"):
        yield
    device = getattr(estimator, "device_", "CPU")
    console.print(f"trained {what} in {time.perf_counter() - start:.1f} s on the {device}")
