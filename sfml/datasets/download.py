"""Downloading a file into a folder: whole under its name or not at all, and then always the same.

pooch checks and renames. What it lacks is here: a download that broke off stays beside the place of
the file, and the next one asks for the rest; processes that want the same file wait for the first
one; and the SHA-256 of the file is written down when it is first used, and checked from then on.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from sfml import __version__
from sfml.tables.writing import write_files

# Some sites, GAMA's among them, refuse clients that do not look like a browser.
USER_AGENT = (
    f"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 sfml/{__version__}"
)
_KNOWN_HASH = re.compile(
    r"(sha256:)?[0-9a-f]{64}|sha1:[0-9a-f]{40}|md5:[0-9a-f]{32}", re.IGNORECASE
)
_BLOCK = 2**14  # bytes; what has come of the last one is lost if the connection breaks


def data_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Folder of downloaded data: the one given, that of SFML_DATA_DIR, or the user's cache."""
    chosen = folder or os.environ.get("SFML_DATA_DIR") or needed("pooch").os_cache("sfml")
    return Path(chosen).expanduser()


def needed(package: str) -> Any:
    """Import a package of the extra `data`, or say how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is needed for this: pip install 'sfml[data]'") from error


def fetch_file(
    url: str,
    folder: Path,
    *,
    known_hash: str | None,
    timeout: float,
    beginnings: tuple[bytes, ...] = (b"",),
) -> Path:
    """Return the path of a file in a folder, to which it is downloaded if it is not there.

    A file that is there is not downloaded, wherever it came from. Its SHA-256 is written to
    ``<name>.sha256`` when it is first used, and has to be the same from then on.

    Raises ConnectionError, with the steps to do it by hand, where the file cannot be downloaded or
    what comes has none of the `beginnings`; and ValueError where its hash is not `known_hash`, or
    not that of the first time.
    """
    if known_hash is not None and not _KNOWN_HASH.fullmatch(known_hash):
        raise ValueError(
            "A hash must be the 64 hexadecimal digits of a SHA-256, or 'md5:...' or 'sha1:...'; "
            f"got {known_hash!r}."
        )
    path = folder / url.rsplit("/", 1)[1]
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with _turn(path) as is_alone:
            if not path.is_file():
                downloader = _Downloader(path, timeout, beginnings, goes_on=is_alone)
                _download(url, path, known_hash, downloader)
                _write_record(path)
    _check_hashes(path, known_hash)
    return path


@contextmanager
def _turn(path: Path) -> Iterator[bool]:
    """Wait until no other process downloads the file. False where processes cannot wait."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        yield _lock(lock)


def _lock(file: Any) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed, or the process killed
    except (ImportError, OSError):  # Windows, or a file system without locks
        return False
    return True


def _download(url: str, path: Path, known_hash: str | None, downloader: _Downloader) -> None:
    pooch, requests = needed("pooch"), needed("requests")
    by_hand = (
        f" To do it by hand, open that address in a browser, save the file as {str(path)!r}, and "
        "call again."
    )
    cache = pooch.create(
        path.parent, base_url="", registry={path.name: known_hash}, urls={path.name: url}
    )
    try:
        cache.fetch(path.name, downloader=downloader)
    except requests.RequestException as error:
        reason = _reason(error, downloader.timeout)
        size = downloader.size() if downloader.goes_on and downloader.version.is_file() else 0
        kept = f" {size} bytes are kept, and the next call asks for the rest." if size else ""
        raise ConnectionError(
            f"{url!r} could not be downloaded: {reason}.{kept}{by_hand}"
        ) from error
    except _OtherFileError as error:
        raise ConnectionError(
            f"{url!r} is another file, and was not kept: {error}.{by_hand}"
        ) from None
    except ValueError as error:  # pooch's, where the hash is another
        raise ValueError(
            f"{url!r} is not the file with this known_hash, and was not kept: {error}"
        ) from error
    finally:
        if not downloader.goes_on:
            downloader.forget()


class _OtherFileError(OSError):
    """What was downloaded is a file of another kind, such as a page that asks to log in."""


