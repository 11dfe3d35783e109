"""Catalogues unlike that of training: noisier ones, intervals that widen, scores to expect."""

import numpy as np
import pandas as pd
import pytest

import sfml
from sfml import GAMA, TARGETS, GamaSampleSelector
from sfml.domain import DomainDetector
from sfml.uncertainty.expected import ResidualModel
from sfml.uncertainty.intervals import IntervalModel, RawQuantiles

LEVELS = (0.05, 0.16, 0.5, 0.84, 0.95)
FLUXES, ERRORS = list(GAMA.flux_columns), list(GAMA.error_columns)


@pytest.fixture(scope="module")
def survey():
    return sfml.make_mock_survey(1500, n_templates=2000, random_state=0, return_X_y=True)


class TestNoise:
    def fitted(self, X, **params):
        params = {
            "min_bands": 3,
            "keep_errors": True,
            "noise_factor": 3,
            "negative": "allow",
        } | params
        return GamaSampleSelector(**params).fit(X)

    def test_errors_say_what_noise_was_added(self, survey):
        X, _ = survey
        selector = self.fitted(X, min_bands=0)
        before = selector.transform(X)
        after = selector.add_noise(before, np.random.default_rng(0))
        n = len(FLUXES)
        extra = np.sqrt(after[:, n : 2 * n] ** 2 - before[:, n : 2 * n] ** 2)
        factor = after[:, n : 2 * n] / before[:, n : 2 * n]
        assert np.nanmin(factor) >= 1
        assert 2.9 < np.nanmax(factor) <= 3.0001
        pulls = ((after - before)[:, :n] / extra)[factor > 1.2]
        assert np.mean(pulls) == pytest.approx(0, abs=0.05)
        assert np.std(pulls) == pytest.approx(1, abs=0.05)
        np.testing.assert_array_equal(after[:, -1], before[:, -1])
        alike = np.ptp(np.log(factor), axis=1) < 1e-9
        assert 0.4 < np.mean(alike[~np.isnan(factor).any(axis=1)]) < 0.6

    def test_galaxies_that_would_be_lost_stay_as_they_are(self, survey):
        X, _ = survey
        selector = self.fitted(X, min_bands=10, noise_factor=30)
        before = selector.transform(X)
        after = selector.add_noise(before, np.random.default_rng(0))
        n = len(FLUXES)
        enough = (after[:, :n] >= 3 * after[:, n : 2 * n]).sum(axis=1) >= 10
        known = ~np.isnan(before).all(axis=1)
        assert enough[known].all()
        assert (after == before).all(axis=1)[known].any()

    @pytest.mark.parametrize(
        ("params", "varies"),
        [
            ({}, True),
            ({"noise_factor": 1}, False),
            ({"keep_errors": False}, False),
            ({"noise_factor": 1, "missing": "allow"}, True),
        ],
    )
    def test_when_galaxies_are_varied(self, survey, params, varies):
        assert self.fitted(survey[0], **params).varies() == varies

    def test_the_first_variant_of_gaps_is_not_noisier(self, survey):
        X, _ = survey
        selector = self.fitted(X, missing="allow")
        before = selector.transform(X)
        for noise in (False, True):
            after = selector.vary(before, np.random.default_rng(0), noise=noise)
            kept = ~np.isnan(after) & (after != before)
            assert kept.any() == noise

    def test_the_parameter_reaches_the_selector(self):
        for recipe, factor in (("sfml", 3), ("surana2020", 1)):
            assert sfml.make_star_formation_pipeline(recipe)["select"].noise_factor == factor
        assert sfml.make_star_formation_pipeline(noise_factor=5)["select"].noise_factor == 5
        with pytest.raises(ValueError, match="noise_factor"):
            GamaSampleSelector(noise_factor=0.5).fit(*sfml.make_mock_survey(50, return_X_y=True))


def raw(n=2000, spread=0.01, seed=0, strangeness=None):
    rng = np.random.default_rng(seed)
    width = np.exp(rng.normal(-2, 0.3, n))
    values = width[:, None] * [-1.6, -1, 0, 1, 1.6]
    scatter = spread * np.exp(rng.normal(0, 0.3, n))
    return RawQuantiles(values, LEVELS, rng.normal(size=(n, 2)), scatter, strangeness), width


