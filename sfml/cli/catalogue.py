"""What the commands ask of a catalogue: its bands, labels, identifiers, and which rows to test."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sfml import tables
from sfml.cli.options import UsageError, check_output
from sfml.tables.keys import draw_numbers, row_keys
from sfml.targets import GAMA_TARGET_COLUMNS

if TYPE_CHECKING:
    from sfml.bands import BandSet
    from sfml.io import CatalogueReader

# None of these can be a label in dex; -9 could be a star-formation rate.
LABEL_CODES = (-99.0, -999.0, -9999.0)

_IDENTIFYING = re.compile(
    r"(?:.*_)?(?:id|name|uid|iauname|(?:cata|obj|object|source|target|spec_?obj|dia_?object)_?id)"
    r"|(?:ra|dec|raj2000|dej2000|alpha_j2000|delta_j2000)(?:_?(?:deg|j?2000|icrs))?"
    r"|_?healpix.*",
    re.IGNORECASE,
)


def find_bands(options: argparse.Namespace) -> BandSet | None:
    """Find the bands that the options name: a survey's, or those described in the settings."""
    table = getattr(options, "band_table", None)
    bands = _described(table) if table is not None else _of_survey(options.survey)
    try:
        if bands is not None and options.bands:
            bands = bands.only(*options.bands)
        if bands is not None and options.without:
            bands = bands.without(*options.without)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return bands


def _of_survey(name: str | None) -> BandSet | None:
    if name is None:
        return None
    from sfml.surveys import load_survey

    try:
        return load_survey(name)
    except (ValueError, KeyError) as error:
        raise UsageError(str(error)) from error


def _described(table: Mapping[str, Any]) -> BandSet:
    from sfml.bands import BandSet

    try:
        return BandSet(**table)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the table [bands] of the settings: {error}") from error


def check_catalogue_output(options: argparse.Namespace, source: Path) -> None:
    """Refuse an output that cannot be written, or is there with its card, unless asked to."""
    from sfml.io.card import card_path
    from sfml.io.formats import format_of

    check_output(options, source)
    try:
        format_of(options.output)
    except ValueError as error:
        raise UsageError(str(error)) from error
    card = card_path(options.output)
    if card.exists() and not options.overwrite:
        raise UsageError(
            f"{card} is there already, where the output's card goes: choose another output, or "
            "replace both with --overwrite."
        )


def open_with_bands(
    path: Path,
    bands: BandSet | None,
    given: Sequence[tuple[str, Any]] = (),
    needed: Sequence[str] | None = None,
) -> CatalogueReader:
    """Open a catalogue of which a band set's columns are found, and converted.

    Parameters
    ----------
    path : Path
        The catalogue.
    bands : BandSet or None
        Its bands.
    given : sequence of (str, object), default=()
        What columns are called in the file, by their names: see `sfml.io.open_catalogue`; False
        says that there is none.
    needed : sequence of str, default=None
        Columns of the bands that must be there; others, such as a redshift that a model does not
        read, may be absent.

    Returns
    -------
    CatalogueReader
    """
    from sfml.io import open_catalogue

    columns = {name: None if column is False else column for name, column in given}
    if bands is not None and needed is not None:
        names = open_catalogue(path).names
        spare = [name for name in (*bands.columns, bands.redshift_error) if name not in needed]
        columns = {name: None for name in spare if name and name not in names} | columns
    return open_catalogue(path, bands, columns or None)


def find_labels(
    names: Sequence[str], targets: Sequence[str], given: Mapping[str, str]
) -> dict[str, str]:
    """Find the column of each target's label, and of the SPS code's percentiles of it.

    Parameters
    ----------
    names : sequence of str
        Columns of the catalogue.
    targets : sequence of str
        The targets wanted.
    given : dict of str to str
        Columns that were named, by target; percentiles as ``sfr_p16``.

    Returns
    -------
    dict of str to str
        The catalogue's column of each target; percentiles, of targets that have both, as
        ``sfr_p16`` and ``sfr_p84``.

    Raises
    ------
    UsageError
        If a target has no column.

    Examples
    --------
    >>> from sfml.cli.catalogue import find_labels
    >>> find_labels(["Z", "sfr", "logM"], ["sfr", "stellar_mass"], {"stellar_mass": "logM"})
    {'sfr': 'sfr', 'stellar_mass': 'logM'}
    """
    known = {f"{target}{end}" for target in targets for end in ("", "_p16", "_p84")}
    wrong = [key for key in given if key not in known]
    if wrong:
        raise UsageError(
            f"--label names {', '.join(wrong)}, but the targets are {', '.join(targets)}."
        )
    absent = [column for column in given.values() if column not in names]
    if absent:
        raise UsageError(tables.absent_message(absent, list(names), "the catalogue"))
    labels, lacking = {}, []
    for target in targets:
        column = given.get(target) or _present(names, target, GAMA_TARGET_COLUMNS.get(target, ""))
        if column is None:
            lacking.append(target)
        else:
            labels[target] = column
            labels |= _find_percentiles(names, target, column, given)
    if lacking:
        raise UsageError(
            f"the catalogue has no column of labels for {', '.join(lacking)}: name it with --label "
            f"{lacking[0]}=COLUMN, or ask for other --targets. Its columns are "
            f"{', '.join(names)}."
        )
    return labels


