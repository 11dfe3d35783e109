"""Shared fixtures: small seeded catalogues, and the real files where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _targets_as_sfml_declares_them(monkeypatch):
    """Forget the targets that a test declares."""
    from sfml import targets

    monkeypatch.setattr(targets, "_REGISTRY", dict(targets._REGISTRY))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real and simulated catalogues beside a developer's checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared catalogues are not beside this checkout ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture(scope="session")
def _mock_survey() -> tuple[pd.DataFrame, pd.DataFrame]:
    import sfml

    return sfml.make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)


@pytest.fixture
def galaxies(_mock_survey) -> tuple[pd.DataFrame, pd.DataFrame]:
    """X and y of 400 mock galaxies, some of which the selection rejects, with shuffled labels."""
    X, y = (table.copy() for table in _mock_survey)
    labels = np.random.default_rng(1).permutation(len(X)) + 1000
    return X.set_axis(labels), y.set_axis(labels)


@pytest.fixture
def selected(galaxies) -> tuple[pd.DataFrame, pd.DataFrame]:
    """X and y of those mock galaxies which the paper's selection keeps."""
    import sfml

    return sfml.GamaSampleSelector().select(*galaxies)


@pytest.fixture(scope="session")
def _survey() -> tuple[pd.DataFrame, pd.DataFrame]:
    import sfml

    X, y = sfml.make_mock_survey(
        900, n_templates=2000, random_state=1, return_X_y=True, percentiles=True
    )
    labels = np.random.default_rng(1).permutation(len(X)) + 1000
    return X.set_axis(labels), y.set_axis(labels)


@pytest.fixture
def survey(_survey) -> tuple[pd.DataFrame, pd.DataFrame]:
    """X and y of 900 mock galaxies, the percentiles of the labels in y, with shuffled labels."""
    X, y = _survey
    return X.copy(), y.copy()


@pytest.fixture(scope="session")
def complete_pipe(_survey):
    """Recipe "sfml" with the paper's cuts and quick networks, fitted to `survey`.

    Not to be changed.
    """
    cuts = {"missing": "reject", "negative": "reject", "z_range": (0, 0.5), "min_bands": 6}
    return make_quick_pipeline("sfml", network={"n_networks": 2}, **cuts).fit(*_survey)


@pytest.fixture(scope="session")
def gappy_pipe(_survey):
    """The same with the recipe's own cuts, which allow missing bands and negative fluxes."""
    return make_quick_pipeline("sfml", network={"n_networks": 2}).fit(*_survey)


class FillingRidge(Ridge):
    """A linear model that takes NaN, as the networks do: for the mean of the inputs."""

    def fit(self, X, y, sample_weight=None):
        return super().fit(np.nan_to_num(X), y, sample_weight)

    def predict(self, X):
        return super().predict(np.nan_to_num(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


@pytest.fixture
def quick_pipeline():
    """Function that makes a pipeline whose networks are small and train for three epochs."""
    return make_quick_pipeline


def make_quick_pipeline(recipe: str = "surana2020", *, network=None, **parameters):
    """Make a pipeline with small networks; `network` holds further parameters of theirs."""
    import sfml

    parameters = {"random_state": 0, **parameters}
    pipe = sfml.make_star_formation_pipeline(recipe, **parameters)
    for _, regressor in pipe["regress"].estimators:
        if isinstance(regressor, sfml.KerasMLPRegressor):
            regressor.set_params(
                hidden_layer_sizes=(8,), epochs=3, batch_size=64, learning_rate=0.1
            ).set_params(**network or {})
    return pipe
