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

# In dex. Intervals of galaxies whose widths are equal differ by less.
ROUNDING = 1e-9


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
    optional: Sequence[Sequence[int]],
    flags: Flags,
) -> Predictions:
    """Predict and flag: `StarFormationRegressor.predict_table`, with quantiles at other levels.

    `optional` are the columns of X that may be NaN where there is a prediction nevertheless: one
    or two at a time, which are NaN together.
    """
    known = ~X.is_nan()
    n_known = known.number().sum()
    something = n_known > 0.0
    strangeness = None
    if regressor.domain_ is not None:
        score = _score(graph, X, regressor.domain_, optional)
        raise_flag(flags, Flag.COLOURS, something & (score < regressor.domain_.offset_))
        strangeness = _strangeness(graph, score, something, regressor.domain_)
    n_targets = len(regressor.targets_)
    medians: dict[int, Value] = {}
    quantiles: dict[int, Value] = {}
    shifts = getattr(regressor, "shifts_", {})
    widest = regressor.intervals_.widest(regressor.targets_, None, usual=True)
    for network, places in zip(
        regressor.emulators_.estimators, regressor.emulators_.targets, strict=True
    ):
        usable = something if network.inputs_.fill_missing else ~(~known).any()
        raws = run_network(graph, X, network)
        for raw, k in zip(raws, places, strict=True):
            if shifts.get(regressor.targets_[k]):
                raw = raw._replace(values=raw.values + shifts[regressor.targets_[k]])
            raise_flag(flags, Flag.QUANTILE_CROSSING, usable & _cross(graph, raw))
            model, target = regressor.intervals_, regressor.targets_[k]
            calibrated = _calibrate(graph, raw, X, n_known, strangeness, model, target)
            asked = _interpolate(graph, calibrated, raw.levels, (0.5, 0.16, 0.84, *levels))
            width = asked.columns([2]) - asked.columns([1])
            limit = float(widest[k]) + ROUNDING
            raise_flag(flags, Flag.WIDE_INTERVAL, usable & (width > limit))
            raise_flag(flags, Flag.NOT_PREDICTED, ~usable)
            raise_flag(flags, Flag.FEW_BANDS, ~usable & something)
            middle = list(raw.levels).index(0.5)
            medians[k] = raw.values.columns([middle]).unless(~usable)
            wanted = asked.columns(range(3, 3 + len(levels))).unless(~usable)
            quantiles[k] = wanted.shaped(0, 1, len(levels))
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
    mean = each.mean(0).squeezed(0)
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
        found.append(_as_quantiles(values, each, start + spec.median, spec.quantiles))
    return found


def _as_quantiles(
    values: Value, each: Value, median: int, levels: tuple[float, ...] | None
) -> Quantiles:
    """Give quantiles, or a point prediction repeated: `sfml.regressor.emulators._quantiles`."""
    if levels is None or len(levels) < 2:
        from sfml.uncertainty import LEVELS

        return Quantiles(values.columns([0] * len(LEVELS)), LEVELS, None)
    medians = each.columns([median], axis=2)
    deviation = medians - medians.mean(0)
    spread = (deviation * deviation).mean(0).sqrt().squeezed(0)
    return Quantiles(values, tuple(levels), spread)


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


