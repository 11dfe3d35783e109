"""FluxFeatures: what it keeps, what it is blind to, and what stays blank."""

import numpy as np
import pandas as pd
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings
from hypothesis import strategies as st

from sfml import GAMA, BandSet, FluxFeatures, GamaSampleSelector
from sfml.features.cosmology import log_distance_factor, luminosity_distance
from sfml.features.redshift_grid import RedshiftGrid

BANDS = BandSet(["u", "z", "K"], [0.36, 0.89, 2.15])


def galaxy(flux, error=(1e-6, 1e-6, 1e-6), z=0.1):
    return np.array([[*flux, *error, z]])


def by_name(features, X):
    return dict(zip(features.get_feature_names_out(), features.transform(X)[0], strict=True))


def test_outputs_by_hand():
    X = galaxy([2e-5, 1e-4, 4e-4], [1e-5, 2e-6, 4e-6], z=0.2)
    out = by_name(FluxFeatures(BANDS).fit(X), X)
    reference = np.sqrt(1e-4 * 4e-4)  # z and K are the near infrared
    assert out["log_reference_flux"] == pytest.approx(np.log10(reference))
    assert out["u_log_error"] == pytest.approx(np.log10(1e-5 / reference))
    assert out["u_asinh"] == pytest.approx(np.arcsinh(2 / 2) + np.log(1e-5 / reference))
    distance = FlatLambdaCDM(70, 0.3, Tcmb0=0).luminosity_distance(0.2).value
    expected = np.log10(reference * distance**2)
    assert out["log_brightness"] == pytest.approx(expected, abs=1e-4)
    assert (out["redshift"], out["log_redshift"]) == pytest.approx((0.2, np.log10(0.2)))


def test_bright_fluxes_become_logarithms_and_faint_ones_stay_linear():
    features = FluxFeatures(BANDS).fit(galaxy([1e-4, 1e-4, 1e-4]))
    bright = by_name(features, galaxy([1e-3, 1e-4, 1e-4]))["u_asinh"]
    assert bright == pytest.approx(np.log(10), abs=1e-4)
    faint = [by_name(features, galaxy([f, 1e-4, 1e-4]))["u_asinh"] for f in (-1e-8, 0, 1e-8)]
    assert faint[2] - faint[1] == pytest.approx(faint[1] - faint[0], rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(0.01, 0.5))
def test_a_brighter_galaxy_differs_in_brightness_alone(factor, z):
    X = galaxy([-2e-6, 1e-4, 4e-4], z=z)
    brighter = X * np.r_[np.full(6, factor), 1]
    features = FluxFeatures(BANDS).fit(X)
    difference = features.transform(brighter) - features.transform(X)
    np.testing.assert_allclose(difference[0, :-2], 0, atol=1e-8)
    np.testing.assert_allclose(difference[0, -2:], np.log10(factor), atol=1e-8)


def test_blank_rows_stay_blank_and_others_are_untouched_by_them():
    X = np.vstack([galaxy([1e-5, 1e-4, 4e-4]), np.full((1, 7), np.nan)])
    out = FluxFeatures(BANDS).fit_transform(X)
    assert np.isnan(out).all(axis=1).tolist() == [False, True]
    np.testing.assert_array_equal(out[:1], FluxFeatures(BANDS).fit(X).transform(X[:1]))


def test_a_missing_reference_band_is_left_out_of_the_mean():
    X = galaxy([1e-5, np.nan, 4e-4], [1e-6, np.nan, 1e-6])
    out = by_name(FluxFeatures(BANDS, missing="nan").fit(X), X)
    assert out["log_reference_flux"] == pytest.approx(np.log10(4e-4))
    assert np.isnan(out["z_asinh"])


def test_a_reference_band_below_its_error_counts_as_its_error():
    X = galaxy([1e-5, -1e-6, 4e-4], [1e-6, 2e-5, 1e-6])
    out = by_name(FluxFeatures(BANDS).fit(X), X)
    assert out["log_reference_flux"] == pytest.approx(np.log10(np.sqrt(2e-5 * 4e-4)))


def test_no_positive_redshift_is_nan():
    X = galaxy([1e-5, 1e-4, 4e-4], z=-0.001)
    out = by_name(FluxFeatures(BANDS).fit(X), X)
    assert np.isnan([out["log_redshift"], out["log_brightness"]]).all()


