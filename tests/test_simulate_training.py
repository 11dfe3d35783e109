"""From a library and a survey's noise to a pipeline that predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from sfml import GAMA, TARGETS, make_mock_survey, make_star_formation_pipeline
from sfml.regressor.hold_back import group_keys
from sfml.simulate import (
    ModelLibrary,
    SurveyNoise,
    fit_library,
    make_training_survey,
    mock_library,
)
from sfml.simulate.training import SimulatedSurvey


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


class TestFitLibrary:
    """Training with fresh noise in every epoch."""

    @staticmethod
    def networks(epochs: int = 3, **params):
        pipe = make_star_formation_pipeline(random_state=0, **params)
        return pipe.set_params(**{f"regress__{t}__epochs": epochs for t in pipe[0].targets})

    def test_each_epoch_observes_the_models_anew(self, library, noise):
        survey = SimulatedSurvey(library, noise, ["sfr"], 500, seed=0, chunk_rows=200)
        parts = list(survey.chunks(0))
        assert [len(X) for X, _, _ in parts] == [200, 200, 100]
        for X, y, models in parts:
            expected = library.parameters["sfr"].to_numpy()[models]
            np.testing.assert_array_equal(y["sfr"], expected)
            np.testing.assert_array_equal(X.index, models)
        (X, _, _), (again, _, _) = next(survey.chunks(0)), next(survey.chunks(1))
        shared = np.intersect1d(X.index.unique(), again.index.unique())
        assert len(shared) > 20
        one, other = (t[~t.index.duplicated()].loc[shared, "r_flux"] for t in (X, again))
        assert (one != other).mean() > 0.9

    def test_models_held_back_are_never_learnt(self, library, noise, monkeypatch):
        learnt = []
        chunks = SimulatedSurvey.chunks

        def watched(self, seed):
            for X, y, models in chunks(self, seed):
                learnt.append(set(models))
                yield X, y, models

        monkeypatch.setattr(SimulatedSurvey, "chunks", watched)
        pipe = fit_library(self.networks(targets=["sfr"]), library, noise, 800, random_state=0)
        seen = {}
        inner = type(pipe[-1].estimators_[0])
        train = inner._in_chunks

        def counted(self, rows, rng):
            seen["n_rows"] = rows.n_rows
            seen["X"] = np.vstack([X for X, _ in rows.chunks(5)])
            keys = [k for _, _, k in rows._learnt.galaxies.chunks(5)]
            seen["keys"], seen["held_back"] = np.concatenate(keys), rows._learnt.held_back_keys
            return train(self, rows, rng)

        monkeypatch.setattr(inner, "_in_chunks", counted)
        fit_library(self.networks(targets=["sfr"]), library, noise, 800, random_state=0)
        assert len(learnt) >= 3
        held_back = np.isin(seen["keys"], seen["held_back"])
        assert 0.05 < held_back.mean() < 0.4
        assert len(seen["X"]) <= (~held_back).sum()
        models = np.array(sorted(set.union(*learnt)))
        assert np.isin(seen["held_back"], group_keys(models, len(models))).all()

    def test_it_predicts_and_a_seed_gives_the_same_again(self, real, library, noise):
        first, again = (
            fit_library(self.networks(), library, noise, random_state=7).predict_quietly(real)
            for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)
        assert np.isfinite(first).all(axis=1).mean() > 0.9

    def test_mistakes_are_named(self, library, noise):
        with pytest.raises(TypeError, match="noise must be a SurveyNoise; got dict"):
            fit_library(self.networks(), library, {})
        with pytest.raises(ValueError, match=r"no parameter A_V.*Make the pipeline with targets="):
            fit_library(self.networks(targets=["sfr", "A_V"]), library, noise)
        with pytest.raises(ValueError, match="n must be a whole number of at least 2; got 1"):
            fit_library(self.networks(), library, noise, 1)
        forest = make_star_formation_pipeline(method="random_forest")
        with pytest.raises(ValueError, match="Only networks can learn in chunks"):
            fit_library(forest, library, noise)

    def test_random_state_seeds_the_epochs_too(self, library, noise):
        drawn = [
            next(SimulatedSurvey(library, noise, ["sfr"], 50, seed=seed).chunks(epoch))[0]
            for seed, epoch in ((0, 7), (0, 7), (1, 7), (0, 8))
        ]
        fluxes = [X["r_flux"].to_numpy() for X in drawn]
        np.testing.assert_array_equal(fluxes[0], fluxes[1])
        assert not np.array_equal(fluxes[0], fluxes[2])
        assert not np.array_equal(fluxes[0], fluxes[3])

    def test_as_many_galaxies_are_expected_as_are_learnt(self, library, noise, monkeypatch):
        from sfml.neural import KerasMLPRegressor

        counted = []
        train = KerasMLPRegressor._in_chunks

        def watched(self, rows, rng):
            learnt = [sum(len(X) for X, _ in rows.chunks(seed)) for seed in range(5)]
            counted.append((rows.n_rows, np.mean(learnt)))
            return train(self, rows, rng)

        monkeypatch.setattr(KerasMLPRegressor, "_in_chunks", watched)
        pipe = self.networks(epochs=1, targets=["sfr"])
        fit_library(pipe, library, noise, 4000, sample_rows=1000, random_state=0)
        expected, learnt = counted[0]
        assert abs(learnt / expected - 1) < 0.05

    def test_bands_of_another_unit_or_filter_are_refused(self, library, noise):
        in_millijansky = replace(noise, bands=replace(noise.bands, unit="mJy"))
        with pytest.raises(
            ValueError, match=r"in 'Jy', those of the noise in 'mJy'.*bands=noise.b"
        ):
            fit_library(self.networks(), library, in_millijansky)
        longer = (noise.bands.wavelengths[0] * 1.3, *noise.bands.wavelengths[1:])
        shifted = replace(noise, bands=replace(noise.bands, wavelengths=longer))
        with pytest.raises(ValueError, match=r"'FUV_flux' at .* it is at "):
            fit_library(self.networks(), library, shifted)
        with pytest.raises(TypeError, match="pipe must be a pipeline"):
            fit_library(RandomForestRegressor(), library, noise)
