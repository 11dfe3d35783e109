"""Why a pipeline predicts what it does: which bands it listens to, and which it would want.

`band_sensitivities` and `band_noise` say it galaxy by galaxy, `permutation_importance` for a whole
catalogue, `nearest_galaxies` finds what it learnt from, and `best_extra_band` names the band to
observe next.
"""

from sfml.explain.extra_band import best_extra_band
from sfml.explain.neighbours import nearest_galaxies
from sfml.explain.permutation import permutation_importance
from sfml.explain.sensitivities import band_noise, band_sensitivities

__all__ = [
    "band_noise",
    "band_sensitivities",
    "best_extra_band",
    "nearest_galaxies",
    "permutation_importance",
]
