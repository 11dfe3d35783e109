"""A library of Bagpipes' models."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from hashlib import sha256
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml.bands import BandSet
from sfml.compat import Interval, validate_params
from sfml.simulate.bagpipes_models import import_bagpipes, make_models
from sfml.simulate.checks import DARK, REDSHIFT, rows_of
from sfml.simulate.curves import filter_files
from sfml.simulate.library import ModelLibrary
from sfml.simulate.prior import BagpipesPrior
from sfml.simulate.processes import in_processes
from sfml.simulate.runs import RunFolder, read_settings
from sfml.targets import known_target

_CHUNK = 250  # models, about a second of work
_MOST_BROKEN = 0.01


@validate_params(
    {
        "n_models": [Interval(Integral, 1, None, closed="left")],
        "bands": [BandSet],
        "prior": [BagpipesPrior, None],
        "filters": [Mapping, None],
        "n_jobs": [Integral, None],
        "path": [str, os.PathLike, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def bagpipes_library(
    n_models: int,
    bands: BandSet,
    *,
    prior: BagpipesPrior | None = None,
    filters: Mapping[str, str | os.PathLike[str]] | None = None,
    n_jobs: int | None = None,
    path: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> ModelLibrary:
    """Make a library of models with Bagpipes (extra ``bagpipes``).

    Parameters
    ----------
    n_models : int
        How many models; two processors make about 300 a second.
    bands : BandSet
        Bands of the photometry.
    prior : BagpipesPrior or None, default=None
        What the models are drawn from. None: ``BagpipesPrior()``.
    filters : mapping of str to path or str, default=None
        Filter curves that are not known by the band's name, or others, as for `filter_files`.
    n_jobs : int or None, default=None
        Number of processes, as in joblib: None is one, -1 one per processor. The library does not
        depend on it.
    path : path or None, default=None
        File to write the library to, which ends in .parquet. Beside it stands, until the library
        is complete, a folder with the models made so far: after Ctrl-C or a crash, the same call
        goes on from there.
    random_state : int, RandomState instance or None, default=None
        Which models of the prior; an int gives the same every time.

    Returns
    -------
    ModelLibrary
        With the parameters ``stellar_mass`` (surviving stars), ``sfr`` (mean of 100 Myr, at least
        1e-13 of the mass per year), ``dust_luminosity`` (8 to 1000 micron), ``ssfr``,
        ``mass_weighted_age``, and all that the prior draws.

    Raises
    ------
    ImportError
        If Bagpipes is not installed.
    FileExistsError
        If `path` is there already.
    ValueError
        If a curve is not known, a filter does not overlap the spectra, Bagpipes refuses the prior,
        more than one model in a hundred is not finite, or `path` has an interrupted run with other
        settings beside it.

    Warns
    -----
    UserWarning
        If models are left out that are not finite.

    Notes
    -----
    A flux of 0, such as that of a filter beyond the Lyman limit, is written as 1e-30 Jy.
    ``A_V`` is that of the diffuse dust. The dust luminosity includes the stars' own light beyond
    8 micron.

    References
    ----------
    Carnall et al. 2018, MNRAS 480, 4379 (Bagpipes); Bruzual & Charlot 2003, MNRAS 344, 1000;
    Draine & Li 2007, ApJ 657, 810; Charlot & Fall 2000, ApJ 539, 718.

    Examples
    --------
    >>> from sfml import GAMA
    >>> from sfml.simulate import bagpipes_library
    >>> library = bagpipes_library(4, GAMA.only("g", "r", "i"), random_state=0)
    >>> library.flux.shape
    (4, 3)
    """
    prior = BagpipesPrior() if prior is None else prior
    final = None if path is None else _free_path(Path(path).expanduser())
    import_bagpipes()
    parts = None if final is None else final.with_name(f"{final.name}.parts")
    seed = _seed(parts, random_state)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        curves = filter_files(bands, folder, filters=filters)
        made_from = {
            "code": f"Bagpipes {version('bagpipes')}",
            **prior.describe(),
            "drawn": f"{n_models} models of a Sobol sequence, random_state={seed}",
        }
        run = None if parts is None else RunFolder(parts, _settings(bands, curves, made_from))
        values = prior.draw(int(n_models), seed)
        files = tuple(map(str, curves.values()))
        flux, properties = _make_all(prior, values, files, n_jobs, run)
        library = _assemble(bands, prior, values, flux, properties, made_from)
    if final is not None and run is not None:
        library.save(final)
        run.remove()
    return library


def _free_path(path: Path) -> Path:
    if path.suffix != ".parquet":
        raise ValueError(f"path must end in .parquet; got {path.name!r}.")
    if path.exists():
        raise FileExistsError(
            f"{str(path)!r} is there already: read it with ModelLibrary.load, or name another file."
        )
    return path


def _seed(parts: Path | None, random_state: Any) -> int:
    """Seed of this run; that of the interrupted one if none is asked for."""
    earlier = None if parts is None else read_settings(parts)
    if random_state is None and earlier is not None:
        return int(earlier["drawn"].rpartition("=")[2])
    return int(check_random_state(random_state).randint(2**31 - 1))


def _settings(
    bands: BandSet, curves: Mapping[str, Path], made_from: Mapping[str, str]
) -> dict[str, Any]:
    shapes = {name: sha256(file.read_bytes()).hexdigest()[:16] for name, file in curves.items()}
    return {
        **made_from,
        "bands": dict(zip(bands.names, bands.wavelengths, strict=True)),
        "filters": shapes,
    }


def _make_all(
    prior: BagpipesPrior,
    values: pd.DataFrame,
    curves: tuple[str, ...],
    n_jobs: int | None,
    run: RunFolder | None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Make all models, chunk by chunk: fluxes (n_models, n_bands) and properties."""
    starts = range(0, len(values), _CHUNK)
    chunks = {start: values.iloc[start : start + _CHUNK] for start in starts}
    made = (
        {} if run is None else {s: _read(run.path(_part(s))) for s in starts if run.has(_part(s))}
    )
    left = [start for start in starts if start not in made]
    arguments = [
        (start, prior, {n: c.to_numpy() for n, c in chunks[start].items()}, curves)
        for start in left
    ]
    results = in_processes(
        _make_chunk,
        arguments,
        n_jobs=n_jobs,
        what="models",
        sizes=[len(chunks[start]) for start in left],
        done=sum(len(chunks[start]) for start in made),
    )
    for start, flux, properties in results:
        made[start] = {"flux": flux, **properties}
        if run is not None:
            run.write_arrays(_part(start), made[start])
    columns = {n: np.concatenate([made[s][n] for s in starts]) for n in made[0]}
    flux = columns.pop("flux")
    return flux, pd.DataFrame(columns)


