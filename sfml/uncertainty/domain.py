"""Which galaxies are unlike those that a network learnt from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.base import fit_method
from sfml.compat import Interval
from sfml.parallel import single_threaded_blas

# More steps of the fit do not find more of the shifted galaxies of benchmarks/bench_domain.py.
EM_STEPS = 15
ROWS_PER_FEATURE = 5  # and component: of fewer training rows, fewer components are made
REGULARISATION = 1e-3  # of each feature's variance
FARTHEST = 1e6  # standard deviations: beyond, squares of squares would overflow
BATCH_ROWS = 1024
# BLAS adds up in an order that depends on the shape of the matrices: every product has this many
# rows, so that a galaxy's score does not depend, even in its last bit, on those beside it.
BLOCK_ROWS = 32
MOST_NUMBERS = 2**18  # in the matrices that are factored together, 2 MB


class DomainDetector(OutlierMixin, BaseEstimator):
    """Tell galaxies that a network can be asked about from those unlike its training rows.

    The training rows, as the network sees them, are described by a mixture of Gaussians. A
    galaxy's score is its squared Mahalanobis distance from the components it may belong to, as a
    deviation from what the number of its observed features lets expect. Features that are NaN,
    such as those of a band that was not observed, are integrated out.

    Galaxies that `fit` has not seen then turn the score into a p-value, which needs no assumption
    on how the features are distributed (conformal p-values: Vovk et al. 2005; Bates et al. 2023):
    of galaxies like these, a share of at most `false_alarm_rate` is called out of domain.

    Parameters
    ----------
    false_alarm_rate : float, default=0.01
        Share of galaxies like the held-back ones that `predict` may call out of domain.
    n_components : int, default=8
        Gaussians in the mixture; fewer if there are not 5 training rows per feature for each.
    max_train_samples : int or None, default=10000
        Fit to a random sample of at most so many galaxies.
    held_back : float or None, default=None
        Share of the galaxies given to `fit` that it leaves to `calibrate`. With None, `calibrate`
        must be called with others before anything but `score_samples`.
    random_state : int, RandomState or None, default=None
        Seeds the samples and the mixture.

    Attributes
    ----------
    offset_ : float
        The threshold: scores below it are out of domain.
    calibration_scores_ : ndarray of shape (n_held_back,)
        Scores of the held-back galaxies, in rising order.
    false_alarm_rate_ : float
        The rate that `calibrate` sets the threshold for.
    informative_ : ndarray of int
        Features in use: those that take more than two values, so neither constants nor flags.
    location_, scale_ : ndarray of shape (n_informative,)
        Their means and standard deviations in the training rows.
    weights_ : ndarray of shape (n_components,)
        Weights of the Gaussians.
    means_ : ndarray of shape (n_components, n_informative)
        Their means, in units of `scale_` from `location_`.
    covariances_, precisions_ : ndarray of shape (n_components, n_informative, n_informative)
        Their covariances, in units of `scale_`, and the inverses.
    n_features_in_ : int
        Number of inputs.

    Notes
    -----
    The share of false alarms is exact on average over held-back samples. That of one sample of n
    galaxies scatters about the stated rate r by ``sqrt(r * (1 - r) / n)`` (Bates et al. 2023).

    A galaxy without any observed feature has a NaN score and p-value, and counts in neither `fit`
    nor `calibrate`. Features that stand in for those of a missing band should be NaN. There are no
    sample weights: how common a kind of galaxy is does not make it better known to the network.

    References
    ----------
    Bates, S., Candes, E., Lei, L., Romano, Y. & Sesia, M. 2023, Annals of Statistics, 51, 149.

    Vovk, V., Gammerman, A. & Shafer, G. 2005, Algorithmic Learning in a Random World, Springer.

    Examples
    --------
    >>> import numpy as np
    >>> from sfml.domain import DomainDetector
    >>> rng = np.random.default_rng(0)
    >>> colour, noise = rng.normal(size=(2, 3000))
    >>> X = np.column_stack([colour, colour + 0.1 * noise])
    >>> detector = DomainDetector(random_state=0).fit(X[:2000]).calibrate(X[2000:])
    >>> detector.predict([[1.0, 1.0], [1.0, -1.0], [1.0, np.nan]])
    array([ 1, -1,  1])
    >>> detector.p_value([[1.0, -1.0]]).round(3)
    array([0.001])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "false_alarm_rate": [Interval(Real, 0, 1, closed="neither")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "max_train_samples": [Interval(Integral, 2, None, closed="left"), None],
        "held_back": [Interval(Real, 0, 1, closed="neither"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        false_alarm_rate: float = 0.01,
        n_components: int = 8,
        max_train_samples: int | None = 10_000,
        held_back: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.false_alarm_rate = false_alarm_rate
        self.n_components = n_components
        self.max_train_samples = max_train_samples
        self.held_back = held_back
        self.random_state = random_state

    @fit_method
    def fit(self, X: Any, y: Any = None) -> DomainDetector:
        """Describe the training rows.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs of the network, such as ``pipe[:-1].transform(X)``; NaN where not observed.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, if X holds infinity, or if less than two galaxies or
            no informative feature are left.
        """
        X = self._validate(X, reset=True, ensure_min_samples=2)
        self.false_alarm_rate_ = float(self.false_alarm_rate)
        for calibrated in ("offset_", "calibration_scores_"):
            self.__dict__.pop(calibrated, None)  # by galaxies that another fit has scored
        rng = check_random_state(self.random_state)
        rows = rng.permutation(np.flatnonzero(~np.isnan(X).all(axis=1)))
        n_held_back = int((self.held_back or 0) * len(rows))
        kept = X[rows[n_held_back:][: self.max_train_samples]]
        held_back = X[rows[:n_held_back]]
        if len(kept) < 2:
            raise ValueError(
                f"fit needs at least two galaxies with observed features; got {len(kept)} "
                f"(held_back={self.held_back})."
            )
        self._standardise(kept)
        self._fit_mixture(_complete(self._standardised(kept), rng), rng)
        return self if self.held_back is None else self.calibrate(held_back)

    def calibrate(self, X_held_back: Any) -> DomainDetector:
        """Set the threshold from galaxies that were not given to `fit`.

        Parameters
        ----------
        X_held_back : array-like of shape (n_held_back, n_features)
            Inputs of galaxies drawn as those to be judged would be, were nothing wrong.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there are too few galaxies for `false_alarm_rate`: at 1 per cent, less than 99.
        """
        scores, rate = self.score_samples(X_held_back), self.false_alarm_rate_
        scores = np.sort(scores[~np.isnan(scores)])
        # The p-value of a score just below the k-th lowest is k / (n + 1).
        k = int(rate * (len(scores) + 1) + 1e-9)
        if k < 1:
            raise ValueError(
                f"false_alarm_rate={rate} needs at least {int(np.ceil(1 / rate - 1 - 1e-9))} "
                f"held-back galaxies with observed features; got {len(scores)}. Hold back more, or "
                "raise the rate and fit again."
            )
        self.calibration_scores_ = scores
        self.offset_ = float(scores[k - 1])
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Score how normal each galaxy is.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`. No rows give an empty result.

        Returns
        -------
        ndarray of shape (n_galaxies,)
            About 0, with a scatter of about 1, for galaxies as in `fit`; the lower, the less
            normal. NaN where no feature is observed.
        """
        check_is_fitted(self)
        X = self._validate(X)
        scores = np.empty(len(X))
        # Squared distances of absurd galaxies overflow before they are clipped, and their
        # memberships underflow, both as they should.
        with single_threaded_blas(), np.errstate(over="ignore", under="ignore"):
            for start in range(0, len(X), BATCH_ROWS):
                given = self._standardised(X[start : start + BATCH_ROWS])
                Z = np.zeros((len(given) + -len(given) % BLOCK_ROWS, given.shape[1]))
                Z[: len(given)] = given
                scores[start : start + BATCH_ROWS] = self._score(Z)[: len(given)]
        return scores

    def p_value(self, X: Any) -> np.ndarray:
        """Compute the chance that a galaxy of the domain scores as low, or lower.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies,)
            Conformal p-values, from 1 / (n_held_back + 1) to 1; NaN where no feature is observed.
        """
        self._check_is_calibrated()
        scores = self.score_samples(X)
        as_low = np.searchsorted(self.calibration_scores_, scores, side="right")
        p_values = (1 + as_low) / (1 + len(self.calibration_scores_))
        return np.where(np.isnan(scores), np.nan, p_values)

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute the score above the threshold.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies,)
            Negative out of the domain; NaN where no feature is observed.
        """
        self._check_is_calibrated()
        return self.score_samples(X) - self.offset_

    def strangeness(self, X: Any) -> np.ndarray:
        """Compute how much less normal galaxies are than nine in ten of the held-back ones.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of shape (n_galaxies,)
            0 for those nine, and growing with the distance for others: 1 where the score is as far
            below that of the tenth as that is below the median. 0 where no feature is observed.
        """
        self._check_is_calibrated()
        return self._strangeness(self.score_samples(X))

    def _strangeness(self, scores: np.ndarray) -> np.ndarray:
        tenth, median = np.quantile(self.calibration_scores_, [0.1, 0.5])
        excess = np.maximum(0, tenth - scores) / max(median - tenth, np.finfo(float).tiny)
        return np.where(np.isnan(scores), 0, excess)

    def predict_with_strangeness(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Give `predict` and `strangeness`, for the time of one of them.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        inside : ndarray of int of shape (n_galaxies,)
            As of `predict`.
        strangeness : ndarray of shape (n_galaxies,)
            As of `strangeness`.
        """
        self._check_is_calibrated()
        scores = self.score_samples(X)
        inside = np.select([scores >= self.offset_, scores < self.offset_], [1, -1], 0)
        return inside, self._strangeness(scores)

    def predict(self, X: Any) -> np.ndarray:
        """Tell which galaxies are in the domain.

        Parameters
        ----------
        X : array-like of shape (n_galaxies, n_features)
            Inputs, as for `fit`.

        Returns
        -------
        ndarray of int of shape (n_galaxies,)
            1 in the domain and -1 out of it, as scikit-learn's outlier detectors have it; 0 where
            no feature is observed.
        """
        inside, _ = self.predict_with_strangeness(X)
        return inside

    def _check_is_calibrated(self) -> None:
        check_is_fitted(self)
        if not hasattr(self, "offset_"):
            raise NotFittedError(
                "This DomainDetector has no threshold yet: call calibrate with galaxies that were "
                "not given to fit, or set held_back before fit."
            )

    def _validate(self, X: Any, *, reset: bool = False, ensure_min_samples: int = 0) -> np.ndarray:
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=ensure_min_samples,
        )

    def _standardise(self, X: np.ndarray) -> None:
        """Learn which features say something, and their moments."""
        distinct = [len(np.unique(column[~np.isnan(column)])) for column in X.T]
        self.informative_ = np.flatnonzero(np.greater(distinct, 2))
        if not len(self.informative_):
            raise ValueError("No feature of X takes more than two values: nothing to learn.")
        X = X[:, self.informative_].astype(np.float64)
        self.location_ = np.nanmean(X, axis=0)
        self.scale_ = np.nanstd(X, axis=0)

    def _standardised(self, X: np.ndarray) -> np.ndarray:
        Z = (X[:, self.informative_] - self.location_) / self.scale_
        return np.clip(Z, -FARTHEST, FARTHEST, out=Z)

    def _fit_mixture(self, Z: np.ndarray, rng: np.random.RandomState) -> None:
        affordable = len(Z) // (ROWS_PER_FEATURE * Z.shape[1])
        mixture = GaussianMixture(
            max(1, min(self.n_components, affordable)),
            reg_covar=REGULARISATION,
            max_iter=EM_STEPS,
            random_state=rng.randint(2**31 - 1),
        )
        with single_threaded_blas(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # EM_STEPS says why
            mixture.fit(Z)
        self.weights_ = mixture.weights_
        self.means_ = mixture.means_
        self.covariances_ = mixture.covariances_
        self.precisions_ = mixture.precisions_
        roots = np.diagonal(mixture.precisions_cholesky_, axis1=1, axis2=2)
        self._log_norms = np.log(self.weights_) + np.log(roots).sum(axis=1)

    def _score(self, Z: np.ndarray) -> np.ndarray:
        """Minus the excess of the squared distance, whose mean is the number of features."""
        n_rows, n_features = Z.shape
        blocks = Z.reshape(-1, 1, BLOCK_ROWS, n_features)  # a component has the second axis
        offsets = np.where(np.isnan(blocks), 0, blocks - self.means_[:, np.newaxis])
        pulls = offsets @ self.precisions_
        squared = np.einsum("bkrf,bkrf->brk", offsets, pulls).reshape(n_rows, -1)
        log_norms = np.tile(self._log_norms, (n_rows, 1))
        missing = np.isnan(Z)
        n_missing = missing.sum(axis=1)
        # What was not observed is integrated out by its block of the precisions or, where that is
        # the smaller matrix, by the observed block of the covariances.
        for known, matrices, vectors in (
            (False, self.precisions_, pulls),
            (True, self.covariances_, offsets),
        ):
            rows = np.flatnonzero((n_missing > n_features / 2) == known)
            rows = rows[n_missing[rows] > 0]
            for part, features in _equal_numbers(missing[rows] != known, len(self.means_)):
                at = rows[part]
                chosen = vectors[at // BLOCK_ROWS, :, at % BLOCK_ROWS]
                explained, log_roots = _explained(matrices, chosen, features)
                if known:
                    squared[at] = explained
                    log_norms[at] = np.log(self.weights_) - log_roots
                else:
                    squared[at] -= explained
                    log_norms[at] -= log_roots
        membership = softmax(log_norms - squared / 2, axis=1)
        n_observed = np.where(n_missing < n_features, n_features - n_missing, np.nan)
        return (n_observed - (membership * squared).sum(axis=1)) / np.sqrt(2 * n_observed)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _explained(
    matrices: np.ndarray, vectors: np.ndarray, features: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Work out v^T A^-1 v and half of log |A| in n features, to (n_rows, n_components) each.

    A has shape (n_components, n_features, n_features), v (n_rows, n_components, n_features), and
    `features` (n_rows, n). A is bordered with v and factored by Cholesky for all rows at once:
    LAPACK, called row by row, takes several times as long.
    """
    n_rows, n = features.shape
    # Eight rows at a time: NumPy rounds what is left over of a vector register in another way.
    picked = np.resize(features, (n_rows + -n_rows % 8, n)).T
    flat = np.ascontiguousarray(matrices.transpose(1, 2, 0)).reshape(-1, len(matrices))
    factor = np.zeros((n + 1, n, picked.shape[1], len(matrices)))
    border = np.take_along_axis(vectors, features[:, np.newaxis], axis=2)
    factor[n, :, :n_rows] = border.transpose(2, 0, 1)
    log_roots = np.zeros((n_rows, len(matrices)))
    for i in range(n):
        factor[i:n, i] = flat.take(picked[i] * matrices.shape[1] + picked[i:], axis=0)
        if i:
            factor[i:, i] -= np.einsum("ij...,j...->i...", factor[i:, :i], factor[i, :i])
        root = np.sqrt(factor[i, i])
        factor[i:, i] /= root
        log_roots += np.log(root[:n_rows])
    return np.square(factor[n]).sum(axis=0)[:n_rows], log_roots


def _equal_numbers(
    chosen: np.ndarray, n_matrices: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows with equal numbers of chosen features, and the features; few rows at a time."""
    numbers = chosen.sum(axis=1)
    for n in np.unique(numbers):
        alike = np.flatnonzero(numbers == n)
        step = max(1, MOST_NUMBERS // (n_matrices * (n + 1) ** 2))
        for start in range(0, len(alike), step):
            rows = alike[start : start + step]
            yield rows, np.nonzero(chosen[rows])[1].reshape(len(rows), n)


def _complete(Z: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw what is not observed from one Gaussian, given what is: means would look too normal."""
    missing = np.isnan(Z)
    if not missing.any():
        return Z
    filled = np.where(missing, 0, Z)
    pairs = (~missing).T.astype(np.float64) @ ~missing
    values, vectors = np.linalg.eigh(filled.T @ filled / np.maximum(pairs, 1))
    # A covariance of pairs, each of other galaxies, may have negative eigenvalues.
    precision = (vectors / np.maximum(values, REGULARISATION)) @ vectors.T
    pulls, noise = filled @ precision, rng.standard_normal(Z.shape)
    for rows, features in _equal_numbers(missing):
        at = rows[:, np.newaxis], features
        block = precision[features[:, :, np.newaxis], features[:, np.newaxis]]
        drawn = np.linalg.cholesky(block) @ noise[at][..., np.newaxis] - pulls[at][..., np.newaxis]
        filled[at] = np.linalg.solve(block, drawn)[..., 0]
    return filled
