"""Fits with Bagpipes: which galaxies and bands, what is kept, and what comes of failures."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pandas as pd
import pytest

from sfml import GAMA, TARGETS, BandSet, triage
from sfml.simulate import BagpipesPrior, SurveyNoise, Uniform, bagpipes_library
from sfml.triage.codes import bagpipes as fits_module

pytest.importorskip("bagpipes")

BANDS = GAMA.only("g", "r", "i", "W1")


@pytest.fixture
def galaxies() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    flux = rng.uniform(1e-5, 1e-4, (6, 4))
    X = pd.DataFrame(
        np.column_stack([flux, 0.05 * flux, rng.uniform(0.05, 0.3, 6)]),
        columns=list(BANDS.columns),
        index=[60, 61, 62, 63, 64, 65],
    )
    X.loc[62, ["i_flux", "i_fluxerr"]] = -999.0
    return X


@pytest.fixture
def asked(monkeypatch) -> list:
    """What each galaxy's fit is asked for, of a stand-in that knows the answer at once."""
    asked = []
    takes = set(inspect.signature(fits_module.sample_posterior).parameters) - {"galaxy"}

    def sample(galaxy, **options):
        assert options.keys() == takes
        asked.append((galaxy, options))
        middle = np.log10(galaxy.flux[0])
        samples = {name: middle + np.linspace(-1, 1, 101) for name in TARGETS}
        numbers = {"chi2": 3.0, "n_bands": len(galaxy.flux), "seconds": 1.5, "n_models": 10}
        return samples | {name: np.array(value) for name, value in numbers.items()}

    monkeypatch.setattr(fits_module, "sample_posterior", sample)
    monkeypatch.setattr(fits_module, "import_bagpipes", lambda: None)
    return asked


def test_chosen_galaxies_are_fitted_in_the_bands_that_they_have(galaxies, asked):
    found = triage.fit_bagpipes(galaxies, np.array([4, 2]), bands=BANDS)
    assert list(found.index) == ["64", "62"]
    assert found["n_bands"].tolist() == [4, 3]
    first, second = (galaxy for galaxy, _ in asked)
    np.testing.assert_allclose(first.flux, 1e6 * galaxies.loc[64, list(BANDS.flux_columns)])
    assert first.redshift == galaxies.loc[64, "Z"]
    np.testing.assert_allclose(second.error, 0.05 * second.flux)
    assert [path.rsplit("/")[-1] for path in second.curves] == ["g.dat", "r.dat", "W1.dat"]
    middle = np.log10(first.flux[0])
    np.testing.assert_allclose(
        found.loc["64", ["sfr_p16", "sfr", "sfr_p84"]].tolist(),
        [middle - 0.68, middle, middle + 0.68],
    )


def test_results_are_what_merge_takes(galaxies, asked):
    y = pd.DataFrame(np.nan, index=galaxies.index, columns=["sfr", "stellar_mass"])
    found = triage.fit_bagpipes(galaxies, [5, 0], bands=BANDS)
    merged, provenance = triage.merge(
        galaxies, y, found, code="Bagpipes", code_version="1.3.6", requested=[5, 0], max_chi2=9
    )
    assert merged["sfr"].notna().tolist() == [True, False, False, False, False, True]
    assert provenance.loc[65, "status"] == "accepted"
    assert provenance.loc[65, "chi2"] == 3


def test_the_galaxies_redshift_is_given_and_the_prior_is_the_libraries(galaxies, asked):
    triage.fit_bagpipes(galaxies, [0], bands=BANDS)
    assert asked[0][1]["prior"] == BagpipesPrior()
    assert asked[0][1]["n_live"] == 400


def test_a_failed_galaxy_is_named_and_left_out(galaxies, asked, monkeypatch):
    galaxies.loc[61, ["g_flux", "r_flux", "i_flux"]] = np.nan
    sample = fits_module.sample_posterior

    def fail_sometimes(galaxy, **options):
        if galaxy.redshift == galaxies.loc[63, "Z"]:
            raise TimeoutError("not finished after 5 s")
        return sample(galaxy, **options)

    monkeypatch.setattr(fits_module, "sample_posterior", fail_sometimes)
    message = "2 of 4 galaxies could not .*61: measured in 1 bands; 63: TimeoutError: not finished"
    with pytest.warns(UserWarning, match=message):
        found = triage.fit_bagpipes(galaxies, [0, 1, 3, 4], bands=BANDS)
    assert list(found.index) == ["60", "64"]


def test_what_is_done_is_kept(galaxies, asked, tmp_path):
    options = {"bands": BANDS, "folder": tmp_path / "fits", "random_state": 0}
    first = triage.fit_bagpipes(galaxies, [0, 1], **options)
    asked.clear()
    more = triage.fit_bagpipes(galaxies, [2, 1, 0], **options)
    assert len(asked) == 1
    pd.testing.assert_frame_equal(more.loc[["60", "61"]], first)
    with pytest.raises(ValueError, match="other settings, which differ in prior, n_live"):
        triage.fit_bagpipes(galaxies, [0], n_live=50, prior=BagpipesPrior(A_V=1), **options)


