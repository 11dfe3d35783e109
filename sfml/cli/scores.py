"""Score tables beside the paper's Table 3."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

PAPER_TABLE_3 = pd.DataFrame(
    {
        "stellar_mass": [0.0577, 0.0582, 0.0399, 0.9885],
        "sfr": [0.1643, 0.1658, 0.0987, 0.9550],
        "dust_luminosity": [0.1143, 0.1159, 0.0750, 0.9644],
    },
    index=["error", "root mean square error", "mean absolute deviation", "r2 adjusted"],
)
"""Table 3 of Surana et al. (2020), without the times: its networks on the real GAMA survey."""


def compare_with_paper(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Set score tables side by side, and the paper's Table 3 beside them.

    Parameters
    ----------
    scores : dict of str to DataFrame
        Tables of `sfml.metrics.score_table`, by the name of the method.

    Returns
    -------
    DataFrame
        one row per target and metric, one column per method; the last, "paper_on_real_gama", is NaN
        where the paper gives no value.

    Examples
    --------
    >>> from sfml.cli.scores import compare_with_paper
    >>> from sfml.metrics import score_table
    >>> table = score_table([9.0, 10.0, 11.0, 10.0], [9.1, 9.9, 11.1, 9.9],
    ...                     targets=["stellar_mass"], n_features=1)
    >>> compared = compare_with_paper({"networks": table})
    >>> compared.loc[("stellar_mass", "error")].round(4).to_dict()
    {'networks': 0.1, 'paper_on_real_gama': 0.0577}
    """
    tables = {**scores, "paper_on_real_gama": PAPER_TABLE_3}
    columns = {method: _in_one_column(table) for method, table in tables.items()}
    # Aligning sorts the rows; we want them as they came.
    return pd.DataFrame(columns).reindex(next(iter(columns.values())).index)


def _in_one_column(table: pd.DataFrame) -> pd.Series:
    return pd.Series(
        {
            (target, metric): value
            for target, column in table.items()
            for metric, value in column.items()
        }
    ).rename_axis(["target", "metric"])
