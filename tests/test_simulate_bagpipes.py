"""Libraries of Bagpipes' models: priors, filter curves, and the library itself."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sfml import GAMA, TARGETS, BandSet, surveys
from sfml.features.cosmology import age
from sfml.simulate import (
    BagpipesPrior,
    LogUniform,
    ModelLibrary,
    Uniform,
    bagpipes_library,
    bagpipes_models,
    filter_files,
)
from sfml.simulate import bagpipes as library_module

HISTORIES = ("delayed", "lognormal", "double_power_law")


# --- distributions and priors


def test_quantiles_of_distributions():
    assert Uniform(-2, 2).quantile(0.75) == 1
    assert LogUniform(0.01, 100).quantile(0.25) == pytest.approx(0.1)
    # A lower limit that comes with the galaxy ends the range, and does not cut its top off.
    np.testing.assert_allclose(Uniform(0, 10).quantile(0.5, np.array([4, 20])), [2, 5])


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (0, np.inf), (np.nan, 1)])
def test_distributions_need_limits_that_grow(limits):
    with pytest.raises(ValueError, match="two finite limits that grow"):
        Uniform(*limits)


def test_log_uniform_needs_positive_limits():
    with pytest.raises(ValueError, match="above 0; got 0"):
        LogUniform(0, 1)


@pytest.mark.parametrize("history", HISTORIES)
def test_drawn_parameters_fill_their_ranges(history):
    prior = BagpipesPrior(history, birth_cloud=2)
    drawn = prior.draw(1000, random_state=0)
    assert list(drawn) == list(prior.parameters)
    assert (drawn["birth_cloud"] == 2).all()
    for name in prior.free:
        value = prior.parameters[name]
        assert drawn[name].between(value.low, value.high).all()
    # A space-filling sequence: every twentieth of the range has its twentieth of the models.
    shares = np.histogram(np.log(drawn["A_V"]), 20, tuple(np.log([0.02, 4])))[0] / 1000
    np.testing.assert_allclose(shares, 0.05, atol=0.004)


def test_draws_are_seeded():
    prior = BagpipesPrior()
    pd.testing.assert_frame_equal(prior.draw(9, 3), prior.draw(9, 3))
    assert not prior.draw(9, 3).equals(prior.draw(9, 4))


def test_no_history_begins_before_the_big_bang():
    prior = BagpipesPrior(redshift=Uniform(0.5, 6), age=Uniform(0.05, 13))
    drawn = prior.draw(500, random_state=0)
    oldest = age(drawn["redshift"].to_numpy())
    assert (drawn["age"] < oldest).all()
    assert (drawn["age"] > 0.9 * oldest).any()
    power_law = BagpipesPrior("double_power_law", redshift=Uniform(0.5, 6))
    drawn = power_law.draw(500, random_state=0)
    assert (drawn["tau"] < 1.5 * age(drawn["redshift"].to_numpy())).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"history": "burst"}, "history must be one of delayed, lognormal.*got 'burst'"),
        ({"dust_law": "SMC"}, "dust_law must be one of CF00, Calzetti"),
        ({"metalicity": 1}, "no parameter 'metalicity'.*Did you mean 'metallicity'"),
        ({"alpha": 1}, "'alpha'.*another history or dust law"),
        ({"dust_law": "Calzetti", "dust_slope": 0.7}, "'dust_slope'.*another history or dust law"),
        ({"umin": Uniform(0.05, 10)}, "umin must lie between 0.1001 and 24.999.*from 0.05 to 10"),
        ({"log_mass_formed": Uniform(1e9, 1e12)}, "log_mass_formed must lie between 0 and 16"),
        ({"A_V": (0, 3)}, "A_V must be Uniform.*got \\(0, 3\\)"),
        ({"A_V": True}, "A_V must be Uniform"),
        (
            {"redshift": Uniform(1, 8), "age": Uniform(2, 10)},
            "age is uniform from 2 to 10 Gyr, but at redshift 8.*0.629 Gyr at most",
        ),
        ({"redshift": 3, "age": 5}, "age is 5 Gyr, but at redshift 3"),
    ],
)
def test_a_prior_that_the_code_would_refuse_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        BagpipesPrior(**parameters)


def test_fits_have_the_same_prior_as_libraries():
    """Bagpipes' own transform of the unit cube gives what `draw` gives."""
    pytest.importorskip("bagpipes")
    prior = BagpipesPrior(redshift=Uniform(1, 3), birth_cloud=2)
    instructions = prior.fit_instructions(redshift=2.5)
    assert instructions["redshift"] == 2.5
    assert instructions["dust"]["eta"] == 2
    assert instructions["delayed"]["age"] == (0.1, pytest.approx(0.999 * age(np.array(2.5))))
    code = bagpipes_models.import_bagpipes().fitting.prior
    for name, component, key in (
        ("tau", "delayed", "tau"),
        ("A_V", "dust", "Av"),
        ("log_mass_formed", "delayed", "massformed"),
    ):
        where = instructions[component]
        theirs = code([where[key]], [where[f"{key}_prior"]], [{}]).transform(np.array([0.3]))
        assert theirs[0] == pytest.approx(prior.parameters[name].quantile(0.3))


