"""DomainDetector: false alarms as stated, shifted galaxies found, bands that were not observed."""

from __future__ import annotations

import pickle
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

import sfml
from sfml.domain import DomainDetector

N_FEATURES = 6
N_WIDE = 15


def make_rows(n: int, seed: int, *, missing: float = 0.0) -> np.ndarray:
    """Features as tight, bent and heavy-tailed as colours are; some NaN, in the first two."""
    rng = np.random.default_rng(seed)
    kind, age = rng.normal(size=(2, n))
    noise = 0.1 * rng.standard_t(5, size=(n, 4))
    X = np.column_stack([kind + age, kind, age, kind**2 / 3, kind - age, 0.5 * age]) + 3
    X[:, 2:] += noise
    X[rng.random(n) < missing, :2] = np.nan
    return X


def with_gaps(n: int, n_features: int, missing: float, seed: int) -> np.ndarray:
    """Correlated features, each missing at random; every galaxy has the first."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(3, n_features))
    X = rng.normal(size=(n, 3)) @ mixing + 0.5 * rng.standard_t(5, size=(n, n_features))
    gaps = rng.random(X.shape) < missing
    gaps[:, 0] = False
    X[gaps] = np.nan
    return X


def score_by_definition(detector: DomainDetector, row: np.ndarray) -> float:
    """Score one galaxy by the marginal distribution of each component."""
    have = np.flatnonzero(~np.isnan(row))
    z = ((row - detector.location_) / detector.scale_)[have]
    squared, log_likelihood = [], []
    components = zip(detector.weights_, detector.means_, detector.covariances_, strict=True)
    for weight, mean, covariance in components:
        marginal = covariance[np.ix_(have, have)]
        squared.append((z - mean[have]) @ np.linalg.solve(marginal, z - mean[have]))
        log_det = np.linalg.slogdet(marginal).logabsdet
        log_likelihood.append(np.log(weight) - log_det / 2 - squared[-1] / 2)
    mean_squared = np.average(squared, weights=softmax(log_likelihood))
    return float((len(have) - mean_squared) / np.sqrt(2 * len(have)))


def seconds_to_score(detector: DomainDetector, X: np.ndarray) -> float:
    """Best of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        detector.score_samples(X)
        seconds.append(time.process_time() - start)
    return min(seconds)


@pytest.fixture(scope="module")
def detector() -> DomainDetector:
    detector = DomainDetector(false_alarm_rate=0.05, random_state=0)
    return detector.fit(make_rows(3000, 1)).calibrate(make_rows(2000, 2))


def scatter(rate: float, n_held_back: int, n_judged: int) -> float:
    """Standard deviation of the share of false alarms (Bates et al. 2023)."""
    return float(np.sqrt(rate * (1 - rate) * (1 / n_held_back + 1 / n_judged)))


class TestFalseAlarms:
    @pytest.mark.parametrize("missing", [0, 0.3])
    @pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
    def test_happen_as_often_as_stated(self, rate, missing):
        detector = DomainDetector(false_alarm_rate=rate, random_state=0)
        detector.fit(make_rows(2000, 1, missing=missing))
        detector.calibrate(make_rows(3000, 2, missing=missing))
        fresh = make_rows(5000, 3, missing=missing)
        flagged = detector.predict(fresh) == -1
        assert flagged.mean() == pytest.approx(rate, abs=4 * scatter(rate, 3000, 5000))
        lacking = np.isnan(fresh).any(axis=1)
        if missing and rate >= 0.05:
            assert 0.5 * rate < flagged[lacking].mean() < 2 * rate
            assert 0.5 * rate < flagged[~lacking].mean() < 2 * rate

    def test_p_values_are_uniform(self, detector):
        assert kstest(detector.p_value(make_rows(2000, 3)), "uniform").pvalue > 0.01

    def test_p_values_by_hand(self):
        detector = DomainDetector(false_alarm_rate=0.25, random_state=0)
        detector.fit(make_rows(500, 1))
        held_back = make_rows(3, 2)
        detector.calibrate(held_back)
        far = np.full((1, N_FEATURES), 1e3)
        order = np.argsort(detector.score_samples(held_back))
        p_values = detector.p_value(np.vstack([far, held_back[order]]))
        assert p_values.tolist() == [0.25, 0.5, 0.75, 1]
        # With three galaxies, only one lower than all of them has a p-value of 1 / (3 + 1).
        assert detector.predict(np.vstack([far, held_back[order]])).tolist() == [-1, 1, 1, 1]

    def test_threshold_p_value_and_decision_agree(self, detector):
        X = np.vstack([make_rows(3000, 3), make_rows(100, 4) + 1])
        flagged = detector.predict(X) == -1
        assert flagged.any()
        np.testing.assert_array_equal(flagged, detector.p_value(X) <= 0.05)
        np.testing.assert_array_equal(flagged, detector.score_samples(X) < detector.offset_)
        np.testing.assert_array_equal(flagged, detector.decision_function(X) < 0)

    def test_share_held_back_by_fit(self):
        X = make_rows(4000, 1)
        detector = DomainDetector(false_alarm_rate=0.05, held_back=0.5, random_state=0).fit(X)
        assert len(detector.calibration_scores_) == 2000
        flagged = detector.predict(make_rows(4000, 3)) == -1
        assert flagged.mean() == pytest.approx(0.05, abs=4 * scatter(0.05, 2000, 4000))


