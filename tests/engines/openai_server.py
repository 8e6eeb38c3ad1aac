"""An OpenAI-compatible server on the loopback: it counts what it is asked, and does wrong what it is told to."""

import json
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shopbatch.engines.base import EngineError, Generator
from shopbatch.engines.configs import Sampling

WAIT = 20.0  # seconds until a test that waits for what never comes goes on, and fails

Body = dict[str, Any]
Answer = tuple[str, str, int, int]  # text, finish_reason, tokens of the prompt, tokens of the answer


@dataclass(frozen=True)
class Fault:
    """What is wrong with one response. body: instead of the sound one. sent: bytes before the connection ends.

    hang: no byte until the server is closed. drip: one byte at a time, and never the last.
    endless: a body in pieces without end.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    sent: int | None = None
    hang: bool = False
    drip: bool = False
    endless: bool = False


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: Body

    @property
    def said(self) -> str:
        """Content of the last message."""
        return str(self.body["messages"][-1]["content"])


def echo(body: Body) -> Answer:
    text = str(body["messages"][-1]["content"])
    return f"you said {text}", "stop", len(text.split()), len(text.split()) + 2


def sound(_: int, __: Request) -> None:
    """The plan of a server that does nothing wrong."""


def first(*faults: Fault | None) -> Callable[[int, Request], Fault | None]:
    """The plan of a server whose first responses have these faults."""
    return lambda number, _: faults[number] if number < len(faults) else None


def refused(status: int, message: str = "not now", **headers: str) -> Fault:
    body = json.dumps({"error": {"message": message, "type": "some_error", "code": None}}).encode()
    return Fault(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)


def spoken_by(generator: Generator) -> Callable[[Body], Answer]:
    """Answers of this generator, one at a time. An answer that was given is remembered."""
    lock = threading.Lock()

    @cache
    def answer(prompt: str, sampling: Sampling) -> Answer:
        found = generator.generate([prompt], sampling)
        return found.texts[0], found.finished[0], int(found.tokens_in[0]), int(found.tokens_out[0])

    def spoken(body: Body) -> Answer:
        fields = {name: body[name] for name in ("temperature", "top_p", "seed", "stop") if name in body}
        with lock:
            sampling = Sampling(max_new_tokens=body["max_tokens"], **fields)
            return answer(generator.render(body["messages"]), sampling)

    return spoken


class OpenAiServer:
    """A context. answer: of a request's body; what it raises as EngineError is a refusal (400).

    plan: what is wrong with the response to a request (its number in the order of arrival, from 0).
    after: called when a response was sent. requests: all, in that order; peak: most that were under way at once.
    """

    def __init__(
        self,
        answer: Callable[[Body], Answer] = echo,
        plan: Callable[[int, Request], Fault | None] = sound,
        after: Callable[[Request], None] = lambda _: None,
    ) -> None:
        self.answer, self.plan, self.after = answer, plan, after
        self.requests: list[Request] = []
        self.sockets: list[socket.socket] = []
        self.peak = self.under_way = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"owner": self}))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def __enter__(self) -> "OpenAiServer":
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        for open_ in self.sockets:
            with suppress(OSError):  # the other side was faster
                open_.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self) -> int:
        return len(self.sockets)

    @property
    def said(self) -> list[str]:
        return [request.said for request in self.requests]


class _Http(ThreadingHTTPServer):
    request_queue_size = 128  # with few, a connection more is tried again after a second

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that went away is no news
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    owner: OpenAiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.owner.lock:
            self.owner.sockets.append(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        owner = self.owner
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        with owner.lock:
            number = len(owner.requests)
            owner.requests.append(request)
            owner.under_way += 1
            owner.peak = max(owner.peak, owner.under_way)
        try:
            fault = owner.plan(number, request) or Fault()
            whole = self._whole(body, fault)
        finally:  # before it is sent: the client may begin another request as soon as it has this one
            with owner.lock:
                owner.under_way -= 1
        self._send(whole, fault)
        owner.after(request)

    def _whole(self, body: Body, fault: Fault) -> bytes:
        """The response with its head."""
        status, text = fault.status, fault.body
        if fault.hang:
            self.owner.closing.wait(WAIT)
        elif text is None and self.path != "/v1/chat/completions":
            status, text = 404, b'{"detail":"Not Found"}'
        elif text is None:
            try:
                text = _completion(body, self.owner.answer(body))
            except EngineError as error:
                status, text = 400, json.dumps({"error": {"message": str(error)}}).encode()
        text = text or b""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(text)), **fault.headers}
        head = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        return head.encode("latin-1") + b"\r\n" + text

    def _send(self, whole: bytes, fault: Fault) -> None:
        if fault.endless:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not self.owner.closing.is_set():  # ends when the client goes away
                self.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        if fault.drip:
            for i in range(len(whole) - 1):
                self.wfile.write(whole[i : i + 1])
                self.owner.closing.wait(0.01)
            self.owner.closing.wait(WAIT)
        if fault.drip or fault.hang or fault.sent is not None:
            self.wfile.write(whole[: fault.sent or 0])
            self.close_connection = True
            return
        self.wfile.write(whole)


def _completion(body: Body, answer: Answer) -> bytes:
    text, finish, tokens_in, tokens_out = answer
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    whole = {"id": "1", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
    return json.dumps(whole).encode()
