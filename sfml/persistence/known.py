"""The classes that a file may hold, and what is known of each: nothing else is saved or loaded.

Files name a class by its key here, which stays the same when a class moves. An attribute that is
not listed is an error when a model is saved, so that none is forgotten, and when it is loaded.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sfml.persistence import checks
from sfml.persistence.kinds import (
    ANYTHING,
    COUNT,
    FRAME,
    INTEGER,
    NAMES,
    NOTHING,
    NUMBER,
    TEXT,
    TRUTH,
    Kind,
    array,
    dict_of,
    instance,
    list_of,
    location_of,
    tuple_of,
)

ESTIMATOR = "estimator"
"""A class with parameters, which its constructor stores, and attributes that `fit` adds."""
RECORD = "record"
"""A NamedTuple or frozen dataclass: made anew of its fields."""
OBJECT = "object"
"""A class of plain attributes."""
TREE = "tree"
"""scikit-learn's compiled tree: see `sfml.persistence.trees`."""


@dataclass(frozen=True)
class Known:
    """What is known of one class.

    `attributes` are an estimator's fitted ones, `sometimes` those among them that may be absent,
    and `preset` the ones which its constructor makes without being told. `left_out` are parameters
    that serve training alone, and are saved as None. `check` is given the attributes that were
    read, and raises a ValueError if they do not fit together.
    """

    location: str
    style: str
    attributes: Mapping[str, Kind]
    sometimes: frozenset[str] = frozenset()
    preset: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    check: Callable[[Any], None] = field(default=lambda value: None)

    def load(self) -> type:
        """Import the class."""
        module, _, name = self.location.rpartition(".")
        return getattr(importlib.import_module(module), name)


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """List the parameters of an estimator's constructor."""
    found = inspect.signature(cls).parameters
    return {name: each for name, each in found.items() if each.kind != each.VAR_KEYWORD}


def name_of(cls: type) -> str | None:
    """Find the key of a class; None if it is not known."""
    return _NAMES.get(location_of(cls))


_LIMITS = tuple_of(NUMBER | NOTHING, 2) | list_of(NUMBER | NOTHING) | NOTHING
_RANGE = tuple_of(NUMBER, 2)
_VECTOR = array("float64", 1)
_MATRIX = array("float64", 2)
_BANDSET = instance("sfml.bands.BandSet")
_LAYOUT = instance("sfml.photometry.layout.Layout")
_FITTED_FROM = {"n_features_in_": COUNT, "feature_names_in_": NAMES}
_NAMED = frozenset({"feature_names_in_"})

_SCALER = {
    **_FITTED_FROM,
    "mean_": _VECTOR | NOTHING,
    "var_": _VECTOR | NOTHING,
    "scale_": _VECTOR | NOTHING,
    "n_samples_seen_": NUMBER | array("int64", 1) | _VECTOR,
}

