"""Guesses at which column is which, by their names: to be shown, and never to be used unasked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from sfml.bands import BandSet

# Words of which names are made, beside the band's.
_FLUX = ("flux", "fnu")
_MAGNITUDE = ("magnitude", "mag")
_ERROR = ("error", "err", "sigma", "uncertainty", "unc", "rms")
_INVERSE_VARIANCE = ("ivar", "invvar")
# How it was measured.
_METHOD = (
    *("cmodel", "model", "psf", "petro", "auto", "aper", "kron", "iso", "total", "tot", "best"),
    *("dered", "corr", "gaap", "sersic"),
)
_WORD = re.compile(
    f"({'|'.join([*_FLUX, *_MAGNITUDE, *_ERROR, *_INVERSE_VARIANCE, *_METHOD])})*|[fmed]|\\d"
)
_REDSHIFTS = (
    *("z", "redshift", "zspec", "specz", "zbest", "zphot", "photoz", "zhelio", "zcmb", "ztonry"),
    *("zfinal", "zphotmean", "zmean", "zpeak", "zpdf", "photozbest", "z1", "zuse", "zgal"),
)

Stated = str | tuple[str, str]
"""A column of the file, or that with its unit."""


def guess_columns(absent: Iterable[str], names: Sequence[str], bands: BandSet) -> dict[str, Stated]:
    """Guess which of a table's columns are the absent ones of a band set.

    Parameters
    ----------
    absent : iterable of str
        Columns of the band set that the table lacks.
    names : sequence of str
        Columns of the table that may be meant.
    bands : BandSet
        The band set.

    Returns
    -------
    dict
        From the band set's name to the table's, with a unit where it seems to be another quantity.
        Those of which nothing is guessed are left out.

    Examples
    --------
    >>> from sfml import BandSet
    >>> bands = BandSet(["g", "r"], [0.48, 0.62])
    >>> guess_columns(bands.columns, ["TARGETID", "FLUX_G", "FLUX_IVAR_G", "r_mag", "ZSPEC"], bands)
    {'g_flux': 'FLUX_G', 'r_flux': ('r_mag', 'AB mag'), 'g_fluxerr': ('FLUX_IVAR_G', 'ivar'),
    'Z': 'ZSPEC'}
    """
    of_fluxes = dict(zip(bands.flux_columns, bands.names, strict=True))
    of_errors = dict(zip(bands.error_columns, bands.names, strict=True))
    guesses: dict[str, Stated] = {}
    for column in absent:
        if column in of_fluxes:
            guess = _best(names, of_fluxes[column], is_error=False)
        elif column in of_errors:
            guess = _best(names, of_errors[column], is_error=True)
        else:
            guess = _redshift(names)
        guess = guess or _same_spelling(column, names)
        if guess:
            guesses[column] = guess
    return guesses


def _same_spelling(column: str, names: Sequence[str]) -> str | None:
    """Find a name that is nearly the same: in other case, or with a slip."""
    folded = {name.casefold(): name for name in names}
    if column.casefold() in folded:
        return folded[column.casefold()]
    if len(column) < 6:
        return None  # of short names, too many are close
    close = get_close_matches(column.casefold(), folded, n=1, cutoff=0.9)
    return folded[close[0]] if close else None


def _best(names: Sequence[str], band: str, *, is_error: bool) -> Stated | None:
    """Find the column that names this band, and of its other words nothing strange."""
    found = []
    for name in names:
        kind = _kind(name, band)
        if kind is None or (kind in ("error", "ivar", "magnitude error")) is not is_error:
            continue
        # Fluxes before magnitudes, the band's own spelling before another, short names first.
        found.append((kind not in ("flux", "error"), band not in name, len(name), name, kind))
    if not found:
        return None
    *_, name, kind = min(found)
    unit = {"magnitude": "AB mag", "magnitude error": "mag", "ivar": "ivar"}.get(kind)
    return (name, unit) if unit else name


def _kind(name: str, band: str) -> str | None:
    """Tell what a column is of a band, by its name; None if it is not one of this band."""
    for found in re.finditer(re.escape(band), name, re.IGNORECASE):
        rest = f"{name[: found.start()]}_{name[found.end() :]}".lower()
        words = [word for word in re.split(r"[^a-z0-9]+", rest) if word]
        if not words and (name != band or name.lower() in _REDSHIFTS):
            continue  # the name of a band alone, in another case, says too little
        if all(map(_WORD.fullmatch, words)):
            return _kind_of(words)
    return None


def _kind_of(words: list[str]) -> str:
    text = "_".join(words)
    if any(word in text for word in _INVERSE_VARIANCE):
        return "ivar"
    is_magnitude = "mag" in text or "m" in words
    if any(word in text for word in _ERROR) or "e" in words or "d" in words:
        return "magnitude error" if is_magnitude else "error"
    return "magnitude" if is_magnitude else "flux"


def _redshift(names: Sequence[str]) -> str | None:
    """Find the column with a usual name of a redshift."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    return next((plain[usual] for usual in _REDSHIFTS if usual in plain), None)
