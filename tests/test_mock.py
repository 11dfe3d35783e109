from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfml import GAMA, TARGETS, BandSet, make_mock_survey
from sfml.datasets import fit_mock_templates, fitter, survey
from sfml.datasets.dust import Dust
from sfml.datasets.galaxies import GalaxyModels
from sfml.datasets.histories import StarFormationHistories
from sfml.datasets.photometry import band_luminosities, flux_per_luminosity, smooth
from sfml.datasets.spectra import CELL, WAVELENGTHS, black_body
from sfml.datasets.stars import AGE_EDGES, METALLICITIES, stellar_populations
from sfml.features import cosmology

N_TEMPLATES = 5_000
LABELS = {
    "mass_stellar": "true_log_mass",
    "SFR_0_1Gyr": "true_log_sfr",
    "L_dust": "true_log_ldust",
}


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return make_mock_survey(2000, n_templates=N_TEMPLATES, random_state=0)


@pytest.fixture(scope="module")
def models() -> GalaxyModels:
    n = 50
    return GalaxyModels.draw(
        np.random.default_rng(0),
        survey._PRIORS,
        universe_age=np.full(n, 12.0),
        quenched=np.arange(n) % 2 == 0,
        median_depth=np.full(n, 1.0),
    )


def observed(catalogue: pd.DataFrame, columns: tuple[str, ...] = GAMA.flux_columns) -> pd.DataFrame:
    values = catalogue[list(columns)]
    return values.where(values != -999.0)


# The catalogue


def test_columns_are_those_of_gama_and_the_truth(catalogue):
    labels = [f"{name}_percentile{p}" for name in LABELS for p in (16, 50, 84)]
    assert set(catalogue) == {"CATAID", "Z", *GAMA.columns, *labels, *LABELS.values()}
    assert len(catalogue) == 2000
    assert pd.api.types.is_integer_dtype(catalogue["CATAID"])
    assert catalogue["CATAID"].is_unique
    assert not catalogue.isna().any(axis=None)


def test_features_and_targets_are_the_catalogue():
    options = {"n_galaxies": 50, "n_templates": N_TEMPLATES, "random_state": 3}
    catalogue = make_mock_survey(**options)
    X, y = make_mock_survey(**options, return_X_y=True)
    pd.testing.assert_frame_equal(X, catalogue[list(X.columns)])
    assert set(X) == set(GAMA.columns)
    assert tuple(y) == TARGETS
    np.testing.assert_array_equal(y, catalogue[[f"{name}_percentile50" for name in LABELS]])


def test_same_seed_same_rows_whatever_the_threads():
    options = {"n_galaxies": 100, "n_templates": N_TEMPLATES}
    first = make_mock_survey(**options, random_state=5)
    pd.testing.assert_frame_equal(first, make_mock_survey(**options, random_state=5, n_jobs=2))
    generator = np.random.RandomState(5)
    pd.testing.assert_frame_equal(first, make_mock_survey(**options, random_state=generator))
    other = make_mock_survey(**options, random_state=6)
    assert not np.intersect1d(first["r_flux"], other["r_flux"]).size


def test_random_state_leaves_the_library_alone(monkeypatch):
    library = fitter._library(N_TEMPLATES)
    make_mock_survey(20, n_templates=N_TEMPLATES, random_state=11)
    assert fitter._library(N_TEMPLATES) is library
    fitter._library.cache_clear()
    again = fitter._library(N_TEMPLATES)
    np.testing.assert_array_equal(again.properties, library.properties)


