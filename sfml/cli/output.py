"""The folder that a command writes its results to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path


class FolderTakenError(Exception):
    """The folder holds files already, or is not a folder."""


class OutputFolder:
    """A folder to write results to, and the files written to it so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[Path] = []

    @classmethod
    def open(cls, path: Path, *, overwrite: bool = False) -> OutputFolder:
        """Use this folder, which must be new or empty unless files in it may be replaced."""
        if path.exists() and not path.is_dir():
            raise FolderTakenError(f"{path} is not a folder: choose another with --output DIR.")
        path.mkdir(parents=True, exist_ok=True)
        if not overwrite and any(path.iterdir()):
            raise FolderTakenError(
                f"the folder {path} is not empty: choose another with --output DIR, or replace "
                "the results in it with --overwrite."
            )
        return cls(path)

    @classmethod
    def fresh(cls, path: Path) -> OutputFolder:
        """Use this folder or, if it is taken, the first free one of path-2, path-3, ..."""
        names = itertools.chain([path.name], (f"{path.name}-{n}" for n in itertools.count(2)))
        while True:
            try:
                return cls.open(path.with_name(next(names)))
            except FolderTakenError:
                continue

    def write(self, name: str, writer: Callable[[Path], object]) -> Path:
        """Write a file in full or not at all; `writer` writes to the path that it is given."""
        from sfml.tables.writing import write_files  # which loads pandas

        (target,) = write_files({self.path / name: writer}, overwrite=True)
        self.written.append(target)
        return target
