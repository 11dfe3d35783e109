"""A library of CIGALE's models, from the files that its module ``savefluxes`` writes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml import surveys
from sfml.bands import BandSet
from sfml.compat import Interval, validate_params
from sfml.io import open_catalogue
from sfml.simulate.checks import DARK, LOWEST_SSFR
from sfml.simulate.distributions import Uniform, in_words
from sfml.simulate.library import ModelLibrary
from sfml.simulate.tables import read_models
from sfml.tables.units import flux_density_factor
from sfml.targets import known_target

_REDSHIFT = "universe.redshift"
_FLUX_UNIT = "mJy"


class _Property(NamedTuple):
    """A column of CIGALE that holds one of sfml's targets."""

    column: str
    unit: str  # CIGALE's
    factor: float  # to sfml's unit, before the logarithm if there is one
    least: float = 0.0  # per solar mass of stars, in sfml's unit


_PROPERTIES = {
    "stellar_mass": _Property("stellar.m_star", "solMass", 1),
    "sfr": _Property("sfh.sfr100Myrs", "solMass/yr", 1, LOWEST_SSFR),
    "dust_luminosity": _Property("dust.luminosity", "W", 1 / 3.828e26, 1e-4),
    "dust_mass": _Property("dust.mass", "kg", 1 / 1.98841e30, 1e-8),
    "mass_weighted_age": _Property("stellar.age_m_star", "Myr", 1e-3),
    "metallicity": _Property("stellar.metallicity", "", 1 / 0.02),
}
# What grows with the mass of a galaxy is measured in one of these, or in what converts to it.
_GROWING = ("kg", "kg/s", "W", "W/m2", "W/Hz", "W/nm", "Jy", "W/(m2 nm)", "ph/s", "ph/(m2 s)")
_ENDS = (".fits", ".txt")
_MOST_OF_ONE = 1.01  # Msun of stars that one formed can be, with rounding


