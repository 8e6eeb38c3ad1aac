"""The HTTP generator against a server on the loopback: what it asks, what it forgives, what it gives away."""

import asyncio
import gc
import gzip
import json
import logging
import random
import socket
import threading
import tracemalloc

import numpy as np
import pytest

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import HttpGenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.engines.generators import http_answers
from shopbatch.engines.generators.http_answers import RetryLater, read, retry_after, without
from shopbatch.engines.generators.http_generator import HttpGenerator
from tests.engines.openai_server import WAIT, Fault, OpenAiServer, echo, first, refused

SAMPLING = Sampling(max_new_tokens=9)
KEY = "sk-test-4f8a1c93d2e7b650"
SECRET = "Mrs Miller of 12 Elm Street wants her 79.90 back"
FINE = b'{"choices":[{"message":{"role":"assistant","content":"fine"},"finish_reason":"stop"}]}'

PASSING = {
    "429": refused(429),
    "429 with Retry-After": refused(429, retry_after="3"),
    "408": refused(408),
    "409": refused(409),
    "425": refused(425),
    "500": refused(500),
    "503 without a body": Fault(status=503, body=b""),
    "502 of a proxy": Fault(status=502, body=b"<html>Bad\ngateway</html>", headers={"Content-Type": "text/html"}),
    "closed without a byte": Fault(sent=0),
    "closed in the head": Fault(sent=20),
    "closed in the body": Fault(sent=120),
    "cut-off JSON": Fault(body=FINE[:50]),
    "garbage": Fault(body=b"\xff\x00 garbage"),
    "deep garbage": Fault(body=b"[" * 100_000),
    "nothing": Fault(body=b""),
    "null": Fault(body=b"null"),
    "no choices": Fault(body=b'{"error": "overloaded"}'),
    "empty choices": Fault(body=b'{"choices": []}'),
    "no message": Fault(body=b'{"choices": [{"finish_reason": "stop"}]}'),
    "no content": Fault(body=b'{"choices": [{"message": {}, "finish_reason": "stop"}]}'),
    "broken off": Fault(body=b'{"choices": [{"message": {"content": "fi"}, "finish_reason": "abort"}]}'),
    "no end": Fault(body=b'{"choices": [{"message": {"content": ""}, "finish_reason": null}]}'),
    "no text": Fault(body=b'{"choices": [{"message": {"content": [1]}, "finish_reason": "stop"}]}'),
    "not what the head says": Fault(headers={"Content-Encoding": "gzip"}),
}


class Time:
    """A clock that only a sleep moves."""

    def __init__(self) -> None:
        self.now, self.sleeps = 1000.0, []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        wake = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, wake)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def opened(server, time=None, **fields):
    time = time or Time()
    config = {"url": server.url, "model": "tiny", "key": "", "timeout": WAIT, **fields}
    return HttpGenerator(HttpGenerateConfig(**config), time.clock, time.sleep)


def rendered(generator, texts):
    return [generator.render([{"role": "user", "content": text}]) for text in texts]


def ask(generator, *texts, sampling=SAMPLING):
    return generator.generate(rendered(generator, texts), sampling)


def error_of(kind, generator, *texts):
    """The text of the error; it is one line."""
    with pytest.raises(kind) as error:
        ask(generator, *texts)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 450
    return str(error.value)


def test_what_is_asked():
    messages = [{"role": "system", "content": "Be brief. 质量 😀"}, {"content": 'Hi\n"you"', "role": "user"}]
    with OpenAiServer() as server:
        generator = opened(server)
        prompt = generator.render(messages)
        assert prompt == generator.render([dict(reversed(m.items())) for m in messages])
        answered = generator.generate([prompt], SAMPLING)
        assert answered.texts == ['you said Hi\n"you"']
        assert (answered.tokens_in.tolist(), answered.tokens_out.tolist(), answered.finished) == ([2], [4], ["stop"])
        assert server.requests[0].path == "/v1/chat/completions"
        assert server.requests[0].body == {
            "model": "tiny",
            "messages": messages,
            "max_tokens": 9,
            "temperature": 0.0,
            "stream": False,
        }
        assert "authorization" not in server.requests[0].headers


