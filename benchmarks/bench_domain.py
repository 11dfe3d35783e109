"""Which galaxies that a network should not be asked about are found, at 1 % of false alarms.

The detector is fitted to four fifths of the first 80 % of the rows, calibrated on the others, and
judges the last 20 % as they are and after something has gone wrong with them. scikit-learn's
IsolationForest, with the same calibration, is there for comparison.

    python benchmarks/bench_domain.py bagpipes_survey.parquet
    python benchmarks/bench_domain.py --quick          # a small mock survey

A catalogue needs GAMA's columns: fluxes, errors, Z and the three MagPhys percentile50 columns.
Cuts on signal-to-noise and sign are off for the shifted galaxies, so that they reach the detector.
"""

from __future__ import annotations

import argparse
import pickle
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from table3 import load

import sfml
from sfml.domain import DomainDetector

INSTRUMENTS = {
    "GALEX": ("FUV", "NUV"),
    "VIKING": ("X", "Y", "J", "H", "K"),
    "WISE": ("W1", "W2", "W3", "W4"),
    "Herschel": ("P100", "P160", "S250", "S350", "S500"),
}
METHODS = {
    "DomainDetector": lambda: DomainDetector(random_state=0),
    "IsolationForest": lambda: IsolationForest(n_estimators=200, random_state=0),
}
WAVELENGTH = dict(zip(sfml.GAMA.names, sfml.GAMA.wavelengths, strict=True))
FALSE_ALARM_RATE = 0.01
LOW_REDSHIFT = 0.3
SPEED_ROWS = 100_000


def scale(
    X: pd.DataFrame, bands: Sequence[str], factor: float | np.ndarray, *, errors: bool
) -> pd.DataFrame:
    """Multiply the fluxes of some bands, and their errors too if asked for."""
    columns = [f"{band}_flux" for band in bands]
    scaled = X.assign(**(X[columns] * factor))
    columns = [f"{band}_fluxerr" for band in bands]
    return scaled.assign(**(X[columns] * factor)) if errors else scaled


def make_dusty(X: pd.DataFrame, a_v: float) -> pd.DataFrame:
    """Attenuate the stars' light (Calzetti et al. 2000, ApJ, 533, 682) and triple the dust's."""
    stars = [band for band in sfml.GAMA.names if WAVELENGTH[band] < 2.2]
    dust = [band for band in sfml.GAMA.names if WAVELENGTH[band] > 10]
    micron = np.array([WAVELENGTH[band] for band in stars])
    blue = -2.156 + 1.509 / micron - 0.198 / micron**2 + 0.011 / micron**3
    curve = 2.659 * np.where(micron < 0.63, blue, -1.857 + 1.040 / micron) / 4.05 + 1
    X = scale(X, stars, 10 ** (-0.4 * a_v * curve), errors=False)
    return scale(X, dust, 3, errors=False)


