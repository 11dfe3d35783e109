"""``sfml inspect``: what a model is, or what a catalogue holds, without changing anything."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfml.cli.options import add_bands, add_columns, add_common, whole_number
from sfml.cli.terminal import Terminal

if TYPE_CHECKING:
    import pandas as pd

    from sfml.bands import BandSet
    from sfml.io import CatalogueReader

HELP = "show a model's card, or a catalogue's bands, units, codes, gaps, and what would be rejected"
DESCRIPTION = """
Of a model: its card, which is read without loading the model. Of a catalogue: its
columns and, for the bands of a survey or of a model, what is measured, which codes and
gaps there are, and which galaxies the selection would reject, cut by cut.
"""
EXAMPLES = """
examples:
  sfml inspect model.safetensors
  sfml inspect catalogue.parquet --survey GAMA
  sfml inspect catalogue.fits --model model.safetensors
  sfml inspect model.safetensors --json
"""
_MOST_ROWS = 1_000_000
_BRIGHTEST, _FAINTEST = 6, 32  # AB magnitudes, of the median galaxy of a survey in a median band


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("path", type=Path, metavar="MODEL|CATALOGUE", help="file to look at")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="look at the catalogue as this model would: its bands and its cuts",
    )
    parser.add_argument(
        "--recipe",
        choices=["sfml", "surana2020"],
        default="sfml",
        help="whose cuts to count, without --model (default: %(default)s)",
    )
    parser.add_argument(
        "--rows",
        type=whole_number(1),
        default=_MOST_ROWS,
        metavar="N",
        help="look at the first N rows of a catalogue (default: %(default)s)",
    )
    add_bands(parser, default=None)
    add_columns(parser)
    add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Look at a file."""
    if not options.path.exists():
        raise FileNotFoundError(f"There is no file {str(options.path)!r}.")
    if _is_model(options.path):
        _show_model(options.path, terminal)
    else:
        _show_catalogue(options, terminal)
    return 0


def _is_model(path: Path) -> bool:
    """Tell whether a file is a model of ours, by what it holds."""
    from sfml.persistence import read_card

    if path.suffix == ".safetensors" or path.is_dir():
        return not path.is_dir()
    try:
        read_card(path)
    except ValueError:
        return False
    return True


def _show_model(path: Path, terminal: Terminal) -> None:
    from sfml.persistence import read_card

    card = read_card(path)
    terminal.say(f"{path}: a model")
    _say_nested(card, terminal)
    terminal.finish({"kind": "model", "path": path, "card": card})


def _say_nested(values: Mapping[str, Any], terminal: Terminal, indent: int = 2) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            terminal.say(f"{' ' * indent}{key}:")
            _say_nested(value, terminal, indent + 2)
        elif isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
            terminal.say(f"{' ' * indent}{key}:")
            for each in value:
                shown = "  ".join(f"{name} {each[name]}" for name in each if name != "name")
                terminal.say(f"{' ' * (indent + 2)}{each.get('name', '-')}: {shown}")
        else:
            shown = f"{value:.6g}" if isinstance(value, float) else value
            if isinstance(value, list | tuple):
                shown = ", ".join(map(str, value))
            terminal.say(f"{' ' * indent}{key}: {shown}")


def _show_catalogue(options: argparse.Namespace, terminal: Terminal) -> None:
    from sfml.cli.catalogue import identifying_columns

    select = _selector(options)
    reader, problem = _open(options, None if select is None else select.bands)
    names, report = list(reader.names), str(reader.report)
    ids = identifying_columns(names)
    rows = "rows not counted" if reader.n_rows is None else f"{reader.n_rows:,} rows"
    terminal.say(f"{options.path}: a catalogue, {rows}, {len(names)} columns")
    terminal.say(f"columns: {', '.join(names)}")
    terminal.say(f"identifiers and coordinates: {', '.join(ids) or 'none found'}")
    terminal.say(report)
    found: dict[str, Any] = {
        "kind": "catalogue",
        "path": options.path,
        "n_rows": reader.n_rows,
        "columns": names,
        "identifiers": ids,
        "report": report,
    }
    if select is None:
        found["surveys"] = _say_surveys(names, terminal)
    elif problem:
        found |= {"problem": problem}
        terminal.say(f"\nThis catalogue cannot be used as it is: {problem}")
    else:
        found |= _look_at_bands(select, reader, options.rows, terminal)
    terminal.finish(found)


def _open(options: argparse.Namespace, bands: BandSet | None) -> tuple[CatalogueReader, str]:
    """Open a catalogue; if the columns of the bands are not there, without them, and say why."""
    from sfml.cli.catalogue import open_with_bands

    try:
        return open_with_bands(options.path, bands, options.column), ""
    except ValueError as error:
        if bands is None:
            raise
        return open_with_bands(options.path, None), str(error)


def _say_surveys(names: list[str], terminal: Terminal) -> dict[str, int]:
    """Say of which surveys there are columns of fluxes."""
    from sfml.surveys import list_surveys, load_survey

    there = set(names)
    sets = {name: load_survey(name) for name in list_surveys()}
    counts = {name: len(there & {*bands.flux_columns}) for name, bands in sets.items()}
    found = {name: n for name, n in counts.items() if n}
    for name, n in sorted(found.items(), key=lambda item: -item[1]):
        terminal.say(f"columns of {n} of {len(sets[name])} bands of {name}: see --survey {name}")
    if not found:
        terminal.say("Name its bands to see more: --survey NAME, --model MODEL, or [bands].")
    return found