def test_the_url_may_end_with_a_slash_and_keeps_its_query():
    with OpenAiServer() as server:
        assert ask(opened(server, url=server.url + "/"), "x").texts == ["you said x"]
        generator = opened(server, url=server.url + "?api-version=2")
        assert str(generator.url) == server.url + "/chat/completions?api-version=2"


def test_draws_have_a_seed_of_their_own_which_depends_on_the_prompt_and_the_seed_alone():
    drawn = Sampling(temperature=0.7, top_p=0.9, seed=3)

    def seeds(texts, sampling=drawn):
        with OpenAiServer() as server:
            ask(opened(server), *texts, sampling=sampling)
            assert {(r.body["temperature"], r.body["top_p"]) for r in server.requests} == {(0.7, 0.9)}
            return {r.said: r.body["seed"] for r in server.requests}

    together = seeds(["a", "b", "c"])
    assert len(set(together.values())) == 3
    assert all(0 <= seed < 2**31 for seed in together.values())
    assert seeds(["c", "x", "a"])["a"] == together["a"]
    assert seeds(["a"], drawn.model_copy(update={"seed": 4}))["a"] != together["a"]


def test_a_guide_is_sent_as_a_response_format():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    with OpenAiServer() as server:
        generator = opened(server)
        ask(generator, "x", sampling=Sampling(guide=json.dumps(schema)))
        assert server.requests[0].body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        }
        with pytest.raises(UserError, match="guide is not a JSON schema"):
            ask(generator, "x", sampling=Sampling(guide="{"))
        assert len(server.requests) == 1


def test_stop_texts_are_sent_and_cut_whatever_the_server_does_with_them():
    stop = ("6", "5", "4", "3", "2", "1")
    with OpenAiServer() as server:
        answered = ask(opened(server), "a1", "b26", "c", sampling=Sampling(stop=stop))
        assert answered.texts == ["you said a", "you said b", "you said c"]
        assert answered.finished == ["stop"] * 3
        assert server.requests[0].body["stop"] == ["6", "5", "4", "3"]  # OpenAI takes four
    with OpenAiServer(lambda body: ("cut 1 here", "length", 1, 9)) as server:
        answered = ask(opened(server), "x", sampling=Sampling(stop=stop))
        assert (answered.texts, answered.finished) == (["cut "], ["stop"])


def test_answers_come_in_the_order_of_the_prompts_when_the_server_answers_backwards():
    count = 8
    arrived = threading.Barrier(count)
    answered = [threading.Event() for _ in range(count + 1)]
    answered[count].set()
    order = []

    def answer(body):
        arrived.wait(WAIT)
        assert answered[int(body["messages"][0]["content"]) + 1].wait(WAIT)
        return echo(body)

    def after(request):
        order.append(int(request.said))
        answered[int(request.said)].set()

    with OpenAiServer(answer, after=after) as server:
        found = ask(opened(server, concurrency=count), *map(str, range(count)))
        assert answered[0].wait(WAIT)
    assert found.texts == [f"you said {i}" for i in range(count)]
    assert order == list(range(count))[::-1]


def test_every_prompt_is_asked_once_and_connections_are_used_again():
    texts = [f"text {i % 30}" for i in range(40)]
    with OpenAiServer() as server:
        generator = opened(server, concurrency=3)
        assert ask(generator, *texts).texts == [f"you said {text}" for text in texts]
        assert sorted(server.said) == sorted(texts)
        assert ask(generator, *texts[:5]).texts == [f"you said {text}" for text in texts[:5]]
        assert len(server.requests) == 45
        assert server.connections <= 3