def _score(graph: Graph, X: Value, domain: Any, optional: Sequence[Sequence[int]]) -> Value:
    """Score how normal galaxies are, (n, 1): `DomainDetector.score_samples`."""
    n_components, n_features = domain.means_.shape
    chosen = X.columns(domain.informative_)
    missing = chosen.is_nan()
    far = rules_of_domain.FARTHEST
    standard = ((chosen.or_zero() - domain.location_) / domain.scale_).at_least(-far).at_most(far)
    # (n, n_components, n_features): a missing feature is 0 off the mean until it is taken out.
    offsets = standard.shaped(0, 1, n_features) - domain.means_[np.newaxis]
    offsets = graph.where(missing.shaped(0, 1, n_features), 0.0, offsets)
    pulls = offsets.shaped(0, n_components, 1, n_features).times(domain.precisions_[np.newaxis])
    pulls = pulls.shaped(0, n_components, n_features)
    squared = (offsets * pulls).sum(2)
    log_norms = squared * 0.0 + domain._log_norms[np.newaxis, :, np.newaxis]
    places = {int(column): place for place, column in enumerate(domain.informative_)}
    known_here = [[places[column] for column in band if column in places] for band in optional]
    bands = [band for band in known_here if band]
    if bands:
        squared, log_norms = _take_out(
            graph, domain.precisions_, bands, missing, pulls, squared, log_norms
        )
    membership = graph.add("Softmax", (log_norms - squared / 2.0).squeezed(2), axis=1)
    expected = (membership * squared.squeezed(2)).sum()
    n_observed = (~missing).number().sum()
    known = n_observed.at_least(1.0)
    return ((known - expected) / (known * 2.0).sqrt()).unless(n_observed.equals(0))


def _take_out(
    graph: Graph,
    precisions: np.ndarray,
    bands: list[list[int]],
    missing: Value,
    pulls: Value,
    squared: Value,
    log_norms: Value,
) -> tuple[Value, Value]:
    """Integrate missing features out of squared distances, one band after the other.

    The features of a band are missing together. Each step is one of Gaussian elimination in the
    block of the precisions that may be missing, and does nothing for galaxies that have the band.
    """
    order = [place for band in bands for place in band]
    block = graph.constant(precisions[np.newaxis][:, :, order][..., order])
    pulls = pulls.columns(order, axis=2).shaped(0, 0, len(order), 1)
    for k, band in enumerate(bands):
        n, n_left = len(band), sum(map(len, bands[k + 1 :]))
        here, rest = range(n), range(n, n + n_left)
        rows = block.columns(here, axis=2)  # (n_rows, n_components, n, n + n_left)
        inverse, determinant = _invert(graph, rows.columns(here, axis=3), n)
        absent = missing.columns(band[:1]).number().shaped(0, 1, 1, 1)
        share = inverse * absent
        pull = pulls.columns(here, axis=2)
        pushed = share.times(pull)
        squared = squared - (pull * pushed).sum(2).shaped(0, 0, 1)
        log_norms = log_norms - (determinant.log() * absent / 2.0).shaped(0, 0, 1)
        if n_left:
            across = rows.columns(rest, axis=3)
            down = graph.add("Transpose", across, perm=[0, 1, 3, 2])
            pulls = pulls.columns(rest, axis=2) - down.times(pushed)
            left = block.columns(rest, axis=2).columns(rest, axis=3)
            block = left - down.times(share.times(across))
    return squared, log_norms


def _invert(graph: Graph, matrices: Value, n: int) -> tuple[Value, Value]:
    """Invert matrices of 1 or 2 rows, symmetric ones; and their determinants, (..., 1, 1)."""
    first = matrices.columns([0], axis=2)
    a = first.columns([0], axis=3)
    if n == 1:
        return 1.0 / a, a
    last = matrices.columns([1], axis=2)
    b, c = first.columns([1], axis=3), last.columns([1], axis=3)
    determinant = a * c - b * b
    rows = graph.join(c, -b, axis=3), graph.join(-b, a, axis=3)
    return graph.join(*rows, axis=2) / determinant, determinant


def _strangeness(graph: Graph, score: Value, something: Value, domain: Any) -> Value:
    """Compute how strange galaxies are: `DomainDetector.strangeness`."""
    tenth, median = np.quantile(domain.calibration_scores_, [0.1, 0.5])
    unit = max(median - tenth, np.finfo(float).tiny)
    known = graph.where(score.is_nan() | ~something, float(tenth), score)
    return (tenth - known).at_least(0.0) / float(unit)
