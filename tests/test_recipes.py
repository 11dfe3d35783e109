"""Recipe "sfml": its parts fit together, for every kind of target, band set and family."""

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler

import sfml
from sfml import GAMA, TARGETS, GamaSampleSelector
from sfml.features.scaler import StandardScaler
from sfml.recipes import RECIPES


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
                        for k, v in {"epochs": 30, "n_networks": 2}.items()
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
    paper.set_params(**{f"regress__{target}__epochs": 30 for target in TARGETS})
    errors = [
        sfml.metrics.error(
            y[test], pipe.fit(X[train], y[train]).predict(X[test]), multioutput="raw_values"
        )
        for pipe in (ours(), paper)
    ]
    assert (errors[0] < errors[1]).all()
    assert errors[0][0] < 0.2


def test_the_luminosity_reaches_the_networks_as_it_is(ours, selected):
    """Though the scaler standardises it with the other features."""
    X, y = selected
    pipe = ours().fit(X, y)
    luminosity = pipe[:2].transform(X)[:, -1]
    assert pipe[:3].transform(X)[:, -1].std() == pytest.approx(1, abs=0.1)
    network = pipe["regress"].named_estimators_["stellar_mass"]
    offset = network.inputs_.offsets(pipe[:3].transform(X))[:, 0]
    np.testing.assert_allclose(offset, luminosity, atol=1e-9)
    n_inputs = len(pipe["features"].get_feature_names_out()) - 1
    assert network.coefs_[0].shape == (2, n_inputs, 96)


def test_galaxies_ten_times_as_bright_have_about_ten_times_as_much(ours, selected):
    X, y = selected
    pipe = ours(targets=["stellar_mass"]).set_params(select__unit_guard=False)
    pipe.fit(X, y["stellar_mass"])
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


def test_the_scaler_is_scikit_learns_fixed_once_fitted():
    X = pd.DataFrame({"a": [1.0, 3.0], "b": [10.0, np.nan]})
    for parameters in ({}, {"with_mean": False}, {"with_std": False}):
        scaler = StandardScaler(**parameters).fit(X)
        expected = sklearn.preprocessing.StandardScaler(**parameters).fit_transform(X)
        scaler.set_params(with_mean=not scaler.with_mean, with_std=not scaler.with_std)
        np.testing.assert_array_equal(scaler.transform(X), expected)
        assert scaler.transform(X[:0]).shape == (0, 2)


class TestCuts:
    """Every cut is an argument, stated once."""

    def test_recipes_differ_in_their_cuts(self):
        ours, paper = (sfml.make_star_formation_pipeline(recipe) for recipe in RECIPES)
        assert (
            paper["select"].get_params()
            == GamaSampleSelector(GAMA, stellar_mass_range=None).get_params()
        )
        assert paper["regress"].target_limits == {"stellar_mass": (9, None)}
        select = ours["select"]
        assert (select.missing, select.negative, select.z_range) == ("allow", "allow", (0, None))
        assert ours["regress"].target_limits is None

    def test_arguments_win_over_the_recipe(self):
        for recipe in RECIPES:
            pipe = sfml.make_star_formation_pipeline(
                recipe,
                **{"negative": "allow", "z_range": None, "stellar_mass_range": None},
                **{"min_bands": 0, "min_snr": 5, "upper_limits": 3, "missing": "reject"},
            )
            select = pipe["select"]
            assert (select.negative, select.missing, select.z_range) == ("allow", "reject", None)
            assert (select.min_bands, select.min_snr, select.upper_limits) == (0, 5, 3)
            assert pipe["regress"].target_limits is None

    def test_a_survey_of_five_bands_to_redshift_2(self, galaxies):
        X, y = galaxies
        optical = GAMA.only("u", "g", "r", "i", "z")
        X = X[list(optical.columns)].assign(Z=np.linspace(0.01, 2, len(X)))
        for bands in (optical, GAMA.only("r", "K")):
            pipe = sfml.make_star_formation_pipeline(
                bands=bands, method="random_forest", random_state=0
            )
            if bands is not optical:
                X = galaxies[0]
            pipe.set_params(
                **{f"regress__{t}__n_estimators": 3 for t in sfml.TARGETS},
                features__redshift_grid=None,
            ).fit(X, y)
            assert pipe["select"].report_.n_selected > 0.8 * len(X)


def test_a_cut_in_a_mass_that_is_no_target_is_refused():
    with pytest.raises(ValueError, match=r"stellar_mass_range cuts on the labels.*are sfr\."):
        sfml.make_star_formation_pipeline(targets=("sfr",), stellar_mass_range=(9, None))
    paper = sfml.make_star_formation_pipeline("surana2020", targets=("sfr",))
    assert paper["regress"].target_limits is None