class TestBandsNotObserved:
    def test_a_break_with_the_rest_is_seen_through_gaps(self, detector):
        X = make_rows(200, 3)
        X[:, 4] += 2
        assert (detector.predict(X) == -1).mean() > 0.95
        X[:, :2] = np.nan
        assert (detector.predict(X) == -1).mean() > 0.7

    def test_what_is_not_observed_does_not_count(self, detector):
        X = make_rows(200, 3)
        broken = X.copy()
        broken[:, 4] = np.nan
        assert (detector.predict(broken) == -1).mean() < 0.12

    def test_scores_are_those_of_the_marginal_distribution(self):
        """With one Gaussian, they come from the Mahalanobis distance in the features observed."""
        X = make_rows(1000, 1)
        detector = DomainDetector(n_components=1, random_state=0).fit(X)
        Z = (X - detector.location_) / detector.scale_ - detector.means_[0]
        few = [1, 3, 4]
        inverse = np.linalg.inv(detector.covariances_[0][np.ix_(few, few)])
        squared = np.einsum("ij,jk,ik->i", Z[:, few], inverse, Z[:, few])
        X[:, [0, 2, 5]] = np.nan
        np.testing.assert_allclose(detector.score_samples(X), (3 - squared) / np.sqrt(6))

    @pytest.mark.parametrize("missing", [0.3, 0.9])
    def test_fit_learns_from_galaxies_with_gaps(self, missing):
        """Of the pairs of features, some are seen together in few galaxies."""
        X = make_rows(3000, 1, missing=missing)
        detector = DomainDetector(false_alarm_rate=0.05, random_state=0).fit(X)
        detector.calibrate(make_rows(2000, 2, missing=missing))
        broken = make_rows(300, 3)
        broken[:, 1] += 1.5
        assert (detector.predict(broken) == -1).mean() > 0.8
        assert (detector.predict(make_rows(1000, 4)) == -1).mean() < 0.12

    def test_a_galaxy_without_features_is_neither_normal_nor_not(self, detector):
        X = make_rows(3, 3)
        X[1] = np.nan
        for values in (detector.score_samples(X), detector.p_value(X)):
            assert np.isnan(values).tolist() == [False, True, False]
        assert np.isnan(detector.decision_function(X)).tolist() == [False, True, False]
        assert detector.predict(X).tolist() == [1, 0, 1]

    def test_galaxies_without_features_do_not_count(self):
        blank = np.full((500, N_FEATURES), np.nan)
        X, held_back = make_rows(500, 1), make_rows(500, 2)
        detector = DomainDetector(random_state=0).fit(X).calibrate(np.vstack([blank, held_back]))
        assert len(detector.calibration_scores_) == 500
        blanked = clone(detector).fit(np.vstack([blank, X]))
        # The rows are shuffled otherwise, so that the mixtures differ a little.
        np.testing.assert_allclose(blanked.location_, detector.location_)

    @pytest.mark.parametrize("n_components", [1, 8])
    @pytest.mark.parametrize("missing", [0, 0.2, 0.5, 0.95])
    def test_a_galaxy_does_not_depend_on_its_neighbours(self, missing, n_components):
        X = with_gaps(1200, N_WIDE, missing, seed=3)
        detector = DomainDetector(n_components=n_components, random_state=0)
        detector.fit(with_gaps(1200, N_WIDE, 0.1, seed=1))
        together = detector.score_samples(X)
        alone = [detector.score_samples(X[[i]])[0] for i in range(60)]
        np.testing.assert_array_equal(together[:60], alone)
        in_sevens = [detector.score_samples(X[i : i + 7]) for i in range(0, len(X), 7)]
        np.testing.assert_array_equal(together, np.concatenate(in_sevens))

    @pytest.mark.parametrize("missing", [0, 0.2, 0.5, 0.9])
    def test_mixtures_are_integrated_over_what_is_not_observed(self, missing):
        detector = DomainDetector(n_components=3, random_state=0)
        detector.fit(with_gaps(1000, N_WIDE, 0.1, seed=1))
        X = with_gaps(200, N_WIDE, missing, seed=3)
        expected = [score_by_definition(detector, row) for row in X]
        np.testing.assert_allclose(detector.score_samples(X), expected, rtol=1e-8, atol=1e-8)

    def test_as_many_patterns_as_galaxies_take_little_longer_than_none(self):
        X = with_gaps(2000, 40, 0.3, seed=3)
        assert len(np.unique(np.isnan(X), axis=0)) > 1900
        detector = DomainDetector(n_components=2, random_state=0)
        detector.fit(with_gaps(500, 40, 0, seed=1))
        complete = seconds_to_score(detector, np.nan_to_num(X))
        assert seconds_to_score(detector, X) < 30 * complete

    def test_more_features_than_a_word_has_bits(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(1000, 70))
        X[::2, 69] = np.nan
        X[::3, 0] = np.nan
        detector = DomainDetector(random_state=0).fit(X)
        alone = [detector.score_samples(X[[i]])[0] for i in range(12)]
        np.testing.assert_allclose(detector.score_samples(X)[:12], alone)