def test_without_errors_the_softening_is_learned():
    X = np.array([[1e-5, 1e-4, 1e-4, 0.1], [3e-5, 1e-4, 1e-4, 0.1], [-1e-5, 1e-4, 1e-4, 0.2]])
    features = FluxFeatures(BANDS, errors=False).fit(X)
    np.testing.assert_allclose(features.softening_, [0.02, 0.1, 0.1])
    assert features.transform(X).shape == (3, 7)
    np.testing.assert_array_equal(features.transform(X[:1]), features.transform(X)[:1])


def test_without_near_infrared_bands_all_are_reference():
    blue = BandSet(["u", "g"], [0.36, 0.47])
    X = np.array([[1e-5, 4e-5, 1e-6, 1e-6, 0.1]])
    out = by_name(FluxFeatures(blue).fit(X), X)
    assert out["log_reference_flux"] == pytest.approx(np.log10(2e-5))


def test_it_follows_the_selector():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 2, size=(20, 43)), columns=list(GAMA.columns)).mul(1e-4)
    X["Z"] = 0.2
    selector = GamaSampleSelector(keep_errors=True, min_bands=0).set_output(transform="pandas")
    features = FluxFeatures().set_output(transform="pandas")
    out = features.fit_transform(selector.fit_transform(X))
    assert out.shape == (20, 47)
    assert out.columns[[0, 21, -1]].tolist() == [
        "FUV_asinh",
        "FUV_log_error",
        "log_brightness",
    ]


def test_no_rows_give_no_rows():
    X = galaxy([1e-5, 1e-4, 4e-4])
    assert FluxFeatures(BANDS).fit(X).transform(X[:0]).shape == (0, 11)


def test_a_wrong_number_of_columns_is_explained():
    with pytest.raises(ValueError, match=r"X has 4 columns, but 7 are needed: .* 3 bands"):
        FluxFeatures(BANDS).fit(np.ones((5, 4)))


def labelled(step, offset, n_galaxies=3000, scatter=0.05):
    """Galaxies of random colours, whose labels were made at the nearest redshift of a grid."""
    rng = np.random.default_rng(0)
    z = rng.uniform(0.02, 0.4, n_galaxies)
    flux = 10 ** rng.normal([-5, -4, -3.5], 0.2, size=(n_galaxies, 3))
    X = np.column_stack([flux, 0.02 * flux, z])
    at = (np.round(z / step - offset) + offset) * step if step else z
    distance = FlatLambdaCDM(70, 0.3, Tcmb0=0).luminosity_distance(np.maximum(at, step / 2)).value
    colour = np.log10(flux[:, 0] / flux[:, 1])
    y = np.log10(flux[:, 1:]).mean(axis=1) + 2 * np.log10(distance) + 0.3 * colour
    return X, y + scatter * rng.normal(size=n_galaxies)


def fit_to_grid(X, y):
    """Fit features to labels that show a grid, which is announced."""
    with pytest.warns(UserWarning, match="rounded to a grid of step"):
        return FluxFeatures(BANDS).fit(X, y)


def test_the_grid_is_found_though_no_galaxy_has_all_bands():
    X, y = labelled(0.02, 0.5)
    lost = np.arange(len(X)) % 3
    X[np.arange(len(X)), lost] = X[np.arange(len(X)), 3 + lost] = np.nan
    assert fit_to_grid(X, y).redshift_grid_ == pytest.approx((0.02, 0.5))


@pytest.mark.parametrize("grid", [(0.01, 0.0), (0.01, 0.5), (0.02, 0.5), (0.05, 0.0)])
def test_the_grid_of_the_labels_is_found(grid):
    X, y = labelled(*grid)
    features = fit_to_grid(X, y)
    assert features.redshift_grid_ == pytest.approx(grid)
    assert features.get_feature_names_out()[6:].tolist() == [
        "redshift_grid_shift",
        *("log_snr", "redshift", "log_redshift", "log_reference_flux", "log_brightness"),
    ]
    ratio = y - features.transform_labelled(X)[:, -1]
    plain = FluxFeatures(BANDS, redshift_grid=None).fit(X, y).transform(X)
    assert np.var(ratio) < np.var(y - plain[:, -1])
    # The rounding is an error of the labels: predictions are for each galaxy's redshift.
    np.testing.assert_array_equal(np.delete(features.transform(X), 6, axis=1), plain)
    assert not features.transform(X)[:, 6].any()
    follow = FluxFeatures(BANDS, redshift_grid="follow")
    np.testing.assert_array_equal(follow.fit_transform(X, y), features.transform_labelled(X))
    np.testing.assert_array_equal(follow.transform(X), features.transform_labelled(X))


