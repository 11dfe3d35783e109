"""The figure of README.md: predictions for test galaxies of a survey made by a real SPS code.

    python docs/readme_figure.py ../shared/data/bagpipes_survey.parquet

Recipe "sfml" learns from the first 80 % of the rows and predicts the last 20 %.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import catalogues

import sfml
from sfml.displays import PredictionDisplay


def main(path: str) -> None:
    """Train, predict and draw."""
    X_train, X_test, y_train, y_test = catalogues.split(*catalogues.load(path, quick=False))
    pipe = sfml.make_star_formation_pipeline(random_state=0).fit(X_train, y_train)
    y_pred = pipe.predict_quietly(X_test)
    figure = Figure((12.6, 4.9), layout="constrained")
    for target, ax in zip(sfml.TARGETS, figure.subplots(1, 3), strict=True):
        PredictionDisplay.from_predictions(y_test, y_pred, target=target, truth="SPS code", ax=ax)
    figure.savefig(Path(__file__).with_name("_static") / "predictions.png", dpi=90)


if __name__ == "__main__":
    main(sys.argv[1])
