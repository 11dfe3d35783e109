"""The folder that a command writes its results to."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from sfml.tables.writing import write_files


class FolderTakenError(Exception):
    """The folder holds files already, or is not a folder."""


class OutputFolder:
    """A folder to write results to; made by `open` or `fresh`.

    Attributes
    ----------
    path : Path
        The folder.
    written : list of Path
        The files written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[Path] = []

    @classmethod
    def open(cls, path: Path, *, overwrite: bool = False) -> OutputFolder:
        """Use this folder, which must be new or empty unless it may be overwritten.

        Parameters
        ----------
        path : Path
            The folder; made if it is not there.
        overwrite : bool, default=False
            Whether files in it may be replaced. Files of other names stay.

        Returns
        -------
        OutputFolder

        Raises
        ------
        FolderTakenError
            If it is a file, or holds files and may not be overwritten.
        """
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
        """Use this folder or, if it is taken, the first free one of path-2, path-3, ...

        Parameters
        ----------
        path : Path
            The folder wanted.

        Returns
        -------
        OutputFolder
        """
        names = itertools.chain([path.name], (f"{path.name}-{n}" for n in itertools.count(2)))
        while True:
            try:
                return cls.open(path.with_name(next(names)))
            except FolderTakenError:
                continue

    def write(self, name: str, writer: Callable[[Path], object]) -> Path:
        """Write a file, which is there in full or not at all.

        Parameters
        ----------
        name : str
            Name of the file.
        writer : callable
            Writes to the path that it is given.

        Returns
        -------
        Path
            The file.
        """
        (target,) = write_files({self.path / name: writer}, overwrite=True)
        self.written.append(target)
        return target
