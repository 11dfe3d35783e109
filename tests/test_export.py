"""Predicted quantiles to and from qp ensembles."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm

from sfml import metrics
from sfml.export import from_qp, to_qp

LEVELS = np.array([0.05, 0.16, 0.5, 0.84, 0.95])


def test_importing_export_does_not_import_qp():
    code = "import sys, sfml.export; assert 'qp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_qp_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "qp", None)
    with pytest.raises(ImportError, match=r"sfml\[rail\]"):
        to_qp([[9.0, 10.0]], [0.16, 0.84])


@pytest.fixture(name="qp")
def _qp():
    return pytest.importorskip("qp", reason='qp is an extra: pip install "sfml[rail]"')


@pytest.fixture
def y_quantiles() -> np.ndarray:
    """Two targets of 50 galaxies, of the skewed shape that calibrated quantiles may have."""
    rng = np.random.default_rng(0)
    gaps = rng.uniform(0.02, 0.3, (50, 2, len(LEVELS)))
    return rng.normal([10.0, 0.0], 0.5, (50, 2))[:, :, None] + gaps.cumsum(axis=2)


@pytest.mark.usefixtures("qp")
class TestToQP:
    @pytest.mark.parametrize("fine", [True, False])
    def test_round_trip(self, y_quantiles, fine):
        ensemble = to_qp(y_quantiles, LEVELS, target=1, fine=fine)
        assert ensemble.npdf == 50
        assert ensemble.metadata["pdf_name"] == [b"quant"]
        np.testing.assert_allclose(from_qp(ensemble, LEVELS), y_quantiles[:, 1], atol=1e-9)
        np.testing.assert_allclose(from_qp(ensemble, [0.16]), y_quantiles[:, 1, 1:2], atol=1e-9)

    @pytest.mark.parametrize("fine", [True, False])
    def test_round_trip_through_a_file(self, qp, y_quantiles, tmp_path, fine):
        identifiers = np.arange(50) + 6_802_000
        ensemble = to_qp(y_quantiles[:, 0], LEVELS, fine=fine, ancil={"CATAID": identifiers})
        path = str(tmp_path / "predictions.hdf5")
        ensemble.write_to(path)
        again = qp.read(path)
        np.testing.assert_allclose(from_qp(again, LEVELS), y_quantiles[:, 0], atol=1e-9)
        np.testing.assert_array_equal(again.ancil["CATAID"], identifiers)
        np.testing.assert_array_equal(again.ancil["row"], np.arange(50))

    def test_the_cdf_is_that_of_our_metrics(self, y_quantiles):
        labels = y_quantiles[:, 0, 2] + np.linspace(-0.6, 0.6, 50)
        expected = metrics.pit(labels, y_quantiles[:, 0], LEVELS)
        ensemble = to_qp(y_quantiles[:, 0], LEVELS)
        np.testing.assert_allclose(ensemble.cdf(labels[:, None])[:, 0], expected, atol=2e-3)

    def test_normal_distributions_stay_normal(self):
        mean = np.array([[10.0], [9.0]])
        ensemble = to_qp(mean + 0.2 * norm.ppf(LEVELS), LEVELS)
        values = mean + np.linspace(-0.6, 0.6, 13)
        np.testing.assert_allclose(ensemble.cdf(values), norm.cdf(values, mean, 0.2), atol=1e-3)
        density = norm.pdf(values, mean, 0.2)
        np.testing.assert_allclose(ensemble.pdf(values), density, atol=0.02 * density.max())

    def test_qps_own_interpolation_of_few_quantiles_is_no_cdf(self):
        """The reason for `fine`; if qp mends this, the default may change."""
        quantiles = np.array([[9.0, 9.02, 9.6, 9.62, 10.0]])
        values = np.linspace(9.0, 10.0, 400)
        expected = metrics.pit(values, np.repeat(quantiles, 400, axis=0), LEVELS)
        error = {
            fine: np.abs(np.ravel(to_qp(quantiles, LEVELS, fine=fine).cdf(values)) - expected).max()
            for fine in (True, False)
        }
        assert error[False] > 1
        assert error[True] < 0.06

    def test_rows_with_nan_are_left_out_and_the_others_numbered(self, y_quantiles):
        y_quantiles[[0, 7], 0, 2] = np.nan
        magnitudes = np.linspace(15, 20, 50)
        ensemble = to_qp(y_quantiles, LEVELS, target=0, ancil={"r": magnitudes})
        kept = np.r_[1:7, 8:50]
        np.testing.assert_array_equal(ensemble.ancil["row"], kept)
        np.testing.assert_array_equal(ensemble.ancil["r"], magnitudes[kept])
        np.testing.assert_allclose(from_qp(ensemble, LEVELS), y_quantiles[kept, 0], atol=1e-9)

    def test_rows_with_nan_can_be_kept(self, qp, y_quantiles, tmp_path):
        y_quantiles[[0, 7], 0] = np.nan
        ensemble = to_qp(y_quantiles, LEVELS, target="sfr", targets=["sfr", "age"], rejected="keep")
        assert ensemble.npdf == 50
        kept = np.r_[1:7, 8:50]
        np.testing.assert_array_equal(np.flatnonzero(ensemble.ancil["predicted"]), kept)
        np.testing.assert_array_equal(ensemble.ancil["row"], np.arange(50))
        got = from_qp(ensemble, LEVELS)
        np.testing.assert_allclose(got[kept], y_quantiles[kept, 0], atol=1e-9)
        low, high = -12, 8  # of sfr in sfml.targets
        np.testing.assert_allclose(got[[0, 7]], [low + LEVELS * (high - low)] * 2, atol=1e-9)
        ensemble.write_to(str(tmp_path / "kept.hdf5"))
        again = qp.read(str(tmp_path / "kept.hdf5"))
        np.testing.assert_array_equal(again.ancil["predicted"], ensemble.ancil["predicted"])

    def test_all_rows_may_be_nan_if_they_are_kept(self, y_quantiles):
        ensemble = to_qp(y_quantiles[:, 0] * np.nan, LEVELS, rejected="keep")
        np.testing.assert_allclose(from_qp(ensemble, [0.25, 0.75]), [[-500, 500]] * 50)

    def test_equal_quantiles_keep_a_finite_density(self):
        quantiles = np.array([[9.0, 9.5, 9.5, 10.0, 10.2], [9.0] * 5])
        ensemble = to_qp(quantiles, LEVELS)
        assert np.isfinite(ensemble.pdf(np.array([9.5]))).all()
        np.testing.assert_allclose(from_qp(ensemble, LEVELS), quantiles, atol=1e-6)

    def test_a_target_by_name(self, y_quantiles):
        three = np.concatenate([y_quantiles, y_quantiles[:, :1] + 1], axis=1)
        by_name = from_qp(to_qp(three, LEVELS, target="dust_luminosity"), LEVELS)
        np.testing.assert_allclose(by_name, three[:, 2], atol=1e-9)

    def test_other_targets_by_name(self, y_quantiles):
        by_name = from_qp(to_qp(y_quantiles, LEVELS, target="A_V", targets=["age", "A_V"]), LEVELS)
        np.testing.assert_allclose(by_name, y_quantiles[:, 1], atol=1e-9)
        with pytest.raises(ValueError, match="target='sfr' is none of the targets, age, A_V"):
            to_qp(y_quantiles, LEVELS, target="sfr", targets=["age", "A_V"])
        with pytest.raises(ValueError, match="got 3 names"):
            to_qp(y_quantiles, LEVELS, target="sfr", targets=["age", "A_V", "sfr"])

    def test_errors(self, y_quantiles):
        with pytest.raises(ValueError, match="Choose target= of target_0, target_1"):
            to_qp(y_quantiles, LEVELS)
        with pytest.raises(ValueError, match="target='sfr' is none of the targets"):
            to_qp(y_quantiles, LEVELS, target="sfr")
        with pytest.raises(ValueError, match=r"ancil\['r'\] must hold one value .* 50 galaxies"):
            to_qp(y_quantiles, LEVELS, target=0, ancil={"r": np.ones(49)})
        with pytest.raises(ValueError, match="all 50 rows of y_quantiles hold NaN"):
            to_qp(y_quantiles * np.nan, LEVELS, target=0)
        with pytest.raises(ValueError, match='must be "drop" or "keep"; got True'):
            to_qp(y_quantiles, LEVELS, target=0, rejected=True)
        with pytest.raises(ValueError, match="must not decrease along the levels"):
            to_qp(y_quantiles[..., ::-1], LEVELS, target=0)


class TestFromQP:
    def test_any_parameterisation(self, qp):
        mean, sigma = np.array([10.0, 9.0]), np.array([0.1, 0.2])
        ensemble = qp.stats.norm.create_ensemble({"loc": mean, "scale": sigma})
        expected = mean[:, None] + sigma[:, None] * norm.ppf(LEVELS)
        np.testing.assert_allclose(from_qp(ensemble, LEVELS), expected)
        labels = mean + sigma
        values = metrics.pit(labels, from_qp(ensemble, LEVELS), LEVELS)
        np.testing.assert_allclose(values, norm.cdf([1, 1]))

    def test_errors(self):
        with pytest.raises(TypeError, match=r"must be a qp\.Ensemble.*; got ndarray"):
            from_qp(np.ones((3, 2)), LEVELS)
