"""``sfml demo``: the whole method on a mock survey."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import joblib
import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import sfml
from sfml.cli.figures import FEWEST_FOR_INTERVALS, Galaxies, PaperFigures
from sfml.cli.output import OutputFolder
from sfml.cli.scores import compare_with_paper
from sfml.recipes import SURANA2020_NETWORKS
from sfml.selection import GamaSampleSelector, SelectionReport

QUICK_EPOCHS = {"stellar_mass": 1000, "sfr": 400, "dust_luminosity": 400}
"""Epochs of the quick schedule, less than a minute's training on two cores."""

_METRICS = {
    "error": "error (sigma)",
    "root mean square error": "RMSE",
    "mean absolute deviation": "MAD",
    "r2 adjusted": "adjusted R²",
    "NMAD": "NMAD",
}
"""The metrics shown, and their names there: those of the paper's Table 3, and a measure of scatter
that does not mind a few outliers."""


class Demo:
    """The whole method of Surana et al. (2020) on a mock survey, told as it goes.

    Parameters
    ----------
    n_galaxies : int
        Size of the mock survey.
    seed : int
        Seed of all that is random.
    full : bool
        Whether to train on the paper's schedule instead of the quick one.
    """

    def __init__(self, *, n_galaxies: int, seed: int, full: bool) -> None:
        self.n_galaxies = n_galaxies
        self.seed = seed
        self.full = full
        self._console = Console(highlight=False, soft_wrap=True)

    def run(self, output: OutputFolder) -> None:
        """Run it all.

        Parameters
        ----------
        output : OutputFolder
            Where the results go.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, once what was written has been named.
        """
        start = time.perf_counter()
        self._say(f"Results go to the folder {output.path}")
        try:
            self._run_steps(output)
        except KeyboardInterrupt:
            names = ", ".join(path.name for path in output.written) or "nothing yet"
            self._say(f"\nWritten to {output.path} before the interruption: {names}.")
            raise
        self._say_how_to_go_on(output, time.perf_counter() - start)

    def _run_steps(self, output: OutputFolder) -> None:
        survey = self._make_survey()
        report = self._select(survey)
        output.write("funnel.csv", report.to_frame().to_csv)
        train, test = self._split(survey)
        networks = self._train("mlp", train)
        output.write("pipeline.joblib", lambda path: joblib.dump(networks, path))
        forest = self._train("random_forest", train)
        scores = {
            name: sfml.metrics.score_table(
                test.y, pipeline.predict(test.X), n_features=pipeline["regress"].n_features_in_
            )
            for name, pipeline in {"networks": networks, "random_forest": forest}.items()
        }
        compared = compare_with_paper(scores)
        output.write("scores.csv", compared.to_csv)
        self._show_scores(compared, len(test.y))
        self._show_intervals(networks, test, output)
        figures = PaperFigures(networks, survey=survey, train=train, test=test, truth="mock label")
        self._draw(figures, output)

    def _make_survey(self) -> Galaxies:
        self._head("Mock survey")
        with self._console.status(f"simulating and labelling {self.n_galaxies:,} galaxies"):
            X, y = sfml.make_mock_survey(
                self.n_galaxies, random_state=self.seed, n_jobs=-1, return_X_y=True
            )
        self._say(
            f"{len(X):,} galaxies in {len(sfml.GAMA)} bands, simulated: for trying things out, "
            "never for science."
        )
        return Galaxies(X, y)

    def _select(self, survey: Galaxies) -> SelectionReport:
        self._head("Selection (section 2.1 of the paper)")
        report = GamaSampleSelector().fit(*survey).report_
        self._say(str(report))
        return report

    def _split(self, survey: Galaxies) -> tuple[Galaxies, Galaxies]:
        X, y = GamaSampleSelector().select(*survey)
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, random_state=self.seed
        )
        self._say(f"{len(X_train):,} galaxies to train on, {len(X_test):,} to test with.")
        return Galaxies(X_train, y_train), Galaxies(X_test, y_test)

    def _train(self, method: str, train: Galaxies) -> Pipeline:
        pipeline = sfml.make_star_formation_pipeline(
            "surana2020",
            method=method,
            # Held back: the paper's validation rows, which the forest has no use for.
            calibration_fraction=0.2 if method == "mlp" else None,
            random_state=self.seed,
            verbose=method != "mlp",
        )
        if method == "mlp":
            self._head("Three networks, one a target")
            pipeline.set_params(**self._training_parameters())
        else:
            self._head("Random forest, for comparison")
            pipeline.set_params(**{f"regress__{target}__n_jobs": -1 for target in train.y})
        start = time.perf_counter()
        pipeline.fit(*train)
        self._say(f"Trained in {time.perf_counter() - start:.0f} s.")
        return pipeline

    def _training_parameters(self) -> dict[str, Any]:
        """Say which schedule the networks follow; return it as the pipeline's parameters."""
        paper = {target: network["epochs"] for target, network in SURANA2020_NETWORKS.items()}
        epochs = paper if self.full else QUICK_EPOCHS
        listed = "/".join(map(str, epochs.values()))
        if self.full:
            self._say(f"Full schedule: at most {listed} epochs, as in the paper.")
        else:
            self._say(
                f"Quick schedule: {listed} epochs instead of the paper's "
                f"{'/'.join(map(str, paper.values()))}; --full trains the paper's schedule."
            )
        self._say(f"In this order: {', '.join(epochs)}.")
        parameters: dict[str, Any] = {f"regress__{name}__verbose": 1 for name in epochs}
        return parameters | {f"regress__{name}__epochs": n for name, n in epochs.items()}

    def _show_scores(self, compared: pd.DataFrame, n_test: int) -> None:
        self._head(f"Scores on the {n_test:,} test galaxies, in dex (Table 3 of the paper)")
        table = Table("target", "metric")
        for heading in ("networks\nmock survey", "random forest\nmock survey", "paper\nreal GAMA"):
            table.add_column(heading, justify="right")
        for target in compared.index.unique("target"):
            values = compared.xs(target)
            for i, (metric, shown) in enumerate(_METRICS.items()):
                row = [f"{value:.4f}".replace("nan", "") for value in values.loc[metric]]
                table.add_row("" if i else str(target), shown, *row)
            table.add_section()
        self._console.print(table)
        self._say(
            "The paper's column is of another dataset, the real GAMA survey: it tells the scale, "
            "and cannot be compared digit by digit."
        )

    def _show_intervals(
        self, networks: sfml.StarFormationPipeline, test: Galaxies, output: OutputFolder
    ) -> None:
        """Write predictions with intervals and flags; say what the intervals hold."""
        self._head("Intervals of the test galaxies, calibrated on galaxies held back from training")
        n_held_back = networks["regress"].n_calibration_
        if n_held_back < FEWEST_FOR_INTERVALS:
            self._say(f"None: {n_held_back} galaxies held back are too few. Simulate more.")
            return
        predictions = networks.predict_table(test.X)
        output.write("predictions.csv", predictions.to_csv)
        intervals = {c: networks.predict_interval(test.X, c) for c in (0.68, 0.9)}
        scores = sfml.metrics.interval_table(test.y, intervals=intervals)
        table = Table("target", "nominal", "coverage", "mean width, dex")
        for row in scores.itertuples():
            held = f"{row.coverage:.1%} ± {row.standard_error:.1%}"
            table.add_row(str(row.target), f"{row.nominal:.0%}", held, f"{row.mean_width:.3f}")
        self._console.print(table)
        counts = predictions["reasons"].replace("", "no reservation").value_counts()
        self._say("; ".join(f"{count:,} {reason}" for reason, count in counts.items()) + ".")

    def _draw(self, figures: PaperFigures, output: OutputFolder) -> None:
        self._head("Figures, numbered as in the paper")
        if find_spec("matplotlib") is None:
            self._say(
                f"Left out, as matplotlib is not installed: {', '.join(figures.names())}.\n"
                'They need the extra "plot": pip install "sfml[plot]".'
            )
            return
        for name, figure in figures.draw():
            self._say(f"  {output.write(f'{name}.png', figure.savefig)}")

    def _say_how_to_go_on(self, output: OutputFolder, seconds: float) -> None:
        self._head(f"Done in {seconds:.0f} s")
        for name, what in {
            "scores.csv": "all scores",
            "predictions.csv": "medians, 16th and 84th percentiles, flags of the test galaxies",
            "funnel.csv": "the selection, cut by cut",
            "pipeline.joblib": "the trained networks, from catalogue to predictions",
        }.items():
            if output.path / name not in output.written:
                continue
            self._say(f"  {output.path / name}  {what}")
        self._say(
            "Use the pipeline in Python:\n"
            "  import joblib, sfml\n"
            f"  joblib.load({str(output.path / 'pipeline.joblib')!r})"
            ".predict(sfml.make_mock_survey(500))"
        )

    def _head(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold", markup=False)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)
