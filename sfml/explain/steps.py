"""The parts of a fitted pipeline that the explanations look into."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sfml.regressor import StarFormationRegressor
from sfml.selection import GamaSampleSelector


def selector_of(pipe: Any) -> GamaSampleSelector:
    """Give the selection of a fitted pipeline, which knows its bands."""
    if not isinstance(pipe, Pipeline):
        raise TypeError(
            "pipe must be a fitted pipeline, as make_star_formation_pipeline makes it; got a "
            f"{type(pipe).__name__}."
        )
    check_is_fitted(pipe)
    select = pipe[0]
    if not isinstance(select, GamaSampleSelector) or select.bands_ is None:
        bands = "bands='positional'" if isinstance(select, GamaSampleSelector) else "no bands"
        raise ValueError(
            "The pipeline must begin with a GamaSampleSelector that has a BandSet, to tell bands "
            f"apart; it begins with a {type(select).__name__} with {bands}."
        )
    return select


def regressor_of(pipe: Pipeline) -> StarFormationRegressor:
    """Give the last step of a pipeline, which knows its targets."""
    regress = pipe[-1]
    if not isinstance(regress, StarFormationRegressor):
        raise ValueError(
            "The pipeline must end with a StarFormationRegressor; it ends with a "
            f"{type(regress).__name__}."
        )
    return regress


def check_target(regress: StarFormationRegressor, target: str | None) -> list[int]:
    """Positions of the target asked for, or of all."""
    if target is None:
        return list(range(len(regress.targets_)))
    if target not in regress.targets_:
        close = get_close_matches(str(target), regress.targets_, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"target must be None, for all, or one of {', '.join(regress.targets_)}; got "
            f"{target!r}.{hint}"
        )
    return [regress.targets_.index(target)]


def in_columns_of(values: np.ndarray, table: Any) -> Any:
    """Put values into a table with the columns of another, if that is one."""
    return pd.DataFrame(values, columns=table.columns) if hasattr(table, "columns") else values
