"""Whether a simulated survey covers the real one: what is found, and what is named."""

from __future__ import annotations

import numpy as np
import pytest

from sfml import GAMA, make_mock_survey
from sfml.displays import SurveyCoverageDisplay
from sfml.simulate import coverage_report

BANDS = GAMA.only("u", "g", "r", "i", "z", "K", "W1")


@pytest.fixture(scope="module")
def halves():
    X = make_mock_survey(3000, bands=BANDS, n_templates=1000, random_state=0)
    return X[:1500], X[1500:]


def test_halves_of_a_survey_cover_each_other(halves):
    report = coverage_report(*halves, BANDS, random_state=0)
    assert report.real_outside < 0.03
    assert report.simulated_outside < 0.03
    assert report.not_covered == []
    assert list(report.bands.index) == list(BANDS.names)
    assert list(report.colours.index)[:2] == ["u - g", "g - r"]
    assert (report.bands["outside"] < 0.03).all()
    assert (report.bands["offset"].abs() < 0.15).all()
    assert "every band and colour is covered" in repr(report)


def test_the_band_that_is_off_is_named_with_its_offset(halves):
    real, simulated = halves
    brighter = real.assign(K_flux=10**0.8 * real["K_flux"])  # by 2 mag
    report = coverage_report(brighter, simulated, BANDS, random_state=0)
    assert set(report.not_covered[:2]) == {"z - K", "K - W1"}
    assert report.colours.loc["z - K", "offset"] == pytest.approx(2, abs=0.1)
    assert report.colours.loc["K - W1", "offset"] == pytest.approx(-2, abs=0.1)
    assert report.bands.loc["K", "offset"] == pytest.approx(-2, abs=0.25)
    assert report.real_outside > 0.5
    assert "colour z - K" in repr(report)


def test_a_narrower_simulation_is_covered_but_does_not_cover(halves):
    real, simulated = halves
    nearby = simulated[simulated["Z"] < simulated["Z"].median()]
    report = coverage_report(real, nearby, BANDS, random_state=0)
    assert report.real_outside > 0.2
    assert report.simulated_outside < 0.05


def test_gaps_are_not_compared(halves):
    real, simulated = (X.copy() for X in halves)
    real.iloc[:700, real.columns.get_loc("u_flux")] = -999.0
    report = coverage_report(real, simulated, BANDS, random_state=0)
    measured = real["u_flux"] != -999
    assert report.bands.loc["u", "n"] == report.colours.loc["u - g", "n"] <= measured.sum()
    assert np.isfinite(report.bands.to_numpy()).all()


def test_few_galaxies_and_one_band_are_refused(halves):
    real, simulated = halves
    with pytest.raises(ValueError, match="the simulated one has 30 among 30 rows"):
        coverage_report(real, simulated[:30], BANDS)
    with pytest.raises(ValueError, match="at least two bands"):
        coverage_report(real, simulated, GAMA.only("r"))


def test_the_display_names_the_worst(halves):
    import matplotlib as mpl

    mpl.use("Agg")
    real, simulated = halves
    report = coverage_report(
        real.assign(K_flux=6 * real["K_flux"]), simulated, BANDS, random_state=0
    )
    display = SurveyCoverageDisplay.from_report(report)
    worst = report.colours["outside"].idxmax()
    assert display.ax_[1].get_title() == f"colours: worst is {worst}"
    widths = [bar.get_width() for bar in display.bars_[0]]
    np.testing.assert_allclose(widths, 100 * report.bands["outside"])
    assert any("mag" in text.get_text() for text in display.ax_[1].texts)
    mpl.pyplot.close(display.figure_)
