"""From a library and a survey's noise to a pipeline that predicts."""

from __future__ import annotations

import numpy as np
import pytest

from sfml import GAMA, TARGETS, make_mock_survey, make_star_formation_pipeline
from sfml.simulate import ModelLibrary, SurveyNoise, make_training_survey, mock_library


@pytest.fixture(scope="module")
def real():
    return make_mock_survey(1500, n_templates=1000, random_state=0)


@pytest.fixture(scope="module")
def library() -> ModelLibrary:
    return mock_library(1200, random_state=1)


@pytest.fixture(scope="module")
def noise(real) -> SurveyNoise:
    with pytest.warns(UserWarning, match="Fewer than 100 galaxies are detected"):
        return SurveyNoise.fit(real, GAMA)


def test_a_pipeline_learns_the_truth_from_a_simulated_survey(real, library, noise):
    X, y = make_training_survey(library, noise, 1000, random_state=0)
    assert list(y.columns) == list(TARGETS)
    assert list(X.columns) == list(GAMA.columns)
    pipe = make_star_formation_pipeline(method="random_forest", random_state=0)
    predicted = pipe.fit(X, y).predict_quietly(real)
    truth = real[["true_log_mass", "true_log_sfr", "true_log_ldust"]].to_numpy()
    known = np.isfinite(predicted).all(axis=1)
    assert known.mean() > 0.9
    error = np.median(np.abs(predicted - truth)[known], axis=0)
    guess = np.median(np.abs(truth - np.median(y, axis=0))[known], axis=0)
    assert (error < 0.6 * guess).all()


def test_targets_are_parameters_of_the_library(library, noise):
    X, y = make_training_survey(library, noise, 20, random_state=0, targets=["sfr"])
    assert list(y.columns) == ["sfr"]
    np.testing.assert_array_equal(y["sfr"], library.parameters["sfr"].to_numpy()[X.index])
    with pytest.raises(ValueError, match="has no parameter A_V; it has stellar_mass, sfr"):
        make_training_survey(library, noise, 20, targets=["sfr", "A_V"])
