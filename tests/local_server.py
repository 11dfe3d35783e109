"""A web server for the tests, on this machine alone, that serves what a test gives it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Serves `files` by path, as a server that knows ranges; `faults` replace the next answers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.version = '"1"'
        self.faults: list[Callable[[Handler], Any]] = []
        self.asked: list[Handler] = []
        self.is_over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    body: bytes = b""

    def do_GET(self) -> None:
        self.server.asked.append(self)
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.answer()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def answer(self) -> None:
        """Send the file, or the part of this version that was asked for."""
        data = self.server.files.get(self.path)
        if data is None:
            self.refuse(404)
            return
        start, total = self.start(), len(data)
        if start >= total > 0 and start:
            self.head(416, 0, f"bytes */{total}")
        elif start:
            self.head(206, total - start, f"bytes {start}-{total - 1}/{total}")
            self.wfile.write(data[start:])
        else:
            self.head(200, total)
            self.wfile.write(data)

    def start(self) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", self.server.version) == self.server.version
        return int(match[1]) if match and same else 0

    def head(self, status: int, length: int, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if self.server.version:
            self.send_header("ETag", self.server.version)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()

    def refuse(self, status: int) -> None:
        self.head(status, 0)

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


def refuse(status: int) -> Callable[[Handler], None]:
    """Answer with an error."""
    return lambda handler: handler.refuse(status)


def break_off(n_bytes: int) -> Callable[[Handler], None]:
    """Promise the rest of the file, and close the connection after some bytes."""

    def fault(handler: Handler) -> None:
        data = handler.server.files[handler.path]
        start, total = handler.start(), len(data)
        content_range = f"bytes {start}-{total - 1}/{total}" if start else ""
        handler.head(206 if start else 200, total - start, content_range)
        handler.wfile.write(data[start : start + n_bytes])
        handler.wfile.flush()
        handler.connection.close()

    return fault


def hang(n_bytes: int = -1) -> Callable[[Handler], None]:
    """Say nothing until the test is over; or send the first bytes of the file, then nothing."""

    def fault(handler: Handler) -> None:
        if n_bytes >= 0:
            data = handler.server.files[handler.path]
            handler.head(200, len(data))
            handler.wfile.write(data[:n_bytes])
            handler.wfile.flush()
        handler.server.is_over.wait(30)

    return fault


@contextmanager
def serve() -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()