def test_without_a_redshift_it_is_fitted_too():
    instructions = BagpipesPrior().fit_instructions()
    assert instructions["redshift"] == (0.01, 0.5)
    assert instructions["redshift_prior"] == "uniform"


def test_priors_compare_and_describe_themselves():
    assert BagpipesPrior(A_V=1) == BagpipesPrior(A_V=1.0)
    assert BagpipesPrior(A_V=1) != BagpipesPrior()
    assert "A_V: log-uniform from 0.02 to 4 mag" in repr(BagpipesPrior())
    assert BagpipesPrior("lognormal").describe()["tmax"] == "uniform from 0.5 to 13.5 Gyr"


# --- filter curves


def test_curves_of_gamas_bands_lie_where_the_bands_are(tmp_path):
    pytest.importorskip("sedpy")
    files = filter_files(GAMA, tmp_path / "curves")
    assert list(files) == list(GAMA.names)
    for (name, path), wavelength in zip(files.items(), GAMA.wavelengths, strict=True):
        curve = np.loadtxt(path)
        photons = curve[:, 1] * np.gradient(curve[:, 0])
        pivot = np.sqrt((photons * curve[:, 0]).sum() / (photons / curve[:, 0]).sum()) / 1e4
        assert pivot == pytest.approx(wavelength, rel=0.05), name


@pytest.mark.parametrize("survey", surveys.list_surveys())
def test_every_curve_that_surveys_name_is_there(survey, tmp_path):
    pytest.importorskip("sedpy")
    known = surveys.filters(survey, "sedpy")
    bands = surveys.load_survey(survey)
    assert list(filter_files(bands.only(*known), tmp_path)) == list(known)
    unknown = [name for name in bands.names if name not in known]
    if unknown:
        with pytest.raises(ValueError, match=f"{len(unknown)} of {len(bands)} bands: {unknown[0]}"):
            filter_files(bands, tmp_path / "all")


def test_a_band_of_the_same_name_elsewhere_is_not_taken_for_a_known_one(tmp_path):
    with pytest.raises(ValueError, match="No filter curve is known of 1 of 1 bands: g"):
        filter_files(BandSet(["g"], [0.5]), tmp_path)


BOX = [[5000, 0], [5100, 1], [6000, 1], [6100, 0]]


def write_curve(path: Path, rows=BOX) -> Path:
    np.savetxt(path, rows)
    return path


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0], [0.55, 1], [0.6, 0]], "mean wavelength of 5.5e-05 micron.*not in Angstrom"),
        ([[5000, 0], [4000, 1], [6000, 0]], "growing wavelengths"),
        ([[5000, 0], [5500, 0], [6000, 0]], "nor 0 everywhere"),
        ([[5000, 0], [5500, -1], [6000, 1]], "must not be negative"),
        ([[5000], [5500], [6000]], "and one of transmission"),
        ([[5000, 0], [5500, np.nan], [6000, 0]], "finite numbers"),
    ],
)
def test_a_file_that_is_no_curve_is_refused(rows, message, tmp_path):
    path = write_curve(tmp_path / "curve.txt", rows)
    with pytest.raises(ValueError, match=message):
        filter_files(BandSet(["V"], [0.55]), tmp_path / "out", filters={"V": path})


def test_what_is_neither_a_file_nor_a_filter_is_named(tmp_path):
    pytest.importorskip("sedpy")
    with pytest.raises(ValueError, match="'bessell_X' of band 'V' is neither a file nor a filter"):
        filter_files(BandSet(["V"], [0.55]), tmp_path, filters={"V": "bessell_X"})
    with pytest.raises(ValueError, match="'W' is not a band of this set"):
        filter_files(BandSet(["V"], [0.55]), tmp_path, filters={"W": "bessell_V"})


def test_written_curves_are_not_overwritten(tmp_path):
    curve = write_curve(tmp_path / "curve.txt")
    bands = BandSet(["V"], [0.55])
    filter_files(bands, tmp_path, filters={"V": curve})
    with pytest.raises(FileExistsError, match=r"V\.dat"):
        filter_files(bands, tmp_path, filters={"V": curve})


