"""What a table is to its reader, whatever its format: names, units, and rows in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pandas as pd


class Source(ABC):
    """One table, of which columns are read by name and rows in the order in which they stand."""

    kind: str
    """Where it is, in words: "FITS, HDU 1 'PHOTOMETRY'"."""
    names: list[str]
    units: Mapping[str, str]
    """Units of those columns that state one, as text."""
    n_rows: int | None
    """None where it takes reading the file to know."""
    notes: Sequence[str] = ()
    """What a reader should know of how the table was found."""

    @abstractmethod
    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read all rows of some columns, in the order of `names`."""

    @abstractmethod
    def batches(self, names: Sequence[str], n_rows: int, start: int = 0) -> Iterator[pd.DataFrame]:
        """Read `n_rows` rows at a time, from row `start` on; at least one batch, maybe empty."""


class SlicedSource(Source):
    """A table of which any range of rows can be read."""

    n_rows: int

    @abstractmethod
    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Read the rows from `start` up to `stop`, without it."""

    def read(self, names: Sequence[str]) -> pd.DataFrame:
        """Read all rows of some columns."""
        return self.rows(names, 0, self.n_rows)

    def batches(self, names: Sequence[str], n_rows: int, start: int = 0) -> Iterator[pd.DataFrame]:
        """Read some rows at a time."""
        start = min(start, self.n_rows)
        for first in range(start, max(self.n_rows, start + 1), n_rows):
            yield self.rows(names, first, min(first + n_rows, self.n_rows))


class FrameSource(SlicedSource):
    """A table that is in memory."""

    def __init__(self, frame: pd.DataFrame, units: Mapping[str, str], kind: str) -> None:
        self.kind, self.units = kind, units
        self.names, self.n_rows = list(frame.columns), len(frame)
        self._frame = frame

    def rows(self, names: Sequence[str], start: int, stop: int) -> pd.DataFrame:
        """Take the rows from `start` up to `stop`."""
        return self._frame.iloc[start:stop][list(names)]


@contextmanager
def named_in_errors(what: str) -> Iterator[None]:
    """Name the file in every error, and make it a ValueError.

    A damaged file makes the libraries that read it raise almost anything: KeyError, struct.error,
    zlib.error, ExpatError, MemoryError for a size that the file claims to have.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except MemoryError as error:
        raise ValueError(
            f"Cannot read {what}: it does not fit in memory, or is damaged. Read it in parts, with "
            "sfml.io.open_catalogue(...).batches(n_rows)."
        ) from error
    except (ValueError, OSError, EOFError, ImportError) as error:
        raise ValueError(f"Cannot read {what}: {error}") from error
    except Exception as error:
        raise ValueError(f"Cannot read {what}: {type(error).__name__}: {error}") from error


def check_unique(names: Sequence[str]) -> None:
    """Refuse a table of which two columns have one name."""
    repeated = [name for name in dict.fromkeys(names) if list(names).count(name) > 1]
    if repeated:
        raise ValueError(
            f"There is more than one column named {', '.join(map(repr, repeated))}. Rename or drop "
            "the extra ones."
        )
