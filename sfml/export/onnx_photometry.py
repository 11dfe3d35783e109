"""The steps before the regressor as ONNX nodes: selection, features and scaling.

Each function says in ONNX what the method that it names says in NumPy; tests hold the two to the
same numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sfml.export.onnx_graph import LN10, Graph, Value
from sfml.features.cosmology import log_distance_factor
from sfml.features.flux_features import _LEAST_REDSHIFT_ERROR
from sfml.flags import CUT_FLAGS, Flag
from sfml.photometry import missing as rules_of_missing
from sfml.targets import open_ends

Flags = dict[Flag, Value]


class Columns(NamedTuple):
    """Photometry of a catalogue: (n, n_bands), and (n, 1) for the redshift; None if not there."""

    flux: Value
    error: Value | None
    redshift: Value | None
    redshift_error: Value | None


def raise_flag(flags: Flags, flag: Flag, where: Value) -> None:
    """Raise a flag where a condition holds, beside where it is raised already."""
    flags[flag] = flags[flag] | where if flag in flags else where


def split(values: Value, layout: Any) -> Columns:
    """Tell columns apart: `Layout.split`."""
    n = int(layout.n_bands)
    end = 2 * n if layout.errors else n
    has_redshift, has_error = layout.redshift != "none", layout.redshift == "photometric"
    return Columns(
        values.columns(range(n)),
        values.columns(range(n, end)) if layout.errors else None,
        values.columns([end]) if has_redshift else None,
        values.columns([end + 1]) if has_error else None,
    )


def select(graph: Graph, catalogue: Value, selector: Any, flags: Flags) -> Value:
    """Blank and flag galaxies: `GamaSampleSelector.transform_and_flag`."""
    rules = selector.rules_
    photometry = _read(graph, catalogue, selector)
    cuts = _cuts(photometry, rules)
    n_observed = (~photometry.flux.is_nan()).number().sum()
    nothing = n_observed.equals(0)
    raise_flag(flags, Flag.FEW_BANDS, nothing)
    for name, where in cuts.items():
        raise_flag(flags, CUT_FLAGS[name], where & ~nothing if name == "snr" else where)
    if selector._guard is not None:
        raise_flag(flags, Flag.UNIT, _beyond(graph, photometry, selector._guard))
    parts = [photometry.flux, photometry.error if selector.layout_.errors else None]
    parts += [photometry.redshift, photometry.redshift_error]
    out = graph.join(*(part for part in parts if part is not None))
    for where in cuts.values():
        out = out.unless(where)
    return out


def compute_features(graph: Graph, selected: Value, features: Any, flags: Flags) -> Value:
    """Compute and flag features: `FluxFeatures.compute` and `FluxFeatures.flag`."""
    photometry = split(selected, features.layout_)
    flux, error, redshift, redshift_error = photometry
    reference = _log_reference(graph, photometry, features.reference_)
    log_reference = brightness = reference / LN10
    observed = ~flux.is_nan()
    scale = reference.exp()
    snr: list[Value] = []
    if error is None:
        parts = [_asinh_magnitude(flux / scale, graph.constant(features.softening_))]
    else:
        relative = error / scale
        parts = [_asinh_magnitude(flux / scale, relative), relative.log10()]
        snr = [_mean_log_snr(flux, error)]
    if features.flags_missing_:
        parts.append(observed.number())
    of_redshift: list[Value] = []
    if redshift is not None:
        positive = redshift.unless(~(redshift > 0.0))
        brightness = log_reference + _log_distance_factor(graph, positive.log10())
        if features.redshift_grid_ is not None:
            shift = positive * 0.0
            if features.follows_grid_:
                shift = _grid_shift(graph, positive, features.redshift_grid_)
            parts.append(shift)
            brightness = brightness + shift
        if redshift_error is not None:
            known = redshift_error.or_zero().at_least(_LEAST_REDSHIFT_ERROR)
            parts.append((known.unless(redshift_error.is_nan()) / (positive + 1.0)).log10())
        of_redshift = [redshift, positive.log10()]
    out = graph.join(*parts, *snr, *of_redshift, log_reference, brightness)
    _flag_features(features, observed, redshift, snr, flags)
    return out.unless(brightness.is_nan())


def scale(values: Value, scaler: Any) -> Value:
    """Standardise: `StandardScaler.transform`."""
    center = getattr(scaler, "_center", scaler.mean_ if scaler.with_mean else None)
    if center is not None:
        values = values - center
    return values if scaler.scale_ is None else values / scaler.scale_


def _read(graph: Graph, catalogue: Value, selector: Any) -> Columns:
    """Write NaN for what is missing: `read_photometry`."""
    bands = selector.bands_
    codes = {float(c) for c in bands.missing_codes}
    codes |= {float(np.float32(c)) for c in codes if abs(c) < np.finfo(np.float32).max}
    for code in sorted(codes):
        catalogue = catalogue.unless(catalogue.equals(code))
    photometry = split(catalogue, selector.rules_.layout)
    if selector._upper_limits is not None and photometry.error is not None:
        photometry = _apply_upper_limits(graph, photometry, float(selector._upper_limits))
    missing = _find_missing(graph, photometry, selector._largest_error)
    flux, error, *others = photometry
    return Columns(flux.unless(missing), error and error.unless(missing), *others)


def _apply_upper_limits(graph: Graph, photometry: Columns, n_sigma: float) -> Columns:
    """Take limits for measurements of 0: `apply_upper_limits`."""
    flux, error, *others = photometry
    assert error is not None
    usual = -error <= flux * rules_of_missing.USUAL_ERRORS
    limit = (error < 0.0) & (flux > 0.0) & usual
    return Columns(
        graph.where(limit, 0.0, flux), graph.where(limit, flux / n_sigma, error), *others
    )


def _find_missing(graph: Graph, photometry: Columns, largest_error: np.ndarray | None) -> Value:
    """Say which measurements say nothing: `find_missing`."""
    rules = rules_of_missing
    flux, error = photometry.flux, photometry.error
    missing = flux.is_nan()
    if error is None:
        return missing
    missing = missing | ~(error > 0.0) | (error >= rules.LARGEST_ERROR)
    detected = ~missing & (flux >= error * rules.DETECTION)
    brightest = graph.where(detected, flux, 0.0).largest().at_least(0.0)
    drowned = (brightest > 0.0) & (error > brightest * rules.LARGEST_RATIO)
    missing = missing | (~detected & drowned) | (flux < error * rules.LEAST_SNR)
    if largest_error is not None:
        missing = missing | (~detected & (error > largest_error))
    return missing


def _cuts(photometry: Columns, rules: Any) -> dict[str, Value]:
    """Say where each cut rejects: `Rules.rejected`, without labels."""
    flux, error, redshift, redshift_error = photometry
    cuts: dict[str, Value] = {}
    if rules.z_range is not None and redshift is not None:
        low, high = open_ends(rules.z_range)
        cuts["redshift"] = ~((redshift > low) & (redshift <= high))
        if redshift_error is not None:
            cuts["redshift"] = cuts["redshift"] | ~(redshift_error >= 0.0)
    if rules.missing == "reject":
        cuts["missing"] = flux.is_nan().any()
    if rules.negative == "reject":
        cuts["negative"] = (flux < 0.0).any()
    if rules.min_bands:
        assert error is not None
        detected = (flux >= error * rules.min_snr).number().sum()
        cuts["snr"] = detected < float(rules.min_bands)
    return cuts


def _beyond(graph: Graph, photometry: Columns, guard: Any) -> Value:
    """Mark galaxies that seem to be in another unit: `UnitGuard.flag`."""
    flux, error, redshift, _ = photometry
    logs = flux.unless(~(flux > 0.0)).log10()
    brightness = _mean(graph, logs - guard.typical, None)
    if redshift is not None:
        brightness = brightness + redshift.unless(~(redshift > 0.0)).log10() * 2.0
    low, high = guard.brightness
    beyond = (brightness < low) | (brightness > high)
    if guard.floor is None or guard.relative is None or error is None:
        return beyond
    from_brightness = flux.or_zero() * guard.relative
    expected = (from_brightness * from_brightness + guard.floor**2).sqrt()
    share = guard.floor / graph.where(expected > 0.0, expected, np.nan)
    noise = _mean(graph, error.log10() - expected.log10(), share * share)
    low, high = guard.noise
    return beyond | (noise < low) | (noise > high)


def _mean(graph: Graph, values: Value, weight: Value | None) -> Value:
    """Average each row's known values: `sfml.photometry.guard._mean`."""
    known = values.is_finite()
    weights = known.number() if weight is None else graph.where(known, weight, 0.0)
    total = weights.sum()
    summed = (weights * graph.where(known, values, 0.0)).sum()
    return (summed / graph.where(total > 0.0, total, 1.0)).unless(~(total > 0.0))


