"""The model card: what a model is, what it was made of, and how well it did."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from sfml.bands import GAMA, BandSet
from sfml.neural import KerasMLPRegressor
from sfml.persistence.container import to_json
from sfml.regressor import StarFormationRegressor
from sfml.selection import GamaSampleSelector
from sfml.targets import known_target

CITATION = "Surana, S. et al. 2020, MNRAS, 493, 4808"
"""The paper of the method."""

# What the author of a model may say otherwise.
_MAY_CHANGE = {"licence", "citation"}


def make_card(pipe: Any, content_hash: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Describe a pipeline, or a part of one, and add what its author says of it."""
    given_steps: Any = getattr(pipe, "_fitted_steps", getattr(pipe, "steps", ()))
    steps = dict(given_steps)
    parts = [pipe, *steps.values()]
    select = next((part for part in parts if isinstance(part, GamaSampleSelector)), None)
    regress = next((part for part in parts if isinstance(part, StarFormationRegressor)), None)
    card: dict[str, Any] = {
        "model": type(pipe).__name__,
        "steps": {
            name: step if isinstance(step, str | None) else type(step).__name__
            for name, step in steps.items()
        },
        "content_hash": content_hash,
        "versions": versions(),
        "saved": datetime.now(UTC).date().isoformat(),
        "licence": None,
        "citation": CITATION,
    }
    if select is not None:
        card |= _describe_selection(select)
    if regress is not None:
        card |= _describe_regressor(regress)
        if "training" in card and "features" in steps:
            card["training"] |= _describe_ranges(steps["features"])
    return card | _check_given(given, card)


def check_card(card: Any) -> None:
    """Raise a ValueError unless a card says what every card says."""
    if not isinstance(card, dict) or not isinstance(card.get("versions"), dict):
        raise ValueError("its model card is no JSON object with versions.")
    number = card.get("content_hash")
    if not isinstance(number, str) or not re.fullmatch("[0-9a-f]{64}", number):
        raise ValueError("its model card has no content hash.")


def versions() -> dict[str, str]:
    """Give the versions of what a model's numbers depend on."""
    from sfml import __version__

    packages = ("numpy", "scipy", "scikit-learn", "pandas")
    return {
        "sfml": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _describe_selection(select: GamaSampleSelector) -> dict[str, Any]:
    fitted = hasattr(select, "rules_")
    layout = select.rules_.layout if fitted else None
    bands = select.bands_ if fitted else GAMA if select.bands is None else select.bands
    card: dict[str, Any] = {}
    if isinstance(bands, BandSet):
        card["bands"] = [
            {"name": name, "wavelength_micron": w, "flux_column": flux, "error_column": error}
            for name, w, flux, error in zip(
                bands.names, bands.wavelengths, bands.flux_columns, bands.error_columns, strict=True
            )
        ]
        card["unit"] = bands.unit
        card["missing_codes"] = list(bands.missing_codes)
    card["redshift"] = {"kind": select.redshift if layout is None else layout.redshift}
    if isinstance(bands, BandSet) and card["redshift"]["kind"] != "none":
        card["redshift"] |= {"column": bands.redshift, "error_column": bands.redshift_error}
    if fitted:
        report = select.report_
        card["columns"] = list(map(str, getattr(select, "feature_names_in_", ())))
        card["selection"] = {
            "n_galaxies": report.n_galaxies,
            "n_selected": report.n_selected,
            "cuts": [
                {"name": cut.name, "keeps": cut.description, "rejected": cut.rejected_in_sequence}
                for cut in report.cuts
            ],
            "missing_bands": dict(report.missing),
        }
    return _plain(card)


def _describe_regressor(regress: StarFormationRegressor) -> dict[str, Any]:
    fitted = hasattr(regress, "emulators_")
    pairs = regress.estimators if isinstance(regress.estimators, list | tuple) else []
    names = regress.targets_ if fitted else regress.targets or [name for name, _ in pairs]
    ranges = regress.target_ranges_ if fitted else {}
    targets = []
    for name in names:
        known = known_target(name)
        target = {"name": name, "unit": None if known is None else known.unit}
        targets.append(target | ({"training_range": list(ranges[name])} if name in ranges else {}))
    card: dict[str, Any] = {"targets": targets}
    if fitted:
        emulators = regress.emulators_
        card["regressors"] = [
            {"targets": [names[k] for k in places], "kind": _describe(each)}
            for each, places in zip(emulators.estimators, emulators.targets, strict=True)
        ]
        card["training"] = {
            "n_train": dict(regress.n_train_),
            "n_held_back": regress.n_calibration_,
            "seed": regress._root,
        }
        if shifts := getattr(regress, "shifts_", {}):
            card["training"]["shifts_dex"] = dict(shifts)
        card["held_back_scores"] = {
            name: each._asdict() for name, each in regress.intervals_.held_back.items()
        }
    return _plain(card)


def _describe_ranges(features: Any) -> dict[str, Any]:
    """Say between which values the galaxies of training lie, where `flag` draws the line."""
    found = {}
    for name in ("redshift_range_", "fewest_bands_", "least_log_snr_"):
        if hasattr(features, name):
            found[name.rstrip("_")] = getattr(features, name)
    return _plain(found)


def _describe(regressor: Any) -> str:
    """Describe a regressor in a line."""
    if not isinstance(regressor, KerasMLPRegressor):
        return type(regressor).__name__
    spec, first = regressor.network_, regressor.coefs_[0]
    n_networks = 1 if first.ndim == 2 else len(first)
    layers = "-".join(map(str, (spec.n_inputs, *spec.hidden_layer_sizes, spec.n_outputs)))
    return f"{n_networks} network{'s' * (n_networks > 1)} of {layers} nodes, {spec.activation}"


def _plain(value: Any) -> Any:
    """Write numbers as JSON has them: None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _check_given(given: Mapping[str, Any] | None, card: Mapping[str, Any]) -> dict[str, Any]:
    """Check what the author adds to a card."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError(f"card must be a dict; got {given!r}.")
    taken = sorted(set(given) & set(card) - _MAY_CHANGE)
    if taken:
        raise ValueError(
            f"card names {', '.join(taken)}, which the model tells itself. Choose another name; "
            f"{', '.join(sorted(_MAY_CHANGE))} may be given."
        )
    wrong = _find_not_json(given, "card")
    if wrong:
        raise ValueError(
            f"{wrong}, which JSON does not have: give finite numbers, texts, True, False, None, "
            "and lists and dicts of them whose keys are texts."
        )
    return _copied(given)


def _find_not_json(value: Any, path: str) -> str | None:
    """Say what in a value is no JSON, and where."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            if type(name) is not str:
                return f"{path} has the key {name!r}"
            wrong = _find_not_json(part, f"{path}[{name!r}]")
            if wrong:
                return wrong
        return None
    if isinstance(value, list | tuple):
        found = (_find_not_json(part, f"{path}[{k}]") for k, part in enumerate(value))
        return next(filter(None, found), None)
    if value is None or type(value) in (bool, int, str):
        return None
    if type(value) is float and np.isfinite(value):
        return None
    return f"{path} is {value!r}"


def _copied(given: Mapping[str, Any]) -> dict[str, Any]:
    from sfml.persistence.container import from_json

    return from_json(to_json(given))
