"""The paper's figures, and those of calibration, as Displays in the manner of scikit-learn.

A Display holds arrays. Its class methods (``from_estimator``, ``from_predictions``, ...) compute
them and draw them at once; `plot` draws them again, on other axes if wanted, and keeps the axes
and the artists as attributes, so that anything can be changed afterwards. matplotlib, an optional
dependency (``pip install "sfml[plot]"``), is imported when something is drawn.
"""

from sfml.displays.binned_residual import BinnedResidualDisplay
from sfml.displays.coverage import CoverageDisplay
from sfml.displays.distribution import DistributionDisplay
from sfml.displays.galaxy import GalaxyDisplay
from sfml.displays.loss_curve import LossCurveDisplay
from sfml.displays.low_snr import LowSNRDisplay
from sfml.displays.network import NetworkDisplay
from sfml.displays.pit import PITDisplay
from sfml.displays.prediction import PredictionDisplay
from sfml.displays.prior import PriorDisplay
from sfml.displays.standardisation import StandardisationDisplay
from sfml.displays.survey_coverage import SurveyCoverageDisplay

__all__ = [
    "BinnedResidualDisplay",
    "CoverageDisplay",
    "DistributionDisplay",
    "GalaxyDisplay",
    "LossCurveDisplay",
    "LowSNRDisplay",
    "NetworkDisplay",
    "PITDisplay",
    "PredictionDisplay",
    "PriorDisplay",
    "StandardisationDisplay",
    "SurveyCoverageDisplay",
]