class TestWidening:
    def interval(self, model, given):
        return np.ptp(model.predict("sfr", given)[:, [1, 3]], axis=1)

    def test_intervals_widen_with_disagreement_and_strangeness(self):
        model, (inside, width) = IntervalModel(), raw()
        y = np.random.default_rng(1).normal(size=len(width)) * width
        model.calibrate("sfr", inside, y)
        usual = self.interval(model, inside)
        for strange in (
            inside._replace(spread=30 * inside.spread),
            inside._replace(strangeness=np.full(len(width), 5.0)),
        ):
            assert np.median(self.interval(model, strange) / usual) > 2
        low, high = model.predict("sfr", inside)[:, [1, 3]].T
        assert np.mean((y > low) & (y < high)) == pytest.approx(0.68, abs=0.02)

    def test_one_network_that_cannot_disagree_changes_nothing(self):
        given, _ = raw(spread=0)
        np.testing.assert_array_equal(given.widened(0.0).values, given.values)
        np.testing.assert_array_equal(
            given._replace(spread=None).widened(None).values, given.values
        )

    def test_the_median_stays(self):
        given, _ = raw(strangeness=np.full(2000, 3.0))
        np.testing.assert_array_equal(given.widened(0.01).median, given.median)

    def test_strangeness_grows_with_the_distance(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(3000, 3))
        detector = DomainDetector(random_state=0).fit(X[:2000]).calibrate(X[2000:])
        strangeness = detector.strangeness(
            np.array([[0, 0, 0], [4, 0, 0], [8, 0, 0], [np.nan] * 3])
        )
        assert strangeness[0] == strangeness[3] == 0 < strangeness[1] < strangeness[2]
        assert np.mean(detector.strangeness(X[2000:]) > 0) == pytest.approx(0.1, abs=0.01)
        inside, again = detector.predict_with_strangeness(X)
        np.testing.assert_array_equal(inside, detector.predict(X))
        np.testing.assert_array_equal(again, detector.strangeness(X))


class TestExpectedScores:
    def test_wider_intervals_are_larger_errors(self):
        rng = np.random.default_rng(0)
        width = np.exp(rng.normal(-2, 0.5, 20_000))
        residual = 0.5 * width * rng.standard_t(5, 20_000)
        model = ResidualModel.learn(width, residual, np.abs(residual) < width / 2, None)
        for scale in (1, 3):
            new = scale * np.exp(rng.normal(-2, 0.5, 20_000))
            truth = 0.5 * new * rng.standard_t(5, 20_000)
            sigma, nmad, coverage = model.scores(new)
            assert sigma == pytest.approx(truth.std(), rel=0.1)
            assert nmad == pytest.approx(1.4826 * np.median(np.abs(truth)), rel=0.1)
            assert coverage == pytest.approx(np.mean(np.abs(truth) < new / 2), abs=0.03)

    @pytest.mark.parametrize("method", ["random_forest", "mlp"])
    def test_a_catalogue_without_labels(self, survey, method):
        X, y = survey
        pipe = sfml.make_star_formation_pipeline(method=method, random_state=0)
        if method == "mlp":
            pipe.set_params(**{f"regress__{target}__epochs": 8 for target in TARGETS})
        pipe.fit(X[:1000], y[:1000])
        X_test = X[1000:].copy()
        X_test.loc[X_test.index[:10], FLUXES] = np.nan
        expected = pipe.expected_scores(X_test)
        assert (expected.n_galaxies, expected.n_without) == (490, 10)
        assert expected.scores.index.tolist() == list(TARGETS)
        residual = pipe.predict_quietly(X_test)[10:] - y[1010:].to_numpy()
        ratio = expected.scores["nmad"] / (1.4826 * np.median(np.abs(residual), axis=0))
        assert (np.abs(np.log(ratio)) < 0.35).all()
        assert expected.scores["coverage"].between(0.55, 0.8).all()
        assert expected.reasons["not_predicted"] == pytest.approx(10 / 500)
        assert "have none" in str(expected)

    def test_a_noisier_catalogue_is_expected_to_be_worse(self, survey):
        X, y = survey
        pipe = sfml.make_star_formation_pipeline(method="mlp", random_state=0)
        pipe.set_params(**{f"regress__{target}__epochs": 8 for target in TARGETS})
        pipe.fit(X[:1000], y[:1000])
        noisier = X[1000:].copy()
        rng = np.random.default_rng(0)
        errors = noisier[ERRORS].to_numpy()
        noisier[FLUXES] += rng.normal(size=errors.shape) * errors * np.sqrt(8)
        noisier[ERRORS] *= 3
        before, after = (pipe.expected_scores(each).scores for each in (X[1000:], noisier))
        assert (after["sigma"] > before["sigma"]).all()

    def test_without_calibration_it_is_an_error(self, survey):
        X, y = survey
        pipe = sfml.make_star_formation_pipeline(method="random_forest", calibration_fraction=None)
        with pytest.raises(ValueError, match="not calibrated"):
            pipe.fit(X[:200], y[:200]).expected_scores(X)

    def test_no_galaxies_are_no_scores(self, survey):
        X, y = survey
        pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
        expected = pipe.fit(X[:300], y[:300]).expected_scores(X[:0])
        assert isinstance(expected.scores, pd.DataFrame)
        assert expected.n_galaxies == 0
        assert expected.scores.isna().all(axis=None)
