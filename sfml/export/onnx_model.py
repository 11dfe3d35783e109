"""A fitted pipeline as an ONNX model: from a catalogue to medians, quantiles and flags."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sfml.export import onnx_photometry, onnx_regressor
from sfml.export.onnx_graph import IR_VERSION, OPSET, Graph, Value
from sfml.features import FluxFeatures
from sfml.features.scaler import StandardScaler
from sfml.flags import Flag
from sfml.neural import KerasMLPRegressor
from sfml.persistence import content_hash
from sfml.pipeline import StarFormationPipeline
from sfml.regressor import StarFormationRegressor
from sfml.selection import GamaSampleSelector
from sfml.tables.writing import write_files
from sfml.uncertainty import check_levels


def to_onnx(
    pipe: StarFormationPipeline,
    path: str | os.PathLike[str],
    *,
    levels: Sequence[float] = (0.16, 0.5, 0.84),
    overwrite: bool = False,
) -> Path:
    """Write a fitted pipeline as an ONNX model, which runs in any language.

    The model has one input, ``catalogue``: a matrix of doubles, of shape (n_galaxies, n_columns),
    whose columns are those of the survey, in the order of ``pipe["select"].feature_names_in_``:
    fluxes, errors if the selection reads them, and the redshift, in the band set's unit, with NaN
    or one of its codes where something is missing. Its outputs are ``medians`` (n_galaxies,
    n_targets), ``quantiles`` (n_galaxies, n_targets, n_levels), calibrated, and ``flags``
    (n_galaxies,), the numbers of `predict_table`'s ``flag``. NaN stands for galaxies without a
    prediction. The names of columns, targets and levels are in the model's metadata.

    Parameters
    ----------
    pipe : StarFormationPipeline
        Fitted, with the networks of method "mlp" and calibrated intervals; recipe "sfml" or
        "surana2020".
    path : str or path
        Where to; ``model.onnx``, say.
    levels : sequence of float, default=(0.16, 0.5, 0.84)
        Levels of the quantiles, between 0 and 1.
    overwrite : bool, default=False
        Whether to replace a file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If onnx is not installed.
    TypeError
        If a step or a regressor is none of those that can be exported.
    ValueError
        If the pipeline is not calibrated, has no band set, or a level cannot be told.
    FileExistsError
        If the file is there and `overwrite` is False.

    See Also
    --------
    sfml.save : Saves the pipeline itself, to be loaded with sfml.

    Notes
    -----
    Numbers are those of the pipeline to 1e-5 dex, if a scaler standardises the features. A galaxy
    that lies within rounding of the edge of a bin of the calibration may count to its other side;
    so may a score that equals its limit. Left to the caller are checks of a catalogue as a whole:
    that it is in the unit of training, and that there is no infinity. Galaxies are independent of
    each other, and memory grows with their number: give 1,000 at a time.

    Examples
    --------
    >>> import tempfile
    >>> import sfml
    >>> X, y = sfml.make_mock_survey(300, n_templates=2000, random_state=0, return_X_y=True)
    >>> pipe = sfml.make_star_formation_pipeline(random_state=0)
    >>> pipe = pipe.set_params(**{f"regress__{name}__epochs": 2 for name in sfml.TARGETS})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sfml.export.to_onnx(pipe.fit(X, y), f"{folder}/model.onnx", levels=[0.5]).name
    'model.onnx'
    """
    onnx = _onnx()
    steps = _find_steps(pipe)
    asked = tuple(map(float, check_levels(levels)))
    regress = steps[-1]
    regress._check_can_tell(asked, "emulator")
    graph = _build(steps, asked)
    model = _as_model(onnx, graph, pipe, steps, asked)
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    write_files({path: lambda out: out.write_bytes(content)}, overwrite=overwrite)
    return Path(path)


def _find_steps(pipe: Any) -> tuple[GamaSampleSelector, Any, Any, StarFormationRegressor]:
    """Find the four steps, None for one that passes through; all must be such as are exported."""
    from sklearn.preprocessing import StandardScaler as PlainScaler
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(pipe, StarFormationPipeline):
        raise TypeError(f"to_onnx exports a StarFormationPipeline; got {type(pipe).__name__}.")
    check_is_fitted(pipe)
    (_, select), *middle, (_, regress) = pipe._fitted_steps
    ends = isinstance(select, GamaSampleSelector), isinstance(regress, StarFormationRegressor)
    if not all(ends):
        raise TypeError(
            "to_onnx exports pipelines from a GamaSampleSelector to a StarFormationRegressor."
        )
    if select.bands_ is None:
        raise ValueError(
            "bands='positional' cannot be exported: describe the columns by a BandSet."
        )
    kept = [(name, step) for name, step in middle if step not in (None, "passthrough")]
    features = [step for _, step in kept if isinstance(step, FluxFeatures)]
    scalers = [step for _, step in kept if type(step) in (StandardScaler, PlainScaler)]
    if [step for _, step in kept] != [*features[:1], *scalers[:1]]:
        names = ", ".join(f"{name!r} ({type(step).__name__})" for name, step in kept)
        raise TypeError(
            f"to_onnx exports FluxFeatures and then StandardScaler, or one of them; got {names}."
        )
    for network in regress.emulators_.estimators:
        if not isinstance(network, KerasMLPRegressor):
            raise TypeError(
                f"to_onnx exports the networks of method='mlp'; got {type(network).__name__}. "
                "sfml.save saves forests and SVRs too."
            )
    return select, next(iter(features), None), next(iter(scalers), None), regress


def _build(steps: tuple[Any, ...], levels: tuple[float, ...]) -> Graph:
    """Make the graph of a pipeline's steps."""
    select, features, scaler, regress = steps
    graph = Graph()
    flags: dict[Flag, Value] = {}
    values = onnx_photometry.select(graph, graph.input("catalogue"), select, flags)
    names = list(select.get_feature_names_out())
    if features is not None:
        values = onnx_photometry.compute_features(graph, values, features, flags)
        names = list(features.get_feature_names_out())
    if scaler is not None:
        values = onnx_photometry.scale(values, scaler)
    predicted = onnx_regressor.predict(
        graph, values, regress, levels=levels, optional=_optional(select, names), flags=flags
    )
    graph.add("Identity", predicted.medians, name="medians")
    graph.add("Identity", predicted.quantiles, name="quantiles")
    _add_up(graph, flags)
    return graph


