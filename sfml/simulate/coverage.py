"""Whether a simulated survey covers the real one, and in which band or colour it does not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.bands import BandSet
from sfml.photometry import Layout, read_photometry
from sfml.simulate.two_sample import typical_errors
from sfml.uncertainty.domain import DomainDetector

_FEWEST = 500
_RANGE = (0.5, 99.5)  # per cent of the simulated galaxies that a range holds
_BINS = 5  # of redshift
_IN_BIN = 100  # galaxies of either survey that a bin needs
_RATE = 0.01
_MAGNITUDE = 2.5 / np.log(10)


@dataclass(frozen=True, eq=False, repr=False)
class CoverageReport:
    """How well a simulated survey covers a real one; `coverage_report` makes it.

    Parameters
    ----------
    real_outside : float
        Share of the real galaxies that are unlike the simulated ones; 0.01 is expected of galaxies
        like them.
    simulated_outside : float
        Share of the simulated galaxies that are unlike the real ones.
    bands, colours : DataFrame of shape (n_bands, 4) and (n_bands - 1, 4)
        One row per band, and per pair of bands next to each other in wavelength ("g - r"):
        ``outside``, the share of real galaxies beyond the central 99 per cent of the simulated ones
        at like redshifts, ``offset``, by how much the real median is larger (in magnitudes,
        positive for fainter or redder), ``width``, the ratio of the 16-84 ranges (real to
        simulated), and ``n``, the number of real galaxies compared.
    threshold : float
        Share of real galaxies outside beyond which a band or colour counts as not covered.

    Examples
    --------
    >>> import pandas as pd
    >>> from sfml.simulate import CoverageReport
    >>> names = ["outside", "offset", "width", "n"]
    >>> bands = pd.DataFrame([[0.01, 0.0, 1.0, 600]], index=["g"], columns=names)
    >>> colours = pd.DataFrame([[0.3, 0.5, 1.2, 600]], index=["g - r"], columns=names)
    >>> CoverageReport(0.02, 0.01, bands, colours, threshold=0.05).not_covered
    ['g - r']
    """

    real_outside: float
    simulated_outside: float
    bands: pd.DataFrame
    colours: pd.DataFrame
    threshold: float

    @property
    def not_covered(self) -> list[str]:
        """Names of the bands and colours that are not covered, the worst first."""
        outside = pd.concat([self.bands["outside"], self.colours["outside"]])
        found = outside[outside > self.threshold].sort_values(ascending=False, kind="stable")
        return [str(name) for name in found.index]

    def __repr__(self) -> str:
        lines = [
            f"CoverageReport: {self.real_outside:.1%} of the real galaxies are unlike the "
            f"simulated ones, {self.simulated_outside:.1%} the other way round "
            f"({_RATE:.0%} expected)"
        ]
        for kind, table in (("band", self.bands), ("colour", self.colours)):
            for name in [name for name in self.not_covered if name in table.index]:
                row = table.loc[name]
                lines.append(
                    f"  {kind} {name}: {row['outside']:.1%} of real galaxies outside, offset "
                    f"{row['offset']:+.2f} mag, width ratio {row['width']:.2f}"
                )
        if not self.not_covered:
            lines.append(
                f"  every band and colour is covered (at most {self.threshold:.0%} outside)"
            )
        return "\n".join(lines)


def coverage_report(
    real: Any,
    simulated: Any,
    bands: BandSet,
    *,
    threshold: float = 0.05,
    random_state: int | np.random.RandomState | None = None,
) -> CoverageReport:
    """Check that a simulated survey covers a real one, and name where it does not.

    What is learnt from a simulated survey holds for real galaxies only if there are simulated ones
    like them. Galaxies are compared as a whole, by `sfml.domain.DomainDetector` both ways, and band
    by band and colour by colour, in bins of redshift.

    Parameters
    ----------
    real, simulated : tables of shape (n_galaxies, n_columns)
        Catalogues in the columns and the unit of `bands`, such as the survey's own and what
        `SurveyNoise.observe` makes.
    bands : BandSet
        The bands to compare, at least two.
    threshold : float, default=0.05
        Share of real galaxies beyond the central 99 per cent of the simulated ones above which a
        band or colour counts as not covered.
    random_state : int, RandomState instance or None, default=None
        Seeds the detectors.

    Returns
    -------
    CoverageReport

    Raises
    ------
    ValueError
        If columns are absent, a catalogue has fewer than 500 galaxies with a redshift, or `bands`
        has one band.

    Notes
    -----
    Magnitudes are asinh ones (Lupton et al. 1999), softened at the typical error of the real
    survey, so that negative fluxes have one. A band that is not measured in a galaxy is not
    compared there.

    Examples
    --------
    >>> from sfml import GAMA, make_mock_survey
    >>> from sfml.simulate import coverage_report
    >>> bands = GAMA.only("g", "r", "i", "K")
    >>> X = make_mock_survey(1200, bands=bands, n_templates=1000, random_state=0)
    >>> redder = X[:600].assign(K_flux=4 * X["K_flux"][:600])
    >>> coverage_report(redder, X[600:], bands, random_state=0).not_covered[0]
    'i - K'
    """
    if len(bands) < 2:
        raise ValueError("coverage_report compares colours: bands needs at least two bands.")
    sides = [_magnitudes(X, bands, what) for X, what in ((real, "real"), (simulated, "simulated"))]
    (flux, error, z_real), (flux_simulated, _, z_simulated) = sides
    softening = typical_errors(error)
    one, other = _asinh(flux, softening), _asinh(flux_simulated, softening)
    bins = _bins(z_real, z_simulated)
    order = np.argsort(bands.wavelengths, kind="stable")
    pairs = list(pairwise(order))
    names = [f"{bands.names[a]} - {bands.names[b]}" for a, b in pairs]
    colours = [np.column_stack([m[:, a] - m[:, b] for a, b in pairs]) for m in (one, other)]
    inputs = [np.column_stack([m, z]) for m, z in ((one, z_real), (other, z_simulated))]
    rng = check_random_state(random_state)
    return CoverageReport(
        _share_outside(inputs[0], inputs[1], rng),
        _share_outside(inputs[1], inputs[0], rng),
        _compare(one, other, bins, list(bands.names)),
        _compare(colours[0], colours[1], bins, names),
        float(threshold),
    )


def _magnitudes(X: Any, bands: BandSet, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fluxes, errors and redshifts of the galaxies that have a redshift."""
    flux, error, redshift, _ = read_photometry(X, Layout(bands))
    assert error is not None
    assert redshift is not None
    known = np.isfinite(redshift)
    if known.sum() < _FEWEST:
        raise ValueError(
            f"Surveys of at least {_FEWEST} galaxies with a redshift are compared; the {what} one "
            f"has {known.sum()} among {len(known)} rows."
        )
    return flux[known], error[known], redshift[known]


