"""From a survey to predictions in a file: train, tune, save, load, predict.

    python examples/quickstart.py [--output examples/output]

Uses a small simulated survey, so that it runs anywhere, and few epochs, so that it is quick: the
scores are no measure of the method.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.model_selection import GridSearchCV, train_test_split

import sfml


def main() -> None:
    """Run in the folder named, or in one that is removed again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="folder for the model and the predictions")
    parser.add_argument("--quick", action="store_true", help="fewer galaxies and epochs")
    args = parser.parse_args()
    if args.output is not None:
        run(args.output, quick=args.quick)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), quick=args.quick)


def run(folder: Path, *, quick: bool) -> None:
    """Train, tune, save, load and predict."""
    model, predictions = folder / "model.joblib", folder / "predictions.csv"
    for path in (model, predictions):
        if path.exists():
            raise SystemExit(f"{path} exists already: move it away, or name another folder.")

    print("1. A simulated survey: fluxes, errors and redshifts; labels in dex.")
    X, y = sfml.make_mock_survey(
        500 if quick else 4_000, n_templates=3_000, random_state=0, return_X_y=True
    )
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

    print("2. The paper's pipeline, the size of its stellar-mass network chosen by a grid search.")
    pipe = sfml.make_star_formation_pipeline("surana2020", random_state=0)
    epochs = 2 if quick else 100
    pipe.set_params(**{f"regress__{target}__epochs": epochs for target in sfml.TARGETS})
    sizes = [(66, 66)] if quick else [(44, 66, 66), (66, 66)]
    search = GridSearchCV(
        pipe,
        {"regress__stellar_mass__hidden_layer_sizes": sizes},
        # scikit-learn's own scorers refuse the NaN predicted for a galaxy that was not selected.
        scoring=sfml.metrics.get_scorer("neg_rmse", "stellar_mass"),
        cv=2,
        n_jobs=1 if quick else 2,  # a second process takes a while to start TensorFlow
    ).fit(X_train, y_train)
    best = search.best_estimator_
    print(f"   chosen: {search.best_params_}")
    print(best["select"].report_)

    print("3. Scores on galaxies that it has not seen.")
    table = sfml.metrics.score_table(y_test, best.predict(X_test))
    print(table.to_string(float_format="{:.3f}".format))

    print("4. Saved, loaded and used on a catalogue: TensorFlow is not needed for this any more.")
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(best, model)
    predicted = pd.DataFrame(joblib.load(model).predict(X_test), columns=list(sfml.TARGETS))
    predicted.index = X_test.index  # a row of predictions for each of the catalogue's
    predicted.to_csv(predictions)
    print(predicted.head().round(2))
    rejected = predicted.isna().all(axis=1).sum()
    print(f"   NaN for the {rejected} of {len(X_test)} galaxies which the selection rejects.")

    print("5. Predicted against actual.")
    sfml.displays.PredictionDisplay.from_estimator(best, X_test, y_test, target="stellar_mass")
    plt.show()


if __name__ == "__main__":
    main()
