"""Filter curves as the two-column files that Bagpipes reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfml import surveys
from sfml.bands import BandSet
from sfml.tables.writing import write_files

EXTRA = 'pip install "sfml[bagpipes]"'
# A curve whose mean wavelength is farther from its band's than this factor is another's, or is in
# another unit than Angstrom.
_FAR = 1.5


def filter_files(
    bands: BandSet,
    folder: str | os.PathLike[str],
    *,
    filters: Mapping[str, str | os.PathLike[str]] | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the filter curves of a band set as files of two columns, as Bagpipes reads them.

    Parameters
    ----------
    bands : BandSet
        The bands. Those of `sfml.GAMA` and of the surveys in `sfml.surveys` are known by their
        name and wavelength where astro-sedpy has their curves.
    folder : path
        Where the files are written, one ``<band>.dat`` per band; it is made if it is not there.
    filters : mapping of str to path or str, default=None
        Curves of further bands, or other curves: a file with a column of wavelengths in Angstrom
        and one of transmission (per photon, in any unit), or a filter's name in astro-sedpy.
    overwrite : bool, default=False
        Whether files that are there already are replaced.

    Returns
    -------
    dict of str to Path
        The file of each band, in the order of the bands.

    Raises
    ------
    ImportError
        If astro-sedpy is needed and not installed.
    FileExistsError
        If a file is there and `overwrite` is False.
    ValueError
        If no curve is known of a band, a file holds no curve, or a curve lies at other wavelengths
        than its band.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sfml import BandSet
    >>> from sfml.simulate import filter_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     curve = f"{folder}/box.txt"
    ...     np.savetxt(curve, [[5000, 0], [5100, 1], [6000, 1], [6100, 0]])
    ...     files = filter_files(BandSet(["V"], [0.55]), f"{folder}/curves", filters={"V": curve})
    ...     [path.name for path in files.values()]
    ['V.dat']
    """
    given = dict(filters or {})
    if given:
        bands.only(*given)  # an error that suggests another spelling
    names = {
        name: surveys.known_filter(name, wavelength, "sedpy")
        for name, wavelength in _wavelengths(bands)
    }
    lacking = [name for name in bands.names if name not in given and names[name] is None]
    if lacking:
        raise ValueError(
            f"No filter curve is known of {len(lacking)} of {len(bands)} bands: "
            f"{', '.join(lacking)}. Name them: filters={{{lacking[0]!r}: 'curve.txt'}}, a file "
            "with wavelengths in Angstrom and transmission, or a filter's name in astro-sedpy; or "
            "leave the bands out with bands.without(...)."
        )
    curves = {}
    for name, wavelength in _wavelengths(bands):
        curve = _read(name, given[name]) if name in given else _from_sedpy(name, str(names[name]))
        _check_wavelength(name, curve, wavelength)
        curves[name] = curve
    paths = {name: Path(folder) / f"{_file_name(name)}.dat" for name in bands.names}
    texts: Any = {paths[name]: _as_text(curve) for name, curve in curves.items()}
    write_files(texts, overwrite=overwrite)
    return paths


def _wavelengths(bands: BandSet) -> list[tuple[str, float]]:
    return list(zip(bands.names, bands.wavelengths, strict=True))


def _from_sedpy(band: str, name: str) -> np.ndarray:
    try:
        from sedpy.observate import Filter
    except ImportError as missing:
        raise ImportError(
            f"Filter curves need astro-sedpy, which is not installed: {EXTRA}. Or give your own "
            f"as files: filters={{{band!r}: 'curve.txt'}}."
        ) from missing
    try:
        curve = Filter(name)
    except ValueError:
        raise ValueError(
            f"The filter {name!r} of band {band!r} is neither a file nor a filter of astro-sedpy, "
            "which sedpy.observate.list_available_filters() lists."
        ) from None
    return np.column_stack([curve.wavelength, curve.transmission])


def _read(band: str, given: str | os.PathLike[str]) -> np.ndarray:
    path = Path(given).expanduser()
    if not path.is_file():
        return _from_sedpy(band, str(given))
    try:
        curve = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is no filter curve: {error}.") from None
    is_curve = curve.shape[1] >= 2 and len(curve) >= 3 and bool(np.isfinite(curve).all())
    if not is_curve or (np.diff(curve[:, 0]) <= 0).any() or curve[0, 0] <= 0:
        raise ValueError(
            f"{str(path)!r}, the curve of band {band!r}, must have a column of growing wavelengths "
            "in Angstrom and one of transmission, at least three rows of finite numbers."
        )
    if (curve[:, 1] < 0).any() or not (curve[:, 1] > 0).any():
        raise ValueError(
            f"The transmission in {str(path)!r}, of band {band!r}, must not be negative, nor 0 "
            "everywhere."
        )
    return curve[:, :2]


def _check_wavelength(band: str, curve: np.ndarray, expected: float) -> None:
    mean = np.average(curve[:, 0], weights=curve[:, 1] * np.gradient(curve[:, 0])) / 1e4
    if not expected / _FAR < mean < expected * _FAR:
        raise ValueError(
            f"The curve of band {band!r} has a mean wavelength of {mean:.4g} micron, the band one "
            f"of {expected:g}. It is another filter's, or its wavelengths are not in Angstrom."
        )


def _file_name(band: str) -> str:
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in band)


def _as_text(curve: np.ndarray) -> str:
    return "".join(f"{wavelength:.8g} {transmission:.8g}\n" for wavelength, transmission in curve)