def test_leaves_numpys_global_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_mock_survey(10, n_templates=1000, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_missing_bands_are_coded_by_instrument(catalogue):
    flux = catalogue[list(GAMA.flux_columns)].to_numpy()
    error = catalogue[list(GAMA.error_columns)].to_numpy()
    missing = pd.DataFrame(flux == -999.0, columns=GAMA.names)
    np.testing.assert_array_equal(missing, error == -999.0)
    assert (error[~missing.to_numpy()] > 0).all()
    for group in (
        ["FUV", "NUV"],
        list("XYJHK"),
        ["W1", "W2", "W3", "W4"],
        ["P100", "P160", "S250", "S350", "S500"],
    ):
        assert missing[group].eq(missing[group[0]], axis=0).all(axis=None)
        assert 0.01 < missing[group[0]].mean() < 0.2
    assert not missing[list("ugriz")].any(axis=None)


def test_selection_resembles_gama(catalogue):
    redshift = catalogue["Z"]
    assert redshift.between(0.0, 0.56).all()
    assert 0.15 < redshift.median() < 0.28
    r_magnitude = -2.5 * np.log10(catalogue["r_flux"] / 3631.0)
    # Selected without noise: the noisy magnitudes spill over by the errors of the faintest.
    assert r_magnitude.quantile(0.9) < 19.85
    assert 19.5 < r_magnitude.quantile(0.8) < 19.8


def test_selected_fraction_is_that_of_the_paper(catalogue):
    # 76,455 of 120,114 galaxies in Surana et al. (2020).
    flux = observed(catalogue).to_numpy()
    error = catalogue[list(GAMA.error_columns)].to_numpy()
    complete = ~np.isnan(flux).any(axis=1)
    with np.errstate(invalid="ignore"):
        measured = (flux >= 0).all(axis=1) & ((flux / error >= 3).sum(axis=1) >= 6)
    heavy = catalogue["mass_stellar_percentile50"] >= 9
    fraction = (complete & measured & heavy & (catalogue["Z"] <= 0.5)).mean()
    assert 0.60 < fraction < 0.75


def test_errors_have_a_floor_and_a_calibration_term(catalogue):
    flux, error = observed(catalogue)["r_flux"], catalogue["r_fluxerr"]
    bright = flux > flux.quantile(0.98)
    assert 0.03 <= (error / flux)[bright].median() < 0.034
    assert 0.8e-6 < error.min() < 3e-6


def test_noise_is_as_large_as_the_errors_say():
    rng = np.random.default_rng(0)
    truth = np.tile(np.linspace(1e-4, 1e-2, 400)[:, None], (1, 5))
    flux, error = survey.observe(rng, truth, GAMA.only("g", "r", "i", "z", "K"))
    pull = (flux - truth) / error
    assert abs(np.nanmean(pull)) < 0.1
    assert np.nanstd(pull) == pytest.approx(1.0, abs=0.06)


def test_negative_fluxes_are_rare_measurements():
    rng = np.random.default_rng(0)
    flux, _ = survey.observe(rng, np.zeros((20_000, 21)), GAMA)
    negative = (flux < 0).mean()
    assert 0 < negative < 2 * survey._NEGATIVES_KEPT
    assert flux[flux < 0].min() > -0.3


# Labels


def test_percentiles_are_in_order(catalogue):
    for name in LABELS:
        low, mid, high = (catalogue[f"{name}_percentile{p}"] for p in (16, 50, 84))
        assert (low <= mid).all()
        assert (mid <= high).all()


@pytest.mark.parametrize(
    ("name", "bias", "scatter"),
    [("mass_stellar", 0.03, 0.10), ("SFR_0_1Gyr", 0.06, 0.35), ("L_dust", 0.06, 0.25)],
)
def test_labels_recover_the_truth(catalogue, name, bias, scatter):
    truth = catalogue[LABELS[name]]
    error = catalogue[f"{name}_percentile50"] - truth
    assert abs(error.median()) < bias
    assert 1.4826 * (error - error.median()).abs().median() < scatter
    covered = truth.between(catalogue[f"{name}_percentile16"], catalogue[f"{name}_percentile84"])
    # 68 per cent if the library were the truth.
    assert 0.55 < covered.mean() < 0.85


def test_fit_agrees_with_a_direct_sum():
    # The same posterior, galaxy by galaxy and template by template, sorted instead of binned.
    bands = GAMA
    wavelengths = np.array(bands.wavelengths)
    redshift = np.array([0.1025, 0.2975])  # centres of the fit's redshift bins
    rng = np.random.default_rng(1)
    library = fitter._library(1000)
    chosen = [10, 400]
    luminosity = 1e10 * band_luminosities(library.spectra[:, chosen].T, redshift, wavelengths)
    flux = luminosity * flux_per_luminosity(redshift, wavelengths)
    error = 0.1 * flux
    flux = flux + error * rng.standard_normal(flux.shape)
    flux[0, :2] = error[0, :2] = np.nan
    found = fitter.fit_percentiles(redshift, flux, error, bands, n_templates=1000)
    for i, z in enumerate(redshift):
        young = library.formation_age <= cosmology.age(z)
        model = band_luminosities(
            library.spectra[:, young].T, np.full(young.sum(), z), wavelengths
        ) * flux_per_luminosity(np.array([z]), wavelengths)
        seen = ~np.isnan(flux[i])
        d, m = flux[i, seen], model[:, seen]
        sigma = np.hypot(error[i, seen], fitter._TEMPLATE_ERROR * d)
        scale = (d * m / sigma**2).sum(axis=1) / (m**2 / sigma**2).sum(axis=1)
        chi2 = (((d - scale[:, None] * m) / sigma) ** 2).sum(axis=1)
        weight = np.exp(-0.5 * (chi2 - chi2.min()))
        for k in range(3):
            value = np.log10(scale) + library.properties[k, young]
            order = np.argsort(value)
            share = np.cumsum(weight[order]) / weight.sum()
            expected = value[order][np.searchsorted(share, [0.16, 0.5, 0.84])]
            np.testing.assert_allclose(found[k, i], expected, atol=0.012)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_histogram_percentiles_match_sorted_values(seed):
    rng = np.random.default_rng(seed)
    value, weight = rng.normal(10.0, 0.5, 3000), rng.random(3000)
    row = np.sort(rng.integers(0, 2, 3000))
    found = fitter._percentiles(row, value, weight, 3, (5.0, 14.0))
    for i in range(2):
        order = np.argsort(value[row == i])
        share = np.cumsum(weight[row == i][order])
        wanted = np.array(fitter.PERCENTILES) / 100 * share[-1]
        expected = value[row == i][order][np.searchsorted(share, wanted)]
        np.testing.assert_allclose(found[i], expected, atol=0.011)
    assert np.isnan(found[2]).all()


# Other bands and units


def test_leaving_bands_out_keeps_the_galaxies():
    options = {"n_galaxies": 60, "n_templates": N_TEMPLATES, "random_state": 0}
    full, part = (
        make_mock_survey(**options, bands=bands) for bands in (GAMA, GAMA.without("X", "Y"))
    )
    assert not {"X_flux", "Y_fluxerr"} & set(part)
    for truth in ("Z", *LABELS.values()):
        np.testing.assert_allclose(part[truth], full[truth])
    np.testing.assert_array_equal(part["J_flux"] == -999.0, full["J_flux"] == -999.0)


def test_any_bands_layout_and_unit():
    layout = {"flux": "F_{band}", "error": "E_{band}", "redshift": "z_spec"}
    wavelengths = [0.155, 0.60, 0.8, 3.6, 70.0]
    names = ["uv", "F606W", "X", "ch1", "M70"]
    options = {"n_galaxies": 80, "n_templates": 1000, "random_state": 1}
    jansky = make_mock_survey(**options, bands=BandSet(names, wavelengths, **layout))
    milli = make_mock_survey(
        **options,
        bands=BandSet(names, wavelengths, unit="mJy", missing_codes=(-99.0,), **layout),
    )
    assert {"F_F606W", "E_M70", "z_spec"} <= set(jansky)
    np.testing.assert_allclose(milli["F_F606W"], 1000 * jansky["F_F606W"])
    missing = jansky["F_uv"] == -999.0
    assert missing.any()
    assert (milli.loc[missing, ["F_uv", "E_uv"]] == -99.0).all(axis=None)


def test_galaxy_without_any_measurement_has_no_label():
    X, y = make_mock_survey(
        300, bands=GAMA.only("W1"), n_templates=1000, random_state=0, return_X_y=True
    )
    missing = X["W1_flux"] == -999.0
    assert missing.any()
    assert y[missing].isna().all(axis=None)
    assert y[~missing].notna().all(axis=None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_galaxies": 0}, ValueError, "'n_galaxies'.* an int in the range .* Got 0 instead"),
        ({"n_galaxies": 10.0}, TypeError, "'n_galaxies'.* an int .* Got 10.0 instead"),
        ({"n_templates": 10}, ValueError, r"'n_templates'.* range \[1000, inf\). Got 10 instead"),
        ({"bands": ["g", "r"]}, TypeError, r"'bands'.* instance of .*BandSet.*\['g', 'r'\]"),
        ({"bands": BandSet(["r", "radio"], [0.6, 2e5])}, ValueError, r"leave out radio \(200000"),
    ],
)
def test_bad_input_is_named(options, error, message):
    with pytest.raises(error, match=message):
        make_mock_survey(**{"n_galaxies": 5, "n_templates": 1000, **options})