def _log_reference(graph: Graph, photometry: Columns, reference: Any) -> Value:
    """Compute the natural logarithm of the reference flux, (n, 1): `ReferenceFlux.log`."""
    n = len(reference.used)
    bands = np.arange(n) if reference.scatter is not None else np.flatnonzero(reference.used)
    flux = photometry.flux.columns(bands)
    error = None if photometry.error is None else photometry.error.columns(bands)
    unknown = flux.is_nan() if error is None else flux.is_nan() | error.is_nan()
    bright = flux.or_zero().at_least(0.0 if error is None else error.or_zero())
    measured = (bright > 0.0) & ~unknown
    bright = graph.where(measured, bright, 1.0)
    weight = measured.number()
    if reference.scatter is not None:
        scatter = reference.scatter[bands] ** 2
        if error is None:
            weight = weight / scatter
        else:
            relative = graph.where(measured, error, 0.0) / bright
            weight = weight / (relative * relative + scatter)
    total = weight.sum()
    nothing = total.equals(0)
    mean = (weight * (bright.log() - reference.colour[bands])).sum()
    return (mean / graph.where(nothing, 1.0, total)).unless(nothing)


def _asinh_magnitude(ratio: Value, softening: Value) -> Value:
    """Compute a magnitude: `sfml.features.flux_features._asinh_magnitude`."""
    return (ratio / (softening * 2.0)).asinh() + softening.log()


