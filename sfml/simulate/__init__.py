"""Learning from an SPS code directly: its models, observed as a survey would observe them."""

from sfml.simulate.bagpipes import bagpipes_library
from sfml.simulate.cigale import cigale_library
from sfml.simulate.coverage import CoverageReport, coverage_report
from sfml.simulate.curves import filter_files
from sfml.simulate.distributions import LogUniform, Uniform
from sfml.simulate.library import ModelLibrary
from sfml.simulate.mock import mock_library
from sfml.simulate.noise import SurveyNoise
from sfml.simulate.prior import BagpipesPrior
from sfml.simulate.training import fit_library, make_training_survey
from sfml.simulate.two_sample import two_sample_auc

__all__ = [
    "BagpipesPrior",
    "CoverageReport",
    "LogUniform",
    "ModelLibrary",
    "SurveyNoise",
    "Uniform",
    "bagpipes_library",
    "cigale_library",
    "coverage_report",
    "filter_files",
    "fit_library",
    "make_training_survey",
    "mock_library",
    "two_sample_auc",
]
