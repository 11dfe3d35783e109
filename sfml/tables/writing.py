"""Writing files so that they are there in full or not at all, one alone or several together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

__all__ = ["write_files"]


def write_files(
    contents: Mapping[str | os.PathLike[str], str | Callable[[Path], object]],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write files that belong together: all of them are new afterwards, or none is.

    Everything is written to temporary files in the same folders first. These get their names only
    when all are complete; if one cannot be renamed, or on Ctrl-C, the earlier ones are undone.

    Parameters
    ----------
    contents : mapping of path to str or callable
        Text of each file, written as UTF-8, or a function that writes to the path that it is
        given. That path ends as the file's name does, so that it tells the format. Folders are
        made if they are not there.
    overwrite : bool, default=False
        Whether to replace files that are there.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    FileExistsError
        If a file is there and `overwrite` is False, or if there is a folder of that name.
    ValueError
        If one file is named twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = write_files({f"{folder}/a.txt": "1", f"{folder}/b.txt": "2"})
    ...     [path.read_text(encoding="utf-8") for path in paths]
    ['1', '2']
    """
    # A link stays a link: the file that it points to is replaced.
    paths = [Path(os.path.realpath(path)) for path in contents]
    if len(set(paths)) < len(paths):
        raise ValueError(f"One file is named twice: {', '.join(map(str, paths))}.")
    _check_free(paths, overwrite=overwrite)
    key = uuid4().hex[:8]
    files = [_File(path, path.with_name(f".{key}-{path.name}")) for path in paths]
    missing = {folder for path in paths for folder in path.parents if not folder.exists()}
    is_complete = False
    try:
        for file, content in zip(files, contents.values(), strict=True):
            file.write(content)
        for file in files:
            file.publish(overwrite=overwrite, undoable=len(files) > 1)
        is_complete = True
    finally:  # Ctrl-C too
        for file in reversed(files):
            with suppress(OSError):
                file.finish(undo=not is_complete)
        for folder in () if is_complete else sorted(missing, reverse=True):
            with suppress(OSError):  # not made, or in use by another program
                folder.rmdir()
    return [Path(path) for path in contents]


class _File:
    """One file on its way from a temporary name to its own."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path, self.temporary = path, temporary
        self.backup = temporary.with_name(f"{temporary.name}.old")
        self.is_new = False

    def write(self, content: str | Callable[[Path], object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(self.temporary)
        else:
            self.temporary.write_text(content, encoding="utf-8")
        if not self.temporary.is_file():
            raise RuntimeError(f"Nothing was written to {str(self.path)!r}.")

    def publish(self, *, overwrite: bool, undoable: bool) -> None:
        """Give the file its name; if undoable, keep the one that it replaces."""
        if overwrite and self.path.exists():
            with suppress(OSError):  # the file may be another user's
                shutil.copymode(self.path, self.temporary)
            if undoable:
                _link(self.path, self.backup)
            self.temporary.replace(self.path)
        else:
            # Unlike a rename, a link fails where another program has made the file meanwhile.
            _link(self.temporary, self.path)
            self.is_new = True

    def finish(self, *, undo: bool) -> None:
        if undo and self.backup.exists():
            self.backup.replace(self.path)
        elif undo and self.is_new:
            self.path.unlink()
        self.temporary.unlink(missing_ok=True)
        self.backup.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except FileExistsError:
        _check_free([target], overwrite=False)
        raise
    except OSError:
        with source.open("rb") as old, target.open("xb") as new:
            try:
                shutil.copyfileobj(old, new)
            except BaseException:
                target.unlink()
                raise


def _check_free(paths: list[Path], *, overwrite: bool) -> None:
    taken = [str(path) for path in paths if path.is_dir() or (path.exists() and not overwrite)]
    if taken:
        raise FileExistsError(
            f"{', '.join(taken)} is there already. Choose another place, or replace a file with "
            "overwrite=True."
        )
