"""Output file of CIGALE: results.fits or results.txt."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sfml.targets import TARGETS
from sfml.triage.codes.cigale import CigaleTable, open_table
from sfml.triage.codes.text import existing_file
from sfml.triage.identifiers import check_unique

_SOLAR_LUMINOSITY = 3.828e26  # W: IAU 2015 Resolution B3, arXiv:1510.07674
_CHI2 = "best.reduced_chi_square"


def read_cigale(
    path: str | os.PathLike[str],
    *,
    targets: Sequence[str] = TARGETS,
    sfr: str = "sfh.sfr100Myrs",
) -> pd.DataFrame:
    r"""Read what CIGALE found.

    Parameters
    ----------
    path : path
        CIGALE's ``results.fits`` or ``results.txt``, or the folder ``out`` that holds one.
    targets : sequence of str, default=TARGETS
        Which of ``stellar_mass``, ``sfr`` and ``dust_luminosity`` to read.
    sfr : str, default="sfh.sfr100Myrs"
        CIGALE's name of the star-formation rate. The default is the mean of the last 100 Myr, as
        MAGPHYS has it; ``"sfh.sfr"`` is that of the present.

    Returns
    -------
    DataFrame of shape (n_galaxies, 3 * n_targets + 1)
        Indexed by id, which is text. For each target, in dex (Msun, Msun/yr, Lsun): the estimate
        under its name, ``<target>_p16`` and ``<target>_p84``; and ``chi2_reduced`` of the best fit,
        NaN if the file has none.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If columns are absent, the file is malformed or an id repeats.

    Notes
    -----
    CIGALE gives the mean and standard deviation of a posterior, linearly, and the dust luminosity
    in W. The ends of the interval are log10(mean - deviation) and log10(mean + deviation). Where
    the deviation reaches the mean, zero is within it and the lower end is NaN: unknown. Where the
    mean is not positive, all three are. Properties analysed in log10 (with the ending ``_log`` in
    ``pcigale.ini``) are read as such.

    References
    ----------
    Boquien et al. 2019, A&A 622, A103 (CIGALE), section 4.3.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sfml import triage
    >>> text = "# id bayes.stellar.m_star bayes.stellar.m_star_err\n6802 1e10 1e9\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "results.txt")
    ...     _ = path.write_text(text)
    ...     found = triage.read_cigale(path, targets=["stellar_mass"])
    >>> found["stellar_mass_p84"].round(3).to_dict()
    {'6802': 10.041}
    """
    properties = _properties(targets, sfr)
    table = open_table(_results_file(Path(path)))
    check_unique(table.ids, f"Column 'id' of {str(table.path)!r}")
    columns: dict[str, Any] = {}
    for target, name in properties.items():
        low, middle, high = _read_target(table, target, f"bayes.{name}")
        columns |= {target: middle, f"{target}_p16": low, f"{target}_p84": high}
    columns["chi2_reduced"] = table.columns([_CHI2])[:, 0] if _CHI2 in table.names else np.nan
    return pd.DataFrame(columns, index=pd.Index(table.ids, name="id", dtype=object))


def _properties(targets: Sequence[str], sfr: str) -> dict[str, str]:
    known = {"stellar_mass": "stellar.m_star", "sfr": sfr, "dust_luminosity": "dust.luminosity"}
    unknown = [target for target in targets if target not in known]
    if isinstance(targets, str) or unknown:
        raise ValueError(f"targets must be some of {', '.join(known)}; got {targets!r}.")
    return {target: known[target] for target in targets}


def _results_file(path: Path) -> Path:
    if path.is_dir():
        # FITS keeps every digit and names with spaces.
        for name in ("results.fits", "results.txt"):
            if (path / name).is_file():
                return path / name
        path = path / "results.fits"
    return existing_file(path, "CIGALE writes out/results.fits and out/results.txt.")


def _read_target(
    table: CigaleTable, target: str, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower end, estimate and upper end, in dex."""
    unit = _SOLAR_LUMINOSITY if target == "dust_luminosity" else 1.0
    is_log = f"{name}_log" in table.names
    wanted = [f"{name}_log", f"{name}_log_err"] if is_log else [name, f"{name}_err"]
    try:
        middle, deviation = table.columns(wanted).T
    except ValueError as error:
        raise ValueError(
            f"{error} CIGALE gives the {target} where pcigale.ini names "
            f"{name.removeprefix('bayes.')!r} in `variables` of the analysis; another "
            "star-formation rate is read with sfr=, fewer properties with targets=."
        ) from error
    if is_log:
        middle = middle - np.log10(unit)
        return middle - deviation, middle, middle + deviation
    low, high = _log10((middle - deviation) / unit), _log10((middle + deviation) / unit)
    middle = _log10(middle / unit)
    unknown = np.isnan(middle)
    return np.where(unknown, np.nan, low), middle, np.where(unknown, np.nan, high)


def _log10(values: np.ndarray) -> np.ndarray:
    positive = values > 0  # NaN compares false
    return np.log10(values, out=np.full_like(values, np.nan), where=positive)
