"""The regressor as ONNX nodes: networks, the domain, and calibrated quantiles.

Each function says in ONNX what the method that it names says in NumPy; tests hold the two to the
same numbers. Networks are computed in double precision, of the weights in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from sfml.export.onnx_graph import Graph, Value
from sfml.export.onnx_photometry import Flags, raise_flag
from sfml.flags import Flag
from sfml.uncertainty import domain as rules_of_domain
from sfml.uncertainty import intervals as rules_of_intervals

# Features that every galaxy has which is predicted at all.
ALWAYS_KNOWN = (
    *("redshift", "log_redshift", "redshift_grid_shift"),
    *("log_snr", "log_reference_flux", "log_brightness"),
)


class Quantiles(NamedTuple):
    """Quantiles of one target, (n, n_levels), as its network gives them."""

    values: Value
    levels: tuple[float, ...]
    spread: Value | None  # (n, 1)


class Predictions(NamedTuple):
    """What the regressor predicts."""

    medians: Value  # (n, n_targets)
    quantiles: Value  # (n, n_targets, n_levels)


def predict(
    graph: Graph,
    X: Value,
    regressor: Any,
    *,
    levels: Sequence[float],
    never_missing: Sequence[int],
    flags: Flags,
) -> Predictions:
    """Predict and flag: `StarFormationRegressor.predict_table`, with quantiles at other levels.

    `never_missing` are the columns of X that are known wherever there is a prediction.
    """
    known = ~X.is_nan()
    n_known = known.number().sum()
    something = n_known > 0.0
    strangeness = None
    if regressor.domain_ is not None:
        score = _score(graph, X, regressor.domain_, never_missing)
        raise_flag(flags, Flag.COLOURS, something & (score < regressor.domain_.offset_))
        strangeness = _strangeness(graph, score, something, regressor.domain_)
    n_targets = len(regressor.targets_)
    medians: dict[int, Value] = {}
    quantiles: dict[int, Value] = {}
    widest = regressor.intervals_.widest(regressor.targets_, None, usual=True)
    for network, places in zip(
        regressor.emulators_.estimators, regressor.emulators_.targets, strict=True
    ):
        usable = something if network.inputs_.fill_missing else ~(~known).any()
        raws = run_network(graph, X, network)
        for raw, k in zip(raws, places, strict=True):
            raise_flag(flags, Flag.QUANTILE_CROSSING, usable & _cross(graph, raw))
            model, target = regressor.intervals_, regressor.targets_[k]
            calibrated = _calibrate(graph, raw, X, n_known, strangeness, model, target)
            asked = _interpolate(graph, calibrated, raw.levels, (0.5, 0.16, 0.84, *levels))
            width = asked.columns([2]) - asked.columns([1])
            raise_flag(flags, Flag.WIDE_INTERVAL, usable & (width > float(widest[k])))
            raise_flag(flags, Flag.NOT_PREDICTED, ~usable)
            raise_flag(flags, Flag.FEW_BANDS, ~usable & something)
            middle = list(raw.levels).index(0.5)
            medians[k] = raw.values.columns([middle]).unless(~usable)
            wanted = asked.columns(range(3, 3 + len(levels))).unless(~usable)
            quantiles[k] = wanted.shaped(0, 1, -1)
    return Predictions(
        graph.join(*(medians[k] for k in range(n_targets))),
        graph.join(*(quantiles[k] for k in range(n_targets))),
    )


def run_network(graph: Graph, X: Value, network: Any) -> list[Quantiles]:
    """Run a regressor's networks, to one set of quantiles per output.

    It is `KerasMLPRegressor.raw_quantiles_and_spread`, or `predict` if no quantiles were learnt.
    """
    spec, inputs = network.network_, network.inputs_
    hidden = _inputs(graph, X, inputs)
    coefs = [c.astype(np.float64).reshape(-1, *c.shape[-2:]) for c in network.coefs_]
    biases = [b.astype(np.float64).reshape(len(coefs[0]), 1, -1) for b in network.intercepts_]
    for coef, bias in zip(coefs[:-1], biases[:-1], strict=True):
        hidden = _activate(graph, spec.activation, hidden.times(coef) + bias)
    each = hidden.times(coefs[-1]) + biases[-1]  # (n_networks, n, n_outputs * n_quantiles)
    mean = each.mean(0).shaped(-1, coefs[-1].shape[-1])
    offset = None
    if inputs.offset is not None:
        offset = X.columns([inputs.offset]) * inputs.slope + inputs.intercept
    found = []
    for output in range(spec.n_outputs):
        start = output * spec.n_quantiles
        values = mean.columns(range(start, start + spec.n_quantiles))
        median = values.columns([spec.median])
        if network.output_range_ is not None:
            low, high = map(float, network.output_range_[:, output])
            values = values + (median.at_least(low).at_most(high) - median)
        if offset is not None:
            values = values + offset
        found.append(_as_quantiles(graph, values, each, start + spec.median, spec.quantiles))
    return found


def _as_quantiles(
    graph: Graph, values: Value, each: Value, median: int, levels: tuple[float, ...] | None
) -> Quantiles:
    """Give quantiles, or a point prediction repeated: `sfml.regressor.emulators._quantiles`."""
    if levels is None or len(levels) < 2:
        from sfml.uncertainty import LEVELS

        return Quantiles(values.columns([0] * len(LEVELS)), LEVELS, None)
    medians = each.columns([median], axis=2)
    deviation = medians - medians.mean(0)
    return Quantiles(values, tuple(levels), (deviation * deviation).mean(0).sqrt().shaped(-1, 1))


def _inputs(graph: Graph, X: Value, inputs: Any) -> Value:
    """Write the inputs of a network: `InputColumns.write`, rounded to single precision as there."""
    chosen = X.columns(inputs.columns)
    missing = chosen.is_nan()
    # Values beyond single precision would be infinite there.
    largest = float(np.finfo(np.float32).max)
    known = chosen.or_zero().at_least(-largest).at_most(largest)
    known = known.cast(np.float32).cast(np.float64)
    if inputs.low is not None:
        known = known.at_least(inputs.low.astype(np.float64))
        known = known.at_most(inputs.high.astype(np.float64))
    return known if not inputs.fill_missing else graph.where(missing, 0.0, known)


def _activate(graph: Graph, activation: str, x: Value) -> Value:
    """Apply an activation: `sfml.neural.forward.ACTIVATIONS`."""
    simple: dict[str, Callable[[], Value]] = {
        "elu": lambda: graph.add("Elu", x),
        "leaky_relu": lambda: graph.add("LeakyRelu", x, alpha=0.2),
        "linear": lambda: x,
        "relu": lambda: graph.add("Relu", x),
        "sigmoid": lambda: graph.add("Sigmoid", x),
        "silu": lambda: x * graph.add("Sigmoid", x),
        "softplus": lambda: graph.add("Softplus", x),
        "tanh": lambda: graph.add("Tanh", x),
        "gelu": lambda: x * (_erf(graph, x * float(np.sqrt(0.5))) + 1.0) * 0.5,
    }
    return simple[activation]()


def _erf(graph: Graph, x: Value) -> Value:
    """Compute the error function, which runtimes have in single precision alone."""
    return graph.add("Erf", x.cast(np.float32)).cast(np.float64)


def _matrix(levels: Sequence[float], q: Sequence[float]) -> np.ndarray:
    """Make the matrix that reads quantiles at other levels: `interpolate_quantiles`."""
    nodes, scores = ndtri(np.asarray(levels)), ndtri(np.asarray(q))
    matrix = np.zeros((len(nodes), len(scores)))
    for column, score in enumerate(scores):
        after = int(np.clip(np.searchsorted(nodes, score), 1, len(nodes) - 1))
        share = (score - nodes[after - 1]) / (nodes[after] - nodes[after - 1])
        matrix[after, column] += share
        matrix[after - 1, column] += 1 - share
    return matrix


def _interpolate(
    graph: Graph, quantiles: Value, levels: Sequence[float], q: Sequence[float]
) -> Value:
    return quantiles.times(graph.constant(_matrix(levels, q)))


def _width(graph: Graph, quantiles: Value, levels: Sequence[float]) -> Value:
    """Compute the 16-84 interval, (n, 1): `RawQuantiles.width`."""
    ends = _interpolate(graph, quantiles, levels, (0.16, 0.84))
    return (ends.columns([1]) - ends.columns([0])).abs()


def _cross(graph: Graph, raw: Quantiles) -> Value:
    """Say where quantiles cross: `RawQuantiles.cross`."""
    n = len(raw.levels)
    steps = raw.values.columns(range(1, n)) - raw.values.columns(range(n - 1))
    limit = _width(graph, raw.values, raw.levels) * -rules_of_intervals.CROSSING
    return (steps < limit).any()


def _calibrate(
    graph: Graph,
    raw: Quantiles,
    X: Value,
    n_known: Value,
    strangeness: Value | None,
    model: Any,
    target: str,
) -> Value:
    """Calibrate quantiles: `IntervalModel.predict`."""
    middle = list(raw.levels).index(0.5)
    median = raw.values.columns([middle])
    values = _widen(graph, raw, strangeness, model.usual_disagreements.get(target))
    width = _width(graph, values, raw.levels)
    conditions = [X.columns([column]) for column in model.conditions]
    conditions += [median, width, n_known]
    calibrator = model.calibrators[target]
    shift = _shift(graph, conditions, calibrator)
    moved = values + shift * graph.where(width > 0.0, width, 1.0)
    return _uncross(graph, moved, len(raw.levels), middle)


def _widen(graph: Graph, raw: Quantiles, strangeness: Value | None, usual: float | None) -> Value:
    """Move quantiles away from the median: `RawQuantiles.widened`."""
    rules = rules_of_intervals
    middle = list(raw.levels).index(0.5)
    median = raw.values.columns([middle])
    factor = median * 0.0 + 1.0
    if usual and raw.spread is not None:
        half = _width(graph, raw.values, raw.levels) / 2.0
        excess = raw.spread / half.at_least(rules.LEAST_WIDTH) / usual - 1.0
        factor = factor + excess.or_zero().at_least(0.0) * rules.DISAGREEMENT
    if strangeness is not None:
        factor = factor * (strangeness * rules.STRANGENESS + 1.0)
    factor = factor.or_zero().at_most(rules.MOST_WIDENED)
    return median + factor * (raw.values - median)


def _shift(graph: Graph, conditions: list[Value], calibrator: Any) -> Value:
    """Add up the shifts of each galaxy's bins: `QuantileCalibrator.predict`."""
    shift = graph.constant(calibrator.shifts_[:1])
    start = 1
    for condition, edges in zip(conditions, calibrator.edges_, strict=True):
        if len(edges):
            # One step for each edge that the condition has passed.
            shifts = calibrator.shifts_[start : start + len(edges)]
            steps = np.diff(np.vstack([np.zeros_like(shifts[:1]), shifts]), axis=0)
            passed = (condition >= edges[np.newaxis]).number()
            shift = shift + passed.times(graph.constant(steps))
            start += len(edges)
    return shift


