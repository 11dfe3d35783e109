"""One galaxy's page."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sfml
from sfml.displays import GalaxyDisplay

mpl.use("Agg")


@pytest.fixture(scope="module")
def survey():
    X, y = sfml.make_mock_survey(400, n_templates=2000, random_state=1, return_X_y=True)
    X.loc[X.index[310], "Z"] = -1.0
    X.loc[X.index[311], ["K_flux", "K_fluxerr"]] = -999.0
    return X, y


@pytest.fixture(scope="module")
def pipe(survey):
    X, y = survey
    made = sfml.make_star_formation_pipeline(method="random_forest", random_state=0)
    return made.fit(X[:300], y[:300])


def show(pipe, survey, row, **options):
    return GalaxyDisplay.from_estimator(pipe, survey[0], row, figure=Figure((12, 7)), **options)


def texts(display) -> str:
    return " ".join(text.get_text() for text in display.flags_ax_.texts)


def test_it_shows_what_the_pipeline_says_of_this_galaxy(pipe, survey):
    X, y = survey
    display = show(pipe, survey, 320, y=y, n_samples=500)
    table = pipe.predict_table(X[320:321])
    np.testing.assert_array_equal(display.median, table[list(sfml.TARGETS)].to_numpy()[0])
    np.testing.assert_array_equal(display.truth, y.iloc[320])
    np.testing.assert_array_equal(display.draws, pipe.sample(X[320:321], 500, 0)[0])
    assert display.name == str(X.index[320])
    assert f"{display.median[1]:.2f}" in display.corner_ax_[1, 1].get_title()
    assert display.corner_ax_[0, 1] is None
    assert len(display.corner_ax_[2, 0].lines[0].get_xdata()) == 500


def test_a_missing_band_is_a_tick_and_a_faint_one_an_arrow(pipe, survey):
    display = show(pipe, survey, 311)
    K = list(sfml.GAMA.names).index("K")
    assert np.isnan(display.flux[K])
    drawn = {line.get_label(): line for line in display.sed_ax_.lines}
    assert display.wavelengths[K] in drawn["missing"].get_xdata()
    faint = np.flatnonzero(display.flux <= 3 * display.error)
    assert len(drawn["3-sigma limit"].get_xdata()) == len(faint) > 0


def test_a_rejected_galaxy_shows_its_fluxes_and_why(pipe, survey):
    display = show(pipe, survey, 310)
    assert np.isfinite(display.flux).any()
    assert np.isnan(display.median).all()
    assert "redshift:" in texts(display)
    assert "no prediction" in display.corner_ax_[0, 0].get_title()


def test_bands_of_a_network_are_shown_and_those_of_a_forest_left_out(pipe, survey):
    X, y = survey
    assert show(pipe, survey, 320).bands_ax_ is None
    network = sfml.make_star_formation_pipeline(random_state=0)
    network.set_params(**{f"regress__{target}__epochs": 2 for target in sfml.TARGETS})
    display = show(network.fit(X[:300], y[:300]), survey, 320)
    assert display.sensitivities.shape == (3, 21)
    expected = sfml.explain.band_sensitivities(network, X[320:321], target="sfr").to_numpy()[0]
    np.testing.assert_array_equal(display.sensitivities[1], expected)
    assert len(display.bands_ax_.patches) == 63


def test_the_nearest_training_galaxies_are_shown(pipe, survey):
    X, y = survey
    display = show(pipe, survey, 320, X_train=X[:300], y_train=y[:300], n_neighbors=4)
    _, rows = sfml.explain.nearest_galaxies(pipe, X[320:321], X[:300], n_neighbors=4)
    np.testing.assert_array_equal(display.neighbours.labels, y.iloc[rows[0]])
    assert [line.get_color() for line in display.sed_ax_.lines].count("0.7") == 4
    assert show(pipe, survey, 310, X_train=X[:300], y_train=y[:300]).neighbours is None
    with pytest.raises(ValueError, match="given together"):
        show(pipe, survey, 320, X_train=X[:300])


def test_without_calibration_there_are_medians_alone(survey):
    X, y = survey
    made = sfml.make_star_formation_pipeline(
        method="random_forest", calibration_fraction=None, random_state=0
    )
    display = show(made.fit(X[:300], y[:300]), survey, 320)
    assert display.draws is None
    assert np.isfinite(display.median).all()
    assert display.plot(Figure((12, 7))) is display


def test_mistakes_are_named(pipe, survey):
    with pytest.raises(IndexError, match=r"from 0 to 399.*got 400"):
        show(pipe, survey, 400)
    X, y = survey
    plain = make_pipeline(StandardScaler(), LinearRegression()).fit(X[:300].to_numpy(), y[:300])
    with pytest.raises(TypeError, match="columns of a band set"):
        GalaxyDisplay.from_estimator(plain, X, 0)


def test_fluxes_are_in_the_units_of_the_bands_whatever_the_table_has(pipe, survey):
    from astropy.table import QTable

    X, y = survey
    table = QTable.from_pandas(X)
    for name in X.columns:
        if "_flux" in name:
            table[name].unit = "Jy"
            table[name] = table[name].to("uJy")
    expected, got = show(pipe, survey, 320), show(pipe, (table, y), 320)
    np.testing.assert_allclose(got.flux, expected.flux)
    np.testing.assert_allclose(got.error, expected.error)


def test_a_pipeline_that_was_calibrated_later_shows_its_posterior(survey):
    X, y = survey
    made = sfml.make_star_formation_pipeline(
        method="random_forest", calibration_fraction=None, random_state=0
    )
    made.fit(X[:250], y[:250]).calibrate(X[250:300], y[250:300])
    assert show(made, survey, 320).draws is not None


def test_rows_that_do_not_belong_together_are_refused(pipe, survey):
    X, y = survey
    with pytest.raises(ValueError, match="as many rows, one per galaxy; got 100 and 400"):
        GalaxyDisplay.from_estimator(pipe, X[300:], 1, y)
    for labels in (y, y[:50]):
        with pytest.raises(ValueError, match="as many rows, one per galaxy; got 100 and "):
            GalaxyDisplay.from_estimator(pipe, X, 320, X_train=X[:100], y_train=labels)


def test_one_target_without_a_name(survey):
    X, y = survey
    made = sfml.make_star_formation_pipeline(
        method="random_forest", targets=["sfr"], random_state=0
    )
    display = show(made.fit(X[:300], y["sfr"][:300]), survey, 320)
    assert display.median.shape == (1,)


def test_what_is_no_pipeline_or_row(pipe, survey):
    X, _ = survey
    other = make_pipeline(sfml.GamaSampleSelector(), LinearRegression())
    other.steps[0][1].fit(X)
    other.steps[1][1].fit(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(TypeError, match="ends in a StarFormationRegressor"):
        GalaxyDisplay.from_estimator(other, X, 3)
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        GalaxyDisplay.from_estimator(pipe, X, 2.5)
