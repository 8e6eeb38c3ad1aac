"""The HTTP generator: sends prompts to an OpenAI-compatible server, several at once, with retries and a rate limit.

A request is repeated after a temporary error or an invalid answer. If the server refuses it permanently, it is an
error.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from pydantic import SecretStr

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError, Generated
from shopbatch.engines.configs import HttpGenerateConfig, Sampling
from shopbatch.engines.generators.http_answers import Answer, RetryLater, read, refusal, retry_after, without
from shopbatch.engines.generators.prompts import seed_of
from shopbatch.models.chat import Messages

_LONGEST_PAUSE = 60.0  # seconds; Retry-After is added to it
_MINUTE = 60.0
_MOST_BYTES = 4 * 2**20  # maximum bytes of a response, many times what the longest answer needs
_MOST_STOPS = 4  # OpenAI's maximum; `Answer.cut` looks for all stop texts in any case


@dataclass(frozen=True)
class _Request:
    """One request to the server.

    Attributes:
        prompt: The prompt, as `HttpGenerator.render` wrote it.
        contents: The texts of its messages, which no error message may repeat.
        body: The JSON body of the request.
    """

    prompt: str
    contents: list[str]
    body: bytes


class _Refused(EngineError):
    """The server refuses a prompt permanently, so that a retry would not help."""


class HttpGenerator:
    """A generator that asks an OpenAI-compatible server, as `HttpGenerateConfig` describes it.

    A prompt is the JSON text of its messages, because the server applies the chat template. Token counts are those that
    the server reports, 0 if it reports none. Only the server enforces the JSON schema of `Sampling.guide`.

    If a call fails, the answers that it did get are cached until another call fails. The caller then repeats the
    prompts one by one, and cached answers cost neither time nor money a second time.

    Args:
        config: Settings of the server.
        clock: Returns the time in seconds, for `requests_a_minute`; tests replace it.
        sleep: Waits for a number of seconds, before retries and for `requests_a_minute`; tests replace it.

    Raises:
        UserError: The URL is invalid, or the environment variable holds no valid key.
    """

    def __init__(
        self,
        config: HttpGenerateConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.config, self.clock, self.sleep = config, clock, sleep
        self.url, self.key = _endpoint(config.url), SecretStr(_key(config.key))
        # no compressed responses, because a few bytes could expand to any number
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if config.key:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        # httpx's own timeout is off, because it limits the gaps between bytes and not the whole request
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=config.concurrency)
        # redirects are errors, because key and prompts are meant for this server only
        self.client = httpx.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)
        self.loop = _Loop(self.client)
        self.starts: deque[float] = deque(maxlen=config.requests_a_minute or 0)
        self.kept: dict[tuple[str, Sampling], Answer] = {}

    def render(self, messages: Messages) -> str:
        """Return the messages as compact JSON text; the server applies the chat template."""
        return json.dumps([dict(m) for m in messages], ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Send the prompts to the server and return their answers, in order.

        Args:
            prompts: Texts that `render` returned.
            sampling: How tokens are chosen, and when an answer ends.

        Raises:
            EngineError: A prompt is empty or refused, or a request got no valid answer in all its tries.
            UserError: The server does not have the model, or rejects the key; or `sampling.guide` is not JSON.
        """
        settings = self._settings(sampling)
        requests = [_request(prompt, sampling, settings) for prompt in prompts]
        results: list[Answer | _Refused | None] = [self.kept.get((prompt, sampling)) for prompt in prompts]
        try:
            self.loop.run(self._fill(requests, results))
            answers = [_answered(result) for result in results]
        except EngineError:
            done = zip(prompts, results, strict=True)
            self.kept = {(p, sampling): a for p, a in done if isinstance(a, Answer)} or self.kept
            raise
        ends = [answer.cut(sampling.stop) for answer in answers]
        return Generated(
            [text for text, _ in ends],
            np.array([answer.tokens_in for answer in answers], np.int32),
            np.array([answer.tokens_out for answer in answers], np.int32),
            [finish for _, finish in ends],
        )

    def _settings(self, sampling: Sampling) -> dict[str, Any]:
        """Return the JSON fields that all requests of a call share: model, sampling, stop texts and schema."""
        settings: dict[str, Any] = {
            "model": self.config.model,
            # not max_completion_tokens: Ollama and older llama.cpp servers ignore it and write on, and OpenAI refuses
            # both fields together
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "stream": False,
        }
        if sampling.temperature:
            settings["top_p"] = sampling.top_p
        if sampling.stop:
            settings["stop"] = list(sampling.stop[:_MOST_STOPS])
        if sampling.guide:
            try:
                schema = json.loads(sampling.guide)
            except ValueError as error:
                raise UserError(f"guide is not a JSON schema: {error}") from None
            form = {"name": "answer", "schema": schema, "strict": True}
            settings["response_format"] = {"type": "json_schema", "json_schema": form}
        return settings

    async def _fill(self, requests: Sequence[_Request], results: list[Answer | _Refused | None]) -> None:
        """Send the requests whose result is None, `concurrency` at a time, and store each result in `results`.

        If the server refuses one prompt, the others go on, and the refusal is stored; any other error ends the call.
        """
        todo = iter([i for i, result in enumerate(results) if result is None])

        async def work() -> None:
            for i in todo:
                try:
                    results[i] = await self._answer(requests[i])
                except _Refused as error:
                    results[i] = error

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.config.concurrency, len(requests))):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _answer(self, request: _Request) -> Answer:
        """Send a request until it is answered, at most 1 + `retries` times, with random, growing pauses.

        Raises:
            EngineError: No try got a valid answer.
        """
        jitter = random.Random(request.prompt)
        reason = ""
        for tried in range(self.config.retries + 1):
            await self._wait_for_turn()
            try:
                return await self._ask(request)
            except RetryLater as later:
                reason = str(later)
                if tried < self.config.retries:
                    longest = min(_LONGEST_PAUSE, self.config.pause * 2.0 ** min(tried, 60))
                    await self.sleep(later.after + jitter.uniform(0, longest))
        raise EngineError(f"{self.url.host}: no answer in {self.config.retries + 1} tries; the last one: {reason}")

    async def _wait_for_turn(self) -> None:
        """Wait as long as the next request would exceed `requests_a_minute` within the last minute."""
        if not self.starts.maxlen:
            return
        now = start = self.clock()
        if len(self.starts) == self.starts.maxlen:
            start = max(now, self.starts[0] + _MINUTE)
        self.starts.append(start)  # before the wait, so that no other request takes the same turn
        if start > now:
            await self.sleep(start - now)

    async def _ask(self, request: _Request) -> Answer:
        """Send a request once.

        Raises:
            RetryLater: A retry may help: timeout, broken connection, status 408, 409, 425, 429 or 5xx, or an invalid
                answer.
            UserError: The server does not have the model, or rejects the key.
            _Refused: The server refuses this prompt.
        """
        try:
            async with asyncio.timeout(self.config.timeout):
                async with self.client.stream("POST", self.url, content=request.body) as response:
                    content = await self._body(response)
        except TimeoutError:
            raise RetryLater(f"nothing within {self.config.timeout:g} seconds") from None
        except httpx.RequestError as error:
            raise RetryLater(self._clean(f"{type(error).__name__}: {error}", request)) from None
        if response.is_success:
            return read(content)
        status = response.status_code
        message = self._clean(refusal(content), request)
        reason = f"status {status}" + (f": {message}" if message else "")
        if status in (408, 409, 425, 429) or status >= 500:
            raise RetryLater(reason, retry_after(response.headers))
        if status == 404:
            raise UserError(f"{self.url.host}: the server has no model {self.config.model!r} under this url ({reason})")
        if status in (401, 403):
            key = f"refuses the key (variable {self.config.key})" if self.config.key else "wants a key (key: is empty)"
            # the server's message is left out: it may contain parts of the wrong key
            raise UserError(f"{self.url.host}: the server {key}, status {status}")
        raise _Refused(f"{self.url.host}: the server refuses a prompt: {reason}")

    async def _body(self, response: httpx.Response) -> bytes:
        """Read the body of a response piece by piece.

        Raises:
            RetryLater: The body is compressed.
            _Refused: The body is larger than 4 MiB, which no answer needs.
        """
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed != "identity":
            raise RetryLater("an answer that is packed, though that was not asked for")
        body = bytearray()
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > _MOST_BYTES:
                raise _Refused(f"{self.url.host}: an answer of more than {_MOST_BYTES:,} bytes")
        return bytes(body)

    def _clean(self, text: str, request: _Request) -> str:
        """Return a server's message as one short line without the prompt's contents and the API key."""
        return without(text, request.contents, self.key.get_secret_value())


