from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from local_server import Handler, Server, break_off, hang, refuse, serve

from sfml.datasets import download
from sfml.datasets.download import data_folder, fetch_file

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
NAME = "table.fits"


@pytest.fixture
def server():
    with serve() as server:
        server.files[f"/data/{NAME}"] = DATA
        yield server


def fetch(server: Server, folder: Path, known_hash: str | None = None, timeout: float = 10.0):
    return fetch_file(
        f"{server.address}/data/{NAME}", folder, known_hash=known_hash, timeout=timeout
    )


def names(folder: Path) -> set[str]:
    """Names of the files in a folder, but for the lock."""
    return {path.name for path in folder.iterdir()} - {f".{NAME}.lock"}


def check_whole(folder: Path) -> None:
    assert (folder / NAME).read_bytes() == DATA
    assert (folder / f"{NAME}.sha256").read_text() == f"{SHA256}  {NAME}\n"
    assert names(folder) == {NAME, f"{NAME}.sha256"}


class TestDownload:
    def test_once(self, server, tmp_path):
        folder = tmp_path / "new" / "folder"
        assert fetch(server, folder) == folder / NAME
        check_whole(folder)
        assert fetch(server, folder) == folder / NAME
        (request,) = server.asked
        assert request.headers["User-Agent"].startswith("Mozilla/5.0 ")
        assert "Range" not in request.headers
        assert request.headers["Accept-Encoding"] == "identity"

    def test_a_file_put_there_by_hand_is_used(self, server, tmp_path):
        (tmp_path / NAME).write_bytes(DATA)
        assert fetch(server, tmp_path, SHA256) == tmp_path / NAME
        check_whole(tmp_path)
        assert not server.asked

    def test_an_empty_file(self, server, tmp_path):
        server.files[f"/data/{NAME}"] = b""
        assert fetch(server, tmp_path).read_bytes() == b""


class TestBrokenDownloads:
    def test_is_gone_on_with(self, server, tmp_path):
        server.faults = [break_off(98_304), break_off(49_152)]
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)
        ranges = [request.headers.get("Range") for request in server.asked]
        assert ranges == [None, "bytes=98304-", "bytes=147456-"]
        assert server.asked[1].headers["If-Range"] == '"1"'

    def test_is_gone_on_with_in_another_call(self, server, tmp_path):
        server.faults = [break_off(98_304), refuse(503)]
        with pytest.raises(ConnectionError, match=r"503.* 98304 bytes are kept"):
            fetch(server, tmp_path)
        assert names(tmp_path) == {f"{NAME}.part", f"{NAME}.part.version"}
        assert (tmp_path / f"{NAME}.part").read_bytes() == DATA[:98_304]
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)
        assert server.asked[-1].headers["Range"] == "bytes=98304-"

    def test_two_versions_are_not_mixed(self, server, tmp_path):
        server.files[f"/data/{NAME}"] = b"another" * 50_000
        server.faults = [break_off(98_304), refuse(503)]
        with pytest.raises(ConnectionError):
            fetch(server, tmp_path)
        server.files[f"/data/{NAME}"], server.version = DATA, '"2"'
        fetch(server, tmp_path)
        check_whole(tmp_path)
        assert server.asked[-1].headers["Range"] == "bytes=98304-"

    @pytest.mark.parametrize("version", ["", 'W/"1"'])
    def test_a_version_that_is_not_known_starts_anew(self, server, tmp_path, version):
        server.version = version
        server.faults = [break_off(98_304)]
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)
        assert [request.headers.get("Range") for request in server.asked] == [None, None]

    def test_nothing_is_promised_without_a_version(self, server, tmp_path):
        server.version = ""
        server.faults = [break_off(98_304), refuse(503)]
        with pytest.raises(ConnectionError) as caught:
            fetch(server, tmp_path)
        assert "are kept" not in str(caught.value)

    def test_a_server_without_ranges_starts_anew(self, server, tmp_path):
        def whole(handler: Handler) -> None:
            handler.head(200, len(DATA))
            handler.wfile.write(DATA)

        server.faults = [break_off(98_304), whole]
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)

    def test_it_is_not_asked_for_ever(self, server, tmp_path):
        """A server that breaks off at the same byte each time."""

        def first_part(handler: Handler) -> None:
            del handler.headers["Range"]
            break_off(98_304)(handler)

        server.faults = [first_part] * 5
        with pytest.raises(ConnectionError, match="there is no connection, or it broke"):
            fetch(server, tmp_path)
        assert len(server.asked) == 2
        assert not (tmp_path / NAME).exists()

    def test_a_length_that_the_library_below_does_not_check(self, server, tmp_path, monkeypatch):
        import urllib3

        initialise = urllib3.HTTPResponse.__init__

        def lenient(self, *args, **kwargs):
            initialise(self, *args, **{**kwargs, "enforce_content_length": False})

        monkeypatch.setattr(urllib3.HTTPResponse, "__init__", lenient)
        server.faults = [break_off(98_304), refuse(503)]
        with pytest.raises(ConnectionError):
            fetch(server, tmp_path)
        assert not (tmp_path / NAME).exists()
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)

    def test_all_is_there_but_the_name(self, server, tmp_path):
        (tmp_path / f"{NAME}.part").write_bytes(DATA)
        (tmp_path / f"{NAME}.part.version").write_text('"1"')
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)
        assert server.asked[0].headers["Range"] == "bytes=300000-"

    def test_more_is_there_than_the_file_has(self, server, tmp_path):
        (tmp_path / f"{NAME}.part").write_bytes(DATA + b"more")
        (tmp_path / f"{NAME}.part.version").write_text('"1"')
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)

    def test_another_part_is_sent_than_asked_for(self, server, tmp_path):
        def from_the_beginning(handler: Handler) -> None:
            handler.head(206, 1000, f"bytes 0-999/{len(DATA)}")
            handler.wfile.write(DATA[:1000])

        server.faults = [break_off(98_304), from_the_beginning]
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)

    def test_killed(self, server, tmp_path):
        server.faults = [hang(98_304)]
        partial = tmp_path / f"{NAME}.part"
        process = start_process(server, tmp_path)
        for _ in range(3000):
            if partial.is_file() and partial.stat().st_size >= 65_536:
                break
            time.sleep(0.02)
        process.kill()
        process.communicate()
        assert not (tmp_path / NAME).exists()
        n_bytes = partial.stat().st_size
        assert 0 < n_bytes <= 98_304
        for left in tmp_path.glob("tmp*"):  # pooch's, into which the whole file would have moved
            assert left.stat().st_size == 0
            left.unlink()
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)
        assert server.asked[-1].headers["Range"] == f"bytes={n_bytes}-"