# Physics


def test_dust_emits_what_it_absorbs(models):
    emitted = models.spectra().sum(axis=1, dtype=float) - models.starlight.sum(axis=1, dtype=float)
    # Starlight before dust: the same draws without any.
    without_dust = GalaxyModels.draw(
        np.random.default_rng(0),
        survey._PRIORS,
        universe_age=np.full(50, 12.0),
        quenched=np.arange(50) % 2 == 0,
        median_depth=np.zeros(50),
    )
    np.testing.assert_array_equal(without_dust.dust_luminosity, 0.0)
    absorbed = (without_dust.starlight - models.starlight).sum(axis=1, dtype=float)
    np.testing.assert_allclose(emitted, absorbed, rtol=1e-4)
    np.testing.assert_allclose(emitted * CELL, models.dust_luminosity, rtol=1e-4)


def test_attenuation_follows_charlot_and_fall():
    dust = Dust(
        depth=np.array([1.5]),
        diffuse_share=np.array([0.4]),
        cloud_mix=np.array([[0.1, 0.2, 0.7]]),
        cold_share=np.array([0.6]),
        warm_temperature=np.array([45.0]),
        cold_temperature=np.array([20.0]),
    )
    flat, dark = np.ones((1, len(WAVELENGTHS))), np.zeros((1, len(WAVELENGTHS)))
    diffuse = 0.6 * (WAVELENGTHS / 0.55) ** -0.7
    clouds = 0.9 * (WAVELENGTHS / 0.55) ** -1.3
    old, cloud_energy, _ = dust.attenuate(dark, flat)
    np.testing.assert_allclose(old[0], np.exp(-diffuse), rtol=1e-5)
    assert cloud_energy[0] == 0.0
    young, _, _ = dust.attenuate(flat, dark)
    np.testing.assert_allclose(young[0], np.exp(-diffuse - clouds), rtol=1e-5, atol=1e-30)


