"""Writing files so that they are there in full or not at all, one alone or several together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4


def write_files(
    contents: Mapping[str | os.PathLike[str], str | Callable[[Path], object]],
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write files that belong together: all of them are new afterwards, or none is.

    Each file's content is text, written as UTF-8, or a function that writes to the path that it is
    given, whose name ends as the file's. Folders are made if they are not there. All is written to
    temporary files in the same folders first, which get their names when the last one is complete.
    If one cannot be renamed, or on Ctrl-C, the earlier ones are undone.

    Raises FileExistsError if a file is there and `overwrite` is False, or a folder of that name.
    """
    # A link stays a link: the file that it points to is replaced.
    paths = [Path(os.path.realpath(path)) for path in contents]
    if len(set(paths)) < len(paths):
        raise ValueError(f"One file is named twice: {', '.join(map(str, paths))}.")
    _check_free(paths, overwrite=overwrite)
    key = uuid4().hex[:8]
    temporaries = [path.with_name(f".{key}-{path.name}") for path in paths]
    missing = {folder for path in paths for folder in path.parents if not folder.exists()}
    with ExitStack() as folders, ExitStack() as always, ExitStack() as rollback:  # on Ctrl-C too
        for folder in sorted(missing):
            folders.callback(_remove_if_empty, folder)
        for path, temporary, content in zip(paths, temporaries, contents.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            always.callback(temporary.unlink, missing_ok=True)
            if callable(content):
                content(temporary)
            else:
                temporary.write_text(content, encoding="utf-8")
            if not temporary.is_file():
                raise RuntimeError(f"Nothing was written to {str(path)!r}.")
        for path, temporary in zip(paths, temporaries, strict=True):
            _publish(temporary, path, rollback, overwrite=overwrite)
        rollback.pop_all()
        folders.pop_all()
        for temporary in temporaries:
            _backup(temporary).unlink(missing_ok=True)
    return [Path(path) for path in contents]


def _publish(temporary: Path, path: Path, rollback: ExitStack, *, overwrite: bool) -> None:
    """Give a file its name, and note how to undo that."""
    if overwrite and path.exists():
        with suppress(OSError):  # the file may be another user's
            shutil.copymode(path, temporary)
        rollback.callback(_restore, _backup(temporary), path)
        _link(path, _backup(temporary))
        temporary.replace(path)
    else:
        # Unlike a rename, a link fails where another program has made the file meanwhile.
        _link(temporary, path)
        rollback.callback(path.unlink)


def _backup(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}.old")


def _restore(backup: Path, path: Path) -> None:
    if backup.exists():
        backup.replace(path)
        backup.unlink(missing_ok=True)  # the same file as before is not moved


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not made, or in use by another program
        folder.rmdir()


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
