"""A folder that keeps the finished parts of a long run, so that it can be interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sfml.tables.writing import write_files

_SETTINGS = "run.json"


class RunFolder:
    """Finished parts of a run, each a file, beside the settings of the run.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    settings : mapping
        What the parts depend on, as JSON can hold it. An earlier run's must be equal.

    Raises
    ------
    ValueError
        If the folder holds a run with other settings, or other files.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        settings = json.loads(json.dumps(settings))
        earlier = read_settings(folder)
        if earlier is None:
            if folder.exists() and any(folder.iterdir()):
                raise ValueError(
                    f"{str(folder)!r} holds other files than those of an earlier run: name an "
                    "empty or a new folder."
                )
            text = json.dumps(settings, indent=2)
            write_files({folder / _SETTINGS: text})
        elif earlier != settings:
            names = [n for n in {**earlier, **settings} if earlier.get(n) != settings.get(n)]
            raise ValueError(
                f"{str(folder)!r} holds an earlier run with other settings, which differ in "
                f"{', '.join(names)}. Run it to its end with the same settings, name another "
                "place, or remove the folder to start again."
            )

    def path(self, part: str) -> Path:
        """File of a part."""
        return self.folder / part

    def has(self, part: str) -> bool:
        """Whether a part is finished."""
        return self.path(part).is_file()

    def write(self, part: str, content: str | Callable[[Path], object]) -> None:
        """Write a finished part: there in full or not at all."""
        write_files({self.path(part): content})

    def write_arrays(self, part: str, arrays: Mapping[str, Any]) -> None:
        """Write a finished part that is arrays by name, as an .npz file."""
        named: dict[str, Any] = dict(arrays)
        self.write(part, lambda file: np.savez(file, **named))

    def remove(self) -> None:
        """Remove the folder, when its parts are put together elsewhere."""
        shutil.rmtree(self.folder)


def read_settings(folder: Path) -> dict[str, Any] | None:
    """Read the settings of the run in a folder; None if there is none."""
    path = folder / _SETTINGS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
