"""A survey's noise: what is learnt from a catalogue, and what it does to a library's models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sfml import GAMA, BandSet, make_mock_survey
from sfml.simulate import ModelLibrary, SurveyNoise, mock_library, two_sample_auc

BANDS = BandSet(["g", "r", "i"], [0.48, 0.62, 0.75])
FAINT, RELATIVE, SCATTER = 1e-6, 0.05, 0.3


def make_library(n: int = 3000, seed: int = 0, bands: BandSet = BANDS) -> ModelLibrary:
    """Return models whose fluxes span what is lost in the noise and what is bright."""
    rng = np.random.default_rng(seed)
    bright = 10 ** rng.uniform(-6.5, -3, n)
    flux = bright[:, None] * 10 ** rng.normal(0, 0.1, (n, len(bands)))
    parameters = {"stellar_mass": 14 + np.log10(bright), "sfr": rng.normal(0, 1, n)}
    return ModelLibrary(bands, flux, rng.uniform(0.05, 0.5, n), parameters)


def make_catalogue(n: int = 3000, seed: int = 1) -> pd.DataFrame:
    """Return a survey whose errors are known, and scatter nearly alike in all bands."""
    library = make_library(n, seed)
    rng = np.random.default_rng(seed + 100)
    scatter = SCATTER * rng.standard_normal((n, 1)) + 0.05 * rng.standard_normal((n, 3))
    error = np.hypot(FAINT, RELATIVE * library.flux) * np.exp(scatter)
    flux = library.flux + error * rng.standard_normal(error.shape)
    values = np.column_stack([flux, error, library.redshift])
    return pd.DataFrame(values, columns=list(BANDS.columns))


@pytest.fixture(scope="module")
def catalogue() -> pd.DataFrame:
    return make_catalogue()


@pytest.fixture(scope="module")
def learnt(catalogue) -> SurveyNoise:
    return SurveyNoise.fit(catalogue, BANDS)


def test_errors_grow_with_flux_as_they_did(learnt):
    flux = np.repeat([[3e-7], [2e-5], [5e-4]], 3, axis=1)
    rng = np.random.default_rng(0)
    for true in flux:
        error = learnt.errors.draw(np.tile(true, (4000, 1)), rng)
        expected = np.hypot(FAINT, RELATIVE * true)
        np.testing.assert_allclose(np.median(error, axis=0), expected, rtol=0.1)
        np.testing.assert_allclose(np.log(error).std(axis=0), SCATTER, rtol=0.3)


def test_errors_of_fluxes_beyond_the_catalogue_go_on_as_a_share_of_them(learnt):
    true = np.full(100, 0.1)
    ratio = learnt.errors.typical(1, true) / true
    np.testing.assert_allclose(ratio, RELATIVE, rtol=0.25)
    faint = learnt.errors.typical(1, np.array([1e-12]))
    np.testing.assert_allclose(faint, FAINT, rtol=0.1)


def test_errors_scatter_together_as_they_did(learnt):
    flux = np.full((3000, 3), 1e-5)
    drawn = np.log(learnt.errors.draw(flux, np.random.default_rng(0)))
    assert np.corrcoef(drawn.T)[np.triu_indices(3, 1)].min() > 0.9


def test_noise_is_as_large_as_the_errors_say(learnt):
    library = make_library()
    X, _ = learnt.observe(library, 3000, random_state=0)
    true = library.flux[X.index]
    pull = (X[list(BANDS.flux_columns)] - true).to_numpy() / X[list(BANDS.error_columns)].to_numpy()
    np.testing.assert_allclose(pull.std(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(pull.mean(axis=0), 0, atol=0.06)
    assert np.abs(np.corrcoef(pull.T)[0, 1]) < 0.06


def test_a_simulated_survey_is_not_told_from_a_real_one(catalogue, learnt):
    X, _ = learnt.observe(make_library(seed=2), 3000, random_state=0)
    assert 0.45 < two_sample_auc(catalogue, X, BANDS, random_state=0) < 0.56
    noisier = X.assign(r_fluxerr=1.5 * X["r_fluxerr"])
    assert two_sample_auc(catalogue, noisier, BANDS, random_state=0) > 0.75


def test_every_row_is_a_model_at_its_own_redshift(learnt):
    library = make_library()
    X, y = learnt.observe(library, 200, random_state=3)
    assert X.index.name == "model"
    assert X.index.equals(y.index)
    np.testing.assert_array_equal(X["Z"], library.redshift[X.index])
    np.testing.assert_array_equal(y, library.parameters.iloc[X.index])
    assert X["r_flux"].is_unique


def test_rows_repeat_with_the_seed_alone(learnt):
    library = make_library()
    X, y = learnt.observe(library, 50, random_state=3)
    X_too, y_too = learnt.observe(library, 50, random_state=3)
    pd.testing.assert_frame_equal(X, X_too)
    pd.testing.assert_frame_equal(y, y_too)
    assert not learnt.observe(library, 50, random_state=4)[0].equals(X)


def test_redshifts_are_those_of_the_survey():
    catalogue = make_catalogue()
    low = catalogue[catalogue["Z"] < 0.2].reset_index(drop=True)
    X, _ = SurveyNoise.fit(low, BANDS).observe(make_library(), 2000, random_state=0)
    levels = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(X["Z"].quantile(levels), low["Z"].quantile(levels), atol=0.01)


def test_the_selection_is_found_and_kept():
    library = mock_library(1500, GAMA.only("u", "g", "r", "i"), random_state=1)
    bands = library.bands
    X, _ = make_mock_survey(1500, bands=bands, n_templates=1000, random_state=0, return_X_y=True)
    noise = SurveyNoise.fit(X, bands)
    band, magnitude = noise.selection
    assert band == "r"
    assert magnitude == pytest.approx(19.8, abs=0.15)
    bright = SurveyNoise.fit(X[X["g_flux"] > 1e-4], bands)
    assert bright.selection[0] == "g"
    observed, _ = bright.observe(library, 500, random_state=0)
    assert observed["g_flux"].min() > 0.999e-4
    # Noise lifts galaxies over the limit that are below it by themselves.
    true = library.flux[observed.index, 1]
    assert 0 < (true < 1e-4).mean() < 0.3


def test_a_catalogue_without_sharp_end_has_no_limit(learnt):
    assert learnt.selection is None
    assert "selection" not in repr(learnt)
    forced = SurveyNoise.fit(make_catalogue(), BANDS, selection_band="i")
    assert forced.selection[0] == "i"
    with pytest.raises(ValueError, match="'Ks' is not a band of this set"):
        SurveyNoise.fit(make_catalogue(), BANDS, selection_band="Ks")


@pytest.mark.parametrize("code", [-999.0, np.nan, -99.0])
def test_bands_are_missing_together_and_by_the_same_code(catalogue, code):
    gappy = catalogue.copy()
    gappy.loc[:599, ["g_flux", "g_fluxerr", "r_flux", "r_fluxerr"]] = code
    noise = SurveyNoise.fit(gappy, BANDS)
    X, _ = noise.observe(make_library(), 3000, random_state=0)
    if np.isnan(code):
        missing = X.isna()
    else:
        missing = X.eq(code)
        assert X.notna().all(axis=None)
    assert missing["g_flux"].mean() == pytest.approx(0.2, abs=0.03)
    for column in ("g_fluxerr", "r_flux", "r_fluxerr"):
        assert missing[column].equals(missing["g_flux"])
    assert not missing["i_flux"].any()


def test_fluxes_below_a_cut_are_blanked_as_they_were(catalogue):
    cut = catalogue.copy()
    faint = cut["i_flux"] < 2 * cut["i_fluxerr"]
    cut.loc[faint, ["i_flux", "i_fluxerr"]] = -999
    noise = SurveyNoise.fit(cut, BANDS)
    assert noise.gaps.least_snr[2] == pytest.approx(2, abs=0.1)
    assert "none below 2" in repr(noise)
    X, _ = noise.observe(make_library(seed=3), 3000, random_state=0)
    assert (X["i_flux"] == -999).mean() == pytest.approx(faint.mean(), abs=0.03)
    true = make_library(seed=3).flux[X.index, 2]
    assert np.median(true[X["i_flux"] == -999]) < 3e-6  # the faint ones, not any


def test_negative_fluxes_are_kept_where_the_survey_keeps_them(catalogue, learnt):
    share = (catalogue["g_flux"] < 0).mean()
    X, _ = learnt.observe(make_library(seed=3), 3000, random_state=0)
    assert (X["g_flux"] < 0).mean() == pytest.approx(share, abs=0.02)
    folded = catalogue.assign(g_flux=catalogue["g_flux"].abs())
    X, _ = SurveyNoise.fit(folded, BANDS).observe(make_library(seed=3), 3000, random_state=0)
    assert (X["g_flux"] > 0).all()
    assert (X["r_flux"] < 0).mean() > 0.5 * share


def test_units_are_those_of_the_band_set(catalogue, learnt):
    micro = replace(BANDS, unit="uJy")
    fluxes = [*BANDS.flux_columns, *BANDS.error_columns]
    scaled = catalogue.copy()
    scaled[fluxes] *= 1e6
    one, _ = learnt.observe(make_library(), 50, random_state=0)
    other, _ = SurveyNoise.fit(scaled, micro).observe(make_library(), 50, random_state=0)
    np.testing.assert_allclose(other[fluxes], 1e6 * one[fluxes])


def test_noise_is_learnt_from_a_file(catalogue, learnt, tmp_path):
    path = tmp_path / "catalogue.parquet"
    catalogue.to_parquet(path)
    pd.testing.assert_frame_equal(
        SurveyNoise.fit(path, BANDS).observe(make_library(), 20, random_state=0)[0],
        learnt.observe(make_library(), 20, random_state=0)[0],
    )


def test_too_few_galaxies_are_named(catalogue):
    with pytest.raises(ValueError, match=r"at least 100 galaxies .* has 10 among 10 rows"):
        SurveyNoise.fit(catalogue[:10], BANDS)
    gappy = catalogue.copy()
    gappy.loc[40:, ["i_flux", "i_fluxerr"]] = np.nan
    with pytest.raises(ValueError, match=r"in i \(40\)\. Leave these out: bands.without\('i'\)"):
        SurveyNoise.fit(gappy, BANDS)
    faint = catalogue.assign(i_flux=catalogue["i_flux"] * 1e-3)
    with pytest.warns(UserWarning, match=r"Fewer than 100 galaxies are detected .* i \(\d+\)"):
        SurveyNoise.fit(faint, BANDS)
    with pytest.raises(ValueError, match="'i_flux'"):
        SurveyNoise.fit(catalogue.drop(columns="i_flux"), BANDS)


def test_libraries_that_do_not_serve_the_survey_are_named(learnt):
    with pytest.raises(ValueError, match="lacks 1 of 3 bands: i"):
        learnt.observe(make_library(bands=BANDS.without("i")), 10)
    library = make_library()
    far = ModelLibrary(BANDS, library.flux, library.redshift + 3, library.parameters)
    with pytest.raises(ValueError, match=r"its redshifts are 3.05 to 3.5, the survey's 0.05"):
        learnt.observe(far, 10)
    near = library.redshift < 0.3
    part = ModelLibrary(BANDS, library.flux[near], library.redshift[near], library.parameters[near])
    with pytest.warns(UserWarning, match=r"redshifts of 4\d% of its galaxies") as caught:
        X, _ = learnt.observe(part, 10, random_state=0)
    assert caught[0].filename == __file__
    assert len(X) == 10
    with pytest.raises(ValueError, match="n must be a whole number of at least 1; got 0"):
        learnt.observe(library, 0)
    with pytest.raises(TypeError, match="must be a ModelLibrary; got DataFrame"):
        learnt.observe(library.parameters, 10)


def test_published_depths_are_five_sigma():
    depths = {"g": 25.0, "r": 24.0, "i": 23.0}
    noise = SurveyNoise.from_depths(depths, BANDS)
    at_depth = np.array([[3631 * 10 ** (-0.4 * depths[name]) for name in BANDS.names]])
    error = noise.errors.draw(np.repeat(at_depth, 2000, axis=0), np.random.default_rng(0))
    np.testing.assert_allclose(np.median(at_depth / error, axis=0), 5, rtol=0.03)
    np.testing.assert_allclose(np.log(error).std(axis=0), 0.1, rtol=0.1)
    np.testing.assert_allclose(noise.errors.typical(0, np.array([10.0])), 0.2, rtol=0.01)
    X, _ = noise.observe(make_library(), 100, random_state=0)
    assert (X != -999).all(axis=None)


def test_published_depths_with_a_selection():
    depths = dict.fromkeys(BANDS.names, 25.0)
    noise = SurveyNoise.from_depths(depths, BANDS, selection=("r", 20.0))
    assert noise.selection == ("r", 20.0)
    X, _ = noise.observe(make_library(), 300, random_state=0)
    assert X["r_flux"].min() >= 3631 * 10 ** (-0.4 * 20.0)
    too_bright = SurveyNoise.from_depths(depths, BANDS, selection=("r", 10.0))
    with pytest.raises(ValueError, match="none of 3000 at its redshifts is as bright"):
        too_bright.observe(make_library(), 10)


@pytest.mark.parametrize(
    ("depths", "options", "message"),
    [
        ({"g": 25.0, "r": 24.0}, {}, "depths lacks 1 of the 3 bands needed: 'i'"),
        ({"g": 25.0, "r": 24.0, "i": 1e-6, "z": 3.0}, {}, "'z' is not a band of this set"),
        ({"g": 25.0, "r": 24.0, "i": -1e-6}, {}, "AB magnitudes, between 0 and 40; got {'i'"),
        (
            {"g": 25.0, "r": 24.0, "i": 23},
            {"scatter": 1.5},
            "scatter must be at least 0 and less than 1; got 1.5",
        ),
        ({"g": 25.0, "r": 24.0, "i": 23}, {"selection": ("R", 20.0)}, "'R' is not a band"),
    ],
)
def test_depths_that_cannot_be_are_named(depths, options, message):
    with pytest.raises(ValueError, match=message):
        SurveyNoise.from_depths(depths, BANDS, **options)


def test_two_samples_are_catalogues(catalogue):
    with pytest.raises(ValueError, match="at least 50 galaxies are compared; got 3000 real and 9"):
        two_sample_auc(catalogue, catalogue[:9], BANDS)


def test_noise_of_real_galaxies_has_what_is_known_of_them(shared_data):
    bands = GAMA.without("X", "Y")
    X = pd.read_csv(shared_data / "hatlas_gama.csv")
    noise = SurveyNoise.fit(X, bands)
    assert noise.selection[0] == "S250"  # H-ATLAS is selected at 250 micron
    assert noise.gaps.code == -999
    cut = dict(zip(bands.names, noise.gaps.least_snr, strict=True))
    assert cut["W4"] == pytest.approx(2, abs=0.01)  # WISE reports no flux below 2 sigma
    assert cut["r"] == -np.inf
    # The optical errors are the sky's in one aperture: their ratios hardly vary.
    X, _ = noise.observe(mock_library(2000, bands, random_state=0), 500, random_state=0)
    assert np.log(X["g_fluxerr"] / X["r_fluxerr"]).std() < 0.1
