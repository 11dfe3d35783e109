"""Two RAIL stages: one trains a pipeline, the other predicts one of its targets.

RAIL is the framework of the LSST Dark Energy Science Collaboration for estimates from photometry
(``pip install "sfml[rail]"``). Importing this module imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

try:
    from ceci.config import StageParameter
    from rail.estimation.estimator import CatEstimator
    from rail.estimation.informer import CatInformer
except ImportError as missing:
    raise ImportError(
        'sfml.export.rail needs RAIL, which is not installed: pip install "sfml[rail]".'
    ) from missing

from sfml.bands import GAMA, BandSet
from sfml.export.qp_ensembles import to_qp
from sfml.photometry.guard import part_of_catalogue
from sfml.pipeline import make_star_formation_pipeline
from sfml.targets import TARGETS
from sfml.uncertainty import LEVELS

__all__ = ["SfmlEstimator", "SfmlInformer"]


class SfmlInformer(CatInformer):
    """Train `sfml.make_star_formation_pipeline` on a labelled table.

    Its options are ``labels``, which names the column of each target's labels in dex, by default
    ``stellar_mass``, ``sfr`` and ``dust_luminosity`` (columns ``<label>_p16`` and ``<label>_p84``
    are the SPS code's percentiles, if they are there); ``bands``, the arguments of `sfml.BandSet`,
    by default GAMA's bands; and ``options``, further arguments of
    `sfml.make_star_formation_pipeline`.

    Examples
    --------
    >>> import sfml
    >>> from sfml.export.rail import SfmlEstimator, SfmlInformer
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> table = {name: column.to_numpy() for name, column in {**X, **y}.items()}
    >>> informer = SfmlInformer.make_stage(
    ...     name="inform", hdf5_groupname="", output_mode="return",
    ...     options={"method": "random_forest", "random_state": 0},
    ... )
    >>> model = informer.inform(table)  # RAIL logs what it does
    20...Inserting handle into data store...
    >>> estimator = SfmlEstimator.make_stage(
    ...     name="estimate", model=model, hdf5_groupname="", output_mode="return", target="sfr"
    ... )
    >>> print(estimator.estimate(table).data.npdf)
    20...Inserting handle into data store...
    300
    """

    name = "SfmlInformer"
    config_options = CatInformer.config_options.copy()
    config_options.update(
        labels=StageParameter(
            dict, {name: name for name in TARGETS}, msg="column of each target's labels, in dex"
        ),
        bands=StageParameter(dict, {}, msg="arguments of sfml.BandSet; none: GAMA's bands"),
        options=StageParameter(
            dict, {}, msg="further arguments of sfml.make_star_formation_pipeline"
        ),
    )

    def run(self) -> None:
        """Train the pipeline and hand it on as the model."""
        data = self.get_data("input")
        if self.config.hdf5_groupname:
            data = data[self.config.hdf5_groupname]
        bands = BandSet(**self.config.bands) if self.config.bands else GAMA
        pipe = make_star_formation_pipeline(
            bands=bands, targets=tuple(self.config.labels), **self.config.options
        )
        self.model = pipe.fit(data, _read_labels(data, self.config.labels))
        self.add_data("model", self.model)


class SfmlEstimator(CatEstimator):
    """Predict one target of a pipeline that `SfmlInformer` or ``fit`` has trained.

    The output is an ensemble with one distribution per row of the input, in its order. A galaxy
    that the pipeline rejects keeps its row: see ``rejected="keep"`` of `sfml.export.to_qp`. In the
    ensemble's ``ancil`` stand ``flag`` (a sum of `sfml.flags.Flag`), ``predicted``, and the median
    under the target's name. The option ``target`` says which target. RAIL's own summary statistics
    are called ``z_...`` whatever is predicted: leave ``calc_summary_stats`` off.
    """

    name = "SfmlEstimator"
    config_options = CatEstimator.config_options.copy()
    config_options.update(
        target=StageParameter(str, "stellar_mass", msg="which of the pipeline's targets"),
    )

    def _process_chunk(self, start: int, end: int, data: Any, first: bool) -> None:
        regress, target = self.model[-1], self.config.target
        if target not in regress.targets_:
            raise ValueError(
                f"The option target={target!r} is none of the model's targets, "
                f"{', '.join(regress.targets_)}."
            )
        levels = regress.intervals_.supported(LEVELS)
        with part_of_catalogue():
            quantiles = self.model.predict_quantiles(data, levels)
            table = self.model.predict_table(data)
        # A model that was fitted to a single label has no axis of targets.
        quantiles = quantiles.reshape(len(table), len(regress.targets_), len(levels))
        ensemble = to_qp(
            quantiles,
            levels,
            target=target,
            targets=regress.targets_,
            ancil={"flag": table["flag"].to_numpy(), target: table[target].to_numpy()},
            rejected="keep",
        )
        self._do_chunk_output(ensemble, start, end, first, data=data)


def _read_labels(data: Any, labels: Mapping[str, str]) -> pd.DataFrame:
    """Read the labels, and their percentiles where there are any, by the names of the targets."""
    columns = {}
    for target, column in labels.items():
        for end in ("", "_p16", "_p84"):
            if not end or f"{column}{end}" in data:
                columns[f"{target}{end}"] = np.asarray(data[f"{column}{end}"])
    return pd.DataFrame(columns)