def _mean_log_snr(flux: Value, error: Value) -> Value:
    """Average signal-to-noise ratios, (n, 1): `mean_log_snr`."""
    score = (flux / (error * 2.0)).asinh() / LN10
    observed = ~score.is_nan()
    count = observed.number().sum()
    total = score.or_zero().sum()
    return (total / count.at_least(1.0)).unless(count.equals(0))


def _log_distance_factor(graph: Graph, log_redshift: Value) -> Value:
    """Interpolate in the table of distances: `log_distance_factor`."""
    first, last, n = -5.0, 3.0, 8000
    nodes = np.linspace(first, last, n + 1)
    table = log_distance_factor(nodes)
    outside = log_redshift.is_nan() | (log_redshift < first) | (log_redshift > last)
    inside = graph.where(outside, 0.0, log_redshift)
    place = ((inside - first) * (n / (last - first))).floor().at_least(0.0).at_most(n - 1.0)
    place = place.cast(np.int64)
    start, rise = graph.constant(nodes).at(place), graph.constant(np.diff(table)).at(place)
    value = graph.constant(table).at(place) + (inside - start) * rise * (n / (last - first))
    return value.unless(outside)


def _grid_shift(graph: Graph, positive: Value, grid: Any) -> Value:
    """Compute what the grid adds to a luminosity: `RedshiftGrid.shift`."""
    known = graph.where(positive.is_nan(), 1.0, positive)
    point = ((known / grid.step - grid.offset).round() + grid.offset) * grid.step
    at_grid = _log_distance_factor(graph, point.at_least(grid.first).log10())
    return at_grid - _log_distance_factor(graph, positive.log10())


def _flag_features(
    features: Any, observed: Value, redshift: Value | None, snr: list[Value], flags: Flags
) -> None:
    """Flag galaxies beyond those of training: `FluxFeatures.flag`."""
    n_bands = observed.number().sum()
    some = n_bands > 0.0
    raise_flag(flags, Flag.FEW_BANDS, some & (n_bands < float(features.fewest_bands_)))
    if redshift is not None:
        low, high = features.redshift_range_
        beyond = (redshift < low) | (redshift > high) | ~(redshift > 0.0)
        raise_flag(flags, Flag.REDSHIFT, some & beyond)
    if snr:
        raise_flag(flags, Flag.LOW_SNR, snr[0] < features.least_log_snr_)