def _find_percentiles(
    names: Sequence[str], target: str, column: str, given: Mapping[str, str]
) -> dict[str, str]:
    """Find both percentiles of a label, or none."""
    stem = column.removesuffix("50") if column.endswith("percentile50") else f"{column}_p"
    ends = {f"{target}_p{end}": f"{stem}{end}" for end in ("16", "84")}
    found = {key: given.get(key) or _present(names, usual) for key, usual in ends.items()}
    lacking = [key for key, name in found.items() if name is None]
    if lacking and any(key in given for key in ends):
        raise UsageError(f"{target} needs both of its percentiles: name {lacking[0]} with --label.")
    return {} if lacking else {key: str(name) for key, name in found.items()}


def _present(names: Sequence[str], *wanted: str) -> str | None:
    return next((name for name in wanted if name in names), None)


def read_labels(
    table: Any, columns: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, dict[float, int]]]:
    """Read labels, NaN where there is a code for none; and count the codes of each column."""
    values = tables.extract(table, list(columns.values()))
    labels = pd.DataFrame(values, columns=list(columns))
    counts = {
        column: {code: int((labels[name] == code).sum()) for code in LABEL_CODES}
        for name, column in columns.items()
    }
    found = {c: {k: n for k, n in each.items() if n} for c, each in counts.items()}
    coded = labels.isin(LABEL_CODES)
    return labels.mask(coded), {column: each for column, each in found.items() if each}


def identifying_columns(names: Sequence[str], redshift: str | None = None) -> list[str]:
    """Find the columns of identifiers, coordinates and the redshift, by their names.

    >>> identifying_columns(["CATAID", "RA", "DEC", "r_flux", "Z", "GAMA_ID"], "Z")
    ['CATAID', 'RA', 'DEC', 'Z', 'GAMA_ID']
    """
    return [name for name in names if name == redshift or _IDENTIFYING.fullmatch(name)]


def find_kept(names: Sequence[str], keep: Sequence[str], redshift: str | None) -> list[str]:
    """Find the columns of the catalogue that the output is to have.

    Parameters
    ----------
    names : sequence of str
        Columns of the catalogue.
    keep : sequence of str
        "identifiers", "all" or "none", or columns.
    redshift : str or None
        Column of the redshift.
    """
    if list(keep) == ["identifiers"]:
        return identifying_columns(names, redshift)
    if list(keep) == ["all"]:
        return list(names)
    if list(keep) == ["none"]:
        return []
    absent = [name for name in keep if name not in names]
    if absent:
        raise UsageError(f"--keep: {tables.absent_message(absent, list(names), 'the catalogue')}")
    return [name for name in names if name in keep]


def split_of(card: Mapping[str, Any], model: Path) -> dict[str, Any]:
    """Give the fraction and seed by which `sfml train` kept galaxies aside, from a model's card."""
    split = card.get("test")
    if not split or not split["fraction"]:
        raise UsageError(
            f"{model} does not say which galaxies were kept aside: it was not made by `sfml "
            "train`, or with --test-fraction 0. Leave --held-out out."
        )
    return dict(split)


def is_held_out(X: Any, bands: BandSet, fraction: float, seed: int) -> np.ndarray:
    """Draw the galaxies to test with, each by its own fluxes and redshift.

    So the same are drawn whatever the order of the rows, and equal rows go together.

    Parameters
    ----------
    X : table of shape (n_galaxies, n_columns)
        Catalogue.
    bands : BandSet
        Its bands.
    fraction : float
        Share to draw, on average.
    seed : int
        Seed.

    Returns
    -------
    ndarray of bool, shape (n_galaxies,)
    """
    columns = [*bands.flux_columns, bands.redshift]
    there = [name for name in columns if name in (tables.column_names(X) or ())]
    units = [bands.unit if name != bands.redshift else None for name in there]
    values = tables.extract(X, there, unit=units, missing_codes=bands.missing_codes)
    values[np.isnan(values)] = np.nan  # of one sign
    numbers = draw_numbers(row_keys(values), seed)
    return np.right_shift(numbers, np.uint64(11)) / 2.0**53 < fraction


def fingerprint_of(path: Path) -> dict[str, Any]:
    """Tell a file, or a folder of files, from another and from what it was before a change.

    Returns
    -------
    dict
        Size in bytes, time of the last change in ns, and the hash of names, sizes, times and the
        first megabyte of each file.
    """
    digest, size, changed = hashlib.sha256(), 0, 0
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            about = file.stat()
            size, changed = size + about.st_size, max(changed, about.st_mtime_ns)
            digest.update(f"{file.name} {about.st_size} {about.st_mtime_ns}\n".encode())
            with file.open("rb") as content:
                digest.update(content.read(1 << 20))
    return {"size": size, "changed": changed, "sha256": digest.hexdigest()}