def test_without_sedpy_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sedpy", None)
    monkeypatch.setitem(sys.modules, "sedpy.observate", None)
    with pytest.raises(ImportError, match=r'pip install "sfml\[bagpipes\]"'):
        filter_files(GAMA.only("g"), tmp_path)


# --- the library, of a stand-in for the code


BANDS = GAMA.only("u", "g", "r")


@pytest.fixture
def stand_in(monkeypatch):
    """Simple models in place of Bagpipes'; a list of the first redshift of each call."""
    calls = []

    def make(prior, values, curves):
        calls.append(values["redshift"][0])
        n_models = len(values["redshift"])
        mass = values["log_mass_formed"]
        flux = 10 ** (mass[:, None] - 15) * np.ones((n_models, len(curves)))
        names = ("stellar_mass", "sfr", "dust_luminosity", "ssfr", "mass_weighted_age")
        return flux, dict(zip(names, (mass, mass - 10, mass, mass * 0 - 10, mass), strict=True))

    pytest.importorskip("sedpy")
    monkeypatch.setattr(library_module, "make_models", make)
    monkeypatch.setattr(library_module, "import_bagpipes", lambda: None)
    monkeypatch.setattr(library_module, "_CHUNK", 20)
    return calls


def same(one: ModelLibrary, other: ModelLibrary) -> None:
    np.testing.assert_array_equal(one.flux, other.flux)
    np.testing.assert_array_equal(one.redshift, other.redshift)
    pd.testing.assert_frame_equal(one.parameters, other.parameters)
    assert one.prior == other.prior
    assert one.units == other.units


def test_a_library_is_written_and_says_what_it_was_drawn_from(stand_in, tmp_path):
    path = tmp_path / "library.parquet"
    made = bagpipes_library(50, BANDS, path=path, random_state=1)
    assert len(stand_in) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["library.parquet"]
    same(ModelLibrary.load(path), made)
    assert {*TARGETS, "ssfr", "A_V", "metallicity", "mass_weighted_age"} <= {*made.parameters}
    assert made.prior["A_V"] == "log-uniform from 0.02 to 4 mag"
    assert made.units["umin"] == "Habing"
    with pytest.raises(FileExistsError, match=r"ModelLibrary\.load"):
        bagpipes_library(50, BANDS, path=path, random_state=1)


def interrupted(monkeypatch, path, after: int, **settings) -> None:
    make, calls = library_module.make_models, []

    def stop(*given):
        calls.append(None)
        if len(calls) > after:
            raise KeyboardInterrupt
        return make(*given)

    with monkeypatch.context() as context:
        context.setattr(library_module, "make_models", stop)
        with pytest.raises(KeyboardInterrupt):
            bagpipes_library(100, BANDS, path=path, **settings)


def test_an_interrupted_run_goes_on(stand_in, tmp_path, monkeypatch):
    path = tmp_path / "library.parquet"
    interrupted(monkeypatch, path, after=2, random_state=5)
    assert not path.exists()
    stand_in.clear()
    resumed = bagpipes_library(100, BANDS, path=path, random_state=5)
    assert len(stand_in) == 3
    same(resumed, bagpipes_library(100, BANDS, random_state=5))
    assert [file.name for file in tmp_path.iterdir()] == ["library.parquet"]


def test_a_run_without_a_seed_goes_on_with_its_own(stand_in, tmp_path, monkeypatch):
    path = tmp_path / "library.parquet"
    interrupted(monkeypatch, path, after=2)
    stand_in.clear()
    assert len(bagpipes_library(100, BANDS, path=path)) == 100
    assert len(stand_in) == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"random_state": 6}, "drawn"),
        ({"prior": BagpipesPrior(A_V=1.0)}, "A_V"),
        ({"bands": GAMA.only("g", "r")}, "bands, filters"),
        ({"n_models": 120}, "drawn"),
    ],
)
def test_a_run_with_other_settings_is_not_mixed_in(stand_in, tmp_path, monkeypatch, change, named):
    path = tmp_path / "library.parquet"
    interrupted(monkeypatch, path, after=2, random_state=5)
    given = {"n_models": 100, "bands": BANDS, "path": path, "random_state": 5} | change
    with pytest.raises(ValueError, match=f"other settings, which differ in {named}"):
        bagpipes_library(**given)


def broken(monkeypatch, change) -> None:
    make = library_module.make_models

    def broken(*given):
        flux, properties = make(*given)
        change(flux)
        return flux, properties

    monkeypatch.setattr(library_module, "make_models", broken)