class TestHashes:
    @pytest.mark.parametrize(
        "known_hash",
        [
            SHA256,
            f"sha256:{SHA256.upper()}",
            f"md5:{hashlib.md5(DATA).hexdigest()}",
            f"sha1:{hashlib.sha1(DATA).hexdigest()}",
        ],
    )
    def test_the_right_one(self, server, tmp_path, known_hash):
        fetch(server, tmp_path, known_hash)
        fetch(server, tmp_path, known_hash)
        check_whole(tmp_path)

    def test_a_wrong_one_keeps_nothing(self, server, tmp_path):
        wrong = "0" * 64
        with pytest.raises(
            ValueError, match=rf"not the file with this known_hash.*{wrong}.*{SHA256}"
        ):
            fetch(server, tmp_path, wrong)
        assert names(tmp_path) == set()
        assert len(server.asked) == 1

    def test_a_wrong_one_for_a_file_that_is_there_leaves_it(self, server, tmp_path):
        (tmp_path / NAME).write_bytes(DATA)
        with pytest.raises(ValueError, match=r"is not the file with known_hash='md5:0.*delete the"):
            fetch(server, tmp_path, "md5:" + "0" * 32)
        assert (tmp_path / NAME).read_bytes() == DATA
        assert not server.asked

    @pytest.mark.parametrize("known_hash", ["", "abc", "crc32:0", SHA256[:-1], f"md5:{SHA256}"])
    def test_what_is_no_hash(self, server, tmp_path, known_hash):
        with pytest.raises(ValueError, match="64 hexadecimal digits of a SHA-256"):
            fetch(server, tmp_path, known_hash)
        assert not server.asked

    def test_a_file_that_changed(self, server, tmp_path):
        path = fetch(server, tmp_path)
        path.write_bytes(b"other")
        with pytest.raises(
            ValueError, match=rf"has changed since it was first used.*says {SHA256}"
        ):
            fetch(server, tmp_path)
        (tmp_path / f"{NAME}.sha256").unlink()
        assert fetch(server, tmp_path).read_bytes() == b"other"
        (tmp_path / f"{NAME}.sha256").write_text("")
        with pytest.raises(ValueError, match="says nothing"):
            fetch(server, tmp_path)

    def test_a_folder_that_is_not_ones_own(self, server, tmp_path, monkeypatch):
        (tmp_path / NAME).write_bytes(DATA)

        def refuse_to_write(*args, **kwargs):
            raise PermissionError("read-only")

        monkeypatch.setattr(download, "write_files", refuse_to_write)
        assert fetch(server, tmp_path) == tmp_path / NAME
        assert names(tmp_path) == {NAME}


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("status", "reason"), [(403, "Forbidden"), (404, "Not Found"), (500, "Internal Server")]
    )
    def test_refused(self, server, tmp_path, status, reason):
        server.faults = [refuse(status)]
        with pytest.raises(ConnectionError) as caught:
            fetch(server, tmp_path)
        assert f"the site answers {status} ({reason}" in str(caught.value)
        check_steps(caught.value, server, tmp_path)
        assert names(tmp_path) == set()

    def test_timeout(self, server, tmp_path):
        server.faults = [hang()]
        with pytest.raises(ConnectionError, match=r"within the timeout of 0\.2 seconds") as caught:
            fetch(server, tmp_path, timeout=0.2)
        check_steps(caught.value, server, tmp_path)
        assert names(tmp_path) == set()

    def test_timeout_in_the_middle(self, server, tmp_path):
        server.faults = [hang(98_304), hang()]
        with pytest.raises(ConnectionError, match=r"within the timeout of 0\.2 seconds"):
            fetch(server, tmp_path, timeout=0.2)
        assert not (tmp_path / NAME).exists()
        fetch(server, tmp_path, SHA256)
        check_whole(tmp_path)

    def test_no_network(self, tmp_path):
        with serve() as server:
            pass
        with pytest.raises(ConnectionError, match="there is no connection") as caught:
            fetch(server, tmp_path)
        check_steps(caught.value, server, tmp_path)
        assert names(tmp_path) == set()


