"""Recipe "sfml": its parts fit together, for every kind of target, band set and family."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

import sfml
from sfml import GAMA, TARGETS
from sfml.pipeline import StandardScaler


@pytest.fixture
def ours():
    """Recipe "sfml" with fewer epochs and networks."""

    def make(**parameters):
        pipe = sfml.make_star_formation_pipeline(random_state=0, **parameters)
        for target, estimator in pipe["regress"].estimators:
            if hasattr(estimator, "epochs"):
                pipe.set_params(
                    **{
                        f"regress__{target}__{k}": v
                        for k, v in {"epochs": 40, "n_networks": 2}.items()
                    }
                )
        return pipe

    return make


def test_it_is_the_default():
    pipe = sfml.make_star_formation_pipeline()
    assert list(pipe.named_steps) == ["select", "features", "scale", "regress"]
    assert pipe["select"].keep_errors
    assert isinstance(pipe["features"], sfml.FluxFeatures)
    assert isinstance(pipe["scale"], SklearnStandardScaler)
    assert pipe["regress"].calibration_fraction == 0.2
    assert [name for name, _ in pipe["regress"].estimators] == list(TARGETS)


def test_it_learns_more_than_the_papers_recipe_in_as_many_epochs(ours, selected):
    X, y = selected
    train, test = np.arange(len(X)) % 4 > 0, np.arange(len(X)) % 4 == 0
    paper = sfml.make_star_formation_pipeline("surana2020", random_state=0)
    paper.set_params(**{f"regress__{target}__epochs": 40 for target in TARGETS})
    errors = [
        sfml.metrics.error(
            y[test], pipe.fit(X[train], y[train]).predict(X[test]), multioutput="raw_values"
        )
        for pipe in (ours(), paper)
    ]
    assert (errors[0] < errors[1]).all()
    assert errors[0][0] < 0.2


def test_the_luminosity_reaches_the_networks_as_it_is(ours, selected):
    X, y = selected
    pipe = ours().fit(X, y)
    luminosity = pipe[:2].transform(X)[:, -1]
    np.testing.assert_array_equal(pipe[:3].transform(X)[:, -1], luminosity)
    network = pipe["regress"].named_estimators_["stellar_mass"]
    n_inputs = len(pipe["features"].get_feature_names_out()) - 1
    assert network.coefs_[0].shape == (2, n_inputs, 64)


def test_galaxies_ten_times_as_bright_have_about_ten_times_as_much(ours, selected):
    X, y = selected
    pipe = ours(targets=["stellar_mass"]).set_params(select__z_range=None).fit(X, y["stellar_mass"])
    brighter = X.copy()
    brighter.iloc[:, :-1] *= 1.5
    difference = pipe.predict(brighter) - pipe.predict(X)
    assert np.median(difference) == pytest.approx(np.log10(1.5), abs=0.1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"joint": True},
        {"method": "random_forest"},
        {"method": "svr", "max_train_samples": 100},
        {"bands": GAMA.without("X", "Y")},
        {"bands": GAMA.only("u", "g", "r", "i", "z", "W1")},
    ],
    ids=str,
)
def test_every_family_and_band_set(ours, selected, parameters):
    X, y = selected
    pipe = ours(**parameters).set_params(select__min_bands=3)
    predicted = pipe.fit(X, y).predict(X)
    assert predicted.shape == y.shape
    assert np.isfinite(predicted).all()


def test_a_target_that_is_no_luminosity_is_learnt_as_it_is(ours, selected):
    X, _ = selected
    colour = np.log10(X["g_flux"] / X["r_flux"]).rename("colour")
    pipe = ours(targets=["colour"])
    assert pipe["regress"].estimators[0][1].offset_feature is None
    predicted = pipe.fit(X, colour).predict(X)
    assert np.corrcoef(predicted, colour)[0, 1] > 0.9


def test_rejected_galaxies_and_seeds(ours, galaxies):
    X, y = galaxies
    pipe = ours()
    predicted = pipe.fit(X, y).predict(X)
    rejected = pipe["select"].reasons(X).any(axis=1)
    np.testing.assert_array_equal(np.isnan(predicted).all(axis=1), rejected)
    np.testing.assert_array_equal(clone(pipe).fit(X, y).predict(X), predicted)
    threaded = clone(pipe).set_params(regress__n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(threaded.predict(X), predicted)
    assert pipe.predict(X[:0]).shape == (0, 3)


def test_errors_are_asked_for(ours, galaxies):
    X, y = galaxies
    with pytest.raises(ValueError, match="u_fluxerr"):
        ours().fit(X.drop(columns=["u_fluxerr"]), y)


def test_the_scaler_keeps_what_it_is_told_to():
    X = pd.DataFrame({"a": [1.0, 3.0], "b": [10.0, 30.0]})
    scaled = StandardScaler(keep=(-1,)).fit_transform(X)
    np.testing.assert_allclose(scaled, [[-1, 10], [1, 30]])
    whole = StandardScaler().fit(X)
    np.testing.assert_allclose(whole.mean_, [2, 20])
    restored = StandardScaler(keep=(1,)).fit(X).inverse_transform(scaled)
    np.testing.assert_allclose(restored, X)