def test_no_redshift_lies_below_the_first_point_of_a_grid():
    for step, offset, first in ((0.02, 0.0, 0.02), (0.02, 0.5, 0.01), (0.1, 0.25, 0.025)):
        grid = RedshiftGrid(step, offset)
        assert grid.nearest(np.array([1e-4, first, 0.49 * step + first])).tolist() == pytest.approx(
            [first] * 3
        )
        assert grid.nearest(np.array([first + 0.51 * step])) == pytest.approx(first + step)


def test_distances_beyond_redshift_10():
    z = np.array([1e-4, 0.5, 9.9, 10.1, 30.0, 900.0])
    expected = FlatLambdaCDM(70, 0.3, Tcmb0=0).luminosity_distance(z).value
    np.testing.assert_allclose(luminosity_distance(z), expected, rtol=1e-5)
    found = log_distance_factor(np.log10(z))
    np.testing.assert_allclose(found, 2 * np.log10(expected), atol=1e-5)
    assert np.isnan(log_distance_factor(np.array([np.nan, 4.0]))).all()


def test_no_grid_is_found_where_there_is_none():
    for seed in range(5):
        X, y = labelled(0, 0, scatter=0.02 + 0.02 * seed)
        assert FluxFeatures(BANDS).fit(X, y).redshift_grid_ is None
        few = FluxFeatures(BANDS).fit(X[:60], y[:60])
        assert few.redshift_grid_ is None


def test_a_grid_can_be_given():
    X = galaxy([1e-5, 1e-4, 4e-4])
    features = FluxFeatures(BANDS, redshift_grid=(0.02, 0.5)).fit(X)
    near = galaxy([1e-5, 1e-4, 4e-4], z=0.017)
    names = features.get_feature_names_out()
    out = dict(zip(names, features.transform_labelled(near)[0], strict=True))
    distance = FlatLambdaCDM(70, 0.3, Tcmb0=0).luminosity_distance([0.01, 0.017]).value
    expected = 2 * np.log10(distance[0] / distance[1])
    assert out["redshift_grid_shift"] == pytest.approx(expected, abs=1e-4)
    plain = by_name(FluxFeatures(BANDS).fit(X), galaxy([1e-5, 1e-4, 4e-4], z=0.017))
    difference = out["log_brightness"] - plain["log_brightness"]
    assert difference == pytest.approx(expected, abs=1e-4)


def test_blank_and_unlabelled_rows_play_no_part_in_the_search():
    X, y = labelled(0.02, 0.5)
    X[::10] = np.nan
    y[1::10] = np.nan
    assert fit_to_grid(X, y).redshift_grid_ == pytest.approx((0.02, 0.5))
    assert FluxFeatures(BANDS).fit(X, np.full(len(y), np.nan)).redshift_grid_ is None


@pytest.mark.parametrize("grid", ["0.01", 0.01, (0.0, 0.5), (1, 2, 3)])
def test_nonsense_for_a_grid_is_refused(grid):
    X, y = labelled(0.02, 0.5, n_galaxies=50)
    with pytest.raises(ValueError, match="redshift_grid"):
        FluxFeatures(BANDS, redshift_grid=grid).fit(X, y)


def test_the_real_labels_of_hatlas_were_fitted_on_a_grid(shared_data):
    catalogue = pd.read_csv(shared_data / "hatlas_gama.csv")
    bands = GAMA.without("X", "Y", "FUV", "NUV", "W4")
    selector = GamaSampleSelector(bands, negative="allow", keep_errors=True)
    X = selector.fit_transform(catalogue)
    with pytest.warns(UserWarning, match=r"grid of step 0\.02 \(points at 0\.01, 0\.03, "):
        features = FluxFeatures(bands).fit(X, catalogue["L_dust"].rename("dust_luminosity"))
    assert features.redshift_grid_ == pytest.approx((0.02, 0.5))