def _optional(select: GamaSampleSelector, names: list[str]) -> list[list[int]]:
    """Find the columns that may be NaN where there is a prediction, those of one band together."""
    if select.rules_.missing == "reject":
        return []
    kinds = ("_flux", "_fluxerr", "_asinh", "_log_error")
    groups = [[f"{band}{kind}" for kind in kinds] for band in select.layout_.band_names]
    groups += [["redshift_error"], ["log_redshift_error"]]
    found = [[names.index(name) for name in group if name in names] for group in groups]
    return [columns for columns in found if columns]


def _add_up(graph: Graph, flags: dict[Flag, Value]) -> None:
    """Write flags as one integer per galaxy."""
    total: Value | None = None
    for flag, where in sorted(flags.items()):
        number = where.number() * float(flag)
        total = number if total is None else total + number
    assert total is not None
    graph.add("Cast", total.squeezed(1), name="flags", to=7)  # int64


def _as_model(
    onnx: Any, graph: Graph, pipe: Any, steps: tuple[Any, ...], levels: tuple[float, ...]
) -> Any:
    """Put the graph into a model, with what a user needs to know of it."""
    from sfml import __version__

    select, *_, regress = steps
    columns = [str(name) for name in select.feature_names_in_]
    n_targets = len(regress.targets_)
    double, integer = onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64
    info = onnx.helper.make_tensor_value_info
    made = onnx.helper.make_graph(
        graph.nodes,
        "sfml",
        [info("catalogue", double, ["n_galaxies", len(columns)])],
        [
            info("medians", double, ["n_galaxies", n_targets]),
            info("quantiles", double, ["n_galaxies", n_targets, len(levels)]),
            info("flags", integer, ["n_galaxies"]),
        ],
        graph.initializers(),
    )
    model = onnx.helper.make_model(
        made,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sfml",
        producer_version=__version__,
    )
    facts = {
        "columns": columns,
        "unit": select.bands_.unit,
        "targets": list(regress.targets_),
        "levels": list(levels),
        "flags": {str(flag.name).lower(): int(flag) for flag in Flag.__members__.values()},
    }
    onnx.helper.set_model_props(
        model,
        {
            **{name: json.dumps(value) for name, value in facts.items()},
            "content_hash": content_hash(pipe),
        },
    )
    return model


def _onnx() -> Any:
    try:
        import onnx
        import onnx.checker
        import onnx.helper
    except ImportError as missing:
        raise ImportError(
            'ONNX models need onnx, which is not installed: pip install "sfml[share]".'
        ) from missing
    return onnx
