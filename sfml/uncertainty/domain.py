"""Which galaxies are unlike those that a network learnt from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from sfml.parallel import single_threaded_blas

# More steps of the fit do not find more of the shifted galaxies of benchmarks/bench_domain.py.
EM_STEPS = 15
ROWS_PER_FEATURE = 5  # and component: of fewer training rows, fewer components are made
REGULARISATION = 1e-3  # of each feature's variance
BLOCK_ROWS = 4096
FARTHEST = 1e6  # standard deviations: beyond, squares of squares would overflow


class _Whitening(NamedTuple):
    """What makes each component a standard normal distribution of the features observed."""

    matrices: np.ndarray  # (n_components, n_observed, n_observed)
    centres: np.ndarray  # (n_components, n_observed)
    log_norms: np.ndarray  # (n_components,)


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
        Gaussians in the mixture; fewer if there are not 5 training rows a feature for each.
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
    informative_ : ndarray of int
        Features in use: those that take more than two values, so neither constants nor flags.
    location_, scale_ : ndarray of shape (n_informative,)
        Their means and standard deviations in the training rows.
    weights_ : ndarray of shape (n_components,)
        Weights of the Gaussians.
    means_ : ndarray of shape (n_components, n_informative)
        Their means, in units of `scale_` from `location_`.
    covariances_ : ndarray of shape (n_components, n_informative, n_informative)
        Their covariances, in units of `scale_`.
    n_features_in_ : int
        Number of inputs.

    Notes
    -----
    The share of false alarms is exact on average over held-back samples. That of one sample of n
    galaxies scatters about the stated rate r by ``sqrt(r * (1 - r) / n)`` (Bates et al. 2023): 0.13
    per cent for r = 1 per cent and n = 5,754.

    Of 7,193 galaxies of a simulated survey, at a rate of 1 per cent, all were found that had dust
    of A_V = 2 mag added, a fifth of their flux, or fluxes in mJy taken for Jy. A zero point 60 (30)
    per cent too high was found in 99.6 (45) per cent of them in r, 81 (39) in J and 13 (2.5) in W2,
    and in S250, which the noise hides, hardly ever: a score is of one galaxy, not of a catalogue.
    IsolationForest found 1 per cent of the wrong units and zero points
    (benchmarks/bench_domain.py).

    A galaxy without any observed feature has a NaN score and p-value, and counts in neither `fit`
    nor `calibrate`. Features that stand in for those of a missing band should be NaN. Every
    combination of observed features takes about a millisecond apart from its galaxies.

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
        self._check_params()
        X = self._validate(X, reset=True, ensure_min_samples=2)
        self.__dict__.pop("offset_", None)  # the threshold of an earlier fit
        rng = check_random_state(self.random_state)
        X = X[rng.permutation(np.flatnonzero(~np.isnan(X).all(axis=1)))]
        n_held_back = int((self.held_back or 0) * len(X))
        kept, held_back = X[n_held_back:][: self.max_train_samples], X[:n_held_back]
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
        scores = self.score_samples(X_held_back)
        scores = np.sort(scores[~np.isnan(scores)])
        # The p-value of a score just below the k-th lowest is k / (n + 1).
        k = int(self.false_alarm_rate * (len(scores) + 1) + 1e-9)
        if k < 1:
            raise ValueError(
                f"false_alarm_rate={self.false_alarm_rate} needs at least "
                f"{int(np.ceil(1 / self.false_alarm_rate - 1 - 1e-9))} held-back galaxies with "
                f"observed features; got {len(scores)}. Hold back more, or raise the rate."
            )
        self.calibration_scores_ = scores
        self.offset_ = float(scores[k - 1])
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Say how normal each galaxy is.

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
        scores = np.full(len(X), np.nan)
        with single_threaded_blas():
            for rows, observed in _patterns(~np.isnan(X[:, self.informative_])):
                if len(observed):
                    scores[rows] = self._score(X, rows, observed)
        return scores

    def p_value(self, X: Any) -> np.ndarray:
        """Give the chance that a galaxy of the domain looks so unlike it, or more.

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
        """Give the score above the threshold.

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
        decision = self.decision_function(X)
        return np.select([decision >= 0, decision < 0], [1, -1], 0)

    def _check_params(self) -> None:
        for name, low, none in [("n_components", 1, False), ("max_train_samples", 2, True)]:
            value = getattr(self, name)
            good = isinstance(value, Integral) and int(value) >= low
            if not good and not (none and value is None):
                raise ValueError(
                    f"{name} must be {'None or ' * none}a whole number of at least {low}; got "
                    f"{value!r}."
                )
        for name, none in [("false_alarm_rate", False), ("held_back", True)]:
            value = getattr(self, name)
            good = isinstance(value, Real) and 0 < float(value) < 1
            if not good and not (none and value is None):
                raise ValueError(
                    f"{name} must be {'None or ' * none}a share between 0 and 1, such as 0.01 for "
                    f"one per cent; got {value!r}."
                )

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

    def _whiten(self, observed: np.ndarray) -> _Whitening:
        covariances = self.covariances_[:, observed[:, np.newaxis], observed]
        lower = np.linalg.cholesky(covariances)
        matrices = np.linalg.inv(lower).transpose(0, 2, 1)
        centres = (self.means_[:, np.newaxis, observed] @ matrices)[:, 0]
        diagonals = np.diagonal(lower, axis1=1, axis2=2)
        log_norms = np.log(self.weights_) - np.log(diagonals).sum(axis=1)
        return _Whitening(matrices, centres, log_norms)

    def _score(self, X: np.ndarray, rows: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Score rows that have the same features, block by block."""
        whitening = self._whiten(observed)
        scores = np.empty(len(rows))
        for block in gen_batches(len(rows), BLOCK_ROWS):
            Z = self._standardised(X[rows[block]])[:, observed]
            scores[block] = _score(Z, whitening)
        return scores

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _score(Z: np.ndarray, whitening: _Whitening) -> np.ndarray:
    """Minus the excess of the squared distance, whose mean is the number of features."""
    squared = np.empty((len(Z), len(whitening.log_norms)))
    for k, (matrix, centre) in enumerate(zip(whitening.matrices, whitening.centres, strict=True)):
        squared[:, k] = np.square(Z @ matrix - centre).sum(axis=1)
    membership = softmax(whitening.log_norms - squared / 2, axis=1)
    n = Z.shape[1]
    return (n - (membership * squared).sum(axis=1)) / np.sqrt(2 * n)


