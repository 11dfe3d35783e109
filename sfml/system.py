"""What is installed, for reports of faults."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TextIO

_NOT_INSTALLED = "not installed"
_EXTRAS_OF_DEVELOPERS = ("test", "lint", "dev", "bench", "docs")


def show_versions(file: TextIO | None = None) -> None:
    """Print the versions of Python, of sfml and of what it depends on, for reports of faults.

    Nothing is imported: versions are those of the installed packages.

    Parameters
    ----------
    file : text stream, default=None
        Where to print; standard output if None.

    Examples
    --------
    >>> import sfml
    >>> sfml.show_versions()
    sfml          ...
    Python        3...
    """
    rows = {
        "sfml": _version_of("sfml"),
        "Python": platform.python_version(),
        "system": f"{platform.platform()}, {os.cpu_count()} processors",
    } | {name: _version_of(name) for name in _dependencies()}
    width = max(map(len, rows)) + 2
    for name, what in rows.items():
        print(f"{name:{width}}{what}", file=file or sys.stdout)


def _dependencies() -> list[str]:
    """List the packages that sfml requires, then those of the extras for its users."""
    ours = re.compile(rf"extra == .({'|'.join(_EXTRAS_OF_DEVELOPERS)})\b")
    wanted = [text for text in requires("sfml") or [] if not ours.search(text)]
    return list(dict.fromkeys(re.split(r"[^\w.-]", text)[0] for text in wanted))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _NOT_INSTALLED
