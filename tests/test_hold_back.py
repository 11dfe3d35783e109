"""Which galaxies are held back: decided by their values and the seed, by nothing else."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import polars as pl
import pytest
from astropy.table import Column, MaskedColumn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import Ridge

from sfml import StarFormationRegressor, make_mock_survey, make_star_formation_pipeline, triage
from sfml.regressor.hold_back import FEWEST, draw_numbers, group_keys, row_keys

tables = st.integers(1, 4).flatmap(
    lambda n_columns: arrays(
        float,
        st.tuples(st.integers(0, 20), st.just(n_columns)),
        elements=st.floats(-1e30, 1e30) | st.just(np.nan),
    )
)


@given(tables, st.randoms(use_true_random=False))
def test_keys_follow_their_rows(X, random):
    order = list(range(len(X)))
    random.shuffle(order)
    np.testing.assert_array_equal(row_keys(X[order]), row_keys(X)[order])
    assert row_keys(X).shape == (len(X),)


@given(tables, st.integers(0, 2**31))
def test_a_galaxy_keeps_its_number_when_others_are_added(X, seed):
    others = np.ones((3, X.shape[1]))
    numbers = draw_numbers(row_keys(X), seed)
    more = draw_numbers(row_keys(np.vstack([others, X, others])), seed)
    np.testing.assert_array_equal(more[3:-3], numbers)


@given(tables)
def test_equal_rows_have_equal_keys(X):
    np.testing.assert_array_equal(row_keys(np.vstack([X, X])), np.tile(row_keys(X), 2))


def test_the_last_bits_and_the_sign_of_zero_play_no_part():
    X = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32).astype(float)
    np.testing.assert_array_equal(row_keys(X * (1 + 1e-15)), row_keys(X))
    np.testing.assert_array_equal(row_keys(X.astype(np.float32)), row_keys(X))
    assert row_keys([[0.0]]) == row_keys([[-0.0]]) == row_keys([[0]])


def test_other_rows_have_other_keys():
    rng = np.random.default_rng(0)
    for X in (
        rng.normal(size=(20_000, 3)),
        np.column_stack([np.arange(20_000), np.zeros(20_000)]),
        rng.integers(0, 30, (2000, 4)),
        np.where(np.eye(50, dtype=bool), np.nan, 1.0),
        np.eye(50),
    ):
        n_rows = len(np.unique(X, axis=0))
        assert len(np.unique(row_keys(X))) == n_rows
    assert row_keys([[1.0, 2.0]]) != row_keys([[2.0, 1.0]])


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_numbers_are_spread_evenly_whatever_the_rows(seed):
    rng = np.random.default_rng(0)
    for X in (rng.normal(size=(20_000, 3)), np.arange(20_000.0)[:, np.newaxis]):
        share = draw_numbers(row_keys(X), seed) / 2**64
        counts, _ = np.histogram(share, bins=10, range=(0, 1))
        assert np.abs(counts / 2000 - 1).max() < 0.12  # 5 sigma


def test_another_seed_holds_others_back():
    keys = row_keys(np.arange(5000.0)[:, np.newaxis])
    chosen = [draw_numbers(keys, seed) < 2**62 for seed in (0, 0, 1)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    both = (chosen[0] & chosen[2]).mean()
    assert both == pytest.approx(1 / 16, abs=0.02)  # as if drawn anew


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    return X, X.sum(axis=1) + 0.1 * rng.normal(size=400)


class Spy(Ridge):
    """A linear model that keeps the rows which it was given."""

    def fit(self, X, y, sample_weight=None):
        self.learnt_ = X.copy()
        return super().fit(X, y, sample_weight)


def learnt(X, y, **parameters):
    """First inputs of the galaxies that were learnt from."""
    model = StarFormationRegressor(Spy(), random_state=0, **parameters).fit(X, y)
    return set(model.estimators_[0].learnt_[:, 0])


def test_a_fifth_is_held_back_in_any_order(data):
    X, y = data
    first = learnt(X, y)
    assert len(first) == 320
    order = np.random.default_rng(1).permutation(len(X))
    assert learnt(X[order], y[order]) == first


def test_a_galaxy_that_is_there_twice_is_not_learnt_from_and_held_back(data):
    X, y = data
    model = StarFormationRegressor(Spy(), random_state=0).fit(np.vstack([X, X]), np.r_[y, y])
    _, counts = np.unique(model.estimators_[0].learnt_[:, 0], return_counts=True)
    assert (counts == 2).all()


def test_few_galaxies_are_all_learnt_from(data):
    X, y = data
    for n, n_learnt in ((FEWEST - 1, FEWEST - 1), (FEWEST, 0.8 * FEWEST)):
        assert len(learnt(X[:n], y[:n])) == n_learnt
    assert len(learnt(X, y, calibration_fraction=None)) == 400


@pytest.fixture(scope="module")
def galaxies():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    return X, X @ [0.1, 0.2, 0.3] + 10, np.repeat(np.arange(100) + 2**60, 6)


class TestGroups:
    """Galaxies of one group are held back together."""

    def test_a_group_is_learnt_or_held_back_as_a_whole(self, galaxies):
        X, y, groups = galaxies
        fitted = StarFormationRegressor(Ridge(), targets=["stellar_mass"], random_state=0)
        fitted.fit(X, y, groups=groups)
        learnt = np.isin(row_keys(X), fitted.learnt_keys_).reshape(100, 6)
        assert (learnt.all(axis=1) | ~learnt.any(axis=1)).all()
        assert 60 <= learnt.all(axis=1).sum() <= 95
        assert fitted.n_calibration_ == 6 * (~learnt.any(axis=1)).sum()
        without = StarFormationRegressor(Ridge(), targets=["stellar_mass"], random_state=0)
        alone = np.isin(row_keys(X), without.fit(X, y).learnt_keys_).reshape(100, 6)
        assert (alone.any(axis=1) & ~alone.all(axis=1)).any()

    @pytest.mark.parametrize("kind", [int, float, str, object])
    def test_groups_may_be_of_any_kind_and_order(self, galaxies, kind):
        groups = galaxies[2].astype(str).astype(object) if kind is object else galaxies[2]
        groups = groups.astype(kind)
        order = np.random.default_rng(1).permutation(len(groups))
        np.testing.assert_array_equal(
            group_keys(groups[order], 600), group_keys(groups, 600)[order]
        )
        n_groups = 1 if kind is float else 100  # neighbours beyond 2^53 are one float
        assert len(np.unique(group_keys(groups, 600))) == n_groups

    def test_a_group_is_the_same_whatever_holds_its_value(self):
        numbers = np.array([3, 1, 2, 1])
        expected = group_keys(numbers, 4)
        for same in (
            numbers.astype(float),
            numbers.astype(">i8"),
            numbers.astype(np.int16),
            numbers.astype(np.uint64),
            numbers.astype(np.longdouble),
            numbers.astype(object),
            pd.Series(numbers, dtype="Int64"),
            pl.Series(numbers),
            Column(numbers),
        ):
            np.testing.assert_array_equal(group_keys(same, 4), expected, err_msg=repr(same))
        # What the others are plays no part.
        assert group_keys([1.0, 2.5], 2)[0] == expected[1]
        assert group_keys(np.array([1, 2**63 + 5], dtype=np.uint64), 2)[0] == expected[1]
        assert group_keys(np.array([1, 2**63 + 5], dtype=object), 2)[0] == expected[1]
        assert group_keys([-1, 3], 2)[0] == group_keys([-1.0, 0.5], 2)[0]
        texts = group_keys(["a", "b", "a", "c"], 4)
        for same in (
            np.array([b"a", b"b", b"a", b"c"]),
            pd.Series(["a", "b", "a", "c"], dtype="category"),
        ):
            np.testing.assert_array_equal(group_keys(same, 4), texts, err_msg=repr(same))
        assert len(np.unique(np.r_[expected, texts, group_keys(list("3121"), 4)])) == 9
        days = np.array(["2026-11-28", "2026-11-29", "2026-11-28"], dtype="datetime64[D]")
        assert len(np.unique(group_keys(days, 3))) == 2

    @pytest.mark.parametrize("seed", range(4))
    def test_the_share_held_back_is_as_near_as_groups_allow(self, galaxies, seed):
        X, y, _ = galaxies
        regressor = StarFormationRegressor(Ridge(), targets=["stellar_mass"], random_state=seed)
        regressor.fit(X, y, groups=np.arange(600) // 150)
        assert regressor.n_calibration_ == 150  # of four groups, for a fifth
        with pytest.raises(
            ValueError, match="1 groups of 600 galaxies, the largest of 600, cannot"
        ):
            regressor.fit(X, y, groups=np.zeros(600))
        unequal = np.r_[np.zeros(560), np.arange(1, 41)]
        with contextlib.suppress(ValueError):
            regressor.fit(X, y, groups=unequal)
        assert 0 < regressor.n_calibration_ <= 150

    def test_going_on_holds_back_nothing_that_was_learnt(self, galaxies):
        X, y, groups = galaxies
        regressor = StarFormationRegressor(
            Ridge(), targets=["stellar_mass"], warm_start=True, random_state=0
        )
        regressor.fit(X[:300], y[:300])  # single galaxies
        before = np.isin(row_keys(X), regressor.learnt_keys_)
        regressor.fit(X, y, groups=groups)
        learnt = np.isin(row_keys(X), regressor.learnt_keys_).reshape(100, 6)
        assert (learnt.all(axis=1) | ~learnt.any(axis=1)).all()
        assert learnt.ravel()[before].all()
        assert 0 < regressor.n_calibration_ == (~learnt).sum()
        with pytest.raises(ValueError, match="The last fit was given groups"):
            regressor.fit(X, y)
        assert regressor.n_calibration_ == (~learnt).sum()  # as it was

    def test_a_pipeline_passes_them_on(self):
        X, y = make_mock_survey(400, n_templates=2000, random_state=0, return_X_y=True)
        groups = np.arange(400) // 4
        pipe = make_star_formation_pipeline(method="random_forest", random_state=0)
        kept = pipe.fit(X, y, groups=groups)[0].transform(X)
        learnt = np.isin(row_keys(pipe[:-1].transform(X)), pipe[-1].learnt_keys_)
        usable = np.isfinite(np.asarray(kept)).any(axis=1)
        shares = [learnt[usable & (groups == group)].mean() for group in range(100)]
        assert set(shares) == {0.0, 1.0}
        pipe.refit(X, y, groups=groups)
        assert pipe[-1].n_calibration_ == (usable & ~learnt).sum()

    def test_mistakes_are_named(self, galaxies):
        X, y, groups = galaxies
        regressor = StarFormationRegressor(Ridge(), targets=["stellar_mass"])
        with pytest.raises(ValueError, match=r"one value per galaxy, shape \(600,\); got shape"):
            regressor.fit(X, y, groups=groups[:10])
        with pytest.raises(ValueError, match="1 of 600 are missing"):
            regressor.fit(X, y, groups=np.r_[np.nan, np.ones(599)])
        masked = MaskedColumn(groups, mask=np.arange(600) < 120)
        with pytest.raises(ValueError, match="120 of 600 are missing"):
            regressor.fit(X, y, groups=masked)
        with pytest.raises(ValueError, match="all of one kind; got mixed"):
            regressor.fit(X, y, groups=np.array([1, "1"] * 300, dtype=object))
        with pytest.raises(ValueError, match="calibration_fraction=None none is"):
            regressor.set_params(calibration_fraction=None).fit(X, y, groups=groups)

    def test_their_order_is_that_of_the_galaxies(self):
        X, y = make_mock_survey(200, n_templates=2000, random_state=0, return_X_y=True)
        pipe = make_star_formation_pipeline(method="random_forest", random_state=0)
        groups = pd.Series(np.arange(200) // 2, index=X.index)
        with pytest.raises(ValueError, match="X and groups have the same index labels in another"):
            pipe.fit(X, y, groups=groups[::-1])
        pipe.fit(X, y, groups=groups)
        with pytest.raises(ValueError, match="X and groups have the same index labels in another"):
            pipe.refit(X, y, groups=groups[::-1])
        with pytest.raises(ValueError, match="The last fit was given groups"):
            triage.refit(pipe, X, y)
        better, _ = triage.refit(pipe, X, y, groups=groups)
        assert better[-1].n_calibration_ == pipe[-1].n_calibration_
