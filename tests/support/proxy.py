"""A proxy that takes a path off, as JupyterHub, code-server and plain nginx do: the server behind never hears of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

PREFIX = "/user/ann/proxy/8501"


class StrippingProxy:
    """Listens on a free port for what is below `PREFIX`, and answers 404 to everything else.

    Args:
        url: where the server is.

    Attributes:
        url: where a browser finds it, with the path.
        strays: paths that were asked for outside of it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listener.getsockname()[1]}{PREFIX}/"
        self.strays: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(browser,), daemon=True).start()

    def _serve(self, browser: socket.socket) -> None:
        """One request a connection, but for a web socket, which stays."""
        with contextlib.suppress(OSError), browser:
            head = b""
            while b"\r\n\r\n" not in head:
                part = browser.recv(1 << 16)
                if not part:
                    return
                head += part
            head, _, body = head.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            method, path, version = first.decode().split(" ")
            if not path.startswith(f"{PREFIX}/"):
                self.strays.append(path)
                browser.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            if not any(line.lower().startswith(b"upgrade:") for line in lines):
                lines = [line for line in lines if not line.lower().startswith(b"connection:")]
                lines.append(b"Connection: close")
            with socket.create_connection(self._server) as server:
                start = f"{method} {path.removeprefix(PREFIX)} {version}".encode()
                server.sendall(b"\r\n".join([start, *lines]) + b"\r\n\r\n" + body)
                back = threading.Thread(target=_carry, args=(browser, server), daemon=True)
                back.start()
                _carry(server, browser)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
