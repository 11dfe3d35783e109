"""The report on a model and a catalogue."""

from __future__ import annotations

import json
import os
import tempfile
import webbrowser
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from rich.progress import Progress
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted

from sfml import __version__, flags, metrics, tables
from sfml.metrics.pairing import read_labels
from sfml.persistence.card import make_card
from sfml.persistence.files import content_hash
from sfml.photometry.photometry import mean_log_snr
from sfml.pipeline import StarFormationPipeline
from sfml.report import figures
from sfml.report.outcome import Outcome, cross_validated_outcome, predict_outcome
from sfml.report.page import Section, definitions, note, page, paragraph, table
from sfml.tables.writing import write_files

_N_WORST = 6
_NEEDS_LABELS = "This needs labels: give y, one column per target in dex."
_NOT_CALIBRATED = (
    "This model has no calibrated intervals: too few galaxies were held back from its training, or "
    "none (calibration_fraction=None)."
)
_SCORES = {
    "error": "sigma",
    "root mean square error": "RMSE",
    "mean absolute deviation": "MAD",
    "r2 adjusted": "adjusted R2",
    "NMAD": "NMAD",
    "bias": "bias",
}


class Report:
    """One page on a model and a catalogue, with or without labels.

    Parameters
    ----------
    pipe : StarFormationPipeline
        Fitted pipeline.
    X : table of shape (n_galaxies, n_columns)
        Catalogue. Galaxies that the pipeline has learnt from flatter the scores.
    y : table or array-like of shape (n_galaxies, n_targets), default=None
        Labels in dex; without them, the page says what to expect.
    baselines : dict of str to StarFormationPipeline, default=None
        Other fitted pipelines of the same targets, by name, whose scores stand beside.
    title : str, default="sfml report"
        Heading of the page.

    Attributes
    ----------
    targets : tuple of str
        What is predicted.
    n_galaxies : int
        Galaxies in the catalogue.
    scores : DataFrame or None
        One row per target and model, on the galaxies that all models predict; in dex.
    intervals : DataFrame or None
        Coverage and width of the intervals, as of `sfml.metrics.interval_table`.
    worst : DataFrame or None
        The galaxies furthest from their labels, in units of half their 16-84 interval, or in dex
        without intervals.

    Raises
    ------
    TypeError
        If `pipe` or a baseline is no StarFormationPipeline.
    ValueError
        If a baseline has other targets, or as by ``pipe.predict_table``.

    Examples
    --------
    >>> import sfml
    >>> from sfml.report import Report
    >>> X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    >>> report = Report(pipe.fit(X[:300], y[:300]), X[300:], y[300:])
    >>> report.scores.columns.tolist()
    ['target', 'model', 'sigma', 'RMSE', 'MAD', 'adjusted R2', 'NMAD', 'bias', 'galaxies']
    """

    def __init__(
        self,
        pipe: StarFormationPipeline,
        X: Any,
        y: Any = None,
        *,
        baselines: Mapping[str, StarFormationPipeline] | None = None,
        title: str = "sfml report",
    ) -> None:
        models = {"this model": pipe, **(baselines or {})}
        if "this model" in (baselines or {}):
            raise ValueError("A baseline cannot be named 'this model': choose another name.")
        for name, model in models.items():
            _check_model(name, model, pipe)
        outcomes = {name: predict_outcome(model, X) for name, model in models.items()}
        self._describe(pipe, X, y, outcomes, title, "")

    @classmethod
    def from_cross_validation(
        cls,
        pipe: StarFormationPipeline,
        X: Any,
        y: Any,
        *,
        cv: Any = 5,
        baselines: Mapping[str, StarFormationPipeline] | None = None,
        title: str = "sfml report, cross-validated",
    ) -> Self:
        """Report on predictions of clones, each of which has not learnt from what it predicts.

        Parameters
        ----------
        pipe : StarFormationPipeline
            Pipeline, fitted or not; it is not changed.
        X : table of shape (n_galaxies, n_columns)
            Catalogue.
        y : table or array-like of shape (n_galaxies, n_targets)
            Labels in dex.
        cv : int or cross-validation splitter, default=5
            Folds, as in scikit-learn; each galaxy is in one test set.
        baselines : dict of str to StarFormationPipeline, default=None
            Other pipelines, cross-validated on the same folds.
        title : str
            Heading of the page.

        Returns
        -------
        Report
            Its learning curves and model card are those of the last fold.

        Raises
        ------
        ValueError
            If a galaxy is in no test set or in several.
        """
        models = {"this model": pipe, **(baselines or {})}
        folds = list(check_cv(cv).split(np.arange(tables.n_rows(X))))
        outcomes, fitted = {}, {}
        with Progress(transient=True) as progress:
            task = progress.add_task("cross-validation", total=len(folds) * len(models))
            for name, model in models.items():
                outcomes[name], fitted[name] = cross_validated_outcome(
                    model, X, y, folds, lambda: progress.advance(task)
                )
                _check_model(name, fitted[name], fitted["this model"])
        report = cls.__new__(cls)
        report._describe(fitted["this model"], X, y, outcomes, title, f"{len(folds)} folds")
        return report

    def _describe(
        self,
        pipe: StarFormationPipeline,
        X: Any,
        y: Any,
        outcomes: dict[str, Outcome],
        title: str,
        how: str,
    ) -> None:
        self.title, self._pipe, self._X, self._how = title, pipe, X, how
        self.targets = tuple(pipe[-1].targets_)
        self.n_galaxies = tables.n_rows(X)
        self._outcomes, self._outcome = outcomes, outcomes["this model"]
        self._labels = None if y is None else read_labels(pipe, X, y)[0]
        self.funnel = pipe[0].funnel(X)
        self.expected = None if self._outcome.lower is None else pipe.expected_scores(X)
        self.scores = None if self._labels is None else self._score()
        self.intervals = self._score_intervals()
        self.worst = None if self._labels is None else self._find_worst()

    # What is measured.

    def _score(self) -> pd.DataFrame:
        assert self._labels is not None
        known = np.logical_and.reduce([each.predicted for each in self._outcomes.values()])
        rows = []
        for name, outcome in self._outcomes.items():
            n_features = self._pipe[-1].n_features_in_
            enough = (np.isfinite(self._labels[known]).sum(axis=0) > n_features + 1).all()
            if not np.isfinite(self._labels[known]).any(axis=0).all():
                return pd.DataFrame()
            scored = metrics.score_table(
                self._labels[known],
                outcome.medians[known],
                targets=self.targets,
                n_features=n_features if enough else None,
            )
            for target in self.targets:
                column = scored[target].reindex([*_SCORES, "number of galaxies"])
                values = dict(zip([*_SCORES.values(), "galaxies"], column, strict=True))
                rows.append({"target": target, "model": name, **values})
        return pd.DataFrame(rows)

    def _score_intervals(self) -> pd.DataFrame | None:
        labels, outcome = self._labels, self._outcome
        if labels is None or outcome.lower is None or outcome.upper is None:
            return None
        usable = outcome.predicted[:, np.newaxis] & np.isfinite(labels)
        if not usable.any(axis=0).all():
            return None
        intervals = {0.68: np.stack([outcome.lower, outcome.upper], axis=2)}
        return metrics.interval_table(labels, intervals=intervals, targets=self.targets)

    def _find_worst(self) -> pd.DataFrame:
        assert self._labels is not None
        outcome = self._outcome
        off = outcome.medians - self._labels
        relative = np.abs(off)
        if outcome.lower is not None and outcome.upper is not None:
            relative = relative / np.maximum((outcome.upper - outcome.lower) / 2, 1e-9)
        largest = np.where(np.isfinite(relative), relative, -1)
        rows = np.argsort(-largest.max(axis=1), kind="stable")[:_N_WORST]
        rows = rows[largest[rows].max(axis=1) > 0]
        target = largest[rows].argmax(axis=1)
        index = tables.row_index(self._X)
        return pd.DataFrame(
            {
                "galaxy": [str(row if index is None else index[row]) for row in rows],
                "row": rows,
                "target": [self.targets[k] for k in target],
                "predicted": outcome.medians[rows, target],
                "label": self._labels[rows, target],
                "off by": off[rows, target],
                "half intervals": relative[rows, target],
                "flags": flags.describe(outcome.flags[rows]),
            }
        ).drop(columns=[] if outcome.lower is not None else ["half intervals"])

    @cached_property
    def doubts(self) -> pd.DataFrame:
        """Flags: of how many galaxies each is raised, and what it says."""
        raised = self._outcome.flags[:, np.newaxis] & np.array([f.value for f in flags.Flag])
        counts = (raised > 0).sum(axis=0)
        rows = [
            {
                "flag": str(flag.name).lower(),
                "galaxies": int(count),
                "share": count / max(self.n_galaxies, 1),
                "meaning": flags.DESCRIPTIONS[flag],
            }
            for flag, count in zip(flags.Flag, counts, strict=True)
        ]
        return pd.DataFrame(rows)

    # What is shown.

    def to_html(self) -> str:
        """Write the page.

        Returns
        -------
        str
            HTML that needs no other file and no network.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        sections = [
            Section("selection", "Selection", self._selection()),
            Section("scores", "Scores", self._scores()),
            Section("predictions", "Predicted against actual", self._predictions()),
            Section("trends", "Trends of the residuals", self._trends()),
            Section("calibration", "Calibration of the intervals", self._calibration()),
            Section("expected", "What to expect without labels", self._expected()),
            Section("doubts", "Doubts about galaxies", self._doubts()),
            Section("worst", "Worst galaxies", self._worst()),
            Section("training", "Learning curves", self._training()),
            Section("model", "Model card", definitions(self._card())),
        ]
        return page(self.title, self._lead(), sections)

    def write_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the page to a file.

        Parameters
        ----------
        path : path
            Such as "report.html".
        overwrite : bool, default=False
            Whether a file that is there may be replaced.

        Returns
        -------
        Path

        Raises
        ------
        FileExistsError
            If the file is there and `overwrite` is False.
        """
        return write_files({path: self.to_html()}, overwrite=overwrite)[0]

    def open(self) -> Path:
        """Write the page to a temporary file, and show it in the browser.

        Returns
        -------
        Path
            The file, which stays.
        """
        folder = Path(tempfile.mkdtemp(prefix="sfml-report-"))
        written = self.write_html(folder / "report.html")
        webbrowser.open(written.as_uri())
        return written

    def to_dict(self) -> dict[str, Any]:
        """Give the report's numbers, as nested dicts and lists.

        Returns
        -------
        dict
        """

        def records(frame: pd.DataFrame | None) -> list[dict[str, Any]] | None:
            return None if frame is None else json.loads(frame.to_json(orient="records"))

        expected = self.expected
        return {
            "title": self.title,
            "n_galaxies": self.n_galaxies,
            "n_predicted": int(self._outcome.predicted.sum()),
            "targets": list(self.targets),
            "selection": records(self.funnel.to_frame().reset_index()),
            "scores": records(self.scores),
            "intervals": records(self.intervals),
            "expected": None if expected is None else records(expected.scores.reset_index()),
            "out_of_domain": None if expected is None else expected.out_of_domain,
            "flags": records(self.doubts.drop(columns="meaning")),
            "worst": records(self.worst),
        }

    def to_json(self) -> str:
        """Write the report's numbers as JSON; a number that is not known is null.

        Returns
        -------
        str
        """
        return json.dumps(self.to_dict(), indent=2)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.title)}" width="100%" height="700" '
            f'srcdoc="{escape(self.to_html())}"></iframe>'
        )

    def _lead(self) -> str:
        n = int(self._outcome.predicted.sum())
        labelled = 0 if self._labels is None else int(np.isfinite(self._labels).any(axis=1).sum())
        text = (
            f"{self.n_galaxies:,} galaxies, of which {n:,} have a prediction and {labelled:,} a "
            f"label{f'; {self._how}' if self._how else ''}. "
            f"sfml {__version__}, {date.today().isoformat()}."
        )
        return paragraph(text)

    def _selection(self) -> str:
        frame = self.funnel.to_frame().reset_index()
        if not len(frame):
            return note("The model has no cuts.")
        frame.columns = pd.Index(["cut", "keeps", "rejects alone", "in sequence", "left"])
        text = table(frame, f"What the cuts reject of {self.n_galaxies:,} galaxies", _COUNTS)
        if self.funnel.missing:
            missing = pd.DataFrame(
                {"band": list(self.funnel.missing), "galaxies": list(self.funnel.missing.values())}
            )
            missing["share"] = missing["galaxies"] / max(self.n_galaxies, 1)
            text += table(missing, "Galaxies in which a band is missing", _COUNTS)
        return text

    def _scores(self) -> str:
        if self.scores is None:
            return note(_NEEDS_LABELS)
        if not len(self.scores):
            return note("No galaxy has a label and a prediction of every model.")
        return table(
            self.scores.dropna(axis=1, how="all"),
            "Errors in dex, of the galaxies that have a label and a prediction of every model",
            _COUNTS,
        )

    def _predictions(self) -> str:
        if self._labels is None:
            return note(_NEEDS_LABELS)
        return figures.predictions(self._labels, self._outcome, list(self.targets))

    def _trends(self) -> str:
        if self._labels is None or self._outcome.lower is None:
            return note(_NEEDS_LABELS if self._labels is None else _NOT_CALIBRATED)
        photometry = self._photometry(slice(None))
        by = {}
        if photometry.redshift is not None:
            by["redshift"] = photometry.redshift
        if photometry.error is not None:
            by["log10 SNR, mean of the bands"] = mean_log_snr(photometry.flux, photometry.error)
        for i, target in enumerate(self.targets[:2]):
            by[f"predicted {target.replace('_', ' ')}"] = self._outcome.medians[:, i]
        return figures.trends(self._labels, self._outcome, list(self.targets), by)

    def _calibration(self) -> str:
        if self.intervals is None or self._labels is None:
            return note(_NEEDS_LABELS if self._labels is None else _NOT_CALIBRATED)
        text = table(
            self.intervals.reset_index(drop=True), "Intervals from the 16th to the 84th percentile"
        )
        if self._outcome.quantiles is None:
            return text + note("Too few galaxies were held back to draw all levels.")
        return text + figures.calibration(self._labels, self._outcome, list(self.targets))

    def _expected(self) -> str:
        if self.expected is None:
            return note(_NOT_CALIBRATED)
        said = (
            f"{self.expected.out_of_domain:.1%} of the galaxies with a prediction are unlike those "
            "of training. From the widths of the intervals, and how well such widths did on the "
            "galaxies held back from training:"
        )
        frame = self.expected.scores.reset_index(names="target")
        return paragraph(said) + table(frame, "Scores to expect, in dex; coverage of 16-84")

    def _doubts(self) -> str:
        return table(self.doubts, "Flags, and of how many galaxies they are raised", _COUNTS)

    def _worst(self) -> str:
        if self.worst is None or not len(self.worst):
            return note(_NEEDS_LABELS)
        unit = "half their 16-84 interval" if "half intervals" in self.worst else "dex"
        shown = self.worst.drop(columns="row")
        return (
            table(shown, f"Galaxies furthest from their labels, in units of {unit}") + self._seds()
        )

    def _seds(self) -> str:
        assert self.worst is not None
        bands = self._pipe[0].bands_
        if bands is None:
            return ""
        photometry = self._photometry(self.worst["row"].to_numpy())
        errors = [None] * len(self.worst) if photometry.error is None else photometry.error
        return figures.grid(
            [
                figures.spectral_energy_distribution(
                    np.asarray(bands.wavelengths), flux, error, bands.unit, f"galaxy {name}"
                )
                for flux, error, name in zip(
                    photometry.flux, errors, self.worst["galaxy"], strict=True
                )
            ]
        )

    def _photometry(self, rows: Any) -> Any:
        select = self._pipe[0]
        return select.split(select.transform(self._X)).rows(rows)

    def _training(self) -> str:
        history = self._pipe[-1].history_
        if not history:
            return note("This model is not trained epoch by epoch.")
        return figures.learning_curves(history)

    def _card(self) -> dict[str, Any]:
        try:
            number = content_hash(self._pipe)
        except TypeError:  # a step that sfml does not know
            number = "none: the pipeline has a step of another library"
        return make_card(self._pipe, number, None)


_COUNTS = {
    **dict.fromkeys(("galaxies", "rejects alone", "in sequence", "left"), "{:,.0f}".format),
    "share": "{:.1%}".format,
}


def _check_model(name: str, model: Any, pipe: Any) -> None:
    if not isinstance(model, StarFormationPipeline):
        raise TypeError(
            f"{name} must be a fitted StarFormationPipeline, as make_star_formation_pipeline makes "
            f"it; got {type(model).__name__}."
        )
    check_is_fitted(model)
    ours, theirs = pipe[-1].targets_, model[-1].targets_
    if tuple(ours) != tuple(theirs):
        raise ValueError(
            f"All models must predict the same targets in the same order: this one predicts "
            f"{', '.join(ours)}, and {name} {', '.join(theirs)}."
        )
