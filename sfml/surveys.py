"""Band sets of public surveys, and the names of their filters in the SPS codes.

They are data: the file ``surveys.toml`` beside this module holds them, with the release, the
paper, and what to know before use. A file of your own in the same form is read by `read_surveys`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from sfml.bands import BandSet

__all__ = ["CODES", "Survey", "describe", "filters", "list_surveys", "load_survey", "read_surveys"]

CODES = ("magphys", "cigale", "cigale_2020", "sedpy")
"""SPS codes whose filters a survey may name. Bagpipes takes curves as files: sedpy has them."""

_LAYOUT = ("flux", "error", "redshift", "redshift_error", "unit", "missing_codes")
_TEXTS = ("title", "release", "citation", "notes")
_KEYS = (*_TEXTS, *_LAYOUT, "inverse_variance", "bands")
_BAND_KEYS = ("name", "wavelength", *CODES)


@dataclass(frozen=True)
class Survey:
    """A survey: its bands, and what is known of its catalogue.

    Parameters
    ----------
    name : str
        Name of the survey.
    bands : BandSet
        Its bands, with the layout, unit and missing codes of its catalogue.
    title, release, citation, notes : str, default=""
        Full name, release and table, paper, and what to know before use.
    inverse_variance : str or None, default=None
        Column names of 1/sigma^2, with ``{band}``, where the catalogue has these and no errors.
        Then the columns ``bands.error_columns`` are yours to make.
    filter_names : mapping of str to mapping, default={}
        For each code (see `CODES`) the filter of each band that has a known one.

    Examples
    --------
    >>> from sfml.surveys import read_surveys
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "mine.toml")
    ...     _ = path.write_text('''
    ... [MINE]
    ... unit = "uJy"
    ... bands = [{name = "g", wavelength = 0.48}, {name = "r", wavelength = 0.62, sedpy = "hsc_r"}]
    ... ''')
    ...     survey = read_surveys(path)["MINE"]
    >>> survey.bands.flux_columns
    ('g_flux', 'r_flux')
    >>> survey.filters("sedpy")
    {'r': 'hsc_r'}
    """

    name: str
    bands: BandSet
    title: str = ""
    release: str = ""
    citation: str = ""
    notes: str = ""
    inverse_variance: str | None = None
    filter_names: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)

    def filters(self, code: str) -> dict[str, Any]:
        """Filter of each band in an SPS code, for the bands where it is known.

        Parameters
        ----------
        code : str
            One of `CODES`.

        Returns
        -------
        dict of str to str or int
            Band to filter, in band order; without the bands whose filter is not known.

        Raises
        ------
        ValueError
            If the code is none of `CODES`.
        """
        _check_known("code", code, CODES)
        return dict(self.filter_names.get(code, {}))

    def describe(self) -> str:
        """Say what the survey is, as text of several lines.

        Returns
        -------
        str
            Title, release, paper, notes, columns, and one line per band.
        """
        bands = self.bands
        lines = [
            f"{self.name}: {self.title}" if self.title else self.name,
            *(f"{word}: {text}" for word, text in self._facts() if text),
            f"Columns: {bands.flux}, {bands.error}, {bands.redshift}; unit {bands.unit}; "
            f"missing: {', '.join(f'{code:g}' for code in bands.missing_codes) or 'NaN only'}",
            f"{len(bands)} bands:",
        ]
        for band, wavelength in zip(bands.names, bands.wavelengths, strict=True):
            known = [
                f"{code} {names[band]}"
                for code, names in self.filter_names.items()
                if band in names
            ]
            lines.append(
                f"  {band}, {wavelength:g} micron" + "".join(f"; {each}" for each in known)
            )
        return "\n".join(lines)

    def _facts(self) -> Iterable[tuple[str, str | None]]:
        yield from (("Release", self.release), ("Cite", self.citation), ("Notes", self.notes))
        yield "Inverse variances, from which to make the errors", self.inverse_variance


def list_surveys() -> list[str]:
    """List the surveys whose band sets come with sfml.

    Returns
    -------
    list of str
        Their names, as `load_survey` takes them.

    Examples
    --------
    >>> from sfml import surveys
    >>> surveys.list_surveys()[:4]
    ['GAMA', 'SDSS+WISE', 'DES', 'KiDS-VIKING']
    """
    return list(_shipped())


def load_survey(name: str) -> BandSet:
    """Load the band set of a survey.

    Parameters
    ----------
    name : str
        One of `list_surveys`.

    Returns
    -------
    BandSet
        Its bands and the layout of its public catalogue, in the release that `describe` names.

    Raises
    ------
    ValueError
        If there is no such survey.

    Examples
    --------
    >>> from sfml import GAMA, surveys
    >>> surveys.load_survey("GAMA") == GAMA
    True
    >>> surveys.load_survey("LSST").flux_columns[:2]
    ('u_cModelFlux', 'g_cModelFlux')
    """
    return _survey(name).bands


def filters(name: str, code: str) -> dict[str, Any]:
    """Filter of each of a survey's bands in an SPS code, for the bands where it is known.

    Parameters
    ----------
    name : str
        One of `list_surveys`.
    code : str
        One of `CODES`.

    Returns
    -------
    dict of str to str or int
        Band to filter, in band order; without the bands whose filter is not known. It is what the
        writers of `sfml.triage` take as ``filter_ids`` and ``filter_names``.

    Raises
    ------
    ValueError
        If there is no such survey or code.

    Examples
    --------
    >>> from sfml import surveys
    >>> surveys.filters("HSC", "cigale")["y"]
    'subaru.hsc.Y'
    """
    return _survey(name).filters(code)


def known_filter(band: str, wavelength: float, code: str) -> str | int | None:
    """Find the filter in an SPS code of a band of any survey, by its name and wavelength."""
    for survey in list_surveys():
        bands = load_survey(survey)
        if dict(zip(bands.names, bands.wavelengths, strict=True)).get(band) == wavelength:
            found: str | int | None = filters(survey, code).get(band)
            if found is not None:
                return found
    return None


def describe(name: str) -> str:
    """Say which release a survey's columns are of, what to cite, and what to know before use.

    Parameters
    ----------
    name : str
        One of `list_surveys`.

    Returns
    -------
    str
        Text of several lines, with one per band.

    Raises
    ------
    ValueError
        If there is no such survey.

    Examples
    --------
    >>> from sfml import surveys
    >>> print(surveys.describe("LSST").splitlines()[1])
    Release: Data Preview 1, table Object
    """
    return _survey(name).describe()


def read_surveys(path: str | os.PathLike[str]) -> dict[str, Survey]:
    """Read surveys from a TOML file of your own.

    Parameters
    ----------
    path : path
        The file. Each of its tables is a survey: ``bands``, a list of ``{name = ..., wavelength =
        ...}`` with the wavelength in micron and, if known, the filter in the codes of `CODES`; and
        as needed ``flux``, ``error``, ``redshift``, ``redshift_error``, ``unit`` and
        ``missing_codes`` (as in `sfml.BandSet`, with its defaults), ``inverse_variance``,
        ``title``, ``release``, ``citation`` and ``notes``.

    Returns
    -------
    dict of str to Survey
        The surveys by name, in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no TOML, has no survey, or one of them is not of the form above.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sfml.surveys import read_surveys
    >>> text = '''
    ... [MINE]
    ... unit = "uJy"
    ... flux = "F_{band}"
    ... bands = [{name = "g", wavelength = 0.4787}, {name = "K", wavelength = 2.15}]
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mine.toml")
    ...     _ = path.write_text(text)
    ...     surveys = read_surveys(path)
    >>> surveys["MINE"].bands.flux_columns
    ('F_g', 'F_K')
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no UTF-8, or no TOML
        raise ValueError(f"{str(path)!r} is no TOML file: {error}") from error
    if not tables:
        raise ValueError(f"{str(path)!r} has no survey: each is a table, such as [MINE].")
    surveys = {}
    for name, table in tables.items():
        try:
            surveys[name] = _make_survey(name, table)
        except ValueError as error:
            raise ValueError(f"{str(path)!r}, survey {name!r}: {error}") from error
    return surveys


@cache
def _shipped() -> dict[str, Any]:
    text = resources.files("sfml").joinpath("surveys.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


# One at a time: the unit of a survey may need astropy, which others do not.
@cache
def _survey(name: str) -> Survey:
    _check_known("survey", name, _shipped(), " `read_surveys` reads a file of your own.")
    return _make_survey(name, _shipped()[name])


def _check_known(kind: str, name: str, known: Iterable[str], advice: str = "") -> None:
    known = list(known)
    if name in known:
        return
    by_lower = {each.lower(): each for each in known}
    close = get_close_matches(str(name).lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[close[0]]!r}?" if close else ""
    raise ValueError(f"There is no {kind} {name!r}, only {', '.join(known)}.{hint}{advice}")


def _make_survey(name: str, table: Any) -> Survey:
    if not isinstance(table, dict):
        raise ValueError(f"expected a table [{name}]; got {table!r}.")
    _check_keys(table, _KEYS)
    _check_values(table)
    bands = table.get("bands")
    if not (isinstance(bands, list) and bands and all(isinstance(each, dict) for each in bands)):
        raise ValueError(
            "it needs bands = [{name = ..., wavelength = ...}, ...], the wavelengths in micron; "
            f"got {bands!r}."
        )
    for band in bands:
        _check_band(band)
    band_set = BandSet(
        names=[band["name"] for band in bands],
        wavelengths=[float(band["wavelength"]) for band in bands],
        **{key: table[key] for key in _LAYOUT if key in table},
    )
    names = {
        code: {band["name"]: band[code] for band in bands if code in band}
        for code in CODES
        if any(code in band for band in bands)
    }
    texts = {key: table[key] for key in (*_TEXTS, "inverse_variance") if key in table}
    return Survey(name, band_set, filter_names=names, **texts)


def _check_band(band: Mapping[str, Any]) -> None:
    where = f"band {band.get('name', band)!r}: "
    _check_keys(band, _BAND_KEYS, where)
    if not isinstance(band.get("name"), str):
        raise ValueError(f"{where}it needs a name, which is text; got {band.get('name')!r}.")
    wavelength = band.get("wavelength")
    if not isinstance(wavelength, int | float) or isinstance(wavelength, bool):
        raise ValueError(f"{where}it needs a wavelength in micron; got {wavelength!r}.")
    for code in CODES:
        kind = int if code == "magphys" else str
        if code in band and type(band[code]) is not kind:
            wanted = "a number" if kind is int else "text"
            raise ValueError(f"{where}its {code} filter must be {wanted}; got {band[code]!r}.")


def _check_keys(table: Mapping[str, Any], known: Iterable[str], where: str = "") -> None:
    for key in table:
        try:
            _check_known("key", key, known)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None


def _check_values(table: Mapping[str, Any]) -> None:
    for key in table.keys() - {"bands", "missing_codes"}:
        if not isinstance(table[key], str):
            raise ValueError(f"{key} must be text; got {table[key]!r}.")
    codes = table.get("missing_codes", [])
    if not (isinstance(codes, list) and all(type(code) in (int, float) for code in codes)):
        raise ValueError(f"missing_codes must be a list of numbers; got {codes!r}.")
