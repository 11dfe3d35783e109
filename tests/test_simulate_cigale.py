"""CIGALE's models: files as its module savefluxes writes them, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Column, Table
from astropy.units import Unit

import sfml
from sfml import surveys
from sfml.simulate import SurveyNoise, Uniform, cigale_library, make_training_survey

BANDS = sfml.GAMA.only("u", "g", "r", "K")
FILTERS = surveys.filters("GAMA", "cigale")
MASSES = Uniform(9, 11)
SUN = 3.828e26  # W


def models(n=40, **changes):
    """Give models as CIGALE has them: a galaxy that has formed one solar mass."""
    rng = np.random.default_rng(0)
    table = Table({"id": np.arange(n)})
    for name in sorted(FILTERS[band] for band in BANDS.names):
        table[name] = Column(rng.uniform(1, 3, n) * 1e-11, unit=Unit("mJy"))
    for name, unit, typical in (
        ("dust.luminosity", "W", 0.3 * SUN),
        ("dust.mass", "kg", 1e-3 * 1.98841e30),
        ("sfh.sfr100Myrs", "solMass/yr", 1e-10),
        ("stellar.m_star", "solMass", 0.6),
        ("dust.umin", "", 1.0),
        ("stellar.age_m_star", "Myr", 5000.0),
        ("stellar.metallicity", "", 0.02),
        ("universe.redshift", "", 0.1),
    ):
        table[name] = Column(typical * rng.uniform(0.5, 1.5, n), unit=Unit(unit))
    for name, values in changes.items():
        column = name.replace("__", ".")
        table[column] = Column(np.broadcast_to(values, n).copy(), unit=table[column].unit)
    return table


def write(table, folder, ends=(".fits",), block=0):
    for end in ends:
        options = {".txt": {"format": "ascii.fixed_width", "delimiter": None}}.get(end, {})
        table.write(folder / f"models-block-{block}{end}", **options)
    return folder


def same(one, other):
    np.testing.assert_allclose(one.flux, other.flux)
    np.testing.assert_allclose(one.redshift, other.redshift)
    np.testing.assert_allclose(one.parameters, other.parameters)


def test_models_are_scaled_to_masses_and_converted(tmp_path):
    table = models()
    library = cigale_library(write(table, tmp_path), BANDS, log_mass_formed=MASSES, random_state=0)
    assert list(library.parameters) == [
        *sfml.TARGETS,
        "dust_mass",
        "mass_weighted_age",
        "metallicity",
    ]
    log_formed = library.parameters["stellar_mass"] - np.log10(table["stellar.m_star"])
    assert log_formed.between(9, 11).all()
    assert np.histogram(log_formed, 4, (9, 11))[0].tolist() == [10] * 4  # drawn evenly
    formed = 10 ** log_formed.to_numpy()
    np.testing.assert_allclose(library.flux[:, 2], 1e-3 * formed * table[FILTERS["r"]], rtol=1e-12)
    for name, column, unit in (
        ("sfr", "sfh.sfr100Myrs", 1),
        ("dust_luminosity", "dust.luminosity", SUN),
        ("dust_mass", "dust.mass", 1.98841e30),
    ):
        expected = np.log10(formed * table[column] / unit)
        np.testing.assert_allclose(library.parameters[name], expected, err_msg=name)
    np.testing.assert_allclose(
        library.parameters["mass_weighted_age"], table["stellar.age_m_star"] / 1000
    )
    np.testing.assert_allclose(
        library.parameters["metallicity"], table["stellar.metallicity"] / 0.02
    )
    assert library.prior["log_mass_formed"] == "uniform from 9 to 11 dex (Msun)"
    assert library.prior["models"] == "40 of 40 in models-block-0.fits"


def test_text_fits_and_blocks_hold_the_same(tmp_path):
    table = models()
    whole, text, blocks = (tmp_path / name for name in ("whole", "text", "blocks"))
    for folder in (whole, text, blocks):
        folder.mkdir()
    write(table, whole, (".fits", ".txt"))
    write(table, text, (".txt",))
    for block in range(2):
        write(table[20 * block : 20 * block + 20], blocks, block=block)
    options = {"log_mass_formed": MASSES, "random_state": 0}
    first = cigale_library(whole, BANDS, **options)
    for path in (text, blocks, whole / "models-block-0.txt", sorted(blocks.iterdir())):
        same(first, cigale_library(path, BANDS, **options))


def test_some_models_are_drawn_and_none_twice(tmp_path):
    path = write(models(), tmp_path)
    library = cigale_library(path, BANDS, log_mass_formed=MASSES, n_models=15, random_state=1)
    assert len(np.unique(library.redshift)) == len(library) == 15
    with pytest.raises(ValueError, match="at most 40, the models of the files; got 41"):
        cigale_library(path, BANDS, log_mass_formed=MASSES, n_models=41)


def test_galaxies_that_were_not_normalised_stay_as_they_are(tmp_path):
    table = models()
    growing = ("stellar.m_star", "sfh.sfr100Myrs", "dust.luminosity", "dust.mass")
    for name in (*growing, *(FILTERS[band] for band in BANDS.names)):
        table[name] *= 1e10
    path = write(table, tmp_path)
    library = cigale_library(
        path, BANDS, parameters={"umin": "dust.umin"}, units={"umin": "Habing"}
    )
    np.testing.assert_allclose(library.flux[:, 0], 1e-3 * table[FILTERS["u"]])
    np.testing.assert_allclose(library.parameters["umin"], table["dust.umin"])
    assert library.units["umin"] == "Habing"
    with pytest.raises(ValueError, match=r"did not normalise.*Leave log_mass_formed out"):
        cigale_library(path, BANDS, log_mass_formed=MASSES)


def test_models_that_cigale_could_not_make_are_left_out(tmp_path):
    table = models()
    for name in table.colnames[1:]:
        table[name][:3] = np.nan  # older than the universe
    with pytest.warns(UserWarning, match="3 of 40 models.*older than the universe.*left out"):
        library = cigale_library(write(table, tmp_path), BANDS, log_mass_formed=MASSES)
    assert len(library) == 37


def test_galaxies_without_stars_being_formed_or_dust_have_the_least(tmp_path):
    table = models(sfh__sfr100Myrs=0, dust__luminosity=0, dust__mass=0)
    with pytest.warns(UserWarning, match="raised to it") as caught:
        library = cigale_library(write(table, tmp_path), BANDS, log_mass_formed=MASSES)
    assert len(caught) == 3
    mass = library.parameters["stellar_mass"]
    for name, least in (("sfr", -13), ("dust_luminosity", -4), ("dust_mass", -8)):
        np.testing.assert_allclose(library.parameters[name] - mass, least, err_msg=name)


def test_a_filter_beyond_the_lyman_limit_is_dark(tmp_path):
    table = models()
    table[FILTERS["u"]][:2] = 0.0
    library = cigale_library(write(table, tmp_path), BANDS, log_mass_formed=MASSES)
    assert (library.flux[:2, 0] == 1e-30).all()
    assert (library.flux[2:, 0] > 1e-10).all()


def test_names_of_2020_and_of_ones_own(tmp_path):
    table = models()
    old = surveys.filters("GAMA", "cigale_2020")["g"]
    table.rename_column(FILTERS["g"], old)
    table.rename_column(FILTERS["K"], "my.Ks")
    path = write(table, tmp_path)
    with pytest.raises(ValueError, match=r"no column.*the filter of band 'K'.*filter_names"):
        cigale_library(path, BANDS, log_mass_formed=MASSES)
    library = cigale_library(path, BANDS, log_mass_formed=MASSES, filter_names={"K": "my.Ks"})
    ratio = table["my.Ks"] / table[old]
    np.testing.assert_allclose(library.flux[:, 3] / library.flux[:, 1], ratio)


def test_it_teaches_a_pipeline(tmp_path):
    library = cigale_library(
        write(models(400), tmp_path), BANDS, log_mass_formed=MASSES, random_state=0
    )
    noise = SurveyNoise.from_depths(dict.fromkeys(BANDS.names, 22.0), BANDS)
    X, y = make_training_survey(library, noise, 300, random_state=0)
    pipe = sfml.make_star_formation_pipeline(bands=BANDS, method="random_forest", random_state=0)
    predicted = pipe.fit(X, y).predict(X[:5])
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"log_mass_formed": None}, "at most .* Msun of stars: CIGALE normalised"),
        (None, {"parameters": {"x": "stellar.nope"}}, "stellar.nope"),
        (None, {"parameters": {"x": "dust.umin"}}, "'x' needs a unit"),
        (None, {"parameters": {"z": "universe.redshift"}}, "universe.redshift, which the library"),
        (None, {"parameters": {"m": "sloan.sdss.r"}}, "sloan.sdss.r, which the library has"),
        (lambda t: t.remove_column("stellar.m_star"), {}, "lacks 'stellar.m_star', which tells"),
        (None, {"filter_names": {"R": "sloan.sdss.r"}}, "R"),
        (None, {"filter_names": {"r": "sloan.sdss.R"}}, "sloan.sdss.R"),
        (lambda t: t.remove_column("universe.redshift"), {}, "universe.redshift"),
        (lambda t: t["dust.luminosity"].__setattr__("unit", "erg/s"), {}, "must be in 'W'"),
        (lambda t: t["sloan.sdss.r"].__setattr__("unit", "W/m2"), {}, "'r' must be in 'mJy'"),
        (lambda t: t["universe.redshift"].fill(0), {}, "above 0; 40 of 40"),
        (lambda t: t["sloan.sdss.r"].fill(np.nan), {}, "No model has a flux in r.*without"),
        (lambda t: t["stellar.m_star"].fill(np.nan), {}, "None of 40 models"),
    ],
)
def test_what_is_refused(tmp_path, change, options, message):
    table = models()
    if change is not None:
        change(table)
    write(table, tmp_path)
    with pytest.raises(ValueError, match=message):
        cigale_library(tmp_path, BANDS, **{"log_mass_formed": MASSES, **options})


def test_what_grows_with_the_mass_is_not_taken_as_it_is(tmp_path):
    table = models()
    table["stellar.lum"] = Column(np.ones(len(table)), unit=Unit("W"))
    path = write(table, tmp_path)
    options = {"log_mass_formed": MASSES, "parameters": {"luminosity": "stellar.lum"}}
    with pytest.raises(ValueError, match="'luminosity', in 'W', grows with the mass"):
        cigale_library(path, BANDS, **options)
    for unit in ("W/m^2", "mJy", "Lsun", "erg/s", "solMass"):
        with pytest.raises(ValueError, match="grows with the mass"):
            cigale_library(path, BANDS, **options, units={"luminosity": unit})
    library = cigale_library(path, BANDS, **options, units={"luminosity": "mag"})
    assert library.units["luminosity"] == "mag"


def test_files_of_different_runs_and_none_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match="no models-block"):
        cigale_library(tmp_path, BANDS, log_mass_formed=MASSES)
    with pytest.raises(FileNotFoundError, match=r"absent\.fits"):
        cigale_library(tmp_path / "absent.fits", BANDS, log_mass_formed=MASSES)
    with pytest.raises(ValueError, match="at least one file"):
        cigale_library([], BANDS, log_mass_formed=MASSES)
    write(models(), tmp_path)
    table = models()
    table.remove_column("dust.mass")
    write(table, tmp_path, block=1)
    with pytest.raises(ValueError, match="different runs"):
        cigale_library(tmp_path, BANDS, log_mass_formed=MASSES)


def test_bands_without_a_known_filter(tmp_path):
    bands = sfml.BandSet(["q"], [0.5])
    with pytest.raises(ValueError, match="No filter of CIGALE is known for the band 'q'"):
        cigale_library(write(models(), tmp_path), bands, log_mass_formed=MASSES)
