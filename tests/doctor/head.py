"""An HTTP server that answers the doctor's requests as the head node of a Ray cluster would, with one thing wrong."""

from __future__ import annotations

import json
import platform
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Head:
    """token: what it requires (None: nothing). cpus, gpus: of each node. ahead: seconds its clock is ahead of ours."""

    ray: str = metadata.version("ray")
    python: str = platform.python_version()
    token: str | None = None
    cpus: tuple[float, ...] = (8.0,)
    gpus: float = 0.0
    ahead: float = 0.0
    host: str = "127.0.0.1"

    def answer(self, path: str) -> object:
        """The answer to a path in the form that Ray uses; None if the path does not exist."""
        nodes = [
            {"node_id": f"{n}", "state": "ALIVE", "resources_total": {"CPU": c, "GPU": self.gpus, "memory": 1e9}}
            for n, c in enumerate(self.cpus)
        ]
        gone = {"node_id": "gone", "state": "DEAD", "resources_total": {"CPU": 64.0}}
        answers: dict[str, object] = {
            "/api/authentication_mode": {"authentication_mode": "token" if self.token else "disabled"},
            "/api/version": {"version": "4", "ray_version": self.ray, "ray_commit": "", "session_name": "s"},
            "/api/v0/cluster_metadata": {
                "result": True,
                "data": {"pythonVersion": self.python, "rayVersion": self.ray},
            },
            "/api/v0/nodes": {"result": True, "data": {"result": {"total": len(nodes), "result": [*nodes, gone]}}},
        }
        return answers.get(path)

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Answer requests inside the block; yields the address."""
        server = ThreadingHTTPServer((self.host, 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://{self.host}:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(head: Head) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path  # a proxy would send the whole address
            wanted = f"Bearer {head.token}"
            if head.token and path != "/api/authentication_mode" and self.headers["Authorization"] != wanted:
                self._send(403 if self.headers["Authorization"] else 401, b"Unauthorized")
                return
            tree = head.answer(path)
            self._send(404 if tree is None else 200, json.dumps(tree).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + head.ahead, usegmt=True)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def own_address() -> str | None:
    """An address of this machine that is not loopback, None if it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        try:
            one.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(one.getsockname()[0])
    return None if address.startswith("127.") else address