def _asinh(flux: np.ndarray, softening: np.ndarray) -> np.ndarray:
    return -_MAGNITUDE * (np.arcsinh(flux / (2 * softening)) + np.log(softening))


def _bins(z_real: np.ndarray, z_simulated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bin of redshift of each galaxy, real and simulated; the real ones are in bins of like size.

    One bin for all if a bin would hold fewer than 100 galaxies of either survey.
    """
    edges = np.quantile(z_real, np.linspace(0, 1, _BINS + 1)[1:-1])
    bins = np.searchsorted(edges, z_real), np.searchsorted(edges, z_simulated)
    fewest = min(np.bincount(each, minlength=_BINS).min() for each in bins)
    if fewest < _IN_BIN:
        return np.zeros(len(z_real), dtype=int), np.zeros(len(z_simulated), dtype=int)
    return bins


def _share_outside(asked: np.ndarray, learnt: np.ndarray, rng: np.random.RandomState) -> float:
    detector = DomainDetector(false_alarm_rate=_RATE, held_back=0.3, random_state=rng)
    return float((detector.fit(learnt).predict(asked) == -1).mean())


def _compare(
    real: np.ndarray,
    simulated: np.ndarray,
    bins: tuple[np.ndarray, np.ndarray],
    names: list[str],
) -> pd.DataFrame:
    """Compare quantities, one column each, in bins of redshift; means over the real galaxies."""
    rows = []
    for ours, theirs in zip(real.T, simulated.T, strict=True):
        found = []
        for k in range(max(bins[0]) + 1):
            a, b = (
                ours[(bins[0] == k) & ~np.isnan(ours)],
                theirs[(bins[1] == k) & ~np.isnan(theirs)],
            )
            if len(a) and len(b) >= 10:
                found.append(_compare_one(a, b))
        table = np.array(found).reshape(-1, 4)
        n = table[:, 3].sum()
        means = table[:, :3].T @ table[:, 3] / n if n else np.full(3, np.nan)
        rows.append([*means, int(n)])
    return pd.DataFrame(rows, index=names, columns=["outside", "offset", "width", "n"])


def _compare_one(real: np.ndarray, simulated: np.ndarray) -> list[float]:
    low, high = np.percentile(simulated, _RANGE)
    ranges = [np.subtract(*np.percentile(values, [84, 16])) for values in (real, simulated)]
    return [
        float(((real < low) | (real > high)).mean()),
        float(np.median(real) - np.median(simulated)),
        float(ranges[0] / ranges[1]) if ranges[1] > 0 else np.nan,
        len(real),
    ]