def _make_chunk(
    start: int, prior: BagpipesPrior, values: dict[str, np.ndarray], curves: tuple[str, ...]
) -> tuple[int, np.ndarray, dict[str, np.ndarray]]:
    return start, *make_models(prior, values, curves)


def _part(start: int) -> str:
    return f"{start:08d}.npz"


def _read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def _assemble(
    bands: BandSet,
    prior: BagpipesPrior,
    values: pd.DataFrame,
    flux: np.ndarray,
    properties: pd.DataFrame,
    made_from: Mapping[str, str],
) -> ModelLibrary:
    _check_overlap(bands, values[REDSHIFT].to_numpy(), flux)
    drawn = [name for name in prior.free if name != REDSHIFT]
    parameters = pd.concat([properties, values[drawn]], axis=1)
    broken = ~np.isfinite(np.hstack([flux, parameters.to_numpy()])).all(axis=1)
    if broken.any():
        _report_broken(broken, values)
        flux, parameters = flux[~broken], parameters[~broken].reset_index(drop=True)
    units = {name: prior.units[name] for name in drawn if known_target(name) is None}
    return ModelLibrary(
        bands,
        np.where(flux > 0, flux, DARK),
        values[REDSHIFT].to_numpy()[~broken],
        parameters,
        units,
        made_from,
    )


def _check_overlap(bands: BandSet, redshift: np.ndarray, flux: np.ndarray) -> None:
    dark = np.nan_to_num(flux).max(axis=0) <= 0
    if dark.any():
        names = [name for name, is_dark in zip(bands.names, dark, strict=True) if is_dark]
        raise ValueError(
            f"No model has a flux in {', '.join(names)}: the filter does not overlap the spectra "
            f"at redshifts {redshift.min():.3g} to {redshift.max():.3g}. Check the curve, or leave "
            f"the band out: bands.without({', '.join(map(repr, names))})."
        )


def _report_broken(broken: np.ndarray, values: pd.DataFrame) -> None:
    first = values[broken].iloc[0].to_dict()
    shown = ", ".join(f"{name} {value:.4g}" for name, value in first.items())
    message = (
        f"{broken.sum()} of {len(broken)} models are not finite, rows {rows_of(broken)} of the "
        f"prior's draw; the first: {shown}."
    )
    if broken.mean() > _MOST_BROKEN:
        raise ValueError(f"{message} Narrow the prior to what Bagpipes can make.")
    warnings.warn(f"{message} They are left out.", UserWarning, stacklevel=5)
