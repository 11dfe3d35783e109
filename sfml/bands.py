"""Band sets: which filters a survey has, and how its catalogue writes them down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

__all__ = ["GAMA", "BandSet"]

# Published effective wavelengths of one filter agree to within this fraction; filters of other
# surveys with the same name often differ by more.
SAME_WAVELENGTH = 0.05
# Every catalogue of galaxies has a band below 1 mm, in micron: a set that starts beyond is in
# another unit.
_LONGEST_FIRST = 1000.0
# Bands that are called alike everywhere, in micron, to tell nanometres from the far infrared.
_WELL_KNOWN = {
    **{"FUV": 0.154, "NUV": 0.23, "u": 0.36, "g": 0.47, "r": 0.62, "i": 0.76, "z": 0.9, "y": 0.98},
    **{"U": 0.36, "B": 0.44, "V": 0.55, "R": 0.65, "I": 0.8, "Y": 1.02, "J": 1.25, "H": 1.64},
    **{"K": 2.15, "Ks": 2.15, "W1": 3.4, "W2": 4.6, "W3": 12.0, "W4": 22.0},
}


def _factor_to_micron(names: Sequence[str], wavelengths: np.ndarray) -> float:
    """Factor by which wavelengths are too large: 1, or 1e3 (nm) or 1e4 (Angstrom)."""
    for name, wavelength in zip(names, wavelengths, strict=True):
        for factor in (1e3, 1e4):
            if abs(wavelength / factor / _WELL_KNOWN.get(name, np.inf) - 1) < 0.3:
                return factor
    if wavelengths.min() >= _LONGEST_FIRST:
        return 1e4
    # The far infrared alone has hardly three bands beyond 300 micron; the optical has, in nm.
    optical = (wavelengths >= 300) & (wavelengths <= 1000)
    return 1e3 if wavelengths.min() >= 150 and optical.sum() >= 3 else 1.0


@dataclass(frozen=True)
class BandSet:
    """The photometric bands of a survey and the layout of its catalogue.

    Parameters
    ----------
    names : sequence of str
        Band names, in the order in which the networks receive them.
    wavelengths : sequence of float
        Effective wavelength of each band, in micron. Angstrom and nanometres are refused.
    flux, error : str, default="{band}_flux", "{band}_fluxerr"
        Column names of the flux and its 1-sigma error; ``{band}`` stands for the band's name.
    redshift : str, default="Z"
        Column name of the redshift.
    unit : str, default="Jy"
        Unit of fluxes and errors, one of flux density: "Jy", "mJy", "uJy", "nJy", "nanomaggy"
        (3.631 uJy), or another that astropy knows. Columns that carry a unit of their own (astropy
        tables) are converted to this one.
    missing_codes : sequence of float, default=(-999, -99, -9)
        Values that stand for "not measured". Only these exact values count, in the precision of
        the column: any other negative flux is a measurement.
    redshift_error : str or None, default=None
        Column name of the redshift's 1-sigma error, if the catalogue has one.

    Raises
    ------
    ValueError
        If names repeat, if there is not one positive wavelength in micron per band, if the unit is
        none of flux density, or if two columns of the layout would have the same name.

    Examples
    --------
    >>> from sfml import BandSet
    >>> sdss = BandSet(["u", "g", "r"], [0.355, 0.468, 0.616], flux="F_{band}", error="E_{band}")
    >>> sdss.flux_columns
    ('F_u', 'F_g', 'F_r')
    >>> sdss.without("u").names
    ('g', 'r')
    """

    names: Sequence[str]
    wavelengths: Sequence[float]
    flux: str = "{band}_flux"
    error: str = "{band}_fluxerr"
    redshift: str = "Z"
    unit: str = "Jy"
    missing_codes: Sequence[float] = (-999.0, -99.0, -9.0)
    redshift_error: str | None = None

    def __post_init__(self) -> None:
        # Tuples make the set hashable, and safe to share between estimators.
        for field in ("names", "wavelengths", "missing_codes"):
            value = getattr(self, field)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise ValueError(
                    f"{field} must be a sequence, such as a list or a tuple; got {value!r}."
                )
            object.__setattr__(self, field, tuple(value))
        self._check_names()
        self._check_wavelengths()
        self._check_unit()
        self._check_columns()

    def _check_names(self) -> None:
        if not self.names:
            raise ValueError("A BandSet needs at least one band; got no names.")
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ValueError(f"Band names must be unique; these repeat: {repeated}.")

    def _check_wavelengths(self) -> None:
        wavelengths = np.asarray(self.wavelengths, dtype=float)
        if len(wavelengths) != len(self.names):
            raise ValueError(
                f"wavelengths must have one entry per band: got {len(wavelengths)} wavelengths "
                f"for {len(self.names)} bands."
            )
        if not np.all(np.isfinite(wavelengths) & (wavelengths > 0)):
            raise ValueError(f"wavelengths must be positive, in micron; got {self.wavelengths}.")
        factor = _factor_to_micron(self.names, wavelengths)
        if factor != 1:
            unit = {1e3: "nanometres", 1e4: "Angstrom"}[factor]
            raise ValueError(
                f"wavelengths must be in micron; {self.wavelengths[0]:g} for {self.names[0]!r} "
                f"looks like {unit}. Divide them by {factor:g}."
            )

    def _check_unit(self) -> None:
        from sfml.tables.units import conversion_factor

        if not isinstance(self.unit, str) or conversion_factor(self.unit, "Jy") is None:
            raise ValueError(
                "unit must be a unit of flux density, such as 'Jy', 'mJy', 'uJy', 'nJy' or "
                f"'nanomaggy'; got {self.unit!r}. Magnitudes must be converted to fluxes first: "
                "3631 * 10**(-0.4 * mag) Jy for AB magnitudes."
            )

    def is_gama_band(self, name: str) -> bool:
        """Say whether a band of this set is GAMA's own, and no namesake at another wavelength.

        Parameters
        ----------
        name : str
            Name of the band.

        Returns
        -------
        bool
            True if both sets have the name, at wavelengths within 5 per cent.

        Examples
        --------
        >>> from sfml import GAMA
        >>> GAMA.is_gama_band("r"), GAMA.is_gama_band("F110W")
        (True, False)
        """
        if name not in self.names or name not in GAMA.names:
            return False
        ours = self.wavelengths[self.names.index(name)]
        gamas = GAMA.wavelengths[GAMA.names.index(name)]
        return abs(ours - gamas) < SAME_WAVELENGTH * gamas

    def _check_columns(self) -> None:
        for field in ("flux", "error"):
            if "{band}" not in getattr(self, field):
                raise ValueError(
                    f"{field} must contain '{{band}}', as in '{{band}}_flux'; "
                    f"got {getattr(self, field)!r}."
                )
        columns = [*self.columns, *([self.redshift_error] if self.redshift_error else [])]
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise ValueError(
                f"flux={self.flux!r}, error={self.error!r}, redshift={self.redshift!r} and "
                f"redshift_error={self.redshift_error!r} name a column more than once: {repeated}."
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def flux_columns(self) -> tuple[str, ...]:
        """Flux column names, in band order."""
        return tuple(self.flux.format(band=name) for name in self.names)

    @property
    def error_columns(self) -> tuple[str, ...]:
        """Flux error column names, in band order."""
        return tuple(self.error.format(band=name) for name in self.names)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns: the fluxes, their errors, and the redshift last."""
        return (*self.flux_columns, *self.error_columns, self.redshift)

    def only(self, *names: str) -> BandSet:
        """Keep the named bands, in the order of this set.

        Parameters
        ----------
        *names : str
            Bands to keep.

        Returns
        -------
        BandSet
            A new set; this one is unchanged.

        Raises
        ------
        ValueError
            If a name is not a band of this set, or if none is given.
        """
        self._check_known(names)
        kept = [(n, w) for n, w in zip(self.names, self.wavelengths, strict=True) if n in names]
        return replace(self, names=[n for n, _ in kept], wavelengths=[w for _, w in kept])

    def without(self, *names: str) -> BandSet:
        """Leave the named bands out.

        Parameters
        ----------
        *names : str
            Bands to leave out.

        Returns
        -------
        BandSet
            A new set; this one is unchanged.

        Raises
        ------
        ValueError
            If a name is not a band of this set, or if no band would be left.
        """
        self._check_known(names)
        return self.only(*(name for name in self.names if name not in names))

    def _check_known(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.names:
                close = get_close_matches(str(name), self.names, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise ValueError(
                    f"{name!r} is not a band of this set, which has {', '.join(self.names)}.{hint}"
                )

    def is_missing(self, values: np.ndarray) -> np.ndarray:
        """Say which values are NaN or one of the missing codes.

        Parameters
        ----------
        values : ndarray of float
            Fluxes, errors or redshifts.

        Returns
        -------
        ndarray of bool
            Of the same shape. Codes are compared in the precision of `values`.

        Examples
        --------
        >>> import numpy as np
        >>> from sfml import GAMA
        >>> GAMA.is_missing(np.array([1e-5, -1e-6, -999.0, np.nan]))
        array([False, False,  True,  True])
        """
        values = np.asarray(values)
        missing = np.isnan(values)
        for code in self.missing_codes:
            missing |= values == values.dtype.type(code)
        return missing


GAMA = BandSet(
    names=(
        *("FUV", "NUV", "u", "g", "r", "i", "z", "X", "Y", "J", "H", "K"),
        *("W1", "W2", "W3", "W4", "P100", "P160", "S250", "S350", "S500"),
    ),
    # Pivot wavelengths: GALEX (Morrissey et al. 2007), SDSS (Fukugita et al. 1996), VIKING
    # (Edge et al. 2013), WISE (Wright et al. 2010), PACS and SPIRE (nominal), in micron.
    wavelengths=(
        *(0.1535, 0.2301, 0.3557, 0.4702, 0.6176, 0.7490, 0.8947),
        *(0.8770, 1.0200, 1.2520, 1.6450, 2.1470),
        *(3.3526, 4.6028, 11.5608, 22.0883, 100.0, 160.0, 250.0, 350.0, 500.0),
    ),
)
"""The 21 bands of the GAMA Panchromatic Data Release (Driver et al. 2016, MNRAS 455, 3911), with
the columns of its table LambdarCat. ``z`` is SDSS z, ``X`` is VIKING Z, and column ``Z`` is the
redshift."""