class TestFeatures:
    def test_constants_and_flags_say_nothing(self):
        X = make_rows(1000, 1)
        flag = np.arange(1000) % 2
        detector = DomainDetector(random_state=0).fit(np.column_stack([X, flag, np.ones(1000)]))
        assert detector.informative_.tolist() == list(range(N_FEATURES))
        np.testing.assert_allclose(
            detector.score_samples(np.column_stack([X, np.full((1000, 2), 7)])),
            DomainDetector(random_state=0).fit(X).score_samples(X),
        )

    def test_a_feature_never_observed_is_left_out(self):
        X = np.column_stack([make_rows(500, 1), np.full(500, np.nan)])
        assert len(DomainDetector(random_state=0).fit(X).informative_) == N_FEATURES

    def test_units_do_not_matter(self):
        X = make_rows(1000, 1)
        detector = DomainDetector(random_state=0)
        expected = detector.fit(X).score_samples(X)
        np.testing.assert_allclose(detector.fit(1e6 * X - 5).score_samples(1e6 * X - 5), expected)

    def test_few_rows_make_few_components(self):
        detector = DomainDetector(random_state=0)
        assert len(detector.fit(make_rows(40, 1)).weights_) == 1
        assert len(detector.fit(make_rows(5 * N_FEATURES * 3, 1)).weights_) == 3
        assert len(detector.fit(make_rows(3000, 1)).weights_) == 8

    @pytest.mark.parametrize("value", [1e10, 1e200, -1e300])
    def test_absurd_values_are_far_and_finite(self, detector, value):
        X = make_rows(2, 3)
        X[0, 3] = value
        assert np.isfinite(detector.score_samples(X)).all()
        assert detector.predict(X).tolist() == [-1, 1]

    def test_no_floating_point_errors(self, detector):
        X = np.vstack([make_rows(50, 3, missing=0.5), np.full((1, N_FEATURES), np.nan)])
        far = np.where(np.arange(N_FEATURES) == 3, [[1e9], [-1e300]], X[0])
        with np.errstate(all="raise"):
            for rows in (X, far, far.astype(np.longdouble), X[:0]):
                detector.score_samples(rows)
                detector.p_value(rows)
                detector.predict(rows)

    def test_single_precision(self, detector):
        X = make_rows(100, 3)
        scores = detector.score_samples(X.astype(np.float32))
        np.testing.assert_allclose(scores, detector.score_samples(X), atol=1e-3)

    def test_no_rows(self, detector):
        X = np.empty((0, N_FEATURES))
        for values in (detector.score_samples(X), detector.p_value(X), detector.predict(X)):
            assert values.shape == (0,)


