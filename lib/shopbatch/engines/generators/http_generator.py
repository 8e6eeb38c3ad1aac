"""The HTTP generator: the prompts of a call go to an OpenAI-compatible server, several at once.

What the server refuses for now, or answers badly, is asked again; what it refuses for good is an error at once.
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
from shopbatch.engines.generators.http_answers import Answer, Later, read, refusal, retry_after, without
from shopbatch.engines.generators.prompts import seed_of
from shopbatch.models.chat import Messages

_LONGEST_PAUSE = 60.0  # seconds, without what Retry-After adds
_MINUTE = 60.0
_MOST_STOPS = 4  # OpenAI refuses more; the text is cut here in any case


@dataclass(frozen=True)
class _Asked:
    """One request. contents: what its messages say, which no error may repeat."""

    prompt: str
    contents: list[str]
    body: bytes


class _Refused(EngineError):
    """The server refuses this prompt, and would again."""


class HttpGenerator:
    """See HttpGenerateConfig. clock, sleep: seconds, of the pauses and of requests_a_minute.

    A prompt is its messages as JSON text: the server has the chat template. Tokens are what the server says it counted,
    0 where it says nothing. A guide is only as good as the server that decodes under it.
    Answers of a call that failed are kept until another one fails: the caller then asks for its prompts one by one,
    and those that were answered are neither waited nor paid for again.
    """

    def __init__(
        self,
        config: HttpGenerateConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.config, self.clock, self.sleep = config, clock, sleep
        self.url, self.key = _endpoint(config.url), SecretStr(_key(config.key))
        headers = {"Content-Type": "application/json"}
        if config.key:
            headers["Authorization"] = f"Bearer {self.key.get_secret_value()}"
        # no limit of its own: httpx measures the gaps between bytes, `timeout` is of a whole request
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=config.concurrency)
        self.client = httpx.AsyncClient(headers=headers, limits=limits, timeout=None)
        self.loop = _Loop(self.client)
        self.starts: deque[float] = deque(maxlen=config.requests_a_minute or 0)
        self.kept: dict[tuple[str, Sampling], Answer] = {}

    def render(self, messages: Messages) -> str:
        return json.dumps([dict(m) for m in messages], ensure_ascii=False, separators=(",", ":"), sort_keys=True)

    def generate(self, prompts: Sequence[str], sampling: Sampling) -> Generated:
        """As the protocol says; moreover UserError: the server has no such model, or refuses the key."""
        settings = self._settings(sampling)
        asked = [_request(prompt, sampling, settings) for prompt in prompts]
        found: list[Answer | _Refused | None] = [self.kept.get((prompt, sampling)) for prompt in prompts]
        try:
            self.loop.run(self._all(asked, found))
            answers = [_sound(answer) for answer in found]
        except EngineError:
            done = zip(prompts, found, strict=True)
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
        """The fields that all requests of a call have in common."""
        settings: dict[str, Any] = {
            "model": self.config.model,
            # not max_completion_tokens: Ollama and older llama.cpp servers overlook it and write on, OpenAI refuses
            # both together
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
                raise UserError(f"guide is no JSON schema: {error}") from None
            form = {"name": "answer", "schema": schema, "strict": True}
            settings["response_format"] = {"type": "json_schema", "json_schema": form}
        return settings

    async def _all(self, asked: Sequence[_Asked], found: list[Answer | _Refused | None]) -> None:
        """Fill what is None. A refused prompt does not keep the others from their answers; any other failure does."""
        todo = iter([i for i, answer in enumerate(found) if answer is None])

        async def work() -> None:
            for i in todo:
                try:
                    found[i] = await self._answer(asked[i])
                except _Refused as error:
                    found[i] = error

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.config.concurrency, len(asked))):
                    group.create_task(work())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _answer(self, asked: _Asked) -> Answer:
        jitter = random.Random(asked.prompt)
        reason = ""
        for tried in range(self.config.retries + 1):
            await self._turn()
            try:
                return await self._ask(asked)
            except Later as later:
                reason = str(later)
                if tried < self.config.retries:
                    longest = min(_LONGEST_PAUSE, self.config.pause * 2.0 ** min(tried, 60))
                    await self.sleep(later.after + jitter.uniform(0, longest))
        raise EngineError(f"{self.url.host}: no answer in {self.config.retries + 1} tries; the last one: {reason}")

    async def _turn(self) -> None:
        """Wait until one more request makes no more than requests_a_minute in any minute."""
        if not self.starts.maxlen:
            return
        now = start = self.clock()
        if len(self.starts) == self.starts.maxlen:
            start = max(now, self.starts[0] + _MINUTE)
        self.starts.append(start)  # before the wait, so that no other request takes the same turn
        if start > now:
            await self.sleep(start - now)

    async def _ask(self, asked: _Asked) -> Answer:
        """Raises Later (ask again), _Refused and UserError (do not)."""
        try:
            async with asyncio.timeout(self.config.timeout):
                response = await self.client.post(self.url, content=asked.body)
        except TimeoutError:
            raise Later(f"nothing within {self.config.timeout:g} seconds") from None
        except httpx.RequestError as error:
            raise Later(self._clean(f"{type(error).__name__}: {error}", asked)) from None
        if response.is_success:
            return read(response.content)
        status = response.status_code
        said = self._clean(refusal(response.content), asked)
        reason = f"status {status}" + (f": {said}" if said else "")
        if status in (408, 409, 425, 429) or status >= 500:
            raise Later(reason, retry_after(response.headers))
        if status == 404:
            raise UserError(f"{self.url.host}: the server has no model {self.config.model!r} under this url ({reason})")
        if status in (401, 403):
            key = f"refuses the key (variable {self.config.key})" if self.config.key else "wants a key (key: is empty)"
            # what a server says to a wrong key is apt to hold parts of the key
            raise UserError(f"{self.url.host}: the server {key}, status {status}")
        raise _Refused(f"{self.url.host}: the server refuses a prompt: {reason}")

    def _clean(self, text: str, asked: _Asked) -> str:
        return without(text, asked.contents, self.key.get_secret_value())


class _Loop:
    """An event loop on a thread of its own: `generate` may be called where a loop runs already, as in a notebook."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=_serve, args=(self.loop, client), daemon=True, name="http_generate").start()
        weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            future.result()
        finally:
            future.cancel()  # if the wait was interrupted; else it is done


def _serve(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
    loop.run_forever()
    loop.run_until_complete(client.aclose())
    loop.close()


def _sound(answer: Answer | _Refused | None) -> Answer:
    if isinstance(answer, _Refused):
        raise answer
    if answer is None:
        raise AssertionError("a prompt was left out")
    return answer


def _request(prompt: str, sampling: Sampling, settings: dict[str, Any]) -> _Asked:
    """Raises EngineError if the prompt is empty or is not what `render` writes."""
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
    return _Asked(prompt, contents, json.dumps(fields).encode())


def _endpoint(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise UserError("url is none; one like http://127.0.0.1:8000/v1 is") from None
    if url.userinfo:
        raise UserError("url holds a user or a password; a key goes into an environment variable, which key: names")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"url is {text!r}; it has to be one like http://127.0.0.1:8000/v1")
    return url.copy_with(path=url.path.rstrip("/") + "/chat/completions")


def _key(variable: str | None) -> str:
    """The key in an environment variable. Raises UserError if there is none that fits into a header."""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise UserError(f"the environment variable {variable} holds no key; key: '' if the server wants none")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UserError(f"the environment variable {variable} holds something that is no key")
    return key