@pytest.mark.parametrize("most", [1, 3])
def test_as_many_requests_as_configured_are_under_way_and_no_more(most):
    together = threading.Barrier(most)

    def answer(body):
        together.wait(WAIT)
        return echo(body)

    with OpenAiServer(answer) as server:
        ask(opened(server, concurrency=most), *(f"{i}" for i in range(12)))
        assert server.peak == most


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_asked_again(fault):
    time = Time()
    with OpenAiServer(plan=first(fault, None, fault, fault)) as server:
        answered = ask(opened(server, time, concurrency=1, pause=0.5), "a", "b")
        assert answered.texts == ["you said a", "you said b"]
        assert server.said == ["a", "a", "b", "b", "b"]
    wanted = 3.0 * (fault.headers.get("retry-after") == "3")
    assert len(time.sleeps) == 3
    for slept, longest in zip(time.sleeps, (0.5, 0.5, 1.0), strict=True):
        assert wanted <= slept <= wanted + longest


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_does_not_pass_is_an_engine_error_in_the_end(fault):
    time = Time()
    with OpenAiServer(plan=lambda *_: fault) as server:
        said = error_of(EngineError, opened(server, time, retries=2), "a")
        assert said.startswith("127.0.0.1: no answer in 3 tries; the last one: ")
        assert len(server.requests) == 3
    assert len(time.sleeps) == 2


def test_pauses_grow_up_to_a_limit_and_are_drawn_from_the_prompts_own_generator():
    def pauses(text):
        time = Time()
        with OpenAiServer(plan=lambda *_: refused(503)) as server:
            state = random.getstate()
            error_of(EngineError, opened(server, time, retries=12, pause=0.5), text)
            assert random.getstate() == state
        return time.sleeps

    first_, again, other = pauses("a"), pauses("a"), pauses("b")
    assert first_ == again != other
    assert len(first_) == 12
    assert all(0 <= slept <= min(60, 0.5 * 2**i) for i, slept in enumerate(first_))
    assert max(first_ + other) > 8


def test_a_server_that_hangs_is_given_up_after_the_timeout():
    with OpenAiServer(plan=first(Fault(hang=True))) as server:
        assert ask(opened(server, timeout=0.2), "a").texts == ["you said a"]
    with OpenAiServer(plan=lambda *_: Fault(hang=True)) as server:
        said = error_of(EngineError, opened(server, timeout=0.05, retries=1), "a", "b")
        assert said.endswith("2 tries; the last one: nothing within 0.05 seconds")


def test_the_timeout_is_of_the_whole_answer():
    with OpenAiServer(plan=first(Fault(drip=True))) as server:
        assert ask(opened(server, timeout=0.3), "a").texts == ["you said a"]
        assert len(server.requests) >= 2


BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize(
    ("fault", "says", "asked"),
    [
        (Fault(body=b" " * 5_000_000 + FINE), "an answer of more than 4,194,304 bytes", 1),
        (Fault(status=500, body=b"x" * 5_000_000), "an answer of more than 4,194,304 bytes", 1),
        (Fault(body=BOMB, headers={"Content-Encoding": "gzip"}), "an answer that is packed", 2),
        (Fault(headers={f"X-{i}": "y" * 100 for i in range(2000)}), "RemoteProtocolError", 2),
        (Fault(endless=True), "an answer of more than 4,194,304 bytes", 1),
    ],
    ids=["long", "long refusal", "bomb", "headers", "endless"],
)
def test_an_answer_takes_no_more_memory_than_answers_need(fault, says, asked):
    tracemalloc.start()
    with OpenAiServer(plan=lambda *_: fault) as server:
        said = error_of(EngineError, opened(server, retries=1), "a")
        assert says in said and len(server.requests) == asked
        assert server.requests[0].headers["accept-encoding"] == "identity"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6  # the server's own answer is part of it


def test_the_key_does_not_follow_a_redirect(monkeypatch):
    monkeypatch.setenv("A_KEY", KEY)
    with OpenAiServer() as other:
        to = Fault(status=307, headers={"Location": f"{other.url}/chat/completions"})
        with OpenAiServer(plan=lambda *_: to) as server:
            assert "status 307" in error_of(EngineError, opened(server, key="A_KEY"), "a")
        assert not other.requests and len(server.requests) == 1