class _Loop:
    """An event loop in its own thread, so that `generate` also works where a loop is already running, as in a notebook.

    The loop stops, and closes the client, when this object is garbage-collected.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=_serve, args=(self.loop, client), daemon=True, name="http_generate").start()
        weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the loop's thread, and wait for its end."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            future.result()
        finally:
            future.cancel()  # ends the requests if the wait was interrupted; otherwise it does nothing


def _serve(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
    """Run the event loop until it is stopped, then close the client and the loop."""
    loop.run_forever()
    loop.run_until_complete(client.aclose())
    loop.close()


def _answered(result: Answer | _Refused | None) -> Answer:
    """Return the answer of a prompt, or raise its refusal."""
    if isinstance(result, _Refused):
        raise result
    if result is None:
        raise AssertionError("a prompt was left out")
    return result


def _request(prompt: str, sampling: Sampling, settings: dict[str, Any]) -> _Request:
    """Build the request for a prompt.

    Raises:
        EngineError: The prompt is empty, or is not JSON text that `HttpGenerator.render` wrote.
    """
    if not prompt:
        raise EngineError("a prompt is empty")
    try:
        messages = json.loads(prompt)
        contents = [str(message["content"]) for message in messages]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise EngineError("a prompt is not the JSON text of messages that this engine renders") from None
    if not contents:
        raise EngineError("a prompt is empty")
    fields = {**settings, "messages": messages}
    if sampling.temperature:
        fields["seed"] = seed_of(sampling.seed, prompt.encode(errors="surrogatepass"))
    return _Request(prompt, contents, json.dumps(fields).encode())


def _endpoint(text: str) -> httpx.URL:
    """Return the URL of the chat completions endpoint below the configured URL.

    Raises:
        UserError: The URL is invalid, not http(s), or contains a user or password.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise UserError("url is not a URL; expected one like http://127.0.0.1:8000/v1") from None
    if url.userinfo:
        raise UserError("url contains a user or a password; put the key into the environment variable that key: names")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"url is {text!r}; expected one like http://127.0.0.1:8000/v1")
    return url.copy_with(path=url.path.rstrip("/") + "/chat/completions")


def _key(variable: str | None) -> str:
    """Return the API key from an environment variable; "" if `variable` is None or "".

    Raises:
        UserError: The variable is unset, or its value cannot be sent in a header.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise UserError(f"the environment variable {variable} holds no key; set key: '' if the server wants none")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"the environment variable {variable} holds something that is not a key")
    return key
