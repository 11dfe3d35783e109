"""Joint draws: exact marginals, dependence learnt, and the same draws whatever the batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import kstest
from sklearn.linear_model import Ridge

import sfml
from sfml.persistence import checks
from sfml.uncertainty import combine_draws
from sfml.uncertainty.copula import EmpiricalCopula, draw_joint

LEVELS = (0.16, 0.5, 0.84)
GOLDEN = Path(__file__).parent / "golden"


def make_scores(n, correlation, seed=0, n_targets=2):
    """Normal scores of equal correlation."""
    matrix = np.full((n_targets, n_targets), correlation)
    np.fill_diagonal(matrix, 1.0)
    return np.random.default_rng(seed).multivariate_normal(np.zeros(n_targets), matrix, n)


def keys(n):
    return np.arange(n, dtype=np.uint64)


def share_below(copula, target, level):
    """Probability that a target's level is below one, in each bin, summed over cells."""
    below = (level - copula.lower[:, target]) / copula.width
    return np.add.reduceat(copula.chance * np.clip(below, 0, 1), copula.first[:-1])


class TestLearn:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_each_target_alone_is_uniform_exactly(self, weighted):
        rng = np.random.default_rng(1)
        scores, medians = make_scores(1500, 0.7, n_targets=3), rng.normal(size=(1500, 3))
        scores[medians[:, 1] > medians[:, 0], 2] *= -1
        weight = rng.exponential(size=1500) if weighted else None
        copula = EmpiricalCopula.learn(scores, medians, weight)
        assert len(copula.edges) > 1
        for level in (1e-4, 0.16, 0.5, 0.9, 0.9999):
            for target in range(3):
                np.testing.assert_allclose(share_below(copula, target, level), level, atol=1e-12)

    def test_the_correlation_is_that_of_the_scores(self):
        copula = EmpiricalCopula.learn(make_scores(5000, 0.6), np.zeros((5000, 2)))
        (matrix,) = copula.correlations()
        assert matrix[0, 1] == matrix[1, 0] == pytest.approx(0.6, abs=0.04)
        np.testing.assert_array_equal(np.diag(matrix), 1)

    def test_the_same_dependence_everywhere_needs_no_bins(self):
        medians = np.random.default_rng(5).normal(size=(3000, 2))
        copula = EmpiricalCopula.learn(make_scores(3000, 0.6), medians)
        assert copula.pair == ()
        assert len(copula.edges) == 0

    def test_a_dependence_that_differs_is_found(self):
        rng = np.random.default_rng(2)
        scores, medians = make_scores(4000, 0.8, n_targets=3), rng.normal(size=(4000, 3))
        low = medians[:, 2] - medians[:, 1] < 0
        scores[low, 2] = rng.normal(size=low.sum())
        copula = EmpiricalCopula.learn(scores, medians)
        assert copula.pair == (1, 2)
        of_two = copula.correlations()[copula.bins_of(np.array([[0, 0, -2.0], [0, 0, 2.0]]))]
        assert abs(of_two[0, 1, 2]) < 0.2
        assert of_two[1, 1, 2] > 0.7

    def test_versions_of_one_galaxy_count_once(self):
        scores, medians = make_scores(300, 0.8), np.random.default_rng(3).normal(size=(300, 2))
        twice = np.tile(scores, (2, 1)), np.tile(medians, (2, 1))
        once = EmpiricalCopula.learn(scores, medians)
        copula = EmpiricalCopula.learn(*twice, galaxy=np.tile(np.arange(300), 2))
        assert copula.chance[0] == once.chance[0]

    def test_few_galaxies_say_little_and_none_say_nothing(self):
        few = EmpiricalCopula.learn(make_scores(5, 0.999), np.zeros((5, 2)))
        assert 0.1 < few.correlations()[0, 0, 1] < 0.5
        none = EmpiricalCopula.learn(np.full((4, 2), np.nan), np.zeros((4, 2)))
        np.testing.assert_array_equal(none.correlations(), np.eye(2)[np.newaxis])

    def test_galaxies_without_all_labels_are_left_out(self):
        scores, medians = make_scores(300, 0.8), np.zeros((300, 2))
        missing = np.vstack([scores, [[np.nan, 3.0], [1.0, np.nan]]])
        copula = EmpiricalCopula.learn(missing, np.zeros((302, 2)))
        for one, other in zip(copula, EmpiricalCopula.learn(scores, medians), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def copula():
    """Two targets that go together, or against each other, in halves of the galaxies."""
    rng = np.random.default_rng(4)
    scores, medians = make_scores(2000, 0.8), rng.normal(size=(2000, 2))
    scores[medians[:, 1] > medians[:, 0], 1] *= -1
    return EmpiricalCopula.learn(scores, medians)


class TestDraw:
    def test_draws_are_uniform_and_go_together(self, copula):
        bins = np.zeros(400, dtype=int)
        scores = copula.draw(bins, keys(400), 100, seed=0)
        for target in range(2):
            assert kstest(ndtr(scores[:, :, target].ravel()), "uniform").pvalue > 1e-3
        found = np.corrcoef(scores.reshape(-1, 2).T)[0, 1]
        assert found == pytest.approx(copula.correlations()[0, 0, 1], abs=0.03)

    def test_neighbouring_galaxies_draws_and_seeds_are_independent(self, copula):
        bins = np.zeros(2000, dtype=int)
        scores = copula.draw(bins, keys(2000), 50, seed=0)[:, :, 0]
        pairs = {
            "galaxies": (scores[1:], scores[:-1]),
            "draws": (scores[:, 1:], scores[:, :-1]),
            "seeds": (scores, copula.draw(bins, keys(2000), 50, seed=1)[:, :, 0]),
        }
        for name, (one, other) in pairs.items():
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / one.size**0.5, name

    def test_a_galaxy_has_the_same_draws_in_any_batch(self, copula):
        bins = np.arange(50) % (len(copula.edges) + 1)
        whole = copula.draw(bins, keys(50), 30, seed=7)
        order = np.random.default_rng(0).permutation(50)[:20]
        np.testing.assert_array_equal(
            copula.draw(bins[order], keys(50)[order], 30, 7), whole[order]
        )
        np.testing.assert_array_equal(copula.draw(bins, keys(50), 10, 7), whole[:, :10])

    def test_marginals_are_the_quantile_functions_with_straight_tails(self):
        copula = EmpiricalCopula.learn(make_scores(500, 0.9), np.zeros((500, 2)))
        kinked = np.array([[9.0, 10.0, 13.0]])
        straight = 0.3 * ndtri(LEVELS)[np.newaxis]
        draws = draw_joint([kinked, straight], [LEVELS, LEVELS], copula, keys(1), 40_000, 0)
        assert (draws[0, :, 0] < 9).mean() == pytest.approx(0.16, abs=0.008)
        assert (draws[0, :, 0] < 13).mean() == pytest.approx(0.84, abs=0.008)
        # Two normal scores below the median are twice as far as one, if the line goes on.
        slope = 1 / -ndtri(0.16)
        assert (draws[0, :, 0] < 10 - 2 * slope).mean() == pytest.approx(ndtr(-2), abs=0.004)
        assert kstest(draws[0, :, 1] / 0.3, "norm").pvalue > 1e-3

    def test_a_galaxy_without_quantiles_has_none(self):
        copula = EmpiricalCopula.learn(make_scores(500, 0.9), np.zeros((500, 2)))
        quantiles = np.array([[9.0, 10.0, 11.0], [np.nan] * 3])
        draws = draw_joint([quantiles, quantiles], [LEVELS] * 2, copula, keys(2), 5, 0)
        assert np.isfinite(draws[0]).all()
        assert np.isnan(draws[1]).all()

    @pytest.mark.parametrize(
        "change",
        [
            {"pair": (0, 5)},
            {"pair": (), "edges": np.array([0.0])},
            {"chance": np.array([0.5, 0.6])},
            {"first": np.array([0, 5])},
            {"lower": np.array([[0.0, 0.0], [0.5, 0.5]])},
            {"width": np.array([1.0, np.nan])},
        ],
    )
    def test_a_file_with_wrong_cells_is_refused(self, change):
        good = EmpiricalCopula(
            (),
            np.empty(0),
            np.array([0, 2]),
            np.array([0.5, 0.5]),
            np.zeros((2, 2)),
            np.ones(2),
        )
        checks.check_copula(good)
        with pytest.raises(ValueError, match=r"must|edges need a pair"):
            checks.check_copula(good._replace(**change))


class TestCombine:
    def test_dex_are_added(self):
        draws = np.random.default_rng(0).normal(size=(4, 5, 3))
        found = combine_draws(draws, {"sfr": 1, "stellar_mass": -1}, sfml.TARGETS)
        np.testing.assert_allclose(found, draws[:, :, 1] - draws[:, :, 0])

    @pytest.mark.parametrize(
        ("coefficients", "message"),
        [
            ({}, "must be a dict"),
            (["sfr"], "must be a dict"),
            ({"SFR": 1}, "names SFR; targets are stellar_mass"),
            ({"sfr": np.nan}, "coefficient of sfr must be a finite number"),
            ({"sfr": "1"}, "coefficient of sfr must be a finite number"),
        ],
    )
    def test_errors_name_what_is_wrong(self, coefficients, message):
        with pytest.raises(ValueError, match=message):
            combine_draws(np.zeros((1, 1, 3)), coefficients, sfml.TARGETS)

    def test_shapes_are_checked(self):
        with pytest.raises(ValueError, match=r"must have shape \(n_galaxies, n_samples, 3\)"):
            combine_draws(np.zeros((3, 5)), {"sfr": 1}, sfml.TARGETS)


def make_forest():
    pipe = sfml.make_star_formation_pipeline(
        method="random_forest", missing="reject", random_state=0
    )
    for _, forest in pipe["regress"].estimators:
        forest.set_params(n_estimators=5, max_depth=6)
    return pipe


@pytest.fixture(scope="module")
def forest(_survey):
    X, y = _survey
    return make_forest().fit(X[:700], y[:700])


@pytest.fixture(scope="module")
def others(_survey):
    return _survey[0][700:].copy()


class TestPipeline:
    def test_marginals_are_the_calibrated_quantiles(self, forest, others):
        draws = forest.sample(others, 4000, random_state=0)
        kept = np.isfinite(forest.predict_quietly(others)).all(axis=1)
        assert 0 < kept.sum() < len(others)
        assert draws.shape == (len(others), 4000, 3)
        assert np.isnan(draws[~kept]).all()
        levels = np.array([0.05, 0.16, 0.5, 0.84, 0.95])
        quantiles = forest.predict_quantiles(others, levels)[kept]
        below = (draws[kept][:, :, :, np.newaxis] < quantiles[:, np.newaxis]).mean(axis=1)
        error = np.sqrt(levels * (1 - levels) / 4000)
        assert (np.abs(below - levels) < 5 * error).all()

    def test_draws_do_not_depend_on_the_batch(self, forest, others):
        whole = forest.sample(others, 20, random_state=3)
        np.testing.assert_array_equal(whole, forest.sample(others, 20, random_state=3))
        turned = others[::-1]
        np.testing.assert_array_equal(whole[::-1], forest.sample(turned, 20, random_state=3))
        part = others[10:30]
        np.testing.assert_array_equal(whole[10:30], forest.sample(part, 20, random_state=3))
        assert not np.array_equal(whole, forest.sample(others, 20, random_state=4), equal_nan=True)
        assert forest.sample(others[:0], 20).shape == (0, 20, 3)

    def test_no_global_random_numbers_are_used(self, forest, others):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        forest.sample(others, 2, random_state=0)
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_correlations_are_those_of_the_draws(self, forest, others):
        matrices = forest.predict_joint(others)
        kept = np.isfinite(forest.predict_quietly(others)).all(axis=1)
        assert np.isnan(matrices[~kept]).all()
        assert (np.linalg.eigvalsh(matrices[kept]) > -1e-9).all()
        copula = forest[-1].copula_
        scores = copula.draw(np.zeros(500, dtype=int), keys(500), 100, 0).reshape(-1, 3)
        np.testing.assert_allclose(np.corrcoef(scores.T), copula.correlations()[0], atol=0.03)

    def test_quantiles_of_a_combination_are_those_of_the_draws(self, forest, others, monkeypatch):
        specific = {"sfr": 1, "stellar_mass": -1}
        draws = combine_draws(forest.sample(others, 200, random_state=1), specific, sfml.TARGETS)
        expected = np.quantile(draws, [0.16, 0.5], axis=1).T
        options = {"n_samples": 200, "random_state": 1}
        found = forest.predict_combination(others, specific, [0.16, 0.5], **options)
        np.testing.assert_array_equal(found, expected)
        monkeypatch.setattr("sfml.regressor.regressor.DRAWS_IN_MEMORY", 1000)
        in_parts = forest.predict_combination(others, specific, [0.16, 0.5], **options)
        np.testing.assert_array_equal(found, in_parts)

    def test_saved_and_loaded_it_draws_the_same(self, forest, others, tmp_path):
        sfml.save(forest, tmp_path / "forest.safetensors")
        loaded = sfml.load(tmp_path / "forest.safetensors")
        for one, other in zip(loaded[-1].copula_, forest[-1].copula_, strict=True):
            np.testing.assert_array_equal(one, other)
        draws = (each.sample(others, 10, random_state=0) for each in (loaded, forest))
        np.testing.assert_array_equal(*draws)

    def test_errors(self, forest, others):
        for bad in (0, -1, 2.5, True, None):
            with pytest.raises(ValueError, match="n_samples must be a positive integer"):
                forest.sample(others, bad)
        with pytest.raises(ValueError, match="coefficients names SFR"):
            forest.predict_combination(others, {"SFR": 1})

    def test_a_model_of_before_says_what_to_do(self, survey):
        X, y = survey
        old = sfml.load(GOLDEN / "forest-1.safetensors")
        for ask in (lambda: old.sample(X, 2), lambda: old.predict_joint(X)):
            with pytest.raises(ValueError, match="did not learn how the errors of the targets go"):
                ask()
        assert old.calibrate(X, y).sample(X[:5], 2, random_state=0).shape == (5, 2, 3)

    def test_without_held_back_galaxies_there_is_nothing_to_draw_from(self, survey):
        X, y = survey
        pipe = make_forest().set_params(regress__calibration_fraction=None).fit(X[:300], y[:300])
        with pytest.raises(ValueError, match="are not calibrated"):
            pipe.sample(X, 2)
        pipe.calibrate(X[300:700], y[300:700])
        assert pipe.sample(X[:5], 2, random_state=0).shape == (5, 2, 3)


class TestRegressor:
    @staticmethod
    def make(n=2000, correlation=0.9):
        rng = np.random.default_rng(6)
        X = rng.normal(size=(n, 2))
        errors = 0.2 * make_scores(n, correlation, seed=7)
        return X, np.column_stack([10 + X[:, 0], 0.5 * X[:, 1]]) + errors, errors

    def test_errors_that_go_together_are_learnt(self):
        X, y, errors = self.make()
        model = sfml.StarFormationRegressor(
            Ridge(), targets=("stellar_mass", "sfr"), random_state=0
        ).fit(X[:1000], y[:1000])
        assert model.predict_joint(X[1000:])[:, 0, 1] == pytest.approx(0.9, abs=0.1)
        specific = {"sfr": 1, "stellar_mass": -1}
        low, high = model.predict_combination(X[1000:], specific, (0.16, 0.84), random_state=0).T
        actual = y[1000:, 1] - y[1000:, 0]
        assert ((low < actual) & (actual < high)).mean() == pytest.approx(0.68, abs=0.07)
        # Independent errors would be three times as wide.
        expected = 2 * (errors[:, 1] - errors[:, 0]).std()
        assert np.median(high - low) == pytest.approx(expected, rel=0.25)

    def test_one_target_has_one_column(self):
        X, y, _ = self.make(400)
        model = sfml.StarFormationRegressor(Ridge(), targets=["sfr"], random_state=0)
        model.fit(X, y[:, 1])
        assert model.sample(X[:7], 3, random_state=0).shape == (7, 3)
        np.testing.assert_array_equal(model.predict_joint(X[:7]), np.ones((7, 1, 1)))

    def test_labels_known_for_one_target_at_a_time_leave_independence(self):
        X, y, _ = self.make(400)
        y[::2, 0], y[1::2, 1] = np.nan, np.nan
        model = sfml.StarFormationRegressor(
            Ridge(), targets=("stellar_mass", "sfr"), random_state=0
        ).fit(X, y)
        np.testing.assert_array_equal(model.predict_joint(X[:1]), np.eye(2)[np.newaxis])