def _patterns(observed: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows, and the features they have, for each combination of observed features."""
    if observed.all():
        if len(observed):
            yield np.arange(len(observed)), np.arange(observed.shape[1])
        return
    padded = np.pad(observed, ((0, 0), (0, -observed.shape[1] % 64)))
    words = pd.DataFrame(np.ascontiguousarray(np.packbits(padded, axis=1)).view(np.uint64))
    for rows in words.groupby(words.columns.tolist(), sort=False).indices.values():
        rows = np.asarray(rows)
        yield rows, np.flatnonzero(observed[rows[0]])


def _complete(Z: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """Draw what is not observed from one Gaussian, given what is.

    With means in its place, and a fifth of the bands missing at random, 1 instead of 17 per cent
    of the galaxies with a zero point 30 per cent off in r were found.
    """
    observed = ~np.isnan(Z)
    if observed.all():
        return Z
    filled = np.where(observed, Z, 0)
    pairs = observed.T.astype(np.float64) @ observed
    values, vectors = np.linalg.eigh(filled.T @ filled / np.maximum(pairs, 1))
    # A covariance of pairs, each of other galaxies, may have negative eigenvalues.
    covariance = (vectors * np.maximum(values, REGULARISATION)) @ vectors.T
    for rows, have in _patterns(observed):
        lack = np.setdiff1d(np.arange(Z.shape[1]), have)
        slopes = np.linalg.solve(covariance[np.ix_(have, have)], covariance[np.ix_(have, lack)])
        spread = covariance[np.ix_(lack, lack)] - covariance[np.ix_(lack, have)] @ slopes
        noise = rng.standard_normal((len(rows), len(lack))) @ np.linalg.cholesky(spread).T
        filled[np.ix_(rows, lack)] = filled[np.ix_(rows, have)] @ slopes + noise
    return filled
