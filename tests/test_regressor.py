"""One regressor per target: which rows it learns from, what it is called, how it is seeded."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm import SVR

from sfml import TARGETS, KerasMLPRegressor, StarFormationRegressor
from sfml.flags import MissingPredictionWarning
from sfml.recipes import make_estimator


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    Y = np.c_[10 + X[:, 0], X[:, 1] + 0.1 * rng.normal(size=120), 10 + X[:, 2] ** 2 / 2]
    return X, pd.DataFrame(Y, columns=TARGETS)


def linear(**parameters):
    return StarFormationRegressor([(t, LinearRegression()) for t in TARGETS], **parameters)


def test_each_target_has_its_own_regressor(data):
    X, y = data
    model = StarFormationRegressor(
        [("stellar_mass", LinearRegression()), ("sfr", SVR()), ("dust_luminosity", Ridge(5))],
        calibration_fraction=None,
    ).fit(X, y)
    expected = [LinearRegression(), SVR(), Ridge(5)]
    columns = [e.fit(X, y[t]).predict(X) for e, t in zip(expected, TARGETS, strict=True)]
    np.testing.assert_allclose(model.predict(X), np.transpose(columns))
    assert isinstance(model.named_estimators_["sfr"], SVR)
    assert model.targets_ == TARGETS


@pytest.mark.parametrize("estimators", ["random_forest", "svr", Ridge()])
def test_a_family_or_a_regressor_serves_every_target(data, estimators):
    X, y = data
    model = StarFormationRegressor(estimators, random_state=0).fit(X, y)
    assert list(model.named_estimators_) == list(TARGETS)
    assert model.predict(X).shape == (120, 3)


def test_the_mlp_family_has_the_papers_networks():
    sizes = {"stellar_mass": (44, 66, 66), "sfr": (110, 220, 110), "age": (44, 66, 66)}
    sizes["dust_luminosity"] = sizes["all_targets"] = (66, 110, 220, 110, 66)
    for target, hidden in sizes.items():
        assert make_estimator("mlp", target).hidden_layer_sizes == hidden


def test_rows_with_nan_or_without_label_are_left_out_of_fit_target_by_target(data):
    X, y = data
    X[:10] = np.nan
    X[10, 1] = np.nan
    y.iloc[20:25, 1] = np.nan
    message = "1 of 120 galaxies have inputs that are missing, which LinearRegression cannot take"
    with pytest.warns(UserWarning, match=message):
        model = linear(calibration_fraction=None).fit(X, y)
    assert model.n_train_ == {"stellar_mass": 109, "sfr": 104, "dust_luminosity": 109}
    kept = np.r_[11:20, 25:120]
    by_hand = LinearRegression().fit(X[kept], y["sfr"].iloc[kept])
    np.testing.assert_allclose(model.named_estimators_["sfr"].coef_, by_hand.coef_)
    assert np.isnan(model.predict(X)).all(axis=1).tolist() == [True] * 11 + [False] * 109


def test_regressors_that_take_nan_still_never_see_blanked_rows(data):
    X, y = data
    X[:10] = np.nan
    X[10:20, 1] = np.nan
    model = StarFormationRegressor(HistGradientBoostingRegressor(), random_state=0).fit(X, y)
    assert set(model.n_train_.values()) == {88}  # of 110, a fifth is held back
    assert model.n_calibration_ == 22
    assert np.isnan(model.predict(X)).all(axis=1).sum() == 10


def test_target_limits_leave_galaxies_out_of_fit_and_score(data):
    X, y = data
    y.iloc[0, 0] = np.nan
    model = linear(target_limits={"stellar_mass": (9.0, 11.0)}).fit(X, y)
    within = y["stellar_mass"].between(9, 11)
    assert set(model.n_train_.values()) == {within.sum() - model.n_calibration_}
    assert model.n_calibration_ == round(0.2 * within.sum())
    expected = r2_score(y[within], model.predict(X)[within])
    assert model.score(X, y) == pytest.approx(expected)
    assert np.isfinite(model.predict(X)).all()


def test_limits_include_their_ends():
    X, y = np.arange(4.0).reshape(-1, 1), pd.DataFrame({"stellar_mass": [8.9, 9.0, 11.0, 11.1]})
    regressor = StarFormationRegressor(Ridge(), target_limits={"stellar_mass": (9, 11)})
    assert regressor.fit(X, y).n_train_ == {"stellar_mass": 2}
    regressor.set_params(target_limits={"stellar_mass": (None, 11)})
    assert regressor.fit(X, y).n_train_ == {"stellar_mass": 3}


def test_score_is_the_mean_r2_of_the_rows_that_can_be_scored(data):
    X, y = data
    X[0] = np.nan
    y.iloc[1, 2] = np.nan
    model = linear().fit(X, y)
    predicted = model.predict(X)
    columns = [
        r2_score(y.iloc[first:, i], predicted[first:, i]) for i, first in enumerate((1, 1, 2))
    ]
    assert model.score(X, y) == pytest.approx(np.mean(columns))


@pytest.mark.parametrize("as_table", [True, False])
def test_predictions_are_shaped_as_y(data, as_table):
    X, y = data
    y = y[["sfr"]] if as_table else y["sfr"]
    model = StarFormationRegressor(Ridge()).fit(X, y)
    assert model.targets_ == ("sfr",)
    assert model.predict(X).shape == ((120, 1) if as_table else (120,))
    assert model.predict(X[:0]).shape == ((0, 1) if as_table else (0,))


def test_joint_regressors_learn_all_targets_at_once(data):
    X, y = data
    y.iloc[0, 0] = np.nan
    forest = RandomForestRegressor(5, random_state=0)
    joint = StarFormationRegressor([("all", forest)], targets=TARGETS, joint=True)
    model = joint.set_params(calibration_fraction=None).fit(X, y)
    assert model.n_train_ == {"all": 119}
    by_hand = clone(forest).fit(X[1:], y[1:].to_numpy())
    np.testing.assert_allclose(model.predict(X), by_hand.predict(X))
    network = KerasMLPRegressor((4,), epochs=1)
    joint = StarFormationRegressor(network, joint=True).fit(X, y)
    assert joint.estimators_[0].n_outputs_ == 3
    with pytest.raises(ValueError, match="joint=True needs a regressor with several outputs; SVR"):
        StarFormationRegressor("svr", joint=True).fit(X, y)


def test_parameters_are_reachable_by_target():
    model = StarFormationRegressor([("sfr", Ridge(alpha=1)), ("age", Ridge(alpha=2))])
    model.set_params(sfr__alpha=7, age=SVR())
    assert model.get_params()["sfr__alpha"] == 7
    assert isinstance(dict(model.estimators)["age"], SVR)
    assert clone(model).get_params()["sfr__alpha"] == 7


def test_the_regressors_given_are_left_unfitted(data):
    ridge = Ridge()
    StarFormationRegressor([(t, ridge) for t in TARGETS]).fit(*data)
    assert not hasattr(ridge, "coef_")


def test_seeds_reach_every_regressor_and_depend_on_its_name_alone(data):
    X, y = data
    forest = RandomForestRegressor(3)
    three = StarFormationRegressor(forest, random_state=0).fit(X, y)
    again = StarFormationRegressor(forest, random_state=0).fit(X, y)
    other = StarFormationRegressor(forest, random_state=1).fit(X, y)
    alone = StarFormationRegressor(forest, random_state=0).fit(X, y[["sfr"]])
    np.testing.assert_array_equal(three.predict(X), again.predict(X))
    assert not np.array_equal(three.predict(X), other.predict(X))
    np.testing.assert_array_equal(three.predict(X)[:, [1]], alone.predict(X))
    nested = make_pipeline(PolynomialFeatures(), RandomForestRegressor(3, random_state=None))
    seeded = StarFormationRegressor(nested, random_state=0).fit(X, y).estimators_[0]
    assert seeded[-1].random_state is not None
    fixed = StarFormationRegressor(RandomForestRegressor(3, random_state=5), random_state=0)
    assert fixed.fit(X, y).estimators_[0].random_state == 5


def test_training_on_a_subsample_is_seeded_and_reported(data):
    X, y = data
    model = StarFormationRegressor(DummyRegressor(), max_train_samples=30, random_state=0)
    first = model.fit(X, y).predict(X)[0]
    assert model.n_train_ == dict.fromkeys(TARGETS, 30)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X)[0], first)
    assert not np.array_equal(
        clone(model).set_params(random_state=1).fit(X, y).predict(X)[0], first
    )
    assert model.set_params(max_train_samples=1000).fit(X, y).n_train_["sfr"] == 96


@pytest.mark.parametrize("code", [-9.0, -99.0, -999.0])
def test_a_code_is_no_label(data, code):
    """-9 would be a star-formation rate of a billionth of a solar mass per year."""
    X, y = data
    y.iloc[7, 1] = code
    with pytest.raises(
        ValueError, match=rf"sfr must be in .*; got {code:g} in 1 of 120 rows, .* 7"
    ):
        linear().fit(X, y)


def test_history_has_the_networks_only(data):
    X, y = data
    network = KerasMLPRegressor((4,), epochs=3)
    model = StarFormationRegressor([("stellar_mass", network), ("sfr", Ridge())])
    assert list(model.fit(X, y[["stellar_mass", "sfr"]]).history_) == ["stellar_mass"]
    assert len(model.history_["stellar_mass"]) == 3


def test_verbose_tells_what_is_trained(data, capsys):
    StarFormationRegressor(Ridge(), verbose=1).fit(*data)
    shown = capsys.readouterr().out
    assert "sfr: Ridge on 96 galaxies" in shown
    linear().fit(*data)
    assert not capsys.readouterr().out


def test_parallel_fits_are_the_serial_ones(data):
    X, y = data
    forest = StarFormationRegressor("random_forest", random_state=0)
    serial = forest.fit(X, y).predict(X)
    parallel = clone(forest).set_params(n_jobs=2).fit(X, y).predict(X)
    np.testing.assert_array_equal(serial, parallel)


def test_nothing_left_is_explained(data):
    X, y = data
    model = linear(target_limits={"stellar_mass": (20, None)})
    with pytest.raises(ValueError, match=r"No galaxy is left.*120 given: 0 have NaN.*120 lie out"):
        model.fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"estimators": "catboost"}, "'estimators' parameter .* Got 'catboost'"),
        ({"estimators": []}, "at least one"),
        ({"estimators": [("a", Ridge()), ("a", Ridge())]}, "not unique"),
        ({"estimators": [("n_jobs", Ridge())]}, "conflict with constructor arguments"),
        ({"estimators": [("a__b", Ridge())]}, "must not contain __"),
        ({"estimators": [("a", Ridge()), ("b", Ridge())], "joint": True}, "got 2"),
        ({"targets": ["sfr", "stellar_mass", "dust_luminosity"]}, "differ"),
        ({"target_limits": {"age": (0, 1)}}, "target_limits names 'age', but the targets are"),
        ({"calibration_fraction": 0}, "'calibration_fraction' parameter .* Got 0"),
        ({"calibration_fraction": 1.0}, r"'calibration_fraction' parameter .* Got 1\.0"),
        ({"calibration_fraction": "0.2"}, r"'calibration_fraction' parameter .* Got '0\.2'"),
    ],
)
def test_wrong_parameters(data, parameters, message):
    with pytest.raises(ValueError, match=message):
        linear().set_params(**parameters).fit(*data)


def test_no_warnings_with_blanked_rows(data):
    X, y = data
    X[:50] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = linear().fit(X, y)
        model.predict_quietly(X)
        model.predict_table(X)
        model.score(X, y)
    with pytest.warns(MissingPredictionWarning, match="50 of 120 galaxies have no prediction"):
        model.predict(X)