def test_a_server_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    config = HttpGenerateConfig(url=f"http://127.0.0.1:{port}/v1", model="tiny", key="", retries=1, pause=0)
    said = error_of(EngineError, open_generator(config, None), "a")
    assert "ConnectError" in said


def test_a_prompt_that_fails_for_ever_does_not_wait_for_the_others():
    def plan(_, request):
        return {"bad": refused(500, "out of order"), "slow": Fault(hang=True)}.get(request.said)

    with OpenAiServer(plan=plan) as server:
        generator = opened(server, retries=3)
        said = error_of(EngineError, generator, "slow", "bad", "slow", "slow")
        assert said == "127.0.0.1: no answer in 4 tries; the last one: status 500: out of order"
        assert server.said.count("bad") == 4
        assert ask(generator, "good").texts == ["you said good"]


@pytest.mark.parametrize("status", [400, 405, 413, 422, 301])
def test_a_refused_prompt_is_not_asked_again_and_the_answers_of_its_neighbours_are_kept(status):
    time = Time()
    with OpenAiServer(plan=lambda _, r: refused(status, "too\n long") if "bad" in r.said else None) as server:
        generator = opened(server, time, concurrency=2)
        said = error_of(EngineError, generator, "bad", "a", "b", "worse: bad", "c")
        assert said == f"127.0.0.1: the server refuses a prompt: status {status}: too long"
        assert sorted(server.said) == ["a", "b", "bad", "c", "worse: bad"]
        assert ask(generator, "a").texts == ["you said a"]
        error_of(EngineError, generator, "bad")
        assert ask(generator, "b", "d", "c").texts == ["you said b", "you said d", "you said c"]
        assert server.said[5:] == ["bad", "d"]
        ask(generator, "a", sampling=Sampling(max_new_tokens=10))
        assert server.said[7:] == ["a"]
    assert time.sleeps == []


@pytest.mark.parametrize(
    ("status", "key", "wanted"),
    [
        (401, "SHOP_KEY", "127.0.0.1: the server refuses the key (variable SHOP_KEY), status 401"),
        (403, "SHOP_KEY", "127.0.0.1: the server refuses the key (variable SHOP_KEY), status 403"),
        (401, "", "127.0.0.1: the server wants a key (key: is empty), status 401"),
        (404, "", "127.0.0.1: the server has no model 'tiny' under this url (status 404: sorry)"),
    ],
)
def test_what_the_configuration_is_to_blame_for_is_the_users_error(status, key, wanted, monkeypatch):
    monkeypatch.setenv("SHOP_KEY", KEY)
    time = Time()
    with OpenAiServer(plan=lambda *_: refused(status, "sorry")) as server:
        assert error_of(UserError, opened(server, time, key=key, concurrency=1), "a", "b") == wanted
        assert len(server.requests) == 1
    assert time.sleeps == []


def test_no_more_requests_a_minute_than_configured_over_calls_and_retries():
    time, times = Time(), []

    def plan(number, _):
        times.append(time.now - 1000)
        return refused(500) if number == 1 else None

    with OpenAiServer(plan=plan) as server:
        generator = opened(server, time, requests_a_minute=3, concurrency=1, pause=0)
        ask(generator, *"abcd")
        time.now += 7
        ask(generator, *"efgh")
    assert times == [0, 0, 0, 60, 60, 67, 120, 120, 127]
    with OpenAiServer() as server:
        time, many = Time(), 25
        ask(opened(server, time, requests_a_minute=5, concurrency=4), *map(str, range(many)))
        assert time.now - 1000 >= 60 * (many // 5 - 1)
        assert len(server.requests) == many


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "9" * 400}, 300),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:20 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 20),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:20 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:20 GMT"}, 300),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:20 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:20", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
    ],
)
def test_retry_after_is_heeded_within_bounds(headers, seconds):
    assert retry_after(headers) == seconds


