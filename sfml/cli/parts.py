"""A long result in numbered parts, which outlive a run that is killed: the next goes on from there.

``OUT.parts/`` holds the parts that are complete, and what they were made of. When all are there,
they are joined to ``OUT``, and the folder goes. Every file is written under another name and
renamed, so that whatever has its name is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sfml.cli.options import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Result = TypeVar("Result")

_STATE = "state.json"
_JOINED = "joined"


class PartsFolder:
    """The parts of a result.

    Parameters
    ----------
    output : Path
        The file that is to be made of them.

    Attributes
    ----------
    path : Path
        The folder of the parts, beside the output.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.path = output.with_name(f"{output.name}.parts")

    @contextmanager
    def open(self, fingerprint: Mapping[str, Any], *, restart: bool = False) -> Iterator[None]:
        """Use the folder, which no other run may do meanwhile.

        Parameters
        ----------
        fingerprint : dict
            What the parts are made of. Parts of another fingerprint are refused.
        restart : bool, default=False
            Whether to throw away the parts that are there.

        Raises
        ------
        UsageError
            If there are parts of another fingerprint, or another run uses the folder.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with _locked(self.path):
            before = self._read_state().get("fingerprint")
            if before is not None and restart:
                self._clear()
                before = None
            if before is None:
                self._check_empty()
                self._write_state({"fingerprint": fingerprint})
            elif before != json.loads(json.dumps(fingerprint)):
                self._refuse(before, fingerprint)
            try:
                yield
            except BaseException:
                if not self.finished():
                    self._remove()
                raise

    def is_published(self) -> bool:
        """Tell whether the output is complete, and only the folder was left by the last run."""
        if self._read_state().get("published"):
            return self.output.exists()
        joined = self.path / _JOINED
        return self.output.exists() and joined.exists() and self.output.samefile(joined)

    def finished(self) -> dict[int, int]:
        """Find the parts that are complete: their numbers, and how many rows each has."""
        found = {}
        for path in self.path.glob("*.arrow"):
            with suppress(ValueError, OSError), _open_part(path) as part:
                found[int(path.stem)] = _count_rows(part)
        return found

    def write(self, number: int, table: pa.Table) -> None:
        """Write a part."""
        import pyarrow as pa

        path = self.path / f"{number:06d}.arrow"
        with (
            self._renamed(path) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)

    def schema(self) -> pa.Schema:
        """Find the one schema that all parts can have: a column may be empty in some."""
        import pyarrow as pa

        schemas = []
        for path in self._paths():
            with _open_part(path) as part:
                schemas.append(part.schema)
        return pa.unify_schemas(schemas, promote_options="permissive")

    def tables(self) -> Iterator[pa.Table]:
        """Read one part after the other."""
        schema = self.schema()
        for path in self._paths():
            with _open_part(path) as part:
                yield part.read_all().cast(schema)

    def publish(
        self,
        write: Callable[[Path], Result],
        finish: Callable[[Result], object] = lambda result: None,
        *,
        overwrite: bool = False,
    ) -> Result:
        """Write the output, and remove the folder.

        Parameters
        ----------
        write : callable
            Writes the output to the path that it is given.
        finish : callable, default=None
            Called with what `write` returned, just before the output gets its name.
        overwrite : bool, default=False
            Whether to replace the output, if it is there.

        Returns
        -------
        object
            What `write` returned.

        Raises
        ------
        FileExistsError
            If the output is there and `overwrite` is False.
        """
        joined = self.path / _JOINED
        with self._renamed(joined) as temporary:
            result = write(temporary)
        if self.output.exists() and not overwrite:
            raise FileExistsError(f"{self.output} is there already.")
        finish(result)
        if overwrite:
            joined.replace(self.output)
        else:
            _link(joined, self.output)
        self.remove()
        return result

    def remove(self) -> None:
        """Remove the folder of an output that is published."""
        self._write_state(self._read_state() | {"published": True})
        self._remove()

    def _remove(self) -> None:
        self._clear()
        with suppress(OSError):  # it holds files of someone else
            self.path.rmdir()

    def _paths(self) -> list[Path]:
        return sorted(self.path.glob("*.arrow"))

    def _check_empty(self) -> None:
        others = [each.name for each in self.path.iterdir() if each.name != f"{_STATE}.tmp"]
        if others:
            raise UsageError(
                f"{self.path} is where the parts of the output go, but it holds other files, such "
                f"as {others[0]}: move them, or choose another --output."
            )

    def _clear(self) -> None:
        """Remove the files of ours; last, that which tells that they are ours."""
        for path in self.path.iterdir():
            if path.suffix in (".arrow", ".tmp") or path.name == _JOINED:
                path.unlink()
        (self.path / _STATE).unlink(missing_ok=True)

    def _read_state(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            state: dict[str, Any] = json.loads((self.path / _STATE).read_text(encoding="utf-8"))
            return state
        return {}

    def _write_state(self, state: Mapping[str, Any]) -> None:
        with self._renamed(self.path / _STATE) as temporary:
            temporary.write_text(json.dumps(state, indent=2), encoding="utf-8")

    @contextmanager
    def _renamed(self, path: Path) -> Iterator[Path]:
        """Give a path to write to, and its name to what was written: after a crash too."""
        temporary = path.with_name(f"{path.name}.tmp")
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        temporary.replace(path)

    def _refuse(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        differs = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        raise UsageError(
            f"{self.path} holds parts of another run, which differs in {', '.join(differs)}. Run "
            "that command again to go on with it, throw its parts away with --restart, or choose "
            "another --output."
        )


def _open_part(path: Path) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(str(path)))


def _count_rows(part: Any) -> int:
    return sum(part.get_batch(i).num_rows for i in range(part.num_record_batches))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, which must not be taken; where there are no links, its only."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        if target.exists():
            raise FileExistsError(f"{target} is there already.") from None
        source.rename(target)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the lock goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"another run is writing to {folder}: wait for it.") from error
        yield
    finally:
        os.close(descriptor)
