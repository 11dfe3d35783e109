"""Derivatives of the predictions by each band's flux, galaxy by galaxy."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sfml import tables
from sfml.explain.steps import check_target, regressor_of, selector_of
from sfml.features import FluxFeatures
from sfml.neural import KerasMLPRegressor
from sfml.photometry.photometry import Photometry
from sfml.regressor.emulators import usable_rows

# So small that its square vanishes beside 1 in double precision, and nothing is lost by it.
_STEP = 1e-20
_BLOCK_ROWS = 4096


def band_sensitivities(pipe: Pipeline, X: Any, *, target: str | None = None) -> pd.DataFrame:
    """Say by how much each prediction moves with the flux of each band.

    Parameters
    ----------
    pipe : Pipeline
        Fitted, with networks for regressors.
    X : table or array of shape (n_galaxies, n_columns)
        Catalogue.
    target : str or None, default=None
        A target; None for all.

    Returns
    -------
    DataFrame of shape (n_galaxies, n_bands), or (n_galaxies, n_targets * n_bands) for all targets
        Derivatives of the target (dex) by log10 of the band's flux (dex), all other fluxes, all
        errors and the redshift being held fixed. Row by row as in X, with its index if it has
        one; columns are bands, below their target if all are asked for. NaN for bands that were
        not observed and for galaxies without a prediction.

    Raises
    ------
    TypeError, ValueError
        If there is no such target, if the pipeline has other steps than those of
        `make_star_formation_pipeline`, or if a regressor is not a network.

    See Also
    --------
    band_noise : The same in units of the flux errors.
    permutation_importance : What a whole catalogue's predictions owe to a band, for any regressor.

    Notes
    -----
    Derivatives are exact, in double precision: the network's by going backwards through it, the
    features' by a complex step [1]_. For a zero or a negative flux f the derivative is f ln(10)
    times that by the flux itself, so 0 where it is zero. A galaxy twice as bright has twice the
    mass: the sensitivities of one of recipe "sfml" add up to about 1.

    Sensitivity is a property of the network. It is no cause: bands next to each other tell nearly
    the same, and a network may listen to either.

    References
    ----------
    .. [1] Squire, W. & Trapp, G. 1998, SIAM Rev., 40, 110.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(n_galaxies=400, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(targets=["sfr"], random_state=0)
    >>> pipe = pipe.set_params(regress__sfr__epochs=5).fit(X, y[["sfr"]])
    >>> table = sfml.explain.band_sensitivities(pipe, X, target="sfr")
    >>> table.shape
    (400, 21)
    """
    return _differentiate(pipe, X, target, per_error=False)


def band_noise(pipe: Pipeline, X: Any, *, target: str | None = None) -> pd.DataFrame:
    """Say how much of each prediction's noise comes from the flux error of each band.

    Parameters
    ----------
    pipe : Pipeline
        Fitted, with networks for regressors.
    X : table or array of shape (n_galaxies, n_columns)
        Catalogue, with flux errors.
    target : str or None, default=None
        A target; None for all.

    Returns
    -------
    DataFrame of shape (n_galaxies, n_bands), or (n_galaxies, n_targets * n_bands) for all targets
        Absolute derivatives of the target by the band's flux, times the flux error, in dex;
        otherwise as `band_sensitivities` gives them.

    Raises
    ------
    TypeError, ValueError
        As `band_sensitivities`, and if the catalogue has no flux errors.

    See Also
    --------
    band_sensitivities : The same for a relative change of the flux.

    Notes
    -----
    The errors of different bands are independent in most catalogues: the root of the sum of their
    squares is then the standard deviation of the prediction under the noise of its fluxes, to first
    order. An interval of `predict_interval` may be narrower. It says how well the SPS code's label
    is predicted, and that label was fitted to the same noisy fluxes and moves with them.

    Examples
    --------
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(n_galaxies=400, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(targets=["sfr"], random_state=0)
    >>> pipe = pipe.set_params(regress__sfr__epochs=5).fit(X, y[["sfr"]])
    >>> noise = sfml.explain.band_noise(pipe, X, target="sfr")
    >>> bool((noise.dropna() >= 0).all(axis=None))
    True
    """
    return _differentiate(pipe, X, target, per_error=True)


class _Network(NamedTuple):
    """What lies behind the selection: the features, their scale, and the targets' networks."""

    features: FluxFeatures | None
    has_errors: bool
    scale: np.ndarray
    estimators: list[KerasMLPRegressor]  # one per target, or one for all

    def gradients(self, inputs: np.ndarray, targets: list[int]) -> np.ndarray:
        """Differentiate the targets by the features, to (n_galaxies, n_targets, n_features)."""
        joint = len(self.estimators) == 1
        wanted = self.estimators if joint else [self.estimators[k] for k in targets]
        parts = [_gradient(network, inputs) for network in wanted]
        found = np.concatenate(parts, axis=1)
        return (found[:, targets] if joint else found) / self.scale

    def slopes(self, photometry: Photometry, band: int, direction: np.ndarray) -> np.ndarray:
        """Differentiate the features along one band's flux, to (n_galaxies, n_features)."""
        flux = photometry.flux.astype(np.complex128)
        flux[:, band] += 1j * _STEP * direction
        moved = photometry._replace(flux=flux, error=photometry.error if self.has_errors else None)
        features = self.features
        with np.errstate(invalid="ignore"):  # NumPy warns of comparing complex NaN, not of real
            out = moved.columns(errors=True) if features is None else features.compute(moved)
        # What is not known of a galaxy is NaN among its features, and stays so.
        return np.where(np.isnan(out), 0, out.imag / _STEP)


def _gradient(network: KerasMLPRegressor, inputs: np.ndarray) -> np.ndarray:
    """Differentiate a network where it predicts, to (n_galaxies, n_outputs, n_features)."""
    out = np.full((len(inputs), network.n_outputs_, inputs.shape[1]), np.nan)
    usable = usable_rows(inputs, network)
    out[usable] = network.gradient(inputs[usable]).reshape(-1, *out.shape[1:])
    if network.inputs_.offset is not None:
        out[np.isnan(inputs[:, network.inputs_.offset])] = np.nan
    return out


def _differentiate(pipe: Pipeline, X: Any, target: str | None, *, per_error: bool) -> pd.DataFrame:
    select = selector_of(pipe)
    regress = regressor_of(pipe)
    wanted = check_target(regress, target)
    network = _look_into(pipe)
    inputs = np.asarray(pipe[:-1].transform(X), dtype=np.float64)
    if per_error and not select.layout_.errors:
        select = copy.copy(select)
        select.layout_ = select.rules_.layout.with_errors(True)
    photometry = select.split(select.transform(X))
    assert select.bands_ is not None
    out = np.full((len(inputs), len(wanted), len(select.bands_)), np.nan)
    rows = np.flatnonzero(~np.isnan(inputs).all(axis=1))
    for start in range(0, len(rows), _BLOCK_ROWS):
        some = rows[start : start + _BLOCK_ROWS]
        out[some] = _chain(network, inputs[some], photometry.rows(some), wanted, per_error)
    out = np.abs(out) if per_error else out
    return _as_table(out, X, regress.targets_, target, list(select.bands_.names))


def _chain(
    network: _Network, inputs: np.ndarray, photometry: Photometry, targets: list[int], errors: bool
) -> np.ndarray:
    """Chain the derivatives of network and features, to (n_galaxies, n_targets, n_bands)."""
    gradients = network.gradients(inputs, targets)
    direction = photometry.error if errors else photometry.flux * np.log(10)
    assert direction is not None
    out = np.full((len(inputs), len(targets), direction.shape[1]), np.nan)
    for band in range(direction.shape[1]):
        observed = np.flatnonzero(~np.isnan(direction[:, band]))
        if len(observed):
            measured = photometry.rows(observed)
            slopes = network.slopes(measured, band, direction[observed, band])
            out[observed, :, band] = np.einsum("ntf,nf->nt", gradients[observed], slopes)
    return out


def _look_into(pipe: Pipeline) -> _Network:
    """Find the steps between selection and prediction, and check that they can be followed."""
    features: FluxFeatures | None = None
    scale: np.ndarray | None = None
    for name, step in pipe.steps[1:-1]:
        if step is None or step == "passthrough":
            continue
        if isinstance(step, FluxFeatures) and features is None and scale is None:
            features = step
        elif isinstance(step, StandardScaler) and scale is None:
            scale = np.ones(step.n_features_in_) if step.scale_ is None else step.scale_
        else:
            raise ValueError(
                "Sensitivities follow a flux through FluxFeatures and one StandardScaler after "
                f"it; step {name!r} is a {type(step).__name__}. permutation_importance works on "
                "any pipeline."
            )
    estimators = regressor_of(pipe).estimators_
    others = sorted({type(e).__name__ for e in estimators if not isinstance(e, KerasMLPRegressor)})
    if others:
        raise ValueError(
            f"Only networks have gradients, and this pipeline predicts with {', '.join(others)}: "
            "use permutation_importance, or method='mlp'."
        )
    scale = np.ones(estimators[0].n_features_in_) if scale is None else scale
    return _Network(features, selector_of(pipe).layout_.errors, scale, estimators)


def _as_table(
    values: np.ndarray, X: Any, targets: tuple[str, ...], target: str | None, bands: list[str]
) -> pd.DataFrame:
    columns = (
        pd.Index(bands, name="band")
        if target is not None
        else pd.MultiIndex.from_product([targets, bands], names=["target", "band"])
    )
    index = tables.row_index(X)
    return pd.DataFrame(values.reshape(len(values), len(columns)), index=index, columns=columns)
