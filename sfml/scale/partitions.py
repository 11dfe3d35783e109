"""Predictions for catalogues in partitions: LSDB and dask, lazy in and lazy out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sfml.scale.prediction import Prediction, as_arrow_types


def predict_catalog(
    catalog: Any,
    pipe: Any,
    columns: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    nested: bool = False,
) -> Any:
    """Predict for a catalogue in partitions, of LSDB or dask, without computing anything yet.

    Parameters
    ----------
    catalog : lsdb.Catalog or dask.dataframe.DataFrame
        Catalogue. Only the columns that are needed are read.
    pipe : StarFormationPipeline
        Fitted pipeline. Workers need no TensorFlow.
    columns : dict of str to str, default=None
        The catalogue's names of columns that the pipeline knows by another name, such as
        ``{"r_flux": "r_psfFlux"}``. Values must be in the unit of the pipeline's band set.
    keep : sequence of str, default=()
        Columns of the catalogue to put in front of the predictions. The index, and the coordinates
        of an LSDB catalogue, are always kept.
    nested : bool, default=False
        Whether to give quantiles too, as a nested column, and names as in Rubin's catalogues of
        photometric redshifts: ``sfml_sfr_median``, ``sfml_sfr_err68_low``, ``sfml_sfr_err68_high``
        and so on, ``sfml_flag``, ``sfml_reasons``, and ``sfml_quantiles`` with the fields ``level``
        and one per target.

    Returns
    -------
    lsdb.Catalog or dask.dataframe.DataFrame
        The catalogue with the columns of `StarFormationPipeline.predict_table`, in dex, row by row;
        in an LSDB catalogue as double, int64 and string of pyarrow, as HATS files have them, and
        with its margin.

    Raises
    ------
    TypeError
        If `catalog` is neither, or `pipe` does not read its columns by name.
    ValueError
        If columns are absent, or in the catalogue but not loaded, or if one of `keep` is called as
        a prediction is.

    Notes
    -----
    A partition is not refused for the unit of its fluxes, as `predict` refuses a whole catalogue:
    its galaxies are flagged. Predict for a sample first, as in
    ``pipe.predict_table(catalog.head(1000))``.

    Examples
    --------
    >>> import dask.dataframe as dd
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(method="random_forest", random_state=0).fit(X, y)
    >>> catalogue = dd.from_pandas(X.rename(columns={"Z": "redshift"}), npartitions=3)
    >>> lazy = sfml.scale.predict_catalog(catalogue, pipe, {"Z": "redshift"}, keep=["redshift"])
    >>> list(lazy.columns[:3])
    ['redshift', 'stellar_mass', 'stellar_mass_p16']
    >>> len(lazy.compute())
    300
    """
    ask: dict[str, Any] = {"columns": columns, "keep": keep, "nested": nested}
    if hasattr(catalog, "hc_structure"):
        return _predict_hats(catalog, pipe, ask)
    if hasattr(catalog, "npartitions") and hasattr(catalog, "map_partitions"):
        prediction = Prediction.of(pipe, list(catalog.columns), **ask)
        few = catalog[prediction.columns]
        return few.map_partitions(predict_part, prediction, meta=prediction.table(few._meta))
    raise TypeError(
        "catalog must be an lsdb.Catalog or a dask.dataframe.DataFrame; got "
        f"{type(catalog).__module__}.{type(catalog).__qualname__}. Use predict_dataset for a "
        "pyarrow.dataset, and pipe.predict_table for a table in memory."
    )


def predict_part(part: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """Predict for one partition; a function that dask can name."""
    return prediction.table(part)


def predict_hats_part(part: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """Predict for one partition of a HATS catalogue, in the types that HATS has."""
    return as_arrow_types(prediction.table(part), prediction.names)


def _predict_hats(catalog: Any, pipe: Any, ask: dict[str, Any]) -> Any:
    info = catalog.hc_structure.catalog_info
    prediction = Prediction.of(
        pipe, list(catalog.columns), always=(info.ra_column, info.dec_column), **ask
    )
    unloaded = [name for name in prediction.absent if name in set(catalog.all_columns)]
    if unloaded:
        raise ValueError(
            f"The catalogue has {', '.join(unloaded)}, but they were not loaded: open it with "
            'columns="all", or with the columns that the pipeline reads, '
            "list(pipe[0].feature_names_in_)."
        )
    return catalog[prediction.columns].map_partitions(predict_hats_part, prediction)