@validate_params(
    {
        "paths": [str, os.PathLike, Sequence],
        "bands": [BandSet],
        "filter_names": [Mapping, None],
        "log_mass_formed": [Uniform, None],
        "parameters": [Mapping, None],
        "units": [Mapping, None],
        "n_models": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def cigale_library(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    bands: BandSet,
    *,
    log_mass_formed: Uniform | None = None,
    filter_names: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    n_models: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> ModelLibrary:
    """Make a library of the models that CIGALE's module ``savefluxes`` has written.

    Parameters
    ----------
    paths : path or sequence of paths
        Files such as ``out/models-block-0.fits``, or ``.txt``, or the folder that has them.
    bands : BandSet
        Bands of the photometry.
    log_mass_formed : Uniform or None, default=None
        Prior of the mass formed, log10 of Msun. CIGALE's models are of galaxies that have formed
        one solar mass, and are scaled to masses drawn from it. None where CIGALE did not normalise
        them.
    filter_names : mapping of str to str, default=None
        CIGALE's names of the bands' filters that `sfml.surveys` does not know.
    parameters : mapping of str to str, default=None
        Columns of further parameters, such as ``{"umin": "dust.umin"}``, which are taken as they
        are, or of one of those below, such as ``{"sfr": "sfh.sfr"}``.
    units : mapping of str to str, default=None
        Units of further parameters, where the file states none.
    n_models : int or None, default=None
        How many models to draw at random, no model twice; None takes all.
    random_state : int, RandomState instance or None, default=None
        Which models and masses; an int gives the same every time.

    Returns
    -------
    ModelLibrary
        With ``stellar_mass`` (surviving stars), those that the files have of ``sfr`` (mean of 100
        Myr), ``dust_luminosity``, ``dust_mass``, ``mass_weighted_age`` and ``metallicity`` (0.02 is
        solar), in the units of `sfml.targets`, and what `parameters` adds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the files lack a band, the redshift or a parameter, state other units than CIGALE's, are
        normalised and `log_mass_formed` is not given or the other way round, or have fewer whole
        models than `n_models`.

    Warns
    -----
    UserWarning
        If models are left out that CIGALE could not make, such as those older than the universe,
        or parameters of some are raised to the least that has a logarithm.

    Notes
    -----
    A galaxy without star formation or dust has no logarithm of it. Per solar mass of stars, the
    library has at least 1e-13 Msun/yr, 1e-4 Lsun of dust luminosity and 1e-8 Msun of dust. A flux
    of 0, such as that of a filter beyond the Lyman limit, is written as 1e-30 Jy. Galaxies have the
    redshifts of CIGALE's grid: a fine one serves best.

    References
    ----------
    Boquien et al. 2019, A&A 622, A103 (CIGALE).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from sfml import GAMA
    >>> from sfml.simulate import Uniform, cigale_library
    >>> text = '''id sloan.sdss.g sloan.sdss.r sfh.sfr100Myrs stellar.m_star universe.redshift
    ... 0 2.1e-11 3.0e-11 1.5e-10 0.71 0.1
    ... 1 0.4e-11 1.0e-11 0.2e-10 0.63 0.2
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "models-block-0.txt")
    ...     _ = path.write_text(text)
    ...     library = cigale_library(
    ...         path, GAMA.only("g", "r"), log_mass_formed=Uniform(9, 12), random_state=0
    ...     )
    >>> library
    ModelLibrary: 2 models, 2 bands (g, r), redshift 0.1 to 0.2
      stellar_mass, dex (Msun)
      sfr, dex (Msun/yr)
    """
    files = _files(paths)
    models = _read(files, bands, filter_names or {}, parameters or {}, units or {})
    _check_normalised(models, log_mass_formed)
    models = _whole(models, bands)
    rng = np.random.default_rng(check_random_state(random_state).randint(2**31 - 1))
    rows = _draw_rows(len(models.flux), n_models, rng)
    formed: Any = 1.0
    prior = {
        "code": "CIGALE, savefluxes",
        "models": f"{len(rows)} of {len(models.flux)} in {', '.join(file.name for file in files)}",
    }
    if log_mass_formed is not None:
        _check_not_growing(models)
        evenly = (rng.permutation(len(rows)) + rng.random(len(rows))) / len(rows)
        formed = 10 ** log_mass_formed.quantile(evenly)[:, np.newaxis]
        prior["log_mass_formed"] = in_words(log_mass_formed, "dex (Msun)")
    return ModelLibrary(
        bands,
        np.maximum(models.flux[rows] * formed, DARK),
        models.redshift[rows],
        _in_dex(models.parameters.iloc[rows].reset_index(drop=True), formed),
        {name: unit for name, unit in models.units.items() if known_target(name) is None},
        prior,
    )


class _Models(NamedTuple):
    """What the files hold: fluxes in Jy, parameters linear in sfml's units."""

    flux: np.ndarray
    redshift: np.ndarray
    parameters: pd.DataFrame
    units: dict[str, str]


def _files(paths: Any) -> list[Path]:
    """Find the files of a run: those named, or in a folder all blocks of one format."""
    named = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[Path] = []
    for path in map(Path, named):
        if not path.expanduser().is_dir():
            files.append(path.expanduser())
            continue
        blocks = [sorted(path.expanduser().glob(f"models-block-*{end}")) for end in _ENDS]
        if not any(blocks):
            raise FileNotFoundError(
                f"{str(path)!r} has no models-block-*.fits or .txt, which CIGALE's savefluxes "
                "writes there. Name its files."
            )
        files += next(filter(None, blocks))
    if not files:
        raise ValueError("paths must name at least one file of models; got none.")
    return files


def _read(
    files: list[Path],
    bands: BandSet,
    filter_names: Mapping[str, str],
    parameters: Mapping[str, str],
    units: Mapping[str, str],
) -> _Models:
    if filter_names:
        bands.only(*filter_names)  # an error that suggests another spelling
    parts = [_read_file(file, bands, filter_names, parameters, units) for file in files]
    names = list(map(str, parts[0].parameters))
    for file, part in zip(files, parts, strict=True):
        if (others := list(map(str, part.parameters))) != names:
            raise ValueError(
                f"{str(files[0])!r} has {', '.join(names)}, but {str(file)!r} has "
                f"{', '.join(others)}: they are of different runs."
            )
    return _Models(
        np.concatenate([part.flux for part in parts]),
        np.concatenate([part.redshift for part in parts]),
        pd.concat([part.parameters for part in parts], ignore_index=True),
        parts[0].units,
    )


def _read_file(
    path: Path,
    bands: BandSet,
    filter_names: Mapping[str, str],
    parameters: Mapping[str, str],
    units: Mapping[str, str],
) -> _Models:
    reader = open_catalogue(path)
    present = reader.names
    columns: dict[str, Any] = {
        flux: (_filter(name, wavelength, filter_names, present), _FLUX_UNIT)
        for name, wavelength, flux in zip(
            bands.names, bands.wavelengths, bands.flux_columns, strict=True
        )
    }
    for band, (column, unit) in zip(bands.names, columns.values(), strict=True):
        _check_unit(band, column, reader.units.get(column), unit)
    found = {name: each.column for name, each in _PROPERTIES.items() if each.column in present}
    found |= parameters
    taken = {_REDSHIFT, *(column for column, _ in columns.values())} & set(found.values())
    if taken:
        raise ValueError(
            f"parameters names {', '.join(sorted(taken))}, which the library has as its redshift "
            "or a flux. Leave it out."
        )
    if "stellar_mass" not in found:
        raise ValueError(
            f"{str(path)!r} lacks {_PROPERTIES['stellar_mass'].column!r}, which tells whether "
            "CIGALE normalised the models. List it in `variables` of [analysis_params] in "
            "pcigale.ini."
        )
    flux, redshift, values, stated = read_models(
        path, bands, {**columns, bands.redshift: _REDSHIFT}, found
    )
    stated = {**stated, **units}
    for name in set(found) & set(_PROPERTIES):
        _check_unit(name, found[name], stated.get(name), _PROPERTIES[name].unit)
    values *= [_PROPERTIES[name].factor if name in _PROPERTIES else 1 for name in values]
    return _Models(flux_density_factor(bands.unit, "Jy") * flux, redshift, values, stated)


def _filter(
    band: str, wavelength: float, filter_names: Mapping[str, str], present: Sequence[str]
) -> str:
    """Find the column of a band: the filter given, or today's name of it, or that of 2020."""
    if band in filter_names:
        return filter_names[band]
    known = [surveys.known_filter(band, wavelength, code) for code in ("cigale", "cigale_2020")]
    names = list(dict.fromkeys(str(name) for name in known if name is not None))
    if not names:
        raise ValueError(
            f"No filter of CIGALE is known for the band {band!r}. Name it: "
            f"filter_names={{{band!r}: 'sloan.sdss.r'}}; or leave the band out with "
            f"bands.without({band!r})."
        )
    there = [name for name in names if name in present]
    if not there:
        raise ValueError(
            f"The models have no column {' or '.join(map(repr, names))}, the filter of band "
            f"{band!r}. Say with filter_names what it is called, or leave the band out with "
            f"bands.without({band!r}). There are {', '.join(present)}."
        )
    return there[0]


def _check_unit(name: str, column: str, stated: str | None, expected: str) -> None:
    if stated and _plain(stated) != _plain(expected):
        raise ValueError(
            f"{name!r} must be in {expected!r}, as CIGALE writes it; the column {column!r} is in "
            f"{stated!r}. Convert it, or name another column."
        )


def _plain(unit: str) -> str:
    """Spell a unit in one way: FITS has "solMass yr-1" for solMass/yr."""
    from astropy.units import Unit

    return str(Unit(unit, parse_strict="silent"))


def _check_not_growing(models: _Models) -> None:
    """Refuse to scale galaxies with a parameter that would have to be scaled with them."""
    from astropy.units import Unit

    for name, text in models.units.items():
        unit = Unit(text, parse_strict="silent")
        if name not in _PROPERTIES and any(unit.is_equivalent(each) for each in _GROWING):
            raise ValueError(
                f"The parameter {name!r}, in {text!r}, grows with the mass of a galaxy, and cannot "
                f"be scaled. Those that can: {', '.join(_PROPERTIES)}."
            )


def _check_normalised(models: _Models, log_mass_formed: Uniform | None) -> None:
    """Refuse models of one solar mass as galaxies, and galaxies as models of one solar mass."""
    most = models.parameters["stellar_mass"].max()
    if most <= _MOST_OF_ONE and log_mass_formed is None:
        raise ValueError(
            f"The models have at most {most:.3g} Msun of stars: CIGALE normalised them to one "
            "solar mass formed. Say what masses galaxies have: log_mass_formed=Uniform(8, 12)."
        )
    if most > _MOST_OF_ONE and log_mass_formed is not None:
        raise ValueError(
            f"The models have up to {most:.3g} Msun of stars: CIGALE did not normalise them to one "
            "solar mass formed. Leave log_mass_formed out."
        )


def _whole(models: _Models, bands: BandSet) -> _Models:
    """Leave out what CIGALE could not make, with a warning, such as what is older than allowed."""
    known = np.isfinite(models.flux)
    in_band = dict(zip(bands.names, known.any(axis=0), strict=True))
    lost = [name for name, is_known in in_band.items() if not is_known]
    if lost and known.any():
        raise ValueError(
            f"No model has a flux in {', '.join(lost)}: the filter reaches beyond the spectra at "
            f"these redshifts. Leave it out: bands.without({', '.join(map(repr, lost))})."
        )
    kept = known.all(axis=1) & np.isfinite(models.parameters.to_numpy()).all(axis=1)
    if not kept.any():
        raise ValueError(f"None of {len(kept)} models has all fluxes and parameters.")
    if not kept.all():
        warnings.warn(
            f"{(~kept).sum()} of {len(kept)} models have fluxes or parameters that are NaN, as "
            "CIGALE writes of models older than the universe. They are left out.",
            UserWarning,
            stacklevel=4,
        )
    return _Models(
        models.flux[kept],
        models.redshift[kept],
        models.parameters[kept].reset_index(drop=True),
        models.units,
    )


def _draw_rows(n: int, wanted: int | None, rng: np.random.Generator) -> np.ndarray:
    """Draw `wanted` of n rows; all, in their order, if it is None."""
    if wanted is None:
        return np.arange(n)
    if wanted > n:
        raise ValueError(f"n_models must be at most {n}, the models of the files; got {wanted}.")
    return rng.permutation(n)[:wanted]


def _in_dex(parameters: pd.DataFrame, formed: Any) -> pd.DataFrame:
    """Scale what grows with the mass formed, and take logarithms where sfml's unit is dex."""
    mass = parameters["stellar_mass"].to_numpy()
    found = {}
    for name in map(str, parameters):
        values = parameters[name].to_numpy()
        target = known_target(name)
        if name in _PROPERTIES and target is not None and target.unit.startswith("dex"):
            least = _PROPERTIES[name].least * mass
            if low := int((values < least).sum()):
                warnings.warn(
                    f"{name!r} is below {_PROPERTIES[name].least:g} per solar mass of stars in "
                    f"{low} of {len(values)} models, and is raised to it, so that it has a "
                    "logarithm.",
                    UserWarning,
                    stacklevel=4,
                )
            values = np.log10(np.maximum(values, least) * np.ravel(formed))
        found[name] = values
    return pd.DataFrame(found)