def _uncross(graph: Graph, values: Value, n_levels: int, middle: int) -> Value:
    """Move quantiles that cross away from the median: `uncross`."""
    columns = [values.columns([k]) for k in range(n_levels)]
    for k in range(middle + 1, n_levels):
        columns[k] = columns[k].at_least(columns[k - 1])
    for k in range(middle - 1, -1, -1):
        columns[k] = columns[k].at_most(columns[k + 1])
    return graph.join(*columns)


def _score(graph: Graph, X: Value, domain: Any, never_missing: Sequence[int]) -> Value:
    """Score how normal galaxies are, (n, 1): `DomainDetector.score_samples`."""
    n_components, n_features = domain.means_.shape
    chosen = X.columns(domain.informative_)
    missing = chosen.is_nan()
    far = rules_of_domain.FARTHEST
    standard = ((chosen.or_zero() - domain.location_) / domain.scale_).at_least(-far).at_most(far)
    # (n, n_components, n_features): a missing feature is 0 off the mean until it is taken out.
    offsets = standard.shaped(-1, 1, n_features) - domain.means_[np.newaxis]
    offsets = graph.where(missing.shaped(-1, 1, n_features), 0.0, offsets)
    pulls = offsets.shaped(-1, n_components, 1, n_features).times(domain.precisions_[np.newaxis])
    pulls = pulls.shaped(-1, n_components, n_features)
    squared = (offsets * pulls).sum(2)
    log_norms = squared * 0.0 + domain._log_norms[np.newaxis, :, np.newaxis]
    fixed = set(never_missing)
    pivots = [k for k, column in enumerate(domain.informative_) if int(column) not in fixed]
    if pivots:
        squared, log_norms = _take_out(
            graph, domain.precisions_, pivots, missing, pulls, squared, log_norms
        )
    membership = graph.add("Softmax", (log_norms - squared / 2.0).shaped(0, -1), axis=1)
    expected = (membership * squared.shaped(0, -1)).sum()
    n_observed = (~missing).number().sum()
    known = n_observed.at_least(1.0)
    return ((known - expected) / (known * 2.0).sqrt()).unless(n_observed.equals(0))


