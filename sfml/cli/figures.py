"""The figures of Surana et al. (2020) for a survey and a pipeline trained on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sfml import displays
from sfml.report.outcome import FEWEST_FOR_LEVELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_COVERAGE = "intervals_coverage"


class Galaxies(NamedTuple):
    """Catalogue and labels of the same galaxies."""

    X: pd.DataFrame
    y: pd.DataFrame


class _Sheet(NamedTuple):
    """A figure to draw: its name, its panels side by side, their size in inches, and how."""

    name: str
    n_panels: int
    size: tuple[float, float]
    draw: Callable[..., Any]


class PaperFigures:
    """The paper's figures, numbered as there, and one of what its future work has become.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with networks for regressors.
    survey : Galaxies
        The whole survey, before the selection.
    train, test : Galaxies
        Those selected: the ones trained on, and the others.
    truth : str
        What made the labels, for the axis labels.
    """

    def __init__(
        self, pipeline: Pipeline, *, survey: Galaxies, train: Galaxies, test: Galaxies, truth: str
    ) -> None:
        self.pipeline = pipeline
        self.survey = survey
        self.train = train
        self.test = test
        self.truth = truth

    def draw(self) -> Iterator[tuple[str, Figure]]:
        """Draw one figure after the other.

        Yields
        ------
        name : str
            Number and subject of the figure.
        figure : Figure
            Unknown to pyplot, so that no window opens and none has to be closed.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from matplotlib.figure import Figure

        for sheet in self._sheets():
            regress = self.pipeline["regress"]
            few = regress.intervals_.n_rows(regress.targets_) < FEWEST_FOR_LEVELS
            if sheet.name == _COVERAGE and few:
                continue
            width, height = sheet.size
            figure = Figure((width * sheet.n_panels, height), dpi=150, layout="constrained")
            axes = figure.subplots(1, sheet.n_panels)
            sheet.draw(ax=axes)
            yield sheet.name, figure

    def names(self) -> list[str]:
        """Name the figures without drawing them.

        Returns
        -------
        list of str
        """
        return [sheet.name for sheet in self._sheets()]

    def _sheets(self) -> list[_Sheet]:
        targets = [str(target) for target in self.train.y]
        sheets = [
            _Sheet("fig01_redshift", 1, (5.0, 3.8), self._redshift),
            _Sheet("fig02_stellar_mass", 1, (5.0, 3.8), self._stellar_mass),
            _Sheet("fig03_low_snr", 1, (8.5, 4.2), self._low_snr),
            _Sheet("fig04_targets", len(targets), (4.2, 3.6), self._targets),
            _Sheet("fig05_network", 1, (8.0, 4.8), self._network),
            _Sheet("fig06_07_standardising", 2, (5.2, 4.0), self._standardising),
        ]
        sheets += [
            _Sheet(
                f"fig{i:02d}_predicted_{target}", 1, (5.6, 6.4), partial(self._predicted, target)
            )
            for i, target in enumerate(targets, start=8)
        ]
        sheets += [
            _Sheet(f"fig{i:02d}_learning_{target}", 1, (6.0, 4.0), partial(self._learning, target))
            for i, target in enumerate(targets, start=11)
        ]
        return [*sheets, _Sheet(_COVERAGE, 1, (5.6, 6.0), self._coverage)]

    def _redshift(self, ax: Any) -> None:
        selector = self.pipeline["select"]
        redshift = selector.bands_.redshift
        displays.DistributionDisplay.from_catalogue(
            self.survey.X, [redshift], limits={redshift: selector.z_range}, ax=ax
        )

    def _stellar_mass(self, ax: Any) -> None:
        displays.DistributionDisplay.from_catalogue(
            self.survey.y, ["stellar_mass"], limits=self.pipeline["regress"].target_limits, ax=ax
        )

    def _low_snr(self, ax: Any) -> None:
        # As in the paper: before the cut in signal-to-noise, and after all others.
        masses = (self.pipeline["regress"].target_limits or {}).get("stellar_mass")
        selector = clone(self.pipeline["select"])
        selector.set_params(min_bands=0, stellar_mass_range=masses)
        X, _ = selector.select(*self.survey)
        displays.LowSNRDisplay.from_catalogue(
            X, self.pipeline["select"].bands_, min_snr=selector.min_snr, ax=ax
        )

    def _targets(self, ax: Any) -> None:
        y = pd.concat([self.train.y, self.test.y])
        displays.DistributionDisplay.from_catalogue(y, ax=ax)

    def _network(self, ax: Any) -> None:
        target = str(self.train.y.columns[0])
        displays.NetworkDisplay.from_estimator(self.pipeline, target=target, ax=ax)

    def _standardising(self, ax: Any) -> None:
        displays.StandardisationDisplay.from_estimator(self.pipeline, self.train.X, ax=ax)

    def _predicted(self, target: str, ax: Any) -> None:
        displays.PredictionDisplay.from_estimator(
            self.pipeline, *self.test, target=target, truth=self.truth, ax=ax
        )

    def _coverage(self, ax: Any) -> None:
        displays.CoverageDisplay.from_estimator(self.pipeline, *self.test, ax=ax)

    def _learning(self, target: str, ax: Any) -> None:
        displays.LossCurveDisplay.from_estimator(self.pipeline, target=target, ax=ax)
