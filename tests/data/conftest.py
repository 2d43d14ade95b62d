"""A web server on this machine that answers as it is told, well or badly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


class LocalServer:
    """`answers` maps a path to what is done for it; `asked` lists the paths in order."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.bytes_sent = 0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Clients that hang up are what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(self, path: str, answer: Answer) -> str:
        """Answer requests for `path` with `answer`; gives the address."""
        self.answers[path] = answer
        return self.url + path

    def body(self, data: bytes, *, declared: int | None = -1, status: int = 200) -> Answer:
        """Send `data`, declaring its length, another one, or (None) no length at all."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            if declared is not None:
                length = len(data) if declared < 0 else declared
                request.send_header("Content-Length", str(length))
            request.end_headers()
            request.wfile.write(data)

        return answer

    def ranges(self, data: bytes) -> Answer:
        """Send the part of `data` that the request's Range names."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            first, last = (int(n) for n in request.headers["Range"][len("bytes=") :].split("-"))
            part = data[first : last + 1]
            self.bytes_sent += len(part)
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            request.send_header("Content-Length", str(len(part)))
            request.end_headers()
            request.wfile.write(part)

        return answer

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    running = LocalServer()
    yield running
    running.stop()
