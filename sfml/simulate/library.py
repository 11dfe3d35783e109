"""A library of model galaxies: noise-free photometry, and the parameters it was made with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sfml.bands import SAME_WAVELENGTH, BandSet
from sfml.simulate.checks import check_fluxes, check_parameters, check_redshifts, units_of
from sfml.simulate.storage import read_library, write_library
from sfml.simulate.tables import read_models
from sfml.tables.units import flux_density_factor


@dataclass(frozen=True, eq=False, repr=False)
class ModelLibrary:
    """Noise-free photometry of model galaxies, with their parameters and their prior.

    What is learnt from a library holds under its prior: a pipeline that is trained on simulated
    galaxies predicts the posterior of an SPS fit with that prior.

    Parameters
    ----------
    bands : BandSet
        Bands of the photometry. Their unit and columns are those of tables that are read; the
        library itself is in Jy.
    flux : array-like of shape (n_models, n_bands)
        Flux density in Jy, without noise, in the order of the bands; all positive.
    redshift : array-like of shape (n_models,)
        Redshift of each model, above 0.
    parameters : DataFrame or dict of shape (n_models, n_parameters)
        Parameters by name. Those that sfml knows (`sfml.targets.known_target`) are in its units:
        ``stellar_mass``, ``sfr`` and ``dust_luminosity`` in dex (Msun, Msun/yr, Lsun).
    units : mapping of str to str, default={}
        Units of the parameters that sfml does not know; "" for a number without unit.
    prior : mapping, default={}
        What the models were drawn from, in words and numbers that JSON can hold.

    Raises
    ------
    ValueError
        If fluxes are not finite or not positive, redshifts are not above 0, parameters are not
        finite, linear where dex is expected or without a unit, or the shapes do not match.

    Examples
    --------
    >>> from sfml import BandSet
    >>> from sfml.simulate import ModelLibrary
    >>> library = ModelLibrary(
    ...     BandSet(["g", "r"], [0.48, 0.62]),
    ...     flux=[[1e-5, 2e-5], [3e-5, 4e-5]],
    ...     redshift=[0.1, 0.2],
    ...     parameters={"stellar_mass": [10.1, 10.9], "umin": [0.5, 2.0]},
    ...     units={"umin": "Habing"},
    ...     prior={"umin": "uniform from 0.1 to 25"},
    ... )
    >>> library
    ModelLibrary: 2 models, 2 bands (g, r), redshift 0.1 to 0.2
      stellar_mass, dex (Msun)
      umin, Habing
    """

    bands: BandSet
    flux: Any
    redshift: Any
    parameters: Any
    units: Mapping[str, str] = field(default_factory=dict)
    prior: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.bands, BandSet):
            raise TypeError(f"bands must be a BandSet; got {type(self.bands).__name__}.")
        flux = check_fluxes(self.flux, self.bands)
        parameters = check_parameters(self.parameters, len(flux), self.bands)
        values = {
            "flux": flux,
            "redshift": check_redshifts(self.redshift, len(flux)),
            "parameters": parameters,
            "units": units_of(list(map(str, parameters)), self.units),
            "prior": dict(self.prior),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.flux)

    def __repr__(self) -> str:
        low, high = self.redshift.min(), self.redshift.max()
        lines = [
            f"ModelLibrary: {len(self):,} models, {len(self.bands)} bands "
            f"({', '.join(self.bands.names)}), redshift {low:.3g} to {high:.3g}",
            *(f"  {name}, {unit or 'no unit'}" for name, unit in self.units.items()),
        ]
        return "\n".join(lines)

    @classmethod
    def from_table(
        cls,
        table: Any,
        bands: BandSet,
        *,
        columns: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        prior: Mapping[str, Any] | None = None,
    ) -> ModelLibrary:
        """Read the models of any SPS code from a table: FSPS, Prospector, DSPS and others.

        Parameters
        ----------
        table : path or table
            A file of any format that `sfml.open_catalogue` reads, or a table in memory, with
            one row per model.
        bands : BandSet
            Bands to read, with the unit and the names of the columns; there need be no errors.
        columns : mapping of str to str or (str, str), default=None
            Names, and units, of the band set's columns in the table where they differ, as for
            `sfml.open_catalogue`: ``{"{band}_flux": ("{band}", "nJy"), "Z": "zred"}``.
        parameters : mapping of str to str, default=None
            Column of each parameter: ``{"stellar_mass": "logmass"}``. None: every column that is
            named as a target that sfml knows, or as GAMA names it.
        units : mapping of str to str, default=None
            Units of parameters that sfml does not know.
        prior : mapping, default=None
            What the models were drawn from.

        Returns
        -------
        ModelLibrary

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the table lacks a band, the redshift or a parameter, its units cannot be converted,
            or as for the class.

        Examples
        --------
        >>> from sfml import BandSet
        >>> from sfml.simulate import ModelLibrary
        >>> table = {"g": [2.5, 3.1], "zred": [0.1, 0.3], "logmass": [9.9, 10.4]}
        >>> library = ModelLibrary.from_table(
        ...     table,
        ...     BandSet(["g"], [0.48]),
        ...     columns={"{band}_flux": ("{band}", "uJy"), "Z": "zred"},
        ...     parameters={"stellar_mass": "logmass"},
        ... )
        >>> library.flux[:, 0]
        array([2.5e-06, 3.1e-06])
        """
        flux, redshift, values, stated = read_models(table, bands, columns, parameters)
        units = {**stated, **(units or {})}
        in_jansky = flux_density_factor(bands.unit, "Jy")
        return cls(bands, in_jansky * flux, redshift, values, units, dict(prior or {}))

    def fluxes_in(self, bands: BandSet) -> np.ndarray:
        """Give the fluxes in the bands of another set, which the library must have.

        Parameters
        ----------
        bands : BandSet
            The bands wanted.

        Returns
        -------
        ndarray of shape (n_models, n_bands)
            In Jy, in the order of `bands`.

        Raises
        ------
        ValueError
            If the library lacks a band, or has another one of the same name.
        """
        known = dict(zip(self.bands.names, self.bands.wavelengths, strict=True))
        lacking = [name for name in bands.names if name not in known]
        if lacking:
            raise ValueError(
                f"The library lacks {len(lacking)} of {len(bands)} bands: {', '.join(lacking)}. It "
                f"has {', '.join(known)}. Make it with these bands too, or leave them out with "
                "bands.without(...)."
            )
        for name, wavelength in zip(bands.names, bands.wavelengths, strict=True):
            if abs(known[name] - wavelength) > SAME_WAVELENGTH * wavelength:
                raise ValueError(
                    f"The library's band {name!r} is at {known[name]:g} micron, the survey's at "
                    f"{wavelength:g}: they are different filters. Rename one of them."
                )
        return self.flux[:, [self.bands.names.index(name) for name in bands.names]]

    def take(self, rows: Any) -> ModelLibrary:
        """Give some of the models, such as those to learn from and those to test on.

        Parameters
        ----------
        rows : array-like of int of shape (n_rows,), or of bool of shape (n_models,)
            Positions of the models.

        Returns
        -------
        ModelLibrary
            With the models numbered anew, from 0.

        Examples
        --------
        >>> from sklearn.model_selection import train_test_split
        >>> from sfml.simulate import mock_library
        >>> library = mock_library(100, random_state=0)
        >>> learn, test = map(library.take, train_test_split(range(100), random_state=0))
        >>> len(learn), len(test)
        (75, 25)
        """
        rows = np.arange(len(self))[np.asarray(rows)]
        return replace(
            self,
            flux=self.flux[rows],
            redshift=self.redshift[rows],
            parameters=self.parameters.iloc[rows].reset_index(drop=True),
        )

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the library to one Parquet file, with its bands, units and prior.

        The file has its name only when it is complete. Other programs can read it: its columns are
        ``redshift``, ``<band>_flux`` in Jy, and the parameters.

        Parameters
        ----------
        path : path
            The file, which ends in .parquet.
        overwrite : bool, default=False
            Whether a file that is there already is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        FileExistsError
            If the file is there and `overwrite` is False.
        ValueError
            If the name does not end in .parquet, or the prior is no JSON.
        """
        return write_library(self, Path(path).expanduser(), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelLibrary:
        """Read a library that `save` has written.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        ModelLibrary

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is not a library.
        """
        return cls(**read_library(Path(path).expanduser()))