def test_specific_sfr_is_the_recent_mean_over_the_surviving_mass(models):
    # The same draws, history by history, integrated here.
    rng = np.random.default_rng(0)
    histories = StarFormationHistories.draw(
        rng, survey._PRIORS.history, np.full(50, 12.0), np.arange(50) % 2 == 0
    )
    formed = histories.mass_formed()
    recent = formed[:, AGE_EDGES[1:] < 0.1001].sum(axis=1) / 1e8
    surviving = formed @ stellar_populations().surviving_mass
    np.testing.assert_allclose(models.specific_sfr, recent / surviving)


def test_templates_are_younger_than_the_universe():
    library = fitter._library(1000)
    templates = fitter._templates_at(library, 0.5, np.array([0.6]))
    # 8.4263 Gyr at z = 0.5 (astropy: FlatLambdaCDM(70, 0.3)).
    assert templates.shape[1] == (library.formation_age < 8.4263).sum()
    assert 0 < templates.shape[1] < 1000


def test_drawing_leaves_out_no_galaxy_that_could_pass():
    rng = np.random.default_rng(0)
    redshift, log_mass = survey._draw_redshift_and_mass(rng, 3000)
    models = survey._draw_models(rng, redshift, log_mass)
    per_mass = band_luminosities(smooth(models.starlight), redshift, survey._R_WAVELENGTH)
    assert per_mass.max() < survey._BRIGHTEST_PER_MASS


def test_dust_shines_in_the_far_infrared(models):
    spectra = models.spectra()
    peak = WAVELENGTHS[np.argmax(np.where(WAVELENGTHS > 20, spectra, 0), axis=1)]
    assert ((peak > 60) & (peak < 200)).all()


def test_black_body_is_planck_and_wien():
    solar = black_body(np.array([5772.0]))[0]
    assert solar.sum() * CELL == pytest.approx(1.0, rel=1e-3)
    # nu B_nu peaks where lambda T = 3670 micron K.
    assert WAVELENGTHS[np.argmax(solar)] == pytest.approx(3670 / 5772, rel=CELL)


def test_sunlike_age_and_light_of_populations():
    populations = stellar_populations()
    bolometric = populations.spectra.sum(axis=-1) * CELL
    solar = bolometric[list(METALLICITIES).index(0.0)]
    old = AGE_EDGES[1:] > 0.02
    assert (np.diff(solar[old]) < 0).all()
    # Chabrier populations of 1 Msun: about 1000 Lsun at a few Myr and 0.4 Lsun at 10 Gyr, of
    # which 55 to 60 per cent of the mass survives (Bruzual & Charlot 2003).
    assert 400 < solar[0] < 2000
    assert 0.25 < solar[-3] < 0.6
    assert 0.5 < populations.surviving_mass[-3] < 0.62
    assert (np.diff(populations.surviving_mass) <= 0).all()


