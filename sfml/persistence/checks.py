"""Whether what was read fits together: shapes, bounds and order, before anything computes with it.

Each check is given an object whose attributes have the right types, and raises a ValueError that
says what does not fit. Compiled code, which trusts its input, is guarded here too: scikit-learn
reads the nodes of a tree and the support vectors of an SVR without looking at their bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_KERNELS = ("linear", "poly", "rbf", "sigmoid")
# No survey has as many bands; names are made for each.
_MOST_BANDS = 10_000


def expect(holds: Any, what: str) -> None:
    """Raise a ValueError that says what should hold, if it does not."""
    if not holds:
        raise ValueError(f"{what}.")


def _expect_finite(**arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        expect(np.isfinite(array).all(), f"{name} must be finite")


def _expect_length(n: int, **arrays: np.ndarray | None) -> None:
    for name, array in arrays.items():
        expect(array is None or len(array) == n, f"{name} must have {n} entries")


def _expect_growing(name: str, values: np.ndarray) -> None:
    expect(np.all(np.diff(values) >= 0), f"{name} must grow")  # false where there is NaN


def n_inputs(layout: Any) -> int:
    """Count the columns that a layout describes."""
    redshifts = {"none": 0, "spectroscopic": 1, "photometric": 2}[layout.redshift]
    return layout.n_bands * (2 if layout.errors else 1) + redshifts


def check_layout(layout: Any) -> None:
    """Check what the columns of photometry are."""
    expect(layout.redshift in ("none", "spectroscopic", "photometric"), "redshift is of no kind")
    expect(0 < layout.n_bands <= _MOST_BANDS, f"n_bands must lie between 1 and {_MOST_BANDS}")


def check_guard(guard: Any) -> None:
    """Check the guard against other units."""
    _expect_length(len(guard.typical), floor=guard.floor, relative=guard.relative)


def check_reference(reference: Any) -> None:
    """Check how the reference flux is read off the bands."""
    n_bands = len(reference.used)
    _expect_length(n_bands, colour=reference.colour, scatter=reference.scatter)


def check_selector(select: Any) -> None:
    """Check the selection, if it was fitted."""
    layout, rules = select.layout_, select.rules_
    expect(layout.n_bands == rules.layout.n_bands, "layout_ and rules_ have other bands")
    expect(select.n_features_in_ == n_inputs(rules.layout), "n_features_in_ is not the layout's")
    expect(
        layout.bands is not None or layout.n_bands == select.n_features_in_ - 1,
        "n_bands is not the layout's",
    )
    expect(not layout.errors or rules.layout.errors, "layout_ has errors that rules_ do not read")
    _check_names(select)
    _expect_length(layout.n_bands, _largest_error=select._largest_error)
    if select._guard is not None:
        _expect_length(layout.n_bands, _guard=select._guard.typical)


def check_features(features: Any) -> None:
    """Check the features, if they were fitted."""
    layout = features.layout_
    expect(features.n_features_in_ == n_inputs(layout), "n_features_in_ is not the layout's")
    expect(layout.errors or features.softening_ is not None, "softening_ is needed without errors")
    _expect_length(
        layout.n_bands, softening_=features.softening_, reference_=features.reference_.used
    )
    grid = features.redshift_grid_
    expect(grid is None or grid.step > 0, "the step of redshift_grid_ must be positive")
    _check_names(features)


def check_scaler(scaler: Any) -> None:
    """Check means and variances."""
    n = scaler.n_features_in_
    _expect_length(n, mean_=scaler.mean_, var_=scaler.var_, scale_=scaler.scale_)
    _expect_length(n, _center=getattr(scaler, "_center", None))
    if isinstance(scaler.n_samples_seen_, np.ndarray):
        _expect_length(n, n_samples_seen_=scaler.n_samples_seen_)
    _check_names(scaler)


def check_inputs(inputs: Any) -> None:
    """Check which columns a network reads."""
    n = len(inputs.columns)
    expect(n > 0, "columns must not be empty")
    _expect_length(n, low=inputs.low, high=inputs.high)
    expect((inputs.low is None) == (inputs.high is None), "low and high belong together")
    if inputs.low is not None:
        _expect_finite(low=inputs.low, high=inputs.high)
    expect(np.isfinite([inputs.slope, inputs.intercept]).all(), "the offset's map must be finite")


def check_spec(spec: Any) -> None:
    """Check the architecture; names of losses are handed to Keras when it trains again."""
    from sfml.neural.forward import ACTIVATIONS

    expect(spec.activation in ACTIVATIONS, f"activation must be one of {', '.join(ACTIVATIONS)}")
    for name in ("loss", "optimizer"):
        expect(getattr(spec, name).isidentifier(), f"{name} must be a plain name")
    if spec.quantiles is not None:
        _check_levels("quantiles", spec.quantiles)


def check_scaling(scaling: Any) -> None:
    """Check the scale of the targets."""
    _expect_length(len(scaling.mean), scale=scaling.scale)
    _expect_finite(mean=scaling.mean, scale=scaling.scale)


def check_network(network: Any) -> None:
    """Check a network: layers that follow one another, finite weights, columns that X has."""
    spec, inputs, coefs, biases = (
        network.network_,
        network.inputs_,
        network.coefs_,
        network.intercepts_,
    )
    expect(spec.n_inputs == len(inputs.columns), "n_inputs is not the number of input columns")
    used = [*inputs.columns, *inputs.extrapolated]
    used += [] if inputs.offset is None else [inputs.offset]
    expect(max(used) < network.n_features_in_, "inputs_ names columns beyond n_features_in_")
    expect(spec.n_outputs == network.n_outputs_ > 0, "n_outputs_ is not that of network_")
    expect(network.y_ndim_ in (1, 2), "y_ndim_ must be 1 or 2")
    expect(network.y_ndim_ == 2 or network.n_outputs_ == 1, "a vector has one output")
    sizes = (spec.n_inputs, *spec.hidden_layer_sizes, spec.n_outputs * spec.n_quantiles)
    first = coefs[0].shape[:-2] if coefs else ()
    expect(not first or first[0] > 0, "there must be a network")
    expect(len(coefs) == len(biases) == len(sizes) - 1, "there is one layer too many or too few")
    for k, (coef, bias) in enumerate(zip(coefs, biases, strict=True)):
        expect(coef.shape == (*first, *sizes[k : k + 2]), f"coefs_[{k}] has another shape")
        expect(bias.shape == (*first, sizes[k + 1]), f"intercepts_[{k}] has another shape")
        _expect_finite(coefs_=coef, intercepts_=bias)
    _expect_length(network.n_outputs_, scaling_=network.scaling_.mean)
    limits = network.output_range_
    if limits is not None:
        expect(limits.shape == (2, network.n_outputs_), "output_range_ has another shape")
        _expect_finite(output_range_=limits)
    for name in ("kernel_initializer", "loss", "optimizer"):
        expect(str(getattr(network, name)).isidentifier(), f"{name} must be a plain name")
    _check_names(network)


def check_calibrator(calibrator: Any) -> None:
    """Check what shifts quantiles."""
    _check_levels("levels_", calibrator.levels_)
    n_terms = 1 + sum(map(len, calibrator.edges_))
    expect(
        calibrator.shifts_.shape == (n_terms, len(calibrator.levels_)),
        "shifts_ has another shape than edges_ and levels_ ask for",
    )
    _expect_finite(shifts_=calibrator.shifts_)
    for edges in calibrator.edges_:
        _expect_growing("edges_", edges)


def check_residuals(model: Any) -> None:
    """Check the residuals of held-back galaxies."""
    _expect_growing("edges", model.edges)
    _expect_length(
        len(model.edges) + 1,
        mean_square=model.mean_square,
        mean=model.mean,
        shape=model.shape,
        covered=model.covered,
    )


def check_intervals(model: Any) -> None:
    """Check that each target has all that its intervals need."""
    for name in ("usual_widths", "residuals", "held_back"):
        expect(set(getattr(model, name)) == set(model.calibrators), f"{name} has other targets")
    expect(set(model.usual_disagreements) <= set(model.calibrators), "a target is not calibrated")


def check_copula(copula: Any) -> None:
    """Check the cells from which joint draws are made."""
    n_cells, n_targets = copula.lower.shape
    expect(n_targets > 0, "lower must have a column for each target")
    _expect_growing("edges", copula.edges)
    _expect_length(n_cells, chance=copula.chance, width=copula.width)
    _expect_length(len(copula.edges) + 2, first=copula.first)
    first = copula.first
    bounded = first[0] == 0 and first[-1] == n_cells and np.all(np.diff(first) > 0)
    expect(bounded, "first must number the cells of each bin")
    pair = copula.pair
    expect(len(pair) in (0, 2) and all(k < n_targets for k in pair), "pair must be two targets")
    expect(pair or not len(copula.edges), "edges need a pair")
    for name in ("chance", "lower", "width"):
        values = getattr(copula, name)
        expect(np.all((values >= 0) & (values <= 1)), f"{name} must lie between 0 and 1")
    sums = np.add.reduceat(copula.chance, first[:-1])
    expect(np.allclose(sums, 1), "the chances of a bin must add up to 1")
    beyond = copula.lower + copula.width[:, np.newaxis]
    expect(np.all(beyond <= 1 + 1e-9), "cells must lie between 0 and 1")


def check_domain(domain: Any) -> None:
    """Check the mixture that describes the training rows."""
    informative = domain.informative_
    n, k = len(informative), len(domain.weights_)
    expect(n > 0 and k > 0, "informative_ and weights_ must not be empty")
    expect(
        informative.min() >= 0 and informative.max() < domain.n_features_in_,
        "informative_ numbers columns beyond n_features_in_",
    )
    _expect_length(n, location_=domain.location_, scale_=domain.scale_)
    _expect_length(k, _log_norms=domain._log_norms)
    expect(domain.means_.shape == (k, n), "means_ has another shape")
    expect(domain.covariances_.shape == (k, n, n), "covariances_ has another shape")
    expect(domain.precisions_.shape == (k, n, n), "precisions_ has another shape")
    scores = getattr(domain, "calibration_scores_", None)
    expect((scores is None) != hasattr(domain, "offset_"), "offset_ belongs to calibration_scores_")
    if scores is not None:
        expect(len(scores) > 0, "calibration_scores_ must not be empty")
        _expect_growing("calibration_scores_", scores)
    _check_names(domain)


def check_emulators(emulators: Any) -> None:
    """Check which regressor predicts which target."""
    places = sorted(place for places in emulators.targets for place in places)
    expect(len(emulators.estimators) == len(emulators.targets), "targets are not the estimators'")
    expect(places == list(range(len(places))) and places, "targets must number each target once")
    for each in emulators.estimators:
        _check_is_regressor("estimators", each)


def check_regressor(regressor: Any) -> None:
    """Check that all parts of the regressor have its inputs and its targets."""
    n, targets = regressor.n_features_in_, regressor.targets_
    expect(len(set(targets)) == len(targets) > 0, "targets_ must have names of their own")
    emulators, intervals, domain = regressor.emulators_, regressor.intervals_, regressor.domain_
    expect(sum(map(len, emulators.targets)) == len(targets), "emulators_ has other targets")
    posterior = [] if regressor.posterior_ is None else [regressor.posterior_]
    parts = [*emulators.estimators, *posterior, *([] if domain is None else [domain])]
    for part in parts:
        expect(part.n_features_in_ == n, f"a {type(part).__name__} has other inputs")
    for each, places in zip(emulators.estimators, emulators.targets, strict=True):
        expect(_outputs_of(each) == len(places), f"a {type(each).__name__} has other outputs")
    for each in [*regressor.estimators_, *posterior]:
        _check_is_regressor("estimators_", each)
    named = list(map(id, regressor.named_estimators_.values()))
    expect(named == list(map(id, regressor.estimators_)), "named_estimators_ are not estimators_")
    expect(len(named) in (1, len(targets)), "estimators_ are not those of the targets")
    expect(all(k < n for k in intervals.conditions), "conditions number inputs that X lacks")
    expect(set(regressor.n_train_) == set(regressor.named_estimators_), "n_train_ has other names")
    expect(set(regressor.target_ranges_) == set(targets), "target_ranges_ has other targets")
    shifts = getattr(regressor, "shifts_", {})
    _expect_finite(shifts_=np.array(list(shifts.values()), dtype=float))
    for mapping in (intervals.calibrators, regressor.target_limits_, shifts):
        expect(set(mapping) <= set(targets), "a target is not one of targets_")
    expect(set(regressor.posterior_targets_) <= set(targets), "posterior_targets_ are no targets")
    copula = getattr(regressor, "copula_", None)
    expect(copula is None or copula.n_targets == len(targets), "copula_ has other targets")
    n_conditions = len(intervals.conditions) + 3
    for calibrator in intervals.calibrators.values():
        expect(len(calibrator.edges_) == n_conditions, "a calibrator has other conditions")
    _check_names(regressor)


def check_multioutput(regressor: Any) -> None:
    """Check regressors of one output each."""
    expect(regressor.estimators_, "estimators_ must not be empty")
    for each in regressor.estimators_:
        _check_is_regressor("estimators_", each)
        expect(each.n_features_in_ == regressor.n_features_in_, "a regressor has other inputs")


def check_decision_tree(tree: Any) -> None:
    """Check that a tree is the one that its estimator says it is."""
    expect(tree.tree_.n_features == tree.n_features_in_, "tree_ has other inputs")
    expect(tree.tree_.n_outputs == tree.n_outputs_, "tree_ has other outputs")
    _check_names(tree)


def check_forest(forest: Any) -> None:
    """Check that the trees of a forest have its inputs and outputs."""
    expect(forest.estimators_, "estimators_ must not be empty")
    for tree in forest.estimators_:
        expect(hasattr(tree, "tree_"), "a tree is not fitted")
        expect(tree.n_features_in_ == forest.n_features_in_, "a tree has other inputs")
        expect(tree.n_outputs_ == forest.n_outputs_, "a tree has other outputs")
    _check_names(forest)


def check_svr(svr: Any) -> None:
    """Check support vectors and their weights, which compiled code reads without asking."""
    n_vectors, n_columns = svr.support_vectors_.shape
    expect(svr.kernel in _KERNELS, f"kernel must be one of {', '.join(_KERNELS)}")
    expect(not svr._sparse, "a sparse SVR is not supported")
    expect(n_columns == svr.n_features_in_ == svr.shape_fit_[1], "support_vectors_ lack columns")
    expect(svr.dual_coef_.shape == svr._dual_coef_.shape == (1, n_vectors), "dual_coef_'s shape")
    expect(svr.intercept_.shape == svr._intercept_.shape == (1,), "intercept_'s shape")
    expect(svr._n_support.shape == (2,) and (svr._n_support == n_vectors).all(), "_n_support")
    expect(len(svr.support_) == n_vectors, "support_ must number the support vectors")
    expect(
        not n_vectors or (svr.support_.min() >= 0 and svr.support_.max() < svr.shape_fit_[0]),
        "support_ numbers rows beyond those of fit",
    )
    expect(svr._probA.size == svr._probB.size == 0, "an SVR has no probabilities")
    _expect_finite(
        support_vectors_=svr.support_vectors_,
        dual_coef_=svr._dual_coef_,
        intercept_=svr._intercept_,
        _gamma=np.asarray(svr._gamma),
    )
    _check_names(svr)


def check_pipeline(pipe: Any) -> None:
    """Check that each fitted step takes what the one before it gives."""
    for steps in (pipe.steps, pipe._fitted_steps):
        _check_steps(steps)
    n_columns = None
    for name, step in pipe._fitted_steps:
        if isinstance(step, str | None):
            continue
        if n_columns is not None:
            expect(step.n_features_in_ == n_columns, f"step {name!r} has other inputs")
        n_columns = _n_outputs(step, n_columns)


def _check_steps(steps: Any) -> None:
    expect(type(steps) is list and steps, "steps must be a list")
    for each in steps:
        expect(type(each) is tuple and len(each) == 2, "steps must be pairs of a name and a step")
        name, step = each
        passes = step is None or (isinstance(step, str) and step == "passthrough")
        expect(isinstance(name, str), "a step's name must be a text")
        expect(passes or hasattr(step, "fit"), f"step {name!r} is no estimator")
    expect(len({name for name, _ in steps}) == len(steps), "steps must have names of their own")


def _n_outputs(step: Any, n: int | None) -> int | None:
    """Count the columns that a step gives, if it is one of those which know."""
    if hasattr(step, "get_feature_names_out"):
        try:
            return len(step.get_feature_names_out())
        except ValueError:
            return None
    return n


def _outputs_of(regressor: Any) -> int:
    """Count the outputs of a regressor."""
    return getattr(regressor, "n_outputs_", len(getattr(regressor, "estimators_", "1")))


def _check_is_regressor(name: str, each: Any) -> None:
    expect(hasattr(each, "predict") and hasattr(each, "n_features_in_"), f"{name}: no regressor")


def _check_levels(name: str, levels: Any) -> None:
    values = np.asarray(levels, dtype=float)
    grows = len(values) and np.all(np.diff(values) > 0) and values[0] > 0 and values[-1] < 1
    expect(grows and 0.5 in values, f"{name} must grow between 0 and 1, with 0.5 among them")


def _check_names(estimator: Any) -> None:
    names = getattr(estimator, "feature_names_in_", None)
    _expect_length(estimator.n_features_in_, feature_names_in_=names)
