"""How labels and their percentiles are named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sfml.datasets.fitter import PERCENTILES
from sfml.targets import GAMA_TARGET_COLUMNS, TARGETS

_ENDS = (16, 84)


def gama_columns(*, percentiles: bool) -> dict[str, str]:
    """GAMA's column of each label: the medians, then the ends of their intervals if asked for."""
    columns = {target: GAMA_TARGET_COLUMNS[target] for target in TARGETS}
    if percentiles:
        for target in TARGETS:
            stem = GAMA_TARGET_COLUMNS[target].removesuffix("50")
            columns |= {f"{target}_p{end}": f"{stem}{end}" for end in _ENDS}
    return columns


def label_table(fitted: np.ndarray, *, percentiles: bool) -> pd.DataFrame:
    """Lay out fitted percentiles, (n_targets, n_galaxies, n_percentiles), by target."""
    at = {percentile: fitted[:, :, i] for i, percentile in enumerate(PERCENTILES)}
    columns = {target: at[50][k] for k, target in enumerate(TARGETS)}
    if percentiles:
        for k, target in enumerate(TARGETS):
            columns |= {f"{target}_p{end}": at[end][k] for end in _ENDS}
    return pd.DataFrame(columns)