def test_populations_redden_with_age_and_metals():
    spectra = stellar_populations().spectra
    blue, red = (np.argmin(np.abs(WAVELENGTHS - wavelength)) for wavelength in (0.36, 0.62))
    colour = np.log(spectra[:, :, red] / spectra[:, :, blue])
    ages = np.searchsorted(AGE_EDGES, [0.01, 0.1, 1.0, 10.0])
    assert (np.diff(colour[:, ages], axis=1) > 0).all()
    assert (np.diff(colour[:, ages[-1]]) > 0).all()


def constant_history(**changes: float) -> StarFormationHistories:
    values = {
        "formation_age": 10.0,
        "decline": 0.0,
        "quench_age": 1.0,
        "quench_factor": 1.0,
        "burst_age": 1.0,
        "burst_duration": 0.1,
        "burst_mass": 0.0,
        **changes,
    }
    return StarFormationHistories(**{name: np.array([value]) for name, value in values.items()})


def test_constant_history_forms_mass_in_proportion_to_time():
    formed = constant_history().mass_formed()[0]
    expected = np.diff(np.minimum(AGE_EDGES, 10.0)) / 10.0
    np.testing.assert_allclose(formed, expected, rtol=1e-4, atol=1e-12)


def test_declining_history_is_an_exponential():
    formed = constant_history(decline=0.5).mass_formed()[0]
    recent = formed[AGE_EDGES[1:] < 0.1001].sum()
    assert recent == pytest.approx(np.expm1(0.05) / np.expm1(5.0), rel=1e-6)


def test_quenching_and_burst_change_recent_mass():
    recent = AGE_EDGES[1:] < 0.1001
    quenched = constant_history(quench_factor=0.01).mass_formed()[0]
    assert quenched[recent].sum() == pytest.approx(0.001 / (9.0 + 0.01), rel=1e-4)
    burst = constant_history(burst_mass=0.25, burst_age=0.1).mass_formed()[0]
    assert burst[recent].sum() == pytest.approx((0.01 + 0.25) / 1.25, rel=1e-4)


# Photometry and cosmology


def test_cosmology_agrees_with_astropy():
    astropy_cosmology = pytest.importorskip("astropy.cosmology")
    # The radiation and neutrinos which astropy can add are not in this model.
    reference = astropy_cosmology.FlatLambdaCDM(H0=70.0, Om0=0.3, Tcmb0=0.0)
    redshift = np.array([0.001, 0.05, 0.2, 0.5, 1.0])
    np.testing.assert_allclose(
        cosmology.luminosity_distance(redshift),
        reference.luminosity_distance(redshift).value,
        rtol=1e-5,
    )
    np.testing.assert_allclose(cosmology.age(redshift), reference.age(redshift).value, rtol=1e-5)
    np.testing.assert_allclose(
        cosmology.comoving_volume_element(redshift),
        4 * np.pi * reference.differential_comoving_volume(redshift).value,
        rtol=1e-5,
    )


def test_flux_per_luminosity_is_the_inverse_square_law():
    # nu L_nu, in Lsun, of a source that is seen with 3631 Jy.
    redshift = np.array([0.1])
    distance = cosmology.luminosity_distance(redshift)[0] * 3.0857e22
    luminosity = 4 * np.pi * distance**2 * 3631e-26 * 2.998e8 / 0.6e-6 / 3.828e26
    flux = luminosity * flux_per_luminosity(redshift, np.array([0.6]))[0, 0]
    assert flux == pytest.approx(3631.0, rel=1e-3)


@given(st.floats(-1.5, 1.5), st.floats(0.01, 0.55))
@settings(max_examples=30, deadline=None)
def test_power_law_spectra_scale_with_redshift(slope, redshift):
    spectrum = smooth((WAVELENGTHS**slope)[None, :])
    bands = np.array([0.5, 5.0, 100.0])
    here = band_luminosities(spectrum, np.zeros(1), bands)
    there = band_luminosities(spectrum, np.array([redshift]), bands)
    np.testing.assert_allclose(there / here, (1 + redshift) ** -slope, rtol=1e-3)
    np.testing.assert_allclose(here[0], bands**slope, rtol=0.02)


def test_smoothing_keeps_energy_and_faint_tails():
    spectrum = np.zeros((1, len(WAVELENGTHS)))
    spectrum[0, 100], spectrum[0, -60] = 1.0, 1e-9
    smoothed = smooth(spectrum)[0]
    assert smoothed[50:150].sum() == pytest.approx(1.0)
    assert smoothed[-100:].sum() == pytest.approx(1e-9, rel=1e-4)
    assert np.argmax(smoothed > 0) == 95


