"""An S3 store in its own process with three addresses: correct, without conditional put, and with a late clock.

Run as a program: prints {"sound": url, "careless": url, "late": url} and serves until its standard input is closed.
It has its own process because the libraries that use it may hold the interpreter's lock while they wait.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

LATE = 3 * 3600.0
Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


def one_at_a_time(app: App) -> App:
    """Make requests atomic: moto checks and writes in two steps, while a real store's conditional put is one step."""
    lock = threading.Lock()

    def locked(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        with lock:
            return list(app(environ, start))

    return locked


def careless(app: App) -> App:
    """A store that ignores conditions."""

    def unconditional(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        return app({k: v for k, v in environ.items() if k not in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH")}, start)

    return unconditional


def late(app: App) -> App:
    """A store whose clock is hours behind."""

    def shifted(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start(status, [(name, _earlier(name, value)) for name, value in headers], *rest)

        return app(environ, begin)

    return shifted


def _earlier(name: str, value: str) -> str:
    if name.lower() not in ("date", "last-modified"):
        return value
    return formatdate(parsedate_to_datetime(value).timestamp() - LATE, usegmt=True)


def main() -> None:
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    urls = {}
    for name, variant in {"sound": app, "careless": careless(app), "late": late(app)}.items():
        server = make_server("127.0.0.1", 0, variant, threaded=True, request_handler=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls[name] = f"http://127.0.0.1:{server.server_port}"
    print(json.dumps(urls), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