def test_the_key_is_in_the_header_and_nowhere_else(monkeypatch, caplog):
    monkeypatch.setenv("SHOP_KEY", f" {KEY}\n")
    caplog.set_level(logging.DEBUG)
    leak = f"the key {KEY} is wrong, and so is {SECRET}"
    seen = []
    for fault in (refused(400, leak), refused(401, leak), refused(404, leak), refused(500, leak), Fault(sent=0), None):
        with OpenAiServer(plan=lambda *_, fault=fault: fault) as server:
            generator = opened(server, key="SHOP_KEY", retries=1)
            try:
                seen.extend(ask(generator, "hello").texts)
            except (EngineError, UserError) as error:
                while error is not None:
                    seen += [str(error), repr(error)]
                    error = error.__cause__ or error.__context__
            assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {KEY}"}
            seen += [repr(generator), repr(vars(generator)), str(generator.config), json.dumps(server.requests[0].body)]
    seen += [record.getMessage() for record in caplog.records]
    assert len(seen) > 30
    assert not [text for text in seen if KEY[:8] in text or KEY[-8:] in text]


def test_no_error_repeats_a_prompt():
    echoes = (
        f"invalid: {SECRET}",
        f"invalid: {json.dumps(SECRET)}",
        f"input_value=[{{'content': '{SECRET[:20]}...{SECRET[-20:]}'}}]",
    )
    for status, kind in ((400, EngineError), (404, UserError), (429, EngineError)):
        for leak in echoes:
            with OpenAiServer(plan=lambda *_, s=status, t=leak: refused(s, t)) as server:
                said = error_of(kind, opened(server, retries=0), SECRET)
                assert f"status {status}: in" in said
                assert "Miller" not in said and "79.90" not in said


def test_a_variable_without_a_fitting_key_is_the_users_error(monkeypatch):
    url = "http://127.0.0.1:1/v1"
    monkeypatch.delenv("SHOP_KEY", raising=False)
    for value in (None, "", "  "):
        if value is not None:
            monkeypatch.setenv("SHOP_KEY", value)
        with pytest.raises(UserError, match="SHOP_KEY holds no key"):
            open_generator(HttpGenerateConfig(url=url, model="m", key="SHOP_KEY"), None)
    for value in (f"{KEY}\nX-Other: 1", f"{KEY}é", f"{KEY} {KEY}", f"{KEY}\x07"):
        monkeypatch.setenv("SHOP_KEY", value)
        with pytest.raises(UserError, match="SHOP_KEY holds something that is not a key") as error:
            open_generator(HttpGenerateConfig(url=url, model="m", key="SHOP_KEY"), None)
        assert KEY not in str(error.value)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000/v1", "localhost:8000/v1", "http://", "ftp://127.0.0.1/v1", "http://[::1/v1"]
)
def test_a_url_that_is_none(url):
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:8000/v1"):
        open_generator(HttpGenerateConfig(url=url, model="m", key=""), None)


def test_a_password_in_the_url_is_refused_and_not_told():
    with pytest.raises(UserError, match="environment variable") as error:
        open_generator(HttpGenerateConfig(url=f"http://me:{KEY}@127.0.0.1/v1", model="m", key=""), None)
    assert KEY not in str(error.value)


@pytest.mark.parametrize("prompt", ["[]", "Hi", "{}", "null", "3", '["Hi"]', '[{"role":"user"}]', "[" * 100_000])
def test_a_prompt_that_was_not_rendered_here_is_refused_before_anything_is_asked(prompt):
    with OpenAiServer() as server:
        generator = opened(server)
        with pytest.raises(EngineError, match="a prompt is"):
            generator.generate([*rendered(generator, ["fine"]), prompt], SAMPLING)
        assert server.requests == []


@pytest.mark.parametrize(
    ("content", "finish", "wanted"),
    [
        ("text", "stop", ("text", "stop")),
        ("text", "length", ("text", "length")),
        ("text", "tool_calls", ("text", "stop")),
        ("text", None, ("text", "stop")),
        ("", "stop", ("", "stop")),
        (None, "stop", ("", "stop")),
        (None, "length", ("", "length")),
        (None, "content_filter", ("", "stop")),
        ("begun", "content_filter", ("begun", "stop")),
        ("half \ud83d pair", "stop", ("half ? pair", "stop")),
    ],
)
def test_ends_of_an_answer(content, finish, wanted):
    choice = {"message": {"content": content}, "finish_reason": finish}
    answer = read(json.dumps({"choices": [choice]}).encode())
    assert answer.cut(()) == wanted
    assert (answer.tokens_in, answer.tokens_out) == (0, 0)


