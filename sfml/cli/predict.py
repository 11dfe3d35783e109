"""``sfml predict``: a catalogue of any size through a model, in batches, resumable."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sfml.cli.options import (
    UsageError,
    add_columns,
    add_common,
    check_output,
    name_list,
    whole_number,
)
from sfml.cli.stream import Background, available_cores, compute_ahead
from sfml.cli.terminal import Terminal

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sfml.cli.joining import Tally
    from sfml.cli.parts import PartsFolder
    from sfml.io import CatalogueReader
    from sfml.pipeline import StarFormationPipeline

HELP = "predict a catalogue: medians, 16th and 84th percentiles, flags and reasons"
DESCRIPTION = """
Predict every galaxy of a catalogue: one row per galaxy, in the order of the catalogue,
with medians, 16th and 84th percentiles, flags and their reasons. A galaxy without a
prediction has empty values and a reason. Rows are read, predicted and written in
batches, so that memory does not grow with the catalogue (Parquet; other formats are put
together in memory at the end). A run that is interrupted or killed goes on from its
last batch when the same command is given again.
"""
EXAMPLES = """
examples:
  sfml predict model.safetensors catalogue.parquet -o predictions.parquet
  sfml predict model.safetensors catalogue.fits -o predictions.fits --keep CATAID,RA,DEC
  sfml predict model.safetensors catalogue.parquet -o out.parquet --keep all --uncertainty total
  sfml predict model.safetensors catalogue.parquet -o out.parquet --json --quiet
"""
BATCH_ROWS = 50_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model that sfml has saved")
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="file of the galaxies")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", required=True, help="file of the predictions"
    )
    parser.add_argument(
        "--keep",
        type=name_list,
        default=["identifiers"],
        metavar="A,B,...",
        help="columns of the catalogue that the output has too: names, or one of identifiers "
        "(with coordinates and the redshift; the default), all, none",
    )
    parser.add_argument(
        "--uncertainty",
        choices=["emulator", "sps", "total"],
        default="emulator",
        help="what the percentiles hold: how well the code's answer is predicted, the code's own "
        "posterior, or both (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-rows",
        type=whole_number(1),
        default=BATCH_ROWS,
        metavar="N",
        help="rows read, predicted and kept at a time (default: %(default)s)",
    )
    parser.add_argument(
        "--n-jobs",
        type=whole_number(1),
        metavar="N",
        help="batches predicted at the same time (default: one per core)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the output if it is there already"
    )
    parser.add_argument(
        "--restart",
        action="store_true",
        help="throw away what an earlier run has left unfinished, whatever it was",
    )
    add_columns(parser)
    add_common(parser)


class _Job(NamedTuple):
    """What is to be predicted, from what, and how."""

    pipe: StarFormationPipeline
    model_hash: str
    reader: CatalogueReader
    kept: list[str]
    uncertainty: str

    @property
    def targets(self) -> tuple[str, ...]:
        """What is predicted."""
        return tuple(self.pipe["regress"].targets_)

    def predict(self, batch: pd.DataFrame, *, is_part: bool) -> pa.Table:
        """Predict a batch, which is refused for its unit only if it is no part of a catalogue."""
        import pandas as pd

        from sfml.io.arrow import from_pandas
        from sfml.photometry.guard import part_of_catalogue

        with part_of_catalogue() if is_part else nullcontext():
            predicted = self.pipe.predict_table(batch, uncertainty=self.uncertainty)
        table = pd.concat([batch[self.kept], predicted], axis=1)
        return from_pandas(table)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Predict a catalogue."""
    from sfml.cli.catalogue import check_catalogue_output
    from sfml.cli.parts import PartsFolder

    start = time.perf_counter()
    parts = PartsFolder(options.output)
    if not parts.path.exists():
        check_catalogue_output(options, options.catalogue)
    job = _prepare(options)
    with parts.open(_fingerprint(job, options), restart=options.restart):
        if parts.is_published():
            parts.remove()
            terminal.say(f"{options.output} is complete since the last run.")
            return 0
        check_output(options, options.catalogue)
        with _telling_what_is_kept(parts, terminal):
            # The hash of a large catalogue takes time.
            provenance = Background(partial(_make_provenance, job, options))
            _say_what(job, options, terminal)
            _predict_all(job, parts, options, terminal)
            with terminal.status(f"joining {options.output}"):
                tally = _publish(job, parts, provenance, options)
    _finish(tally.summary(), options, time.perf_counter() - start, terminal)
    return 0


def _prepare(options: argparse.Namespace) -> _Job:
    """Load the model, and find which columns of the catalogue are needed."""
    from sfml.cli.catalogue import find_kept, open_with_bands
    from sfml.persistence import load, read_card

    pipe = load(options.model)
    select = pipe["select"]
    inputs = list(select.feature_names_in_)
    reader = open_with_bands(options.catalogue, select.bands_, options.column, inputs)
    redshift = None if select.layout_.redshift == "none" else select.bands_.redshift
    kept = find_kept(reader.names, options.keep, redshift)
    _check_no_clash(kept, pipe["regress"].targets_)
    read = list(dict.fromkeys([*kept, *(name for name in inputs if name in reader.names)]))
    model_hash = read_card(options.model)["content_hash"]
    return _Job(pipe, model_hash, reader.only(*read), kept, options.uncertainty)


def _check_no_clash(kept: list[str], targets: Sequence[str]) -> None:
    ours = {f"{target}{end}" for target in targets for end in ("", "_p16", "_p84")}
    clash = [name for name in kept if name in ours | {"flag", "reasons"}]
    if clash:
        raise UsageError(
            f"the catalogue and the predictions both have columns {', '.join(clash)}: leave them "
            "out of --keep, or rename them in the catalogue."
        )