def _reason(error: Exception, timeout: float) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the site answers {response.status_code} ({response.reason})"
    if "timed out" in str(error):
        return f"no answer within the timeout of {timeout:g} seconds"
    return f"there is no connection, or it broke ({error})"


class _Downloader:
    """What pooch calls to download: goes on with a partial file, if the server has that version."""

    def __init__(self, path: Path, timeout: float, beginnings: tuple[bytes, ...], *, goes_on: bool):
        # Processes that cannot wait for one another have a partial file each, and none goes on.
        name = f"{path.name}.part" if goes_on else f".{uuid4().hex}-{path.name}.part"
        self.partial = path.with_name(name)
        # ETag or date of the file that the partial one is a part of: two are not to be mixed.
        self.version = path.with_name(f"{name}.version")
        self.timeout = timeout
        self.beginnings = beginnings
        self.goes_on = goes_on

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:
        import requests

        broken = (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )
        while True:
            before = self.size()
            try:
                self._fetch_rest(url)
                break
            except broken:
                if self.size() <= before:  # asking again would bring no more
                    raise
        self._check_beginning()
        self.partial.replace(output_file)
        self.forget()

    def _check_beginning(self) -> None:
        with self.partial.open("rb") as file:
            beginning = file.read(80)
        if not beginning.startswith(self.beginnings):
            self.forget()
            raise _OtherFileError(f"it begins with {beginning!r}")

    def forget(self) -> None:
        """Remove the partial file."""
        self.partial.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)

    def size(self) -> int:
        """Count the bytes that are there."""
        return self.partial.stat().st_size if self.partial.is_file() else 0

    def _fetch_rest(self, url: str) -> None:
        """Ask for what is lacking, and write it; for all of it if the server does not go on."""
        import requests

        start = self.size() if self.version.is_file() else 0
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            headers["If-Range"] = self.version.read_text(encoding="latin-1")
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            first, total = _range_sent(response)
            if start and response.status_code == 416 and total == start:
                return  # nothing is lacking
            if start and response.status_code in (206, 416) and first != start:
                self.forget()
                self._fetch_rest(url)
                return
            response.raise_for_status()
            if response.status_code != 206:
                self._begin(response)
            with self.partial.open("ab") as file:
                for block in response.iter_content(_BLOCK):
                    file.write(block)
            if total is not None and self.size() < total:
                raise requests.ConnectionError(f"it ends after {self.size()} of {total} bytes")

    def _begin(self, response: Any) -> None:
        self.forget()
        version = response.headers.get("ETag", "")
        if not version or version.startswith("W/"):  # a weak one allows other bytes
            version = response.headers.get("Last-Modified", "")
        if version:
            self.version.write_text(version, encoding="latin-1")


def _range_sent(response: Any) -> tuple[int | None, int | None]:
    """First byte that a server sends, and the number of bytes of the whole file, if it says so."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    match = re.fullmatch(
        r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "")
    )
    if not match:
        return None, None
    first, total = (int(word) if word and word.isdigit() else None for word in match.groups())
    return first, total


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _write_record(path: Path) -> None:
    """Write down a file's SHA-256, as sha256sum does; a folder not ours is left as it is."""
    with suppress(OSError):  # it is there already, or may not be written
        write_files({_record_of(path): f"{_sha256(path)}  {path.name}\n"})


def _check_hashes(path: Path, known_hash: str | None) -> None:
    record = _record_of(path)
    if known_hash is not None and not needed("pooch").hashes.hash_matches(path, known_hash):
        raise ValueError(
            f"{str(path)!r} is not the file with known_hash={known_hash!r}. Correct the hash, or "
            f"delete the file and {record.name!r} to download it again."
        )
    if not record.is_file():
        _write_record(path)
    if not record.is_file():
        return
    written, found = record.read_text(encoding="utf-8").split()[:1], _sha256(path)
    if written != [found]:
        raise ValueError(
            f"{str(path)!r} has changed since it was first used: its SHA-256 is {found}, and "
            f"{record.name!r} beside it says {' '.join(written) or 'nothing'}. Delete both to "
            "download it again, or the latter alone if you replaced the file on purpose."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
