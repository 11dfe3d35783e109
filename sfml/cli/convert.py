"""``sfml convert``: a catalogue from one format to another."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sfml.cli.options import (
    add_bands,
    add_columns,
    add_common,
    check_output,
    name_list,
    whole_number,
)
from sfml.cli.terminal import Terminal

HELP = "convert a catalogue to another format, and its fluxes to a survey's unit"
DESCRIPTION = """
Read a catalogue in any format that sfml reads and write it in the format of the other
name: FITS, VOTable, ECSV, CSV, Parquet. With --survey or [bands], fluxes, magnitudes
and inverse variances become what a model of these bands takes; what was converted is
printed.
"""
EXAMPLES = """
examples:
  sfml convert catalogue.fits catalogue.parquet
  sfml convert predictions.parquet predictions.fits
  sfml convert des.csv des.parquet --survey DES --columns COADD_OBJECT_ID,RA,DEC
"""
_BATCH_ROWS = 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("source", type=Path, metavar="IN", help="catalogue to read")
    parser.add_argument("output", type=Path, metavar="OUT", help="catalogue to write")
    parser.add_argument(
        "--columns", type=name_list, metavar="A,B,...", help="convert these columns alone"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.add_argument(
        "--batch-rows",
        type=whole_number(1),
        default=_BATCH_ROWS,
        metavar="N",
        help="rows read and written at a time, to Parquet (default: %(default)s)",
    )
    add_bands(parser, default=None)
    add_columns(parser)
    add_common(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Convert a catalogue."""
    from sfml.cli.catalogue import find_bands, open_with_bands

    check_output(options, options.source)
    reader = open_with_bands(options.source, find_bands(options), options.column)
    if options.columns:
        reader = reader.only(*options.columns)
    report = str(reader.report)
    if report:
        terminal.say(report)
    n_rows = _write(reader, options, terminal)
    terminal.say(f"{options.output}  {n_rows:,} rows")
    terminal.finish(
        {"status": "done", "output": options.output, "n_rows": n_rows, "report": report}
    )
    return 0


def _write(reader: Any, options: argparse.Namespace, terminal: Terminal) -> int:
    """Write the catalogue; Parquet batch by batch, other formats at once."""
    from sfml.io import write_catalogue

    if options.output.suffix.lower() == ".parquet":
        return _write_parquet(reader, options, terminal)
    with terminal.status(f"converting {options.source}"):
        table = reader.read()
        write_catalogue(table, options.output, overwrite=options.overwrite, units=reader.units)
    return len(table)


def _write_parquet(reader: Any, options: argparse.Namespace, terminal: Terminal) -> int:
    """Write batch by batch, to a temporary file that is renamed when it is complete."""
    from sfml.tables.writing import write_files

    n_rows = 0

    def write(path: Path) -> None:
        nonlocal n_rows
        with terminal.progress("converting", reader.n_rows) as advance:
            for n in _write_batches(reader, path, options.batch_rows):
                n_rows += n
                advance(n)

    write_files({options.output: write}, overwrite=options.overwrite)
    return n_rows


def _write_batches(reader: Any, path: Path, batch_rows: int) -> Iterator[int]:
    """Write one batch after the other; yields how many rows each has."""
    import pyarrow.parquet as pq

    from sfml.cli.stream import read_ahead
    from sfml.io.arrow import from_pandas, schema_with_metadata

    with ExitStack() as stack:
        writer = None
        for batch in read_ahead(reader.batches(batch_rows)):
            table = from_pandas(batch)
            if writer is None:
                schema = schema_with_metadata(table.schema, reader.units, None)
                writer = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            writer.write_table(table.cast(schema))
            yield len(table)
