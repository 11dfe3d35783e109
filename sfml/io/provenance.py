"""Where a catalogue comes from: what made it, of which file, with which model."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sfml.io.formats import is_path


def make_provenance(
    source: Any = None, *, model_hash: str | None = None, **others: str
) -> dict[str, str]:
    """Say where a catalogue comes from, for `write_catalogue`.

    Parameters
    ----------
    source : path or table, default=None
        The catalogue that was read. Of a file, its name and its SHA-256 are noted.
    model_hash : str or None, default=None
        Hash of the model's content.
    **others : str
        What else is worth knowing.

    Returns
    -------
    dict of str to str
        ``sfml_version`` and ``created`` (UTC), then what is known of ``model_hash``, ``input`` and
        ``input_sha256``, then `others`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from sfml.io import make_provenance
    >>> list(make_provenance(model_hash="5f2c", survey="GAMA"))
    ['sfml_version', 'created', 'model_hash', 'survey']
    """
    from sfml import __version__

    provenance = {"sfml_version": __version__, "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    if model_hash is not None:
        provenance["model_hash"] = model_hash
    if is_path(source):
        path = Path(source).expanduser()
        provenance |= {"input": path.name, "input_sha256": hash_of(path)}
    return provenance | others


def hash_of(path: Path) -> str:
    """Compute the SHA-256 of a file, or of a folder of Parquet files with their names."""
    if path.is_dir():
        from sfml.io.arrow import parts_of

        parts = (
            f"{part.relative_to(path).as_posix()} {hash_of(part)}\n" for part in parts_of(path)
        )
        return hashlib.sha256("".join(parts).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
