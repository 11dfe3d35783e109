"""``sfml convert``: a catalogue from one format to another."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfml.cli.options import (
    add_bands,
    add_columns,
    add_common,
    name_list,
    whole_number,
)
from sfml.cli.terminal import Terminal

if TYPE_CHECKING:
    import pyarrow as pa

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
    from sfml.cli.catalogue import check_catalogue_output, find_bands, open_with_bands

    check_catalogue_output(options, options.source)
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
    from sfml.io import make_provenance, write_catalogue

    if options.output.suffix.lower() == ".parquet":
        return _write_parquet(reader, options, terminal)
    with terminal.status(f"converting {options.source}"):
        table = reader.read()
        write_catalogue(
            table,
            options.output,
            overwrite=options.overwrite,
            units=reader.units,
            provenance=make_provenance(options.source),
        )
    return len(table)


def _write_parquet(reader: Any, options: argparse.Namespace, terminal: Terminal) -> int:
    """Write batch by batch, to temporary files that are renamed when they are complete."""
    from sfml.cli.joining import render_parquet_card
    from sfml.io import make_provenance
    from sfml.io.card import card_path
    from sfml.tables.writing import write_files

    provenance = make_provenance(options.source)
    schema, n_rows = None, 0

    def write(path: Path) -> None:
        nonlocal schema, n_rows
        with terminal.progress("converting", reader.n_rows) as advance:
            schema, n_rows = _write_batches(reader, path, options.batch_rows, provenance, advance)

    def write_card(path: Path) -> None:
        card = render_parquet_card(options.output, schema, n_rows, provenance)
        path.write_text(card, encoding="utf-8")

    contents: dict[Any, Any] = {options.output: write, card_path(options.output): write_card}
    write_files(contents, overwrite=options.overwrite)
    return n_rows


def _write_batches(
    reader: Any,
    path: Path,
    batch_rows: int,
    provenance: dict[str, str],
    advance: Callable[[int], object],
) -> tuple[pa.Schema, int]:
    """Write one batch after the other; returns the schema, and the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sfml.cli.stream import read_ahead
    from sfml.io.arrow import from_pandas, schema_with_metadata

    schema, n_rows = None, 0
    with ExitStack() as stack:
        for batch in read_ahead(reader.batches(batch_rows)):
            table = from_pandas(batch)
            if schema is None:
                schema = schema_with_metadata(table.schema, reader.units, provenance)
                writer = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            try:
                writer.write_table(table.cast(schema))
            except pa.ArrowInvalid as error:
                raise ValueError(
                    f"a column is of another type from row {n_rows:,} on than before: {error}. "
                    "Read more rows at a time, with --batch-rows."
                ) from error
            n_rows += len(table)
            advance(len(table))
    return schema, n_rows