class TestRandomness:
    def test_same_seed_same_detector(self):
        X = make_rows(2000, 1, missing=0.3)
        make = clone(DomainDetector(max_train_samples=800, random_state=3))
        once, twice = clone(make).fit(X), clone(make).fit(X)
        np.testing.assert_array_equal(once.score_samples(X), twice.score_samples(X))
        other = clone(make).set_params(random_state=4).fit(X)
        assert not np.array_equal(once.score_samples(X), other.score_samples(X))

    def test_global_state_is_left_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        DomainDetector(random_state=0).fit(make_rows(300, 1, missing=0.3))
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_pickle_is_small_and_judges_alike(self, detector):
        X = make_rows(500, 3, missing=0.3)
        written = pickle.dumps(detector)
        assert len(written) < 30_000  # of it the 2,000 held-back scores 16,000
        np.testing.assert_array_equal(pickle.loads(written).p_value(X), detector.p_value(X))


class TestErrors:
    def test_needs_fit(self):
        for method in ("score_samples", "p_value", "predict", "decision_function", "calibrate"):
            with pytest.raises(NotFittedError):
                getattr(DomainDetector(), method)(make_rows(3, 3))

    def test_needs_calibration(self):
        detector = DomainDetector(random_state=0).fit(make_rows(300, 1))
        assert np.isfinite(detector.score_samples(make_rows(3, 3))).all()
        for method in ("p_value", "predict", "decision_function"):
            with pytest.raises(NotFittedError, match="no threshold yet: call calibrate"):
                getattr(detector, method)(make_rows(3, 3))

    def test_another_fit_needs_another_calibration(self):
        detector = DomainDetector(random_state=0).fit(make_rows(300, 1))
        detector.calibrate(make_rows(300, 2)).fit(make_rows(300, 3))
        with pytest.raises(NotFittedError, match="no threshold yet"):
            detector.predict(make_rows(3, 3))

    def test_a_fit_that_fails_leaves_the_last_one(self):
        detector = DomainDetector(false_alarm_rate=0.1, random_state=0)
        detector.fit(make_rows(300, 1)).calibrate(make_rows(300, 2))
        expected = detector.p_value(make_rows(50, 3))
        with pytest.raises(ValueError, match="No feature of X takes more than two values"):
            detector.fit(np.ones((5, 3)))
        np.testing.assert_array_equal(detector.p_value(make_rows(50, 3)), expected)
        detector.fit(make_rows(300, 3))
        assert not hasattr(detector, "calibration_scores_")

    def test_parameters_set_after_fit_wait_for_the_next(self):
        X, held_back, fresh = (make_rows(300, seed) for seed in (1, 2, 3))
        detector = DomainDetector(false_alarm_rate=0.2, random_state=0).fit(X)
        expected = clone(detector).fit(X).calibrate(held_back).decision_function(fresh)
        changed = detector.set_params(
            false_alarm_rate=0.01, n_components=1, max_train_samples=2, held_back=0.1
        )
        np.testing.assert_array_equal(
            changed.calibrate(held_back).decision_function(fresh), expected
        )

    def test_too_few_held_back(self):
        detector = DomainDetector(random_state=0).fit(make_rows(300, 1))
        with pytest.raises(ValueError, match=r"rate=0.01 needs at least 99 held-back .* got 98"):
            detector.calibrate(make_rows(98, 2))
        detector.calibrate(make_rows(99, 2))

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"false_alarm_rate": 0}, r"'false_alarm_rate' .* float in the range \(0.0, 1.0\)"),
            ({"false_alarm_rate": 5}, "'false_alarm_rate' .* Got 5 instead"),
            ({"false_alarm_rate": None}, "'false_alarm_rate' .* Got None instead"),
            ({"held_back": 1}, r"'held_back' .* in the range \(0.0, 1.0\) or None. Got 1"),
            ({"n_components": 0}, r"'n_components' .* int in the range \[1, inf\). Got 0"),
            ({"n_components": 2.5}, "'n_components' .* Got 2.5 instead"),
            ({"max_train_samples": 1}, r"'max_train_samples' .* \[2, inf\) or None. Got 1"),
            ({"random_state": "0"}, "'random_state' .* Got '0' instead"),
        ],
    )
    def test_parameters_out_of_range(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            DomainDetector(**parameters).fit(make_rows(300, 1))

    def test_nothing_to_learn_from(self):
        with pytest.raises(ValueError, match="at least two galaxies with observed features; got 0"):
            DomainDetector().fit(np.full((5, 3), np.nan))
        with pytest.raises(ValueError, match="No feature of X takes more than two values"):
            DomainDetector().fit(np.ones((5, 3)))

    def test_infinity(self, detector):
        X = make_rows(3, 3)
        X[0, 0] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            detector.predict(X)

    def test_other_columns(self, detector):
        with pytest.raises(ValueError, match="X has 3 features, but DomainDetector is expecting 6"):
            detector.predict(np.ones((2, 3)))


class Survey(NamedTuple):
    """A detector of mock galaxies, what precedes it, and galaxies it has not seen."""

    front: Pipeline
    detector: DomainDetector
    fresh: pd.DataFrame

    def flagged(self, X: pd.DataFrame) -> float:
        return float((self.detector.predict(self.front.transform(X)) == -1).mean())


@pytest.fixture(scope="module")
def survey() -> Survey:
    X, y = sfml.make_mock_survey(3_000, n_templates=2000, random_state=0, return_X_y=True)
    X, y = sfml.GamaSampleSelector().select(X, y)
    X, fresh, y, _ = train_test_split(X, y, test_size=0.25, random_state=0)
    X, held_back, y, _ = train_test_split(X, y, test_size=0.25, random_state=0)
    front = Pipeline(sfml.make_star_formation_pipeline().steps[:-1])
    # Shifted galaxies should reach the detector, whatever stands in front of it.
    front.set_params(
        select__min_bands=0, select__missing="allow", features__missing="nan"
    ).set_params(select__unit_guard=False)
    detector = DomainDetector(false_alarm_rate=0.02, random_state=0)
    detector.fit(front.fit(X, y).transform(X)).calibrate(front.transform(held_back))
    return Survey(front, detector, fresh)


def scaled(X: pd.DataFrame, factor: float, bands=sfml.GAMA.names, *, errors=True) -> pd.DataFrame:
    columns = [f"{band}_flux" for band in bands]
    if errors:
        columns += [f"{band}_fluxerr" for band in bands]
    return X.assign(**(X[columns] * factor))


class TestShiftedGalaxies:
    def test_fresh_galaxies_are_in_the_domain(self, survey):
        n_held_back, n_fresh = len(survey.detector.calibration_scores_), len(survey.fresh)
        expected = pytest.approx(0.02, abs=4 * scatter(0.02, n_held_back, n_fresh))
        assert survey.flagged(survey.fresh) == expected

    def test_fluxes_in_another_unit(self, survey):
        assert survey.flagged(scaled(survey.fresh, 1000)) == 1

    def test_faint(self, survey):
        assert survey.flagged(scaled(survey.fresh, 1 / 30, errors=False)) == 1

    def test_dusty(self, survey):
        blue, red = sfml.GAMA.names[:5], sfml.GAMA.names[16:]
        dusty = scaled(survey.fresh, 0.2, blue, errors=False)
        dusty = scaled(dusty, 0.5, sfml.GAMA.names[5:8], errors=False)
        assert survey.flagged(scaled(dusty, 3, red, errors=False)) > 0.9

    @pytest.mark.parametrize("band", ["r", "J"])
    def test_zero_point_of_one_band(self, survey, band):
        assert survey.flagged(scaled(survey.fresh, 2, [band])) > 0.4

    def test_higher_redshift(self, survey):
        X = survey.fresh
        near, far = X[X["Z"] < 0.2], X[X["Z"] > 0.35]
        inputs, further = survey.front.transform(near), survey.front.transform(far)
        detector = DomainDetector(false_alarm_rate=0.05, held_back=0.4, random_state=0).fit(inputs)
        assert (detector.predict(further) == -1).mean() > 0.8

    @pytest.mark.parametrize("bands", [("FUV", "NUV"), ("P100", "P160", "S250", "S350", "S500")])
    def test_an_instrument_that_some_training_rows_lack_too(self, survey, bands):
        part, fresh = train_test_split(survey.fresh, test_size=0.3, random_state=0)
        part = pd.concat([part, scaled(part.iloc[::2], np.nan, bands)])
        detector = DomainDetector(false_alarm_rate=0.05, held_back=0.4, random_state=0)
        detector.fit(survey.front.transform(part))
        lacking = survey.front.transform(scaled(fresh, np.nan, bands))
        assert np.isnan(lacking).any(axis=1).all()
        assert (detector.predict(lacking) == -1).mean() < 0.12