def test_other_galaxies_are_not_taken_for_those_that_are_done(galaxies, asked, tmp_path):
    options = {"bands": BANDS, "folder": tmp_path / "fits", "random_state": 0}
    triage.fit_bagpipes(galaxies, [0, 1], **options)
    changed = galaxies.assign(r_flux=2 * galaxies["r_flux"])
    with pytest.raises(ValueError, match=r"other photometry .* of galaxy 60"):
        triage.fit_bagpipes(changed, [0, 2], **options)


def test_each_galaxy_has_a_seed_of_its_own(galaxies, asked):
    triage.fit_bagpipes(galaxies, [0, 1], bands=BANDS, random_state=3)
    triage.fit_bagpipes(galaxies, [1], bands=BANDS, random_state=3)
    triage.fit_bagpipes(galaxies, [1], bands=BANDS)
    seeds = [options["seed"] for _, options in asked]
    assert seeds[0] != seeds[1] == seeds[2]
    assert seeds[3] is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([6], "positions from 0 to 5; got"),
        ([-1], "positions from 0 to 5"),
        ([True, False], "positions from 0 to 5"),
        ([0, 0], "must not repeat"),
    ],
)
def test_rows_must_be_positions(galaxies, asked, rows, message):
    with pytest.raises(ValueError, match=message):
        triage.fit_bagpipes(galaxies, rows, bands=BANDS)


def test_a_redshift_of_a_chosen_galaxy_must_be_positive(galaxies, asked):
    galaxies.loc[60, "Z"] = -1.0
    assert len(triage.fit_bagpipes(galaxies, [1], bands=BANDS)) == 1
    with pytest.raises(ValueError, match="needs a positive redshift"):
        triage.fit_bagpipes(galaxies, [0, 1], bands=BANDS)


def test_bands_without_a_curve_are_named(galaxies, asked):
    bands = BandSet(["g", "r", "i", "W1"], [0.5, 0.6176, 0.749, 3.3526])
    with pytest.raises(ValueError, match="No filter curve is known of 1 of 4 bands: g"):
        triage.fit_bagpipes(galaxies, [0], bands=bands)


def test_without_bagpipes_the_extra_is_named(galaxies, monkeypatch):
    monkeypatch.setitem(sys.modules, "bagpipes", None)
    with pytest.raises(ImportError, match=r'pip install "sfml\[bagpipes\]"'):
        triage.fit_bagpipes(galaxies, [0], bands=BANDS)


PRIOR = BagpipesPrior(
    redshift=Uniform(0.05, 0.2),
    log_mass_formed=Uniform(8.0, 12.0),
    age=5.0,
    metallicity=1.0,
    birth_cloud=2.0,
    dust_slope=0.7,
    **{"umin": 1.0, "qpah": 2.0, "gamma": 0.02, "log_u": -3.0},
)


@pytest.fixture
def observed() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two bright galaxies of three free parameters, well measured."""
    bands = GAMA.only("NUV", "g", "r", "W1", "S250")
    prior = BagpipesPrior(**{**PRIOR.parameters, "log_mass_formed": Uniform(10.0, 11.0)})
    library = bagpipes_library(2, bands, prior=prior, random_state=1)
    noise = SurveyNoise.from_depths(dict.fromkeys(bands.names, 26.0), bands)
    X, y = noise.observe(library, 6, random_state=0)
    first = ~X.index.duplicated()
    return X[first], y[first]


@pytest.mark.slow
def test_real_fits_find_the_truth(observed, tmp_path):
    X, y = observed
    bands = GAMA.only("NUV", "g", "r", "W1", "S250")
    options = {"bands": bands, "prior": PRIOR, "n_live": 60, "random_state": 0}
    found = triage.fit_bagpipes(X, range(len(X)), n_jobs=2, folder=tmp_path / "fits", **options)
    assert list(found.index) == [str(name) for name in X.index]
    for target in TARGETS:
        width = (found[f"{target}_p84"] - found[f"{target}_p16"]).to_numpy() / 2
        off = np.abs(found[target].to_numpy() - y[target].to_numpy())
        assert (off < 4 * width + 0.01).all(), target
        assert (width < 0.3).all()
    assert (found["chi2"] < 25).all()
    alone = triage.fit_bagpipes(X, [1], **options)
    pd.testing.assert_series_equal(
        alone.iloc[0].drop("seconds"), found.iloc[1].drop("seconds"), check_exact=True
    )


@pytest.mark.slow
def test_a_fit_that_takes_too_long_is_given_up(observed):
    X, _ = observed
    bands = GAMA.only("NUV", "g", "r", "W1", "S250")
    with pytest.warns(UserWarning, match="1 of 1 galaxies .*TimeoutError: not finished after 2 s"):
        found = triage.fit_bagpipes(X, [0], bands=bands, time_limit=2)
    assert not len(found)
    assert "sfr_p16" in found