def test_a_filtered_answer_may_have_no_content_at_all():
    answer = read(b'{"choices": [{"message": {}, "finish_reason": "content_filter"}]}')
    assert answer.cut(()) == ("", "stop")
    with pytest.raises(RetryLater):
        read(b'{"choices": [{"message": {}, "finish_reason": "stop"}]}')


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, (3, 4)),
        ({"prompt_tokens": 3}, (3, 0)),
        ({"prompt_tokens": "3", "completion_tokens": None}, (0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": 2**31}, (0, 0)),
        ({"prompt_tokens": True, "completion_tokens": 1.0}, (0, 0)),
        ([], (0, 0)),
        (None, (0, 0)),
    ],
)
def test_tokens_are_what_the_server_counted_or_0(usage, counts):
    body = json.loads(FINE) | {"usage": usage}
    with OpenAiServer(plan=lambda *_: Fault(body=json.dumps(body).encode())) as server:
        answered = ask(opened(server), "x")
    assert answered.texts == ["fine"]
    assert (answered.tokens_in.tolist(), answered.tokens_out.tolist()) == ([counts[0]], [counts[1]])
    assert answered.tokens_in.dtype == answered.tokens_out.dtype == np.int32


@pytest.mark.parametrize(
    "body",
    ['{"error":{"message":"no"}}', '{"error":"no"}', '{"message":"no"}', '{"detail":"no"}', "no", '"no"'],
)
def test_the_message_of_a_refusal_in_its_usual_forms(body):
    assert http_answers.refusal(body.encode()) == "no"


def test_what_a_server_says_is_one_short_line():
    assert without("a\n\tb\x00 c", [], "") == "a b c"
    assert len(without("long " * 200, [], "")) <= 300
    assert without("the maximum is 9", ["x", "max"], "") == "the maximum is 9"
    assert without("no such size: XL-1234", ["XL-1234"], "") == "no such size:"


def test_it_works_where_an_event_loop_runs_already_and_from_several_threads():
    with OpenAiServer() as server:
        generator = opened(server)

        async def cell():
            return ask(generator, "a").texts

        assert asyncio.run(cell()) == ["you said a"]
        found = {}
        threads = [threading.Thread(target=lambda i=i: found.update({i: ask(generator, f"{i}").texts})) for i in "bc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        assert found == {"b": ["you said b"], "c": ["you said c"]}


def test_a_call_that_is_interrupted_ends_its_requests(monkeypatch):
    asked = threading.Event()
    with OpenAiServer(plan=lambda *_: asked.set() or Fault(hang=True)) as server:
        generator = opened(server)
        submit = asyncio.run_coroutine_threadsafe
        futures = []

        def interrupted(work, loop):
            futures.append(submit(work, loop))
            assert asked.wait(WAIT)
            monkeypatch.setattr(futures[0], "result", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
            return futures[0]

        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ask(generator, "a")
        assert futures[0].cancelled()
        monkeypatch.undo()


@pytest.mark.slow
def test_the_thread_ends_with_its_generator():
    with OpenAiServer() as server:
        before = set(threading.enumerate())
        generator = opened(server)
        (thread,) = (t for t in set(threading.enumerate()) - before if t.name == "http_generate")
        ask(generator, "a")
        del generator
        gc.collect()
        thread.join(WAIT)
        assert not thread.is_alive()


def test_recipes_differ_by_server_and_model_alone():
    base = HttpGenerateConfig(url="http://127.0.0.1/v1", model="m")
    assert base.model_copy(update={"key": "X", "concurrency": 1, "timeout": 1.0}).identity() == base.identity()
    assert base.model_copy(update={"model": "n"}).identity() != base.identity()
