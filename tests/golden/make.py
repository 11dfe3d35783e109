"""Make the golden files of this release: models, and what they predict.

    python tests/golden/make.py

The files stay as they are for ever: later versions of sfml must load them and predict the same. Add
files under new names when the format, or what a class keeps, changes; never replace one.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import sfml
from sfml.persistence import content_hash
from sfml.persistence.encoder import encode

FOLDER = Path(__file__).parent
NUMBER = 1
N_ROWS = 20


def make_pipelines() -> dict[str, sfml.StarFormationPipeline]:
    """Make small pipelines, one for each kind of regressor."""
    make = sfml.make_star_formation_pipeline
    few = sfml.GAMA.only("u", "g", "r", "i", "z", "K", "W1", "W3")
    network = make(bands=few, random_state=0)
    for _, each in network["regress"].estimators:
        each.set_params(hidden_layer_sizes=(16, 16), epochs=5, n_networks=2, learning_rate=0.05)
    paper = make("surana2020", random_state=0)
    for _, each in paper["regress"].estimators:
        each.set_params(hidden_layer_sizes=(16, 8), epochs=5, learning_rate=0.01)
    forest = make(method="random_forest", missing="reject", random_state=0)
    for _, each in forest["regress"].estimators:
        each.set_params(n_estimators=3, max_depth=5)
    svr = make("surana2020", method="svr", max_train_samples=60, random_state=0)
    return {"network": network, "paper": paper, "forest": forest, "svr": svr}


def main() -> None:
    """Train, save, and write down what is predicted."""
    X, y = sfml.make_mock_survey(700, n_templates=2000, random_state=3, return_X_y=True)
    catalogue = X.iloc[-N_ROWS:].reset_index(drop=True)
    catalogue.iloc[2, 0] = np.nan
    catalogue.iloc[3, :21] *= 30
    for name, pipe in make_pipelines().items():
        pipe.fit(X[:-N_ROWS], y[:-N_ROWS])
        path = FOLDER / f"{name}-{NUMBER}.safetensors"
        sfml.save(pipe, path, card={"name": f"Golden {name}", "licence": "BSD-3-Clause"})
        table = pipe.predict_table(catalogue)
        expected = {
            "content_hash": content_hash(pipe),
            "arrays": sorted(encode(pipe).digests.values()),
            "catalogue": _columns(catalogue),
            "table": _columns(table.drop(columns=["flag", "reasons"])),
            "flag": table["flag"].tolist(),
        }
        path.with_suffix(".json").write_text(json.dumps(expected, indent=0) + "\n")
        print(f"{path.name}: {path.stat().st_size:,} bytes")


def _columns(table) -> dict[str, list[float | None]]:
    return {
        name: [None if np.isnan(value) else float(value) for value in table[name]]
        for name in table.columns
    }


if __name__ == "__main__":
    main()
