"""Output files of MAGPHYS: <galaxy>.fit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from sfml.triage.codes.text import number, read_lines
from sfml.triage.identifiers import check_unique, examples

# How files begin, and what fit_sed.f of 2010 keeps of their names (outfile1).
_MARKS, _LONGEST_FILE_NAME = (b"OBSERVED FLUXES", b"BEST FIT MODEL"), 10
# As the targets are called over their histograms, and in the line of best-fit values.
_HISTOGRAMS = {"stellar_mass": "M(stars)", "sfr": "SFR_0.1Gyr", "dust_luminosity": "Ldust"}
_BEST_FIT = {"stellar_mass": "M*", "sfr": "SFR", "dust_luminosity": "Ldust"}
_PERCENTILES = ("_p2_5", "_p16", "", "_p84", "_p97_5")
_COLUMNS = (
    *(f"{target}{suffix}" for target in _HISTOGRAMS for suffix in ("", "_p16", "_p84")),
    *(f"{target}{suffix}" for target in _HISTOGRAMS for suffix in ("_p2_5", "_p97_5", "_best")),
    *("redshift", "chi2"),
)


def read_magphys(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
) -> pd.DataFrame:
    r"""Read what MAGPHYS found.

    Parameters
    ----------
    source : path, or iterable of paths
        A folder, of which all result files are read; such a file; or several.

    Returns
    -------
    DataFrame of shape (n_galaxies, 20)
        Indexed by the galaxy's name, which is the file's without ``.fit``. For each of
        ``stellar_mass``, ``sfr`` and ``dust_luminosity``, in dex (Msun, Msun/yr over the last
        0.1 Gyr, Lsun): the median under that name, the other percentiles as ``<target>_p16``,
        ``_p84``, ``_p2_5`` and ``_p97_5``, and the best fit as ``<target>_best``. ``redshift``;
        and ``chi2`` as MAGPHYS writes it, which is the best fit's chi^2 divided by the number of
        fluxes fitted. A galaxy whose file is empty, because MAGPHYS has no models at its redshift,
        is a row of NaN.

    Raises
    ------
    FileNotFoundError
        If a path is not there, or a folder has no results.
    ValueError
        If files are cut short or are no output of MAGPHYS (all are named), a file in the folder
        holds results under a name from which the galaxy's cannot be told, or a name repeats.

    Notes
    -----
    MAGPHYS writes the percentiles of these three as log10 already and its best-fit values
    linearly: only the latter are converted. It rounds the percentiles of mass and dust luminosity
    to four digits, which is 0.01 dex above 10.

    The MAGPHYS of 2010 keeps 10 characters of a file's name: results of galaxies whose names have
    7 or 8 characters stand in ``1234567.fi`` and ``12345678.f``. In a folder these are read too, as
    is a file without a suffix, if they hold results.

    References
    ----------
    da Cunha, Charlot & Elbaz 2008, MNRAS 388, 1595, and ``fit_sed.f`` of their code.

    Examples
    --------
    The lines of a result file that are read; the histograms between them are not:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from sfml import triage
    >>> lines = [
    ...     "# BEST FIT MODEL: (i_sfh, i_ir, chi2, redshift)",
    ...     "12 34 0.870 0.0500",
    ...     "#.SFR.M*.Ldust",
    ...     "1.2 1.0e10 3.0e10",
    ... ]
    >>> for name in ("M(stars)", "SFR_0.1Gyr", "Ldust"):
    ...     lines += [f"# ... {name} ...", "#....percentiles of the PDF......"]
    ...     lines += ["9.8 9.9 10.0 10.1 10.2"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "6802.fit").write_text("\n".join(lines))
    ...     found = triage.read_magphys(folder)
    >>> found[["stellar_mass", "stellar_mass_p16", "redshift"]].loc["6802"].tolist()
    [10.0, 9.9, 0.05]
    """
    paths = _paths(source)
    names = [_galaxy(path) or path.stem for path in paths]
    check_unique(names, "Names of galaxies, which are those of the files,")
    rows, problems = [], []
    for path in paths:
        try:
            rows.append(_read_fit(path))
        except ValueError as error:
            problems.append(f"{path.name} {error}")
    if problems:
        raise ValueError(
            f"{len(problems)} of {len(paths)} files cannot be read: {'; '.join(problems[:10])}. "
            "Run MAGPHYS on these galaxies again, or leave their files out."
        )
    return pd.DataFrame(rows, index=pd.Index(names, name="id", dtype=object), columns=_COLUMNS)


def _paths(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            return _results_in(path)
        source = [path]
    paths = [Path(path) for path in source]
    absent = [str(path) for path in paths if not path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(paths)} files are not there, for example {examples(absent)}."
        )
    return paths


def _results_in(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and _holds_results(path)]
    unclear = [path.name for path in found if _galaxy(path) is None]
    if unclear:
        raise ValueError(
            f"{len(unclear)} files in {str(folder)!r} hold results of MAGPHYS, but their galaxies "
            f"cannot be told from their names: {examples(unclear)}. Rename them to "
            "'<galaxy>.fit', move them away, or pass the paths of the files to read."
        )
    if not found:
        raise FileNotFoundError(
            f"The folder {str(folder)!r} has no files *.fit: MAGPHYS writes one for each galaxy."
        )
    return found


def _galaxy(path: Path) -> str | None:
    """Name of a galaxy by that of its file, whose suffix .fit may be cut short; None if unclear."""
    name = re.sub(r"\.(fit|fi|f|)$", "", path.name)
    return name if name != path.name or not path.suffix else None


def _holds_results(path: Path) -> bool:
    if path.suffix == ".fit":
        return True
    with path.open("rb") as file:
        start = file.read(4096)
    # MAGPHYS opens a file, and so makes an empty one, before it looks for models.
    is_cut = len(path.name) == _LONGEST_FILE_NAME and path.suffix in (".fi", ".f")
    return any(mark in start for mark in _MARKS) or (is_cut and not start.strip())


def _read_fit(path: Path) -> dict[str, float]:
    lines = read_lines(path)
    # MAGPHYS opens the file before it finds that it has no models for the redshift, and stops.
    if not any(line.strip() for line in lines):
        return dict.fromkeys(_COLUMNS, np.nan)
    return {**_best_fit(lines), **_percentiles(lines)}


def _best_fit(lines: list[str]) -> dict[str, float]:
    start = next((i for i, line in enumerate(lines) if "BEST FIT MODEL" in line), None)
    if start is None or len(lines) < start + 4:
        raise ValueError("has no block '# BEST FIT MODEL'")
    fit = _numbers(_split_fields(lines[start + 1]), 4)
    names = [name for name in re.split(r"\.+", lines[start + 2].strip("# .")) if name]
    absent = [name for name in _BEST_FIT.values() if name not in names]
    if absent:
        raise ValueError(f"has no best-fit value of {', '.join(absent)}")
    values = dict(zip(names, _numbers(lines[start + 3], len(names)), strict=True))
    best = {f"{target}_best": _log10(values[name]) for target, name in _BEST_FIT.items()}
    return {**best, "chi2": fit[2], "redshift": fit[3]}


def _percentiles(lines: list[str]) -> dict[str, float]:
    """Read the percentiles that follow each parameter's histogram."""
    found, parameter = {}, ""
    for i, line in enumerate(lines):
        if line.startswith("# ..."):
            parameter = line.strip("# .")
        elif line.startswith("#....percentiles of the PDF"):
            found[parameter] = lines[i + 1] if i + 1 < len(lines) else ""
    absent = [name for name in _HISTOGRAMS.values() if name not in found]
    if absent:
        raise ValueError(f"has no percentiles of {', '.join(absent)}")
    result = {}
    for target, name in _HISTOGRAMS.items():
        for suffix, value in zip(_PERCENTILES, _numbers(found[name], 5), strict=True):
            result[target + suffix] = value
    return result


def _split_fields(line: str) -> str:
    """Separate the fields of the line of chi^2, which touch where it is 100,000 or more."""
    if len(line.split()) == 4:
        return line
    ends = (0, 10, 20, 30, 42)  # format(2i10,f10.3,f12.6)
    return " ".join(line[i:j] for i, j in pairwise(ends))


def _numbers(line: str, n: int) -> list[float]:
    words = line.split()
    if len(words) != n:
        raise ValueError(f"has {len(words)} numbers, not {n}, in the line {line.strip()!r}")
    return [number(word) for word in words]


def _log10(value: float) -> float:
    return float(np.log10(value)) if value > 0 else np.nan