KNOWN: dict[str, Known] = {
    "sfml.StarFormationPipeline": Known(
        "sfml.pipeline.StarFormationPipeline",
        ESTIMATOR,
        {"_fitted_steps": list_of(tuple_of(ANYTHING, 2))},
        check=checks.check_pipeline,
    ),
    "sfml.GamaSampleSelector": Known(
        "sfml.selection.selector.GamaSampleSelector",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "rules_": instance("sfml.selection.rules.Rules"),
            "noise_factor_": NUMBER,
            "bands_": _BANDSET | NOTHING,
            "layout_": _LAYOUT,
            "report_": instance("sfml.selection.funnel.SelectionReport"),
            "_upper_limits": NUMBER | NOTHING,
            "_largest_error": _VECTOR | NOTHING,
            "_guard": instance("sfml.photometry.guard.UnitGuard") | NOTHING,
            "_fitted_on_names": TRUTH,
        },
        sometimes=_NAMED | {"_fitted_on_names"},
        check=checks.check_selector,
    ),
    "sfml.FluxFeatures": Known(
        "sfml.features.flux_features.FluxFeatures",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "layout_": _LAYOUT,
            "flags_missing_": TRUTH,
            "reference_": instance("sfml.features.reference.ReferenceFlux"),
            "softening_": _VECTOR | NOTHING,
            "redshift_grid_": instance("sfml.features.redshift_grid.RedshiftGrid") | NOTHING,
            "follows_grid_": TRUTH,
            "fewest_bands_": COUNT,
            "least_log_snr_": NUMBER,
            "redshift_range_": _RANGE,
        },
        sometimes=_NAMED,
        check=checks.check_features,
    ),
    "sfml.StandardScaler": Known(
        "sfml.features.scaler.StandardScaler",
        ESTIMATOR,
        {**_SCALER, "_center": _VECTOR | NOTHING},
        sometimes=_NAMED,
        check=checks.check_scaler,
    ),
    "sfml.StarFormationRegressor": Known(
        "sfml.regressor.regressor.StarFormationRegressor",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "targets_": tuple_of(TEXT),
            "target_limits_": dict_of(_RANGE),
            "target_ranges_": dict_of(_RANGE),
            "emulators_": instance("sfml.regressor.emulators.Emulators"),
            "estimators_": list_of(ANYTHING),
            "named_estimators_": dict_of(ANYTHING),
            "posterior_": ANYTHING,
            "posterior_targets_": tuple_of(TEXT),
            "intervals_": instance("sfml.uncertainty.intervals.IntervalModel"),
            "shifts_": dict_of(NUMBER),
            "copula_": instance("sfml.uncertainty.copula.EmpiricalCopula") | NOTHING,
            "domain_": instance("sfml.uncertainty.domain.DomainDetector") | NOTHING,
            "learnt_keys_": array("uint64", 1),
            "n_train_": dict_of(COUNT),
            "n_given_": COUNT,
            "n_calibration_": COUNT,
            "_root": INTEGER,
            "_last_number": INTEGER,
            "_one_column": TRUTH,
            "_grouped": TRUTH,
        },
        # Models of before sfml learnt how targets go together have no copula_, and no shifts_ and
        # _grouped those of before `calibrate` could shift predictions and `fit` took groups.
        sometimes=_NAMED | {"_last_number", "copula_", "shifts_", "_grouped"},
        check=checks.check_regressor,
    ),
    "sfml.KerasMLPRegressor": Known(
        "sfml.neural.mlp.KerasMLPRegressor",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "coefs_": list_of(array("float32", 2, 3)),
            "intercepts_": list_of(array("float32", 1, 2)),
            "history_": FRAME,
            "n_epochs_": COUNT,
            "best_epoch_": COUNT,
            "n_train_": COUNT,
            "n_validation_": COUNT,
            "inputs_": instance("sfml.neural.inputs.InputColumns"),
            "output_range_": array("float32", 2) | NOTHING,
            "network_": instance("sfml.neural.ensemble.NetworkSpec"),
            "scaling_": instance("sfml.neural.ensemble.TargetScaling"),
            "n_outputs_": COUNT,
            "y_ndim_": COUNT,
            "device_": TEXT,
        },
        sometimes=_NAMED,
        left_out=frozenset({"callbacks"}),
        check=checks.check_network,
    ),
    "sfml.QuantileCalibrator": Known(
        "sfml.uncertainty.calibrator.QuantileCalibrator",
        ESTIMATOR,
        {
            "levels_": tuple_of(NUMBER),
            "edges_": list_of(_VECTOR),
            "shifts_": _MATRIX,
            "n_rows_": COUNT,
        },
        check=checks.check_calibrator,
    ),
    "sfml.DomainDetector": Known(
        "sfml.uncertainty.domain.DomainDetector",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "offset_": NUMBER,
            "calibration_scores_": _VECTOR,
            "false_alarm_rate_": NUMBER,
            "informative_": array("int64", 1),
            "location_": _VECTOR,
            "scale_": _VECTOR,
            "weights_": _VECTOR,
            "means_": _MATRIX,
            "covariances_": array("float64", 3),
            "precisions_": array("float64", 3),
            "_log_norms": _VECTOR,
        },
        sometimes=_NAMED | {"offset_", "calibration_scores_"},
        check=checks.check_domain,
    ),
    "sfml.IntervalModel": Known(
        "sfml.uncertainty.intervals.IntervalModel",
        OBJECT,
        {
            "conditions": list_of(COUNT),
            "calibrators": dict_of(instance("sfml.uncertainty.calibrator.QuantileCalibrator")),
            "usual_widths": dict_of(NUMBER),
            "usual_disagreements": dict_of(NUMBER),
            "residuals": dict_of(instance("sfml.uncertainty.expected.ResidualModel")),
            "held_back": dict_of(instance("sfml.uncertainty.expected.HeldBack")),
        },
        check=checks.check_intervals,
    ),
    "sfml.EmpiricalCopula": Known(
        "sfml.uncertainty.copula.EmpiricalCopula",
        RECORD,
        {
            "pair": tuple_of(COUNT),
            "edges": _VECTOR,
            "first": array("int64", 1),
            "chance": _VECTOR,
            "lower": _MATRIX,
            "width": _VECTOR,
        },
        check=checks.check_copula,
    ),
    "sfml.BandSet": Known(
        "sfml.bands.BandSet",
        RECORD,
        {
            "names": tuple_of(TEXT),
            "wavelengths": tuple_of(NUMBER),
            "flux": TEXT,
            "error": TEXT,
            "redshift": TEXT,
            "unit": TEXT,
            "missing_codes": tuple_of(NUMBER),
            "redshift_error": TEXT | NOTHING,
        },
    ),
    "sfml.Layout": Known(
        "sfml.photometry.layout.Layout",
        RECORD,
        {"bands": _BANDSET | NOTHING, "errors": TRUTH, "redshift": TEXT, "n_bands": COUNT},
        check=checks.check_layout,
    ),
    "sfml.Rules": Known(
        "sfml.selection.rules.Rules",
        RECORD,
        {
            "layout": _LAYOUT,
            "z_range": _LIMITS,
            "stellar_mass_range": _LIMITS,
            "missing": TEXT,
            "negative": TEXT,
            "min_bands": COUNT,
            "min_snr": NUMBER,
            "targets": tuple_of(TEXT),
        },
    ),
    "sfml.SelectionReport": Known(
        "sfml.selection.funnel.SelectionReport",
        RECORD,
        {
            "n_galaxies": COUNT,
            "cuts": tuple_of(instance("sfml.selection.funnel.Cut")),
            "missing": dict_of(COUNT),
        },
    ),
    "sfml.Cut": Known(
        "sfml.selection.funnel.Cut",
        RECORD,
        {
            "name": TEXT,
            "description": TEXT,
            "rejected_alone": COUNT,
            "rejected_in_sequence": COUNT,
            "left": COUNT,
        },
    ),
    "sfml.UnitGuard": Known(
        "sfml.photometry.guard.UnitGuard",
        RECORD,
        {
            "typical": _VECTOR,
            "floor": _VECTOR | NOTHING,
            "relative": _VECTOR | NOTHING,
            "brightness": _RANGE,
            "noise": _RANGE,
        },
        check=checks.check_guard,
    ),
    "sfml.ReferenceFlux": Known(
        "sfml.features.reference.ReferenceFlux",
        RECORD,
        {"used": array("bool", 1), "colour": _VECTOR, "scatter": _VECTOR | NOTHING},
        check=checks.check_reference,
    ),
    "sfml.RedshiftGrid": Known(
        "sfml.features.redshift_grid.RedshiftGrid", RECORD, {"step": NUMBER, "offset": NUMBER}
    ),
    "sfml.InputColumns": Known(
        "sfml.neural.inputs.InputColumns",
        RECORD,
        {
            "columns": tuple_of(COUNT),
            "offset": COUNT | NOTHING,
            "slope": NUMBER,
            "intercept": NUMBER,
            "fill_missing": TRUTH,
            "extrapolated": tuple_of(COUNT),
            "low": array("float32", 1) | NOTHING,
            "high": array("float32", 1) | NOTHING,
        },
        check=checks.check_inputs,
    ),
    "sfml.NetworkSpec": Known(
        "sfml.neural.ensemble.NetworkSpec",
        RECORD,
        {
            "n_inputs": COUNT,
            "n_outputs": COUNT,
            "hidden_layer_sizes": tuple_of(COUNT),
            "activation": TEXT,
            "loss": TEXT,
            "optimizer": TEXT,
            "weight_decay": NUMBER | NOTHING,
            "quantiles": tuple_of(NUMBER) | NOTHING,
        },
        check=checks.check_spec,
    ),
    "sfml.TargetScaling": Known(
        "sfml.neural.ensemble.TargetScaling",
        RECORD,
        {"mean": _VECTOR, "scale": _VECTOR},
        check=checks.check_scaling,
    ),
    "sfml.Emulators": Known(
        "sfml.regressor.emulators.Emulators",
        RECORD,
        {"estimators": list_of(ANYTHING), "targets": list_of(list_of(COUNT))},
        check=checks.check_emulators,
    ),
    "sfml.ResidualModel": Known(
        "sfml.uncertainty.expected.ResidualModel",
        RECORD,
        {
            "edges": _VECTOR,
            "mean_square": _VECTOR,
            "mean": _VECTOR,
            "shape": _MATRIX,
            "covered": _VECTOR,
        },
        check=checks.check_residuals,
    ),
    "sfml.HeldBack": Known(
        "sfml.uncertainty.expected.HeldBack",
        RECORD,
        {
            "n_galaxies": COUNT,
            "bias": NUMBER,
            "sigma": NUMBER,
            "nmad": NUMBER,
            "coverage": NUMBER,
        },
    ),
    "sklearn.StandardScaler": Known(
        "sklearn.preprocessing._data.StandardScaler",
        ESTIMATOR,
        _SCALER,
        sometimes=_NAMED,
        check=checks.check_scaler,
    ),
    "sklearn.MultiOutputRegressor": Known(
        "sklearn.multioutput.MultiOutputRegressor",
        ESTIMATOR,
        {**_FITTED_FROM, "estimators_": list_of(ANYTHING)},
        sometimes=_NAMED,
        check=checks.check_multioutput,
    ),
    "sklearn.RandomForestRegressor": Known(
        "sklearn.ensemble._forest.RandomForestRegressor",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "estimator_": instance("sklearn.tree._classes.DecisionTreeRegressor"),
            "estimators_": list_of(instance("sklearn.tree._classes.DecisionTreeRegressor")),
            "n_outputs_": COUNT,
            "_n_samples": COUNT,
            "_n_samples_bootstrap": COUNT | NOTHING,
            "_sample_weight": _VECTOR | NOTHING,
            "oob_score_": NUMBER,
            "oob_prediction_": array("float64", 1, 2),
        },
        sometimes=_NAMED | {"oob_score_", "oob_prediction_", "_sample_weight"},
        preset=frozenset({"estimator", "estimator_params", "class_weight"}),
        check=checks.check_forest,
    ),
    "sklearn.DecisionTreeRegressor": Known(
        "sklearn.tree._classes.DecisionTreeRegressor",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "n_outputs_": COUNT,
            "max_features_": COUNT,
            "tree_": instance("sklearn.tree._tree.Tree"),
        },
        sometimes=_NAMED,
        preset=frozenset({"class_weight"}),
        check=checks.check_decision_tree,
    ),
    "sklearn.Tree": Known(
        "sklearn.tree._tree.Tree",
        TREE,
        {
            "n_features": COUNT,
            "max_depth": COUNT,
            "children_left": array("int64", 1),
            "children_right": array("int64", 1),
            "feature": array("int64", 1),
            "threshold": _VECTOR,
            "impurity": _VECTOR,
            "n_node_samples": array("int64", 1),
            "weighted_n_node_samples": _VECTOR,
            "missing_go_to_left": array("uint8", 1),
            "values": _MATRIX,
        },
    ),
    "sklearn.SVR": Known(
        "sklearn.svm._classes.SVR",
        ESTIMATOR,
        {
            **_FITTED_FROM,
            "support_": array("int32", 1),
            "support_vectors_": _MATRIX,
            "dual_coef_": _MATRIX,
            "intercept_": _VECTOR,
            "fit_status_": INTEGER,
            "n_iter_": INTEGER,
            "shape_fit_": tuple_of(COUNT, 2),
            "_sparse": TRUTH,
            "_gamma": NUMBER,
            "_n_support": array("int32", 1),
            "_probA": _VECTOR,
            "_probB": _VECTOR,
            "_num_iter": array("int32", 1),
            "_intercept_": _VECTOR,
            "_dual_coef_": _MATRIX,
            "_effective_probability": TRUTH,
        },
        sometimes=_NAMED | {"_effective_probability"},
        preset=frozenset({"nu", "probability", "class_weight", "random_state"}),
        check=checks.check_svr,
    ),
}
"""What may be saved and loaded, by the name that files give it."""

CONFIG = "_sklearn_output_config"
"""What `set_output` was told; any transformer may have it."""

_NAMES = {known.location: name for name, known in KNOWN.items()}