# The public fitter


@pytest.mark.parametrize("bands", [GAMA, GAMA.without("X", "Y", "FUV")])
def test_fitting_the_mock_gives_its_own_labels(bands):
    options = {"bands": bands, "n_templates": N_TEMPLATES}
    X, y = make_mock_survey(
        150, **options, random_state=4, return_X_y=True, percentiles=True, n_jobs=2
    )
    pd.testing.assert_frame_equal(fit_mock_templates(X, **options), y, check_exact=True)


def test_fitting_some_rows_agrees_with_fitting_all():
    X, y = make_mock_survey(
        120, n_templates=N_TEMPLATES, random_state=4, return_X_y=True, percentiles=True
    )
    chosen = X.iloc[[100, 3, 50]].set_axis(["c", "a", "b"])
    fitted = fit_mock_templates(chosen, n_templates=N_TEMPLATES)
    assert fitted.index.tolist() == ["c", "a", "b"]
    assert fitted.columns.tolist() == y.columns.tolist()
    # Single precision adds up in another order for other rows beside them.
    np.testing.assert_allclose(fitted, y.iloc[[100, 3, 50]], atol=0.011)


def test_fitter_reads_any_unit_and_what_is_missing():
    X, y = make_mock_survey(40, n_templates=1000, random_state=0, return_X_y=True, percentiles=True)
    milli = BandSet(GAMA.names, GAMA.wavelengths, unit="mJy", missing_codes=(-1.0,))
    fluxes = [*GAMA.flux_columns, *GAMA.error_columns]
    other = X.copy()
    other[fluxes] = other[fluxes].where(other[fluxes] == -999, 1000 * other[fluxes])
    other[fluxes] = other[fluxes].replace(-999.0, -1.0)
    fitted = fit_mock_templates(other, bands=milli, n_templates=1000)
    np.testing.assert_allclose(fitted, y, atol=0.011)
    # An error of 0 is no measurement: as if the band were missing.
    zero, gone = X.copy(), X.copy()
    zero["r_fluxerr"] = 0.0
    gone["r_flux"] = np.nan
    pd.testing.assert_frame_equal(
        fit_mock_templates(zero, n_templates=1000), fit_mock_templates(gone, n_templates=1000)
    )


def test_fitter_has_no_label_for_what_cannot_be_fitted():
    X, y = make_mock_survey(6, n_templates=1000, random_state=0, return_X_y=True)
    X.loc[:3, "Z"] = [np.nan, -999.0, 0.0, 0.7]
    X.loc[4, list(GAMA.flux_columns)] = -999.0
    fitted = fit_mock_templates(X, n_templates=1000)
    assert fitted.iloc[:5].isna().all(axis=None)
    assert fitted.iloc[5].notna().all()
    assert fit_mock_templates(X.iloc[:2], n_templates=1000).isna().all(axis=None)
    assert fitted.loc[5, "sfr"] == pytest.approx(y.loc[5, "sfr"], abs=0.011)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_templates": 10}, ValueError, r"'n_templates'.* range \[1000, inf\). Got 10 instead"),
        ({"n_templates": 1e4}, TypeError, "'n_templates'.* an int .* Got 10000.0"),
        ({"bands": ["r"]}, TypeError, "'bands'.* instance of .*BandSet"),
        ({"bands": GAMA}, ValueError, r"X lacks 41 of the 43 columns.*'FUV_flux'"),
    ],
)
def test_fitters_bad_input_is_named(options, error, message):
    with pytest.raises(error, match=message):
        fit_mock_templates(pd.DataFrame({"r_flux": [1.0], "Z": [0.1]}), **options)


def test_percentiles_of_the_labels():
    options = {"n_galaxies": 30, "n_templates": 1000, "random_state": 0}
    X, y = make_mock_survey(**options, return_X_y=True)
    X_too, with_ends = make_mock_survey(**options, return_X_y=True, percentiles=True)
    pd.testing.assert_frame_equal(X, X_too)
    pd.testing.assert_frame_equal(with_ends[list(TARGETS)], y)
    ends = [f"{target}_p{p}" for target in TARGETS for p in (16, 84)]
    assert with_ends.columns.tolist() == [*TARGETS, *ends]
    catalogue = make_mock_survey(**options)
    np.testing.assert_array_equal(
        with_ends[ends], catalogue[[f"{name}_percentile{p}" for name in LABELS for p in (16, 84)]]
    )
    pd.testing.assert_frame_equal(catalogue, make_mock_survey(**options, percentiles=True))