def _take_out(
    graph: Graph,
    precisions: np.ndarray,
    pivots: list[int],
    missing: Value,
    pulls: Value,
    squared: Value,
    log_norms: Value,
) -> tuple[Value, Value]:
    """Integrate missing features out of squared distances, one feature after the other.

    Each step is one of Gaussian elimination in the block of the precisions that may be missing,
    and does nothing for galaxies that have the feature.
    """
    block = graph.constant(precisions[np.newaxis][:, :, pivots][..., pivots])
    pulls = pulls.columns(pivots, axis=2)
    absent = missing.columns(pivots).number()
    for k in range(len(pivots)):
        rest = range(1, len(pivots) - k)
        first = block.columns([0], axis=2)  # (n, n_components, 1, n_left)
        pivot = first.columns([0], axis=3).shaped(0, 0, 1)
        pull = pulls.columns([0], axis=2)
        here = absent.columns([k]).shaped(-1, 1, 1)
        share = here / pivot
        squared = squared - share * pull * pull
        log_norms = log_norms - here * pivot.log() / 2.0
        if len(rest):
            row = first.columns(rest, axis=3)
            n_left = len(rest)
            flat = row.shaped(0, 0, n_left)
            pulls = pulls.columns(rest, axis=2) - share * pull * flat
            product = flat.shaped(0, 0, n_left, 1) * row
            left = block.columns(rest, axis=2).columns(rest, axis=3)
            block = left - share.shaped(0, 0, 1, 1) * product
    return squared, log_norms


def _strangeness(graph: Graph, score: Value, something: Value, domain: Any) -> Value:
    """Compute how strange galaxies are: `DomainDetector.strangeness`."""
    tenth, median = np.quantile(domain.calibration_scores_, [0.1, 0.5])
    unit = max(median - tenth, np.finfo(float).tiny)
    known = graph.where(score.is_nan() | ~something, float(tenth), score)
    return (tenth - known).at_least(0.0) / float(unit)