def _fingerprint(job: _Job, options: argparse.Namespace) -> dict[str, Any]:
    """Describe all that decides what the parts hold."""
    from sfml import __version__
    from sfml.cli.catalogue import fingerprint_of

    return {
        "model": job.model_hash,
        "catalogue": fingerprint_of(options.catalogue),
        "keep": job.kept,
        "columns": options.column,
        "uncertainty": job.uncertainty,
        "batch-rows": options.batch_rows,
        "version of sfml": __version__,
    }


def _make_provenance(job: _Job, options: argparse.Namespace) -> dict[str, str]:
    from sfml.io import make_provenance

    return make_provenance(
        options.catalogue,
        model_hash=job.model_hash,
        model=options.model.name,
        uncertainty=job.uncertainty,
    )


@contextmanager
def _telling_what_is_kept(parts: PartsFolder, terminal: Terminal) -> Iterator[None]:
    """If the run is cut short, say how to go on."""
    try:
        yield
    except BaseException:
        n_rows = sum(parts.finished().values())
        if n_rows:
            terminal.note(
                f"\n{n_rows:,} rows are predicted and kept in {parts.path}: the same command goes "
                "on from there."
            )
        raise


def _say_what(job: _Job, options: argparse.Namespace, terminal: Terminal) -> None:
    n_rows = job.reader.n_rows
    rows = "" if n_rows is None else f"{n_rows:,} rows of "
    terminal.say(f"{rows}{options.catalogue} by {options.model}: {', '.join(job.targets)}")
    terminal.say(f"kept of the catalogue: {', '.join(job.kept) or 'nothing (see --keep)'}")
    report = str(job.reader.report)
    if report:
        terminal.say(report)


def _predict_all(
    job: _Job, parts: PartsFolder, options: argparse.Namespace, terminal: Terminal
) -> None:
    """Predict the batches of which there is no part yet, several at a time."""
    done = parts.finished()
    n_done = sum(done.values())
    if n_done:
        terminal.note(f"Going on from the last run: {n_done:,} rows are done.")
    batches = _Batches(job.reader, options.batch_rows, done)

    def predict(batch: _Batch) -> int:
        with _naming_rows(batch.start, len(batch.rows)):
            # The first rows speak for the catalogue.
            table = job.predict(batch.rows, is_part=batch.number > 1)
        parts.write(batch.number, table)
        return len(batch.rows)

    with terminal.progress("predicting", job.reader.n_rows, n_done) as advance:
        for n_rows in compute_ahead(predict, batches, options.n_jobs or available_cores()):
            advance(n_rows)
    if job.reader.n_rows not in (None, batches.n_rows):
        raise ValueError(
            f"the catalogue has {job.reader.n_rows:,} rows, but {batches.n_rows:,} were read. Was "
            "it changed meanwhile?"
        )


class _Batch(NamedTuple):
    """Some rows of the catalogue, and where they stand in it."""

    number: int
    start: int
    rows: pd.DataFrame


class _Batches:
    """The batches of a catalogue of which there is no part yet; `n_rows` counts all rows."""

    def __init__(self, reader: CatalogueReader, batch_rows: int, done: Mapping[int, int]) -> None:
        self._reader, self._batch_rows, self._done = reader, batch_rows, done
        # Those that are done before the first that is not need not be read.
        self._first = next(number for number in count(1) if done.get(number) != batch_rows)
        self.n_rows = (self._first - 1) * batch_rows

    def __iter__(self) -> Iterator[_Batch]:
        batches = self._reader.batches(self._batch_rows, start=self.n_rows)
        for number, rows in enumerate(batches, start=self._first):
            start, self.n_rows = self.n_rows, self.n_rows + len(rows)
            # A catalogue without rows has a part too, which has the columns.
            if self._done.get(number) != len(rows) and (len(rows) or number == 1):
                yield _Batch(number, start, rows)


@contextmanager
def _naming_rows(start: int, n_rows: int) -> Iterator[None]:
    """Name the rows of a batch that cannot be predicted."""
    try:
        yield
    except ValueError as error:
        rows = f"rows {start:,} to {start + n_rows - 1:,} of the catalogue, counted from 0"
        raise ValueError(f"{error} (In {rows}.)") from error


def _publish(
    job: _Job, parts: PartsFolder, provenance: Background, options: argparse.Namespace
) -> Tally:
    """Join the parts to the output, with units and provenance."""
    from sfml.cli.joining import publish
    from sfml.io.card import unit_of

    units = {name: unit for name, unit in job.reader.units.items() if name in job.kept}
    columns = (f"{target}{end}" for target in job.targets for end in ("", "_p16", "_p84"))
    units |= {name: unit for name in columns if (unit := unit_of(name))}
    return publish(parts, units, provenance.wait(), overwrite=options.overwrite)


def _finish(
    summary: dict[str, Any], options: argparse.Namespace, seconds: float, terminal: Terminal
) -> None:
    n_rows, n_predicted = summary["n_rows"], summary["n_predicted"]
    rate = n_rows / seconds  # of a run that goes on from another one, too high
    terminal.say(
        f"{n_predicted:,} of {n_rows:,} galaxies are predicted, in {seconds:.1f} s "
        f"({rate:,.0f} a second)."
    )
    flagged = [f"{name} {n:,}" for name, n in summary["flags"].items() if n]
    terminal.say(f"flags: {', '.join(flagged) or 'none'}")
    terminal.say(f"{options.output}  one row per galaxy, in the order of the catalogue")
    terminal.finish(
        {"status": "done", "output": options.output, "seconds": seconds, "rows_per_s": rate}
        | summary
    )