def check_steps(error: BaseException, server: Server, folder: Path) -> None:
    """An error says which address to open in a browser, and where to save the file."""
    assert f"'{server.address}/data/{NAME}'" in str(error)
    assert "open that address in a browser" in str(error)
    assert f"save the file as '{folder / NAME}'" in str(error)


PROGRAM = """
import sys
from pathlib import Path
from sfml.datasets.download import fetch_file
print(fetch_file(sys.argv[1], Path(sys.argv[2]), known_hash=None, timeout=20.0))
"""


def start_process(server: Server, folder: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, f"{server.address}/data/{NAME}", str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def slowly(handler: Handler) -> None:
    """Send the file in ten parts, within a second."""
    handler.head(200, len(DATA))
    for start in range(0, len(DATA), 30_000):
        handler.wfile.write(DATA[start : start + 30_000])
        time.sleep(0.1)


class TestAtOnce:
    def test_two_processes(self, server, tmp_path):
        server.faults = [slowly]
        processes = [start_process(server, tmp_path) for _ in range(2)]
        for process in processes:
            output, errors = process.communicate(timeout=120)
            assert output.strip() == str(tmp_path / NAME), errors
        check_whole(tmp_path)
        assert len(server.asked) == 1

    @pytest.mark.parametrize("can_wait", [True, False])
    def test_threads(self, server, tmp_path, monkeypatch, can_wait):
        """Without locks each downloads on its own, and the file is whole all the same."""
        if not can_wait:
            monkeypatch.setattr(download, "_lock", lambda file: False)
        server.faults = [slowly, slowly, slowly]
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(fetch(server, tmp_path))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [tmp_path / NAME] * 3
        check_whole(tmp_path)
        assert len(server.asked) == (1 if can_wait else 3)

    def test_without_locks_nothing_is_left(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(download, "_lock", lambda file: False)
        server.faults = [break_off(98_304), refuse(503)]
        with pytest.raises(ConnectionError):
            fetch(server, tmp_path)
        assert names(tmp_path) == set()


class TestFolder:
    def test_by_default(self, monkeypatch):
        import pooch

        monkeypatch.delenv("SFML_DATA_DIR", raising=False)
        assert data_folder() == Path(pooch.os_cache("sfml")).expanduser()
        assert data_folder("~/x") == Path.home() / "x"

    def test_of_the_environment(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SFML_DATA_DIR", str(tmp_path))
        assert data_folder() == tmp_path
        assert data_folder(tmp_path / "given") == tmp_path / "given"

    def test_needs_no_pooch_for_files_that_are_there(self, server, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "pooch", None)
        (tmp_path / NAME).write_bytes(DATA)
        assert fetch(server, tmp_path) == tmp_path / NAME
        (tmp_path / NAME).unlink()
        with pytest.raises(ImportError, match=r"pooch is needed for this: pip install 'sfml\[data"):
            fetch(server, tmp_path)
