"""Fits with Bagpipes, whose models and sampler are called from here."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from sfml import tables
from sfml.bands import GAMA, BandSet
from sfml.compat import Interval, validate_params
from sfml.simulate import BagpipesPrior, filter_files
from sfml.simulate.bagpipes_models import import_bagpipes
from sfml.simulate.processes import in_processes
from sfml.simulate.runs import RunFolder
from sfml.targets import TARGETS
from sfml.triage.codes.bagpipes_sampler import Measured, sample_posterior
from sfml.triage.codes.photometry import Galaxies, read_galaxies
from sfml.triage.identifiers import identifiers

_FEWEST_BANDS = 2
_PERCENTILES = {"_p16": 16, "": 50, "_p84": 84}


@validate_params(
    {
        "bands": [BandSet],
        "filters": [Mapping, None],
        "prior": [BagpipesPrior, None],
        "n_live": [Interval(Integral, 20, None, closed="left")],
        "n_networks": [Interval(Integral, 0, None, closed="left")],
        "time_limit": [Interval(Real, 0, None, closed="neither")],
        "n_jobs": [Integral, None],
        "folder": [str, os.PathLike, None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def fit_bagpipes(
    X: Any,
    rows: Iterable[int],
    *,
    bands: BandSet = GAMA,
    ids: Iterable[Any] | None = None,
    filters: Mapping[str, str | os.PathLike[str]] | None = None,
    prior: BagpipesPrior | None = None,
    n_live: int = 400,
    n_networks: int = 4,
    time_limit: float = 3600.0,
    n_jobs: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame:
    """Fit galaxies with Bagpipes and its sampler nautilus (extra ``bagpipes``).

    Each galaxy is fitted in the bands that were measured, at its own redshift, in one process.

    Parameters
    ----------
    X : table or array-like of shape (n_galaxies, 2 * n_bands + 1)
        The catalogue: fluxes, errors and the redshift, in the columns of `bands`.
    rows : iterable of int
        Positions of the galaxies to fit, as `choose` returns them.
    bands : BandSet, default=GAMA
        Bands to fit, with the layout, unit and missing codes of X.
    ids : iterable of length n_galaxies, default=None
        Identifiers of the rows of X. By default the index of a DataFrame, else 0, 1, 2, ...
    filters : mapping of str to path or str, default=None
        Filter curves that are not known by the band's name, as for
        `sfml.simulate.filter_files`.
    prior : BagpipesPrior or None, default=None
        The prior, but for the redshift, which is the galaxy's. None: ``BagpipesPrior()``, that of
        `sfml.simulate.bagpipes_library` too.
    n_live : int, default=400
        Number of live points: fewer are quicker, and less exact.
    n_networks : int, default=4
        Networks by which nautilus bounds the region that it samples. With few free parameters 0,
        ellipsoids alone, takes a half of the time.
    time_limit : float, default=3600
        Seconds after which the fit of a galaxy is given up.
    n_jobs : int or None, default=None
        Number of galaxies that are fitted at the same time, in as many processes, as in joblib.
    folder : path or None, default=None
        Keeps the posterior of each galaxy that is done, ``<row>.npz``: the same call goes on from
        there, also with other rows. None: nothing is kept.
    random_state : int, RandomState instance or None, default=None
        Seeds the sampler; the same int gives a galaxy the same posterior, whatever else is fitted.

    Returns
    -------
    DataFrame of shape (n_fitted, 12)
        Indexed by id, which is text, as `merge` takes it. For each of ``stellar_mass``, ``sfr`` and
        ``dust_luminosity``, in dex (Msun, Msun/yr, Lsun): the median under its name,
        ``<target>_p16`` and ``<target>_p84``; ``chi2`` of the best sample, ``n_bands`` fitted,
        and ``seconds`` of one processor's time that the fit took.

    Raises
    ------
    ImportError
        If Bagpipes is not installed.
    ValueError
        If rows repeat or are no positions, a redshift is not positive, no filter curve is known of
        a band, or `folder` holds a run with other settings.

    Warns
    -----
    UserWarning
        Names galaxies that could not be fitted, and says why; they are left out.

    Notes
    -----
    The likelihood and its prior are Bagpipes' own, and nautilus is run as Bagpipes runs it; unlike
    there, the sampler has a seed and nothing is written to the working directory.
    The properties are those of `sfml.simulate.bagpipes_library`: surviving stars, mean SFR of
    100 Myr, and dust luminosity from 8 to 1000 micron.

    References
    ----------
    Carnall et al. 2018, MNRAS 480, 4379 (Bagpipes); Lange 2023, MNRAS 525, 3181 (nautilus).

    Examples
    --------
    A fit takes minutes: no galaxy is chosen here, so that this runs.

    >>> import sfml
    >>> from sfml import triage
    >>> X = sfml.make_mock_survey(20, n_templates=1000, random_state=0)
    >>> triage.fit_bagpipes(X, [], n_live=400, random_state=0).columns[:3].tolist()
    ['stellar_mass', 'stellar_mass_p16', 'stellar_mass_p84']
    """
    rows = _checked_rows(rows, tables.n_rows(X))
    galaxies = _chosen(X, rows, bands, ids)
    prior = BagpipesPrior() if prior is None else prior
    import_bagpipes()
    with ExitStack() as stack:
        curves = filter_files(
            bands, stack.enter_context(tempfile.TemporaryDirectory()), filters=filters
        )
        seed = None if random_state is None else check_random_state(random_state).randint(2**31)
        run = RunFolder(
            Path(folder or stack.enter_context(tempfile.TemporaryDirectory())),
            _settings(bands, curves, prior, n_live, n_networks, seed),
        )
        failed = _fit_all(
            galaxies,
            rows,
            run,
            list(curves.values()),
            n_jobs,
            {
                "prior": prior,
                "n_live": n_live,
                "n_networks": n_networks,
                "time_limit": time_limit,
                "seed": seed,
            },
        )
        done = [k for k, row in enumerate(rows) if run.has(_part(row))]
        found = [_summary(run.path(_part(rows[k]))) for k in done]
    if failed:
        _warn_of_failed(failed, len(rows))
    index = pd.Index([galaxies.ids[k] for k in done], name="id", dtype=object)
    return pd.DataFrame(found, index=index, columns=_COLUMNS)


_COLUMNS = [
    *(target + end for target in TARGETS for end in ("", "_p16", "_p84")),
    *("chi2", "n_bands", "seconds"),
]


def _checked_rows(rows: Iterable[int], n_rows: int) -> list[int]:
    chosen = np.asarray(list(rows))
    is_position = not len(chosen) or chosen.dtype.kind in "iu"
    if not is_position or ((chosen < 0) | (chosen >= n_rows)).any():
        raise ValueError(f"rows must be positions from 0 to {n_rows - 1}; got {chosen.tolist()}.")
    if len(set(chosen.tolist())) < len(chosen):
        raise ValueError("rows must not repeat: each galaxy is fitted once.")
    return [int(row) for row in chosen]


def _chosen(X: Any, rows: list[int], bands: BandSet, ids: Iterable[Any] | None) -> Galaxies:
    """Read the chosen galaxies, in the order of `rows`."""
    texts = identifiers(X, ids)
    mask = np.zeros(len(texts), dtype=bool)
    mask[rows] = True
    some = read_galaxies(tables.take_rows(X, mask), bands, [texts[r] for r in sorted(rows)], "uJy")
    order = np.argsort(np.argsort(rows))
    return Galaxies(
        [some.ids[k] for k in order], some.redshift[order], some.flux[order], some.error[order]
    )


def _settings(
    bands: BandSet,
    curves: Mapping[str, Path],
    prior: BagpipesPrior,
    n_live: int,
    n_networks: int,
    seed: int | None,
) -> dict[str, Any]:
    prior_words = {name: text for name, text in prior.describe().items() if name != "redshift"}
    return {
        "code": f"Bagpipes {version('bagpipes')}, nautilus {version('nautilus-sampler')}",
        "prior": prior_words,
        "bands": dict(zip(bands.names, bands.wavelengths, strict=True)),
        "filters": {name: path.read_text() for name, path in curves.items()},
        "n_live": int(n_live),
        "n_networks": int(n_networks),
        "random_state": None if seed is None else int(seed),
    }


def _fit_all(
    galaxies: Galaxies,
    rows: list[int],
    run: RunFolder,
    curves: list[Path],
    n_jobs: int | None,
    options: dict[str, Any],
) -> dict[str, str]:
    """Fit the galaxies that are not done yet; return those that failed, and why."""
    failed, arguments = {}, []
    for k, row in enumerate(rows):
        measured = np.isfinite(galaxies.flux[k])
        if run.has(_part(row)):
            _check_same_photometry(run.path(_part(row)), galaxies, k)
        elif measured.sum() < _FEWEST_BANDS:
            failed[galaxies.ids[k]] = f"measured in {measured.sum()} bands"
        else:
            redshift, flux, error = _photometry(galaxies, k).values()
            files = tuple(str(curves[j]) for j in np.flatnonzero(measured))
            galaxy = Measured(float(redshift), flux[measured], error[measured], files)
            arguments.append((k, row, galaxy, options))
    n_done = len(rows) - len(arguments) - len(failed)
    for k, row, result in in_processes(
        _fit_one, arguments, n_jobs=n_jobs, what="galaxies", done=n_done
    ):
        if isinstance(result, str):
            failed[galaxies.ids[k]] = result
        else:
            run.write_arrays(_part(row), result | _photometry(galaxies, k))
    return failed


def _photometry(galaxies: Galaxies, k: int) -> dict[str, np.ndarray]:
    """Give what a galaxy is fitted to, as its file keeps it: in uJy, NaN where not measured."""
    redshift = np.array(galaxies.redshift[k])
    return {"redshift": redshift, "flux": galaxies.flux[k], "error": galaxies.error[k]}


def _check_same_photometry(path: Path, galaxies: Galaxies, k: int) -> None:
    with np.load(path) as kept:
        is_same = all(
            name in kept and np.array_equal(kept[name], values, equal_nan=True)
            for name, values in _photometry(galaxies, k).items()
        )
    if not is_same:
        raise ValueError(
            f"{str(path)!r} holds a fit to other photometry or another redshift than those of "
            f"galaxy {galaxies.ids[k]}. Name another folder for another catalogue."
        )


def _fit_one(
    k: int, row: int, galaxy: Measured, options: dict[str, Any]
) -> tuple[int, int, dict[str, np.ndarray] | str]:
    seed = options["seed"]
    of_row = None if seed is None else int(np.random.SeedSequence([seed, row]).generate_state(1)[0])
    try:
        return k, row, sample_posterior(galaxy, **{**options, "seed": of_row})
    except Exception as error:  # whatever the code raises: the other galaxies go on
        return k, row, f"{type(error).__name__}: {error}"


def _part(row: int) -> str:
    return f"{row}.npz"


def _summary(path: Path) -> dict[str, float]:
    with np.load(path) as arrays:
        values = {
            target + end: float(np.percentile(arrays[target], percentile))
            for target in TARGETS
            for end, percentile in _PERCENTILES.items()
        }
        return values | {name: arrays[name].item() for name in ("chi2", "n_bands", "seconds")}


def _warn_of_failed(failed: Mapping[str, str], n_rows: int) -> None:
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(failed.items())[:5])
    more = "; ..." if len(failed) > 5 else ""
    warnings.warn(
        f"{len(failed)} of {n_rows} galaxies could not be fitted and are left out: {shown}{more}.",
        UserWarning,
        stacklevel=4,
    )
