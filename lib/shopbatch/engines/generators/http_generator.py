"""The HTTP generator: the prompts of a call go to an OpenAI-compatible server, several at once.

A request that the server refuses for now, or answers badly, is repeated; one that it refuses for good is an error.
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
_MOST_BYTES = 4 * 2**20  # of an answer: many times what the longest one needs
_MOST_STOPS = 4  # OpenAI refuses more; the text is cut on this side in any case


@dataclass(frozen=True)
class _Request:
    """One request. contents: the texts of its messages, which no error may repeat."""

    prompt: str
    contents: list[str]
    body: bytes


class _Refused(EngineError):
    """The server refuses this prompt, and would refuse it every time."""


class HttpGenerator:
    """A generator as `HttpGenerateConfig` describes it.

    A prompt is its messages as JSON text, because the server has the chat template. The numbers of tokens are those
    that the server counted, 0 where it gives none. Whether an answer fits the guide is up to the server.

    The answers of a call that failed are kept until another call fails: the caller then sends its prompts one by one,
    and those that were answered cost neither time nor money a second time.

    Args:
        config: The server.
        clock: Returns seconds; requests_a_minute is measured with it.
        sleep: Waits for seconds, in pauses and for requests_a_minute.

    Raises:
        UserError: The URL is not one, or the environment holds no key.
    """

    def __init__(
        self,
        config: HttpGenerateConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.config, self.clock, self.sleep = config, clock, sleep
        self.url, self.key = _endpoint(config.url), SecretStr(_key(config.key))
        # packed answers are not asked for and not read: a few bytes could become any number of them
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if config.key:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        # httpx's own timeout is off: it measures the gaps between bytes, while `timeout` is for a whole request
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=config.concurrency)
        # a redirect is an error: the key and the prompts are meant for this server alone
        self.client = httpx.AsyncClient(headers=headers, limits=limits, timeout=None, follow_redirects=False)
        self.loop = _Loop(self.client)
        self.starts: deque[float] = deque(maxlen=config.requests_a_minute or 0)
        self.kept: dict[tuple[str, Sampling], Answer] = {}

    def render(self, messages: Messages) -> str:
        """Write the messages as JSON text."""
        return json.dumps([dict(m) for m in messages], ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """Answer the prompts, in their order.

        Raises:
            EngineError: As the protocol says.
            UserError: The server has no such model, or refuses the key.
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
        """The fields that all requests of a call share."""
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
        """Fill the results that are None. A refused prompt lets the others go on; any other failure ends all."""
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
        """Wait until one more request makes no more than requests_a_minute in any minute."""
        if not self.starts.maxlen:
            return
        now = start = self.clock()
        if len(self.starts) == self.starts.maxlen:
            start = max(now, self.starts[0] + _MINUTE)
        self.starts.append(start)  # before the wait, so that no other request takes the same turn
        if start > now:
            await self.sleep(start - now)

    async def _ask(self, request: _Request) -> Answer:
        """Send a request once. Raises RetryLater if a retry may help, _Refused or UserError if not."""
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
        """Read the body as it comes. Raises RetryLater if it is packed, _Refused if it is longer than any answer."""
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
        return without(text, request.contents, self.key.get_secret_value())


class _Loop:
    """An event loop on its own thread, so that `generate` works where a loop runs already, as in a notebook."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=_serve, args=(self.loop, client), daemon=True, name="http_generate").start()
        weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            future.result()
        finally:
            future.cancel()  # ends the requests if the wait was interrupted; otherwise it does nothing


def _serve(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
    loop.run_forever()
    loop.run_until_complete(client.aclose())
    loop.close()


def _answered(result: Answer | _Refused | None) -> Answer:
    if isinstance(result, _Refused):
        raise result
    if result is None:
        raise AssertionError("a prompt was left out")
    return result


def _request(prompt: str, sampling: Sampling, settings: dict[str, Any]) -> _Request:
    """The request for a prompt. Raises EngineError if the prompt is empty or is not what `render` writes."""
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
    """The key in an environment variable. Raises UserError if there is none, or it does not fit into a header."""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise UserError(f"the environment variable {variable} holds no key; set key: '' if the server wants none")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"the environment variable {variable} holds something that is not a key")
    return key