def _selector(options: argparse.Namespace) -> Any:
    """Make the selection that the catalogue is to be looked at with, unfitted."""
    from sklearn.base import clone

    if options.model is not None:
        from sfml.persistence import load

        return clone(load(options.model)["select"])
    from sfml import make_star_formation_pipeline
    from sfml.cli.catalogue import find_bands

    bands = find_bands(options)
    if bands is None:
        return None
    return make_star_formation_pipeline(options.recipe, bands=bands)["select"]


def _look_at_bands(select: Any, reader: Any, n_rows: int, terminal: Terminal) -> dict[str, Any]:
    """Describe each band, and count what the selection would reject."""
    bands = select.bands
    table = next(iter(reader.batches(n_rows)))
    if reader.n_rows is None or len(table) < reader.n_rows:
        terminal.say(f"Of the first {len(table):,} rows:")
    present = _present_bands(bands, table)
    absent = [name for name in bands.names if name not in present.names] if present else bands.names
    described = describe_bands(table, present) if present else None
    if described is not None:
        terminal.say(f"\nfluxes and errors in {bands.unit}")
        terminal.say(described.to_string(float_format=lambda value: f"{value:.3g}"))
        doubt = _doubt_unit(described, bands)
        if doubt:
            terminal.say(doubt)
    if absent:
        terminal.say(f"bands without columns: {', '.join(absent)}")
    result: dict[str, Any] = {"bands": described.to_dict("index") if described is not None else {}}
    result["absent_bands"] = list(absent)
    if present:
        result |= _funnel(select, present, table, terminal)
    return result


def _present_bands(bands: BandSet, table: pd.DataFrame) -> BandSet | None:
    """Leave the bands out of which the catalogue lacks both columns."""
    columns = zip(bands.names, bands.flux_columns, bands.error_columns, strict=True)
    there = [name for name, flux, error in columns if flux in table or error in table]
    return bands.only(*there) if there else None


def describe_bands(table: pd.DataFrame, bands: BandSet) -> pd.DataFrame:
    """Describe what a catalogue holds in each band.

    Parameters
    ----------
    table : DataFrame
        Catalogue.
    bands : BandSet
        Its bands; a band that lacks its errors or its fluxes is described by what there is.

    Returns
    -------
    DataFrame
        One row per band: the share of galaxies measured, empty (NaN, null), with each code, with an
        error that is not positive, negative and detected (at 3 sigma); the median flux, its error
        and their ratio; and the AB magnitude of the median flux, which shows a wrong unit.
    """
    import numpy as np
    import pandas as pd

    from sfml import tables
    from sfml.photometry.missing import find_missing
    from sfml.tables import is_code

    rows = {}
    columns = zip(bands.names, bands.flux_columns, bands.error_columns, strict=True)
    for name, *pair in columns:
        raw = tables.extract(table, pair, optional=pair)
        coded = {c: is_code(raw, [c]).any(axis=1) for c in bands.missing_codes}
        values = tables.extract(table, pair, optional=pair, missing_codes=bands.missing_codes)
        flux, error = values[:, :1], values[:, 1:]
        known = ~find_missing(flux, error if pair[1] in table else None)[:, 0]
        flux, error = flux[:, 0], error[:, 0]
        with np.errstate(all="ignore"):
            snr = flux / error
            rows[name] = {
                "measured": float(known.mean()),
                "empty": float(np.isnan(raw).any(axis=1).mean()),
                **{f"code {code:g}": float(where.mean()) for code, where in coded.items()},
                "error <= 0": float(((error <= 0) & ~np.isnan(flux)).mean()),
                "negative": float((flux[known] < 0).mean()) if known.any() else np.nan,
                "detected": float((snr[known] >= 3).mean()) if known.any() else np.nan,
                "flux": _median(flux[known]),
                "error": _median(error[known]),
                "flux/error": _median(snr[known]),
                "AB mag": _ab_magnitude(_median(flux[known]), bands.unit),
            }
    described = pd.DataFrame.from_dict(rows, orient="index")
    codes = [f"code {code:g}" for code in bands.missing_codes]
    unused = [code for code in codes if not described[code].any()]
    return described.drop(columns=unused)


def _ab_magnitude(flux: float, unit: str) -> float:
    from sfml.tables.units import AB_ZERO_POINT, conversion_factor

    in_jansky = flux * (conversion_factor(unit, "Jy") or math.nan)
    return -2.5 * math.log10(in_jansky / AB_ZERO_POINT) if in_jansky > 0 else math.nan


def _doubt_unit(described: pd.DataFrame, bands: BandSet) -> str:
    """Say so if galaxies would be fainter or brighter than those of any survey."""
    magnitude = _median(described["AB mag"].to_numpy())
    if math.isnan(magnitude) or _BRIGHTEST <= magnitude <= _FAINTEST:
        return ""
    return (
        f"Are these fluxes in {bands.unit}? Then the median galaxy has {magnitude:.0f} AB mag in "
        f"half of the bands, {'fainter' if magnitude > _FAINTEST else 'brighter'} than any "
        "survey's. Say what they are in with "
        f"""--column '{bands.flux}=["NAME", "Jy"]', or as the unit in [bands]."""
    )


def _median(values: Any) -> float:
    import numpy as np

    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _funnel(
    select: Any, present: BandSet, table: pd.DataFrame, terminal: Terminal
) -> dict[str, Any]:
    """Count what the selection rejects; what keeps it from being used is told, not raised."""
    select.set_params(bands=present)
    select.set_params(min_bands=min(select.min_bands, len(present)))
    try:
        report = select.fit(table).report_
    except ValueError as error:
        terminal.say(f"\nThis catalogue cannot be used as it is: {error}")
        return {"problem": str(error)}
    terminal.say(f"\n{report}")
    return {
        "n_selected": report.n_selected,
        "funnel": report.to_frame().to_dict("index"),
        "missing": report.missing,
    }
