"""``sfml demo``: the whole method on a mock survey."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import train_test_split

import sfml
from sfml.cli.figures import Galaxies, PaperFigures
from sfml.cli.output import OutputFolder
from sfml.cli.scores import compare_with_paper
from sfml.recipes import SURANA2020_NETWORKS
from sfml.report.outcome import FEWEST_FOR_LEVELS

QUICK_EPOCHS = {"stellar_mass": 500, "sfr": 200, "dust_luminosity": 200}
"""Epochs of the paper's networks on the quick schedule, less than a minute on two cores."""

DEFAULT_RECIPE, PAPER, FOREST = "sfml", "surana2020", "random_forest"
"""The methods, as columns of scores.csv."""

_HEADINGS = {
    DEFAULT_RECIPE: "default\nrecipe",
    PAPER: "paper's\nnetworks",
    FOREST: "random\nforest",
    "paper_on_real_gama": "paper on\nreal GAMA",
}

_METRICS = {
    "error": "sigma",
    "root mean square error": "RMSE",
    "mean absolute deviation": "MAD",
    "r2 adjusted": "adj. R²",
    "NMAD": "NMAD",
}
"""The metrics shown, and their names there: those of the paper's Table 3, and a measure of scatter
that does not mind a few outliers."""


class Demo:
    """The default recipe on a mock survey, beside the paper's recipe and a random forest.

    Parameters
    ----------
    n_galaxies : int
        Size of the mock survey.
    seed : int
        Seed of all that is random.
    full : bool
        Whether the paper's networks follow the paper's schedule instead of the quick one.
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
        train, test = self._split(survey)
        output.write("test.parquet", _labelled(test).to_parquet)
        default = self._train_default(train)
        output.write("model.safetensors", lambda path: sfml.save(default, path))
        self._show_intervals(default, test, output)
        others = {PAPER: self._train_paper(train), FOREST: self._train_forest(train)}
        output.write("funnel.csv", others[PAPER]["select"].report_.to_frame().to_csv)
        self._compare({DEFAULT_RECIPE: default, **others}, test, output)
        self._draw(
            PaperFigures(default, survey=survey, train=train, test=test, truth="mock label"), output
        )
        self._report(default, others, test, output)

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

    def _split(self, survey: Galaxies) -> tuple[Galaxies, Galaxies]:
        X_train, X_test, y_train, y_test = train_test_split(
            *survey, test_size=0.2, random_state=self.seed
        )
        self._say(f"{len(X_train):,} galaxies to train on, {len(X_test):,} to test with.")
        return Galaxies(X_train, y_train), Galaxies(X_test, y_test)

    def _train_default(self, train: Galaxies) -> sfml.StarFormationPipeline:
        self._head('Recipe "sfml", the default: every galaxy, missing bands or not')
        pipeline = sfml.make_star_formation_pipeline(random_state=self.seed)
        return self._fit(pipeline.set_params(**_of_each(verbose=1)), train)

    def _train_paper(self, train: Galaxies) -> sfml.StarFormationPipeline:
        """Train the paper's networks, and say on what."""
        self._head(
            'Recipe "surana2020", the paper\'s: its cuts (section 2.1), one network per target'
        )
        pipeline = sfml.make_star_formation_pipeline("surana2020", random_state=self.seed)
        return self._fit(pipeline.set_params(**self._schedule()), train)

    def _train_forest(self, train: Galaxies) -> sfml.StarFormationPipeline:
        self._head("Random forest, on the same galaxies")
        pipeline = sfml.make_star_formation_pipeline(
            "surana2020", method="random_forest", calibration_fraction=None, random_state=self.seed
        )
        return self._fit(pipeline.set_params(**_of_each(n_jobs=-1)), train)

    def _fit(self, pipeline: sfml.StarFormationPipeline, train: Galaxies) -> Any:
        start = time.perf_counter()
        pipeline.fit(*train)
        n = pipeline["select"].report_.n_selected
        self._say(f"Trained on {n:,} galaxies in {time.perf_counter() - start:.0f} s.")
        return pipeline

    def _schedule(self) -> dict[str, Any]:
        """Say which schedule the paper's networks follow; return it as parameters."""
        paper = {target: network["epochs"] for target, network in SURANA2020_NETWORKS.items()}
        epochs = paper if self.full else QUICK_EPOCHS
        listed = "/".join(map(str, epochs.values()))
        if self.full:
            self._say(f"Full schedule: at most {listed} epochs, as in the paper.")
        else:
            self._say(
                f"Quick schedule: {listed} epochs instead of the paper's "
                f"{'/'.join(map(str, paper.values()))}, which is worse; --full trains the paper's."
            )
        parameters = _of_each(verbose=1)
        return parameters | {f"regress__{name}__epochs": n for name, n in epochs.items()}

    def _compare(
        self,
        pipelines: dict[str, sfml.StarFormationPipeline],
        test: Galaxies,
        output: OutputFolder,
    ) -> None:
        """Score all methods on the same test galaxies: those of the paper's selection."""
        predicted = {name: pipe.predict_quietly(test.X) for name, pipe in pipelines.items()}
        known = ~sfml.GamaSampleSelector().reasons(*test).to_numpy().any(axis=1)
        scores = {
            name: sfml.metrics.score_table(
                test.y[known],
                y_pred[known],
                n_features=pipelines[name]["regress"].n_features_in_,
            )
            for name, y_pred in predicted.items()
        }
        compared = compare_with_paper(scores)
        output.write("scores.csv", compared.to_csv)
        self._head(f"Scores on {known.sum():,} test galaxies, in dex (Table 3 of the paper)")
        self._console.print(_score_table(compared))
        self._say(
            "They pass the paper's cuts, so that all methods can be compared; of all "
            f"{len(test.y):,}, the default recipe predicts "
            f"{pd.DataFrame(predicted[DEFAULT_RECIPE]).notna().all(axis=1).sum():,}.\n"
            "The last column is of other galaxies, the real GAMA survey: it tells the scale, and "
            "cannot be compared digit by digit."
        )

    def _show_intervals(
        self, pipeline: sfml.StarFormationPipeline, test: Galaxies, output: OutputFolder
    ) -> None:
        """Write predictions with intervals and flags; say what the intervals hold."""
        n_held_back = pipeline["regress"].n_calibration_
        if n_held_back < FEWEST_FOR_LEVELS:
            self._say(f"No intervals: {n_held_back} galaxies held back are too few. Simulate more.")
            return
        predictions = pipeline.predict_table(test.X)
        output.write("predictions.csv", predictions.to_csv)
        intervals = {c: pipeline.predict_interval(test.X, c) for c in (0.68, 0.9)}
        scores = sfml.metrics.interval_table(test.y, intervals=intervals)
        self._say(
            "Its intervals for all test galaxies, calibrated on "
            f"{n_held_back:,} galaxies held back from training:"
        )
        table = Table("target", "nominal", "coverage", "mean width, dex")
        for row in scores.itertuples():
            held = f"{row.coverage:.1%} ± {row.standard_error:.1%}"
            table.add_row(str(row.target), f"{row.nominal:.0%}", held, f"{row.mean_width:.3f}")
        self._console.print(table)
        counts = predictions["reasons"].replace("", "no reservation").value_counts()
        self._say("; ".join(f"{count:,} {reason}" for reason, count in counts.items()) + ".")

    def _draw(self, figures: PaperFigures, output: OutputFolder) -> None:
        self._head('Figures of recipe "sfml", numbered as in the paper')
        if find_spec("matplotlib") is None:
            self._say(
                f"Left out, as matplotlib is not installed: {', '.join(figures.names())}.\n"
                'They need the extra "plot": pip install "sfml[plot]".'
            )
            return
        for name, figure in figures.draw():
            self._say(f"  {output.write(f'{name}.png', figure.savefig)}")

    def _report(
        self,
        pipeline: sfml.StarFormationPipeline,
        others: dict[str, sfml.StarFormationPipeline],
        test: Galaxies,
        output: OutputFolder,
    ) -> None:
        if find_spec("matplotlib") is None:
            return
        from sfml.report import Report

        baselines = {_HEADINGS[name].replace("\n", " "): model for name, model in others.items()}
        title = 'Recipe "sfml" on the test galaxies of a mock survey'
        html = Report(pipeline, *test, baselines=baselines, title=title).to_html()
        output.write("report.html", lambda path: path.write_text(html, encoding="utf-8"))

    def _say_how_to_go_on(self, output: OutputFolder, seconds: float) -> None:
        self._head(f"Done in {seconds:.0f} s")
        for name, what in {
            "report.html": "one page on all of it: open it in a browser",
            "scores.csv": "all scores",
            "funnel.csv": "the paper's selection, cut by cut",
            "predictions.csv": "medians, 16th and 84th percentiles, flags of the test galaxies",
            "model.safetensors": 'the pipeline of recipe "sfml", from catalogue to predictions',
            "test.parquet": "the test galaxies, with their labels",
        }.items():
            if output.path / name not in output.written:
                continue
            self._say(f"  {output.path / name}  {what}")
        model, catalogue = output.path / "model.safetensors", output.path / "test.parquet"
        self._say(
            "Try next:\n"
            f"  sfml inspect {model}\n"
            f"  sfml predict {model} {catalogue} -o {output.path / 'predictions.parquet'}\n"
            f"  sfml report {model} {catalogue} -o {output.path / 'report-of-the-model.html'}"
        )

    def _head(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold", markup=False)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


def _of_each(**parameters: Any) -> dict[str, Any]:
    """Name parameters of the regressors of all targets."""
    return {
        f"regress__{target}__{name}": value
        for target in sfml.TARGETS
        for name, value in parameters.items()
    }


def _labelled(galaxies: Galaxies) -> pd.DataFrame:
    return pd.concat([galaxies.X, galaxies.y], axis=1).reset_index(drop=True)


def _score_table(compared: pd.DataFrame) -> Table:
    table = Table("target", "metric")
    for column in compared:
        table.add_column(_HEADINGS[str(column)], justify="right")
    for target in compared.index.unique("target"):
        values = compared.xs(target)
        for i, (metric, shown) in enumerate(_METRICS.items()):
            row = [f"{value:.4f}".replace("nan", "") for value in values.loc[metric]]
            table.add_row("" if i else str(target), shown, *row)
        table.add_section()
    return table