def shifts(X: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Galaxies as they are, and after something has gone wrong."""
    shifted = {"as they are": X}
    for band in ("r", "J", "W2", "S250"):
        for factor in (1.3, 1.6):
            shifted[f"{band} x {factor}"] = scale(X, [band], factor, errors=True)
    every = sfml.GAMA.names
    return {
        **shifted,
        "dusty, A_V = 1": make_dusty(X, 1),
        "dusty, A_V = 2": make_dusty(X, 2),
        "5 x fainter": scale(X, every, 1 / 5, errors=False),
        "30 x fainter": scale(X, every, 1 / 30, errors=False),
        "mJy taken for Jy": scale(X, every, 1000, errors=True),
    }


def without(X: pd.DataFrame, bands: Sequence[str]) -> pd.DataFrame:
    """Take bands away."""
    columns = [f"{band}_{kind}" for band in bands for kind in ("flux", "fluxerr")]
    return X.assign(**dict.fromkeys(columns, np.nan))


class Domain:
    """Training and held-back galaxies as the network sees them, and each method's threshold."""

    def __init__(self, X: pd.DataFrame, y: pd.DataFrame) -> None:
        X_train, X_held_back, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
        self.front = Pipeline(sfml.make_star_formation_pipeline().steps[:-1])
        self.front.set_params(
            select__missing="allow",
            select__min_bands=0,
            select__negative="allow",
            features__missing="nan",
            select__unit_guard=False,  # it would refuse a unit error before the detector could
        )
        train = self.front.fit(X_train, y_train).transform(X_train)
        held_back = self.front.transform(X_held_back)
        self.methods, self.thresholds, self.seconds = {}, {}, {}
        for name, make in METHODS.items():
            start = time.perf_counter()
            self.methods[name] = make().fit(train)
            self.seconds[name] = time.perf_counter() - start
            scores = np.sort(self.methods[name].score_samples(held_back))
            self.thresholds[name] = scores[int(FALSE_ALARM_RATE * (len(scores) + 1)) - 1]

    def flagged(self, X: pd.DataFrame) -> dict[str, float]:
        """Share of the galaxies out of domain, by method."""
        inputs = self.front.transform(X)
        return {
            name: float((method.score_samples(inputs) < self.thresholds[name]).mean())
            for name, method in self.methods.items()
        }

    def costs(self, X: pd.DataFrame) -> pd.DataFrame:
        """Time to fit and to score, and size."""
        inputs = np.resize(self.front.transform(X), (SPEED_ROWS, len(self.front[-1].scale_)))
        rows = {}
        for name, method in self.methods.items():
            start = time.perf_counter()
            method.score_samples(inputs)
            rows[name] = {
                "fit, s": self.seconds[name],
                "galaxies/s": SPEED_ROWS / (time.perf_counter() - start),
                "pickle, MB": len(pickle.dumps(method)) / 1e6,
            }
        return pd.DataFrame(rows).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalogue", nargs="?", help="Parquet file; default: a mock survey")
    parser.add_argument("--quick", action="store_true", help="few galaxies")
    args = parser.parse_args()
    X, y = load(args.catalogue, quick=args.quick)
    rows: dict[str, dict[str, float]] = {}

    complete, test, y_complete, _ = split_selected(X, y, missing="reject")
    domain = Domain(complete, y_complete)
    rows |= {name: domain.flagged(shifted) for name, shifted in shifts(test).items()}
    costs = domain.costs(test)

    near = complete["Z"] < LOW_REDSHIFT
    domain = Domain(complete[near], y_complete[near])
    for low, high in [(0, 0.3), (0.3, 0.35), (0.35, 0.4), (0.45, 0.5)]:
        inside = test[test["Z"].between(low, high, inclusive="left")]
        rows[f"z = {low} to {high}, learnt below {LOW_REDSHIFT}"] = domain.flagged(inside)

    some, some_test, y_some, _ = split_selected(X, y, missing="allow")
    domain = Domain(some, y_some)
    rows["missing bands in training, as they are"] = domain.flagged(some_test)
    for name, bands in INSTRUMENTS.items():
        rows[f"missing bands in training, no {name}"] = domain.flagged(without(some_test, bands))

    print(f"{len(complete):,} galaxies to fit and calibrate, {len(test):,} to judge")
    print(f"share called out of domain, at {FALSE_ALARM_RATE:.0%} of false alarms")
    print(pd.DataFrame(rows).T.to_string(float_format="{:.1%}".format), "\n")
    print(costs.to_string(float_format="{:,.2f}".format))


def split_selected(
    X: pd.DataFrame, y: pd.DataFrame, *, missing: str
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """First 80 % and last 20 % of the rows, without those that are rejected."""
    selector = sfml.GamaSampleSelector(missing=missing, negative="allow")
    first = int(0.8 * len(X))
    X_first, y_first = selector.select(X[:first], y[:first])
    X_last, y_last = selector.select(X[first:], y[first:])
    return X_first, X_last, y_first, y_last


if __name__ == "__main__":
    main()