def test_a_filter_beyond_the_spectra_is_named(stand_in, monkeypatch):
    broken(monkeypatch, lambda flux: flux[:, 1].fill(0))
    with pytest.raises(ValueError, match=r"No model has a flux in g: .*bands.without\('g'\)"):
        bagpipes_library(40, BANDS, random_state=0)


def test_dark_models_have_a_very_small_flux(stand_in, monkeypatch):
    broken(monkeypatch, lambda flux: flux[:5, 0].fill(0))
    library = bagpipes_library(20, BANDS, random_state=0)
    assert (library.flux[:5, 0] == 1e-30).all()


def test_a_few_broken_models_are_left_out_with_a_warning(stand_in, monkeypatch):
    monkeypatch.setattr(library_module, "_CHUNK", 200)
    broken(monkeypatch, lambda flux: flux[3].fill(np.nan))
    with pytest.warns(UserWarning, match="1 of 200 models are not finite, rows 3 .*the first: red"):
        library = bagpipes_library(200, BANDS, random_state=0)
    assert len(library) == 199


def test_many_broken_models_are_an_error(stand_in, monkeypatch):
    broken(monkeypatch, lambda flux: flux[:2].fill(np.inf))
    with pytest.raises(ValueError, match=r"4 of 40 models are not finite.*Narrow the prior"):
        bagpipes_library(40, BANDS, random_state=0)


def test_without_bagpipes_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "bagpipes", None)
    with pytest.raises(ImportError, match=r'pip install "sfml\[bagpipes\]"'):
        bagpipes_library(10, BANDS)


# --- Bagpipes itself


@pytest.fixture(scope="module")
def real() -> ModelLibrary:
    pytest.importorskip("bagpipes")
    prior = BagpipesPrior(redshift=Uniform(0.02, 0.3), log_mass_formed=10.0)
    return bagpipes_library(60, GAMA, prior=prior, random_state=0)


def test_real_models_are_galaxies(real):
    parameters = real.parameters
    assert parameters["stellar_mass"].between(9.5, 10).all()  # stars die; none are added
    np.testing.assert_allclose(parameters["ssfr"], parameters["sfr"] - parameters["stellar_mass"])
    assert (parameters["ssfr"] >= -13.0001).all()
    assert (parameters["mass_weighted_age"] <= parameters["age"] + 0.02).all()
    # Dust shines with what it absorbs: less than the stars of 10^10 Msun can give.
    assert parameters["dust_luminosity"].between(7, 12.5).all()


def test_models_are_those_of_bagpipes_to_the_last_bit(real, tmp_path):
    """One object updated many times, with its grids in another order, gives what a new one does."""
    code = bagpipes_models.import_bagpipes()
    prior = BagpipesPrior(redshift=Uniform(0.02, 0.3), log_mass_formed=10.0)
    seed = int(real.prior["drawn"].rpartition("=")[2])
    components = prior.components(prior.draw(60, seed).iloc[41])
    files = list(map(str, filter_files(GAMA, tmp_path).values()))
    model = code.model_galaxy(components, filt_list=files, phot_units="mujy")
    np.testing.assert_array_equal(real.flux[41], 1e-6 * model.photometry)
    assert real.parameters["stellar_mass"][41] == model.sfh.stellar_mass
    sfr = max(model.sfh.sfr, 1e-13 * 10**model.sfh.stellar_mass)
    assert 10 ** real.parameters["sfr"][41] == pytest.approx(sfr)


@pytest.mark.parametrize("history", HISTORIES[1:])
def test_other_histories_are_made_too(history):
    pytest.importorskip("bagpipes")
    prior = BagpipesPrior(history, dust_law="Calzetti", redshift=Uniform(0.1, 2.0))
    library = bagpipes_library(12, BANDS, prior=prior, random_state=0)
    assert len(library) == 12
    assert np.isfinite(library.parameters.to_numpy()).all()


def test_a_model_that_the_code_refuses_is_shown(tmp_path):
    pytest.importorskip("bagpipes")
    maker = bagpipes_models.ModelMaker(list(map(str, filter_files(BANDS, tmp_path).values())))
    components = BagpipesPrior().components(BagpipesPrior().draw(1, 0).iloc[0])
    components["dust"]["qpah"] = 50
    with pytest.raises(ValueError, match=r"Bagpipes refuses .*IndexError.*'qpah': 50"):
        maker.make(components)


@pytest.mark.slow
def test_the_library_does_not_depend_on_the_number_of_processes(real):
    prior = BagpipesPrior(redshift=Uniform(0.02, 0.3), log_mass_formed=10.0)
    same(bagpipes_library(60, GAMA, prior=prior, n_jobs=2, random_state=0), real)
