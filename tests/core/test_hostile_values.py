"""Whatever text stands where a value of the configuration is expected, the answer is a value or one line."""

from __future__ import annotations

import time
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shopbatch.capabilities.copywriting.config import Config as DescribeConfig
from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
from shopbatch.cli import main as cli
from shopbatch.core import config, config_values
from shopbatch.core.controls import one_printable_line
from shopbatch.core.errors import UserError

BOMB = "a: &a [1, 1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
)
DIGITS = "9" * 5_000
TEXTS = {
    "aliases": BOMB,
    "endless": "a: &a [*a]",
    "lists": "[" * 20_000,
    "maps": "{a: " * 20_000,
    "blocks": "- " * 20_000,
    "digits": "9" * 5_000,
    "hexadecimal": "0x" + "f" * 5_000,
    "sexagesimal": "1:" * 2_000 + "1",
    "tag without a value": "!!int ''",
    "moment": "!!timestamp x",
    "an object": "!!python/object/apply:os.system [true]",
    "a date that is none": "2026-13-45",
    "not a number": ".nan",
    "infinite": "-.inf",
    "beyond a double": "1.0e999",
    "null byte": "\0",
    "surrogate": "\ud800",
    "unhashable": "{[]: 1}",
}
KEYS = ["platform.cpus", "checks", "limit", "gates.drift", "platform.spark.conf", "workers", "engine", "x", "platform"]


def outcome(item: str, cls: type[config.JobConfig], job: str) -> str:
    """The error of an override; "" if it is one that a run could use."""
    try:
        resolved = config.load(cls, job, "local", [item])
        config_values.settings(cls, job, "local", [item])
        resolved.model_dump_json()
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_value_of_an_override_is_too_much(key: str, text: str) -> None:
    began = time.process_time()
    assert outcome(f"{key}={text}", ScoreReviewsConfig, "score_reviews")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_file_of_settings_is_too_much(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path))
    file = tmp_path / "more.yaml"
    file.write_text(text if text == BOMB else f"limit: {text}", "utf-8", errors="surrogatepass")
    assert cli.main(["config", "score_reviews", "--with", str(file)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and len(error) < 500


def test_a_file_of_settings_has_a_greatest_size(tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text("# " + "x" * 2**20)
    with pytest.raises(UserError, match="larger than 262,144 bytes"):
        config.load(ScoreReviewsConfig, "score_reviews", "local", [], str(file))


@pytest.mark.parametrize("env", ["../local", "..", ".", "", "local/", "a/b", "x" * 5_000, "~", "ä", "a\nb"])
def test_an_environment_is_a_name(env: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tables", "--env", env]) == 2
    assert capsys.readouterr().err.startswith("shopbatch: no environment ")


@pytest.mark.parametrize(
    "words",
    [
        ["show", "reviews", "-n", DIGITS],
        ["show", "reviews", "-n", "1000000001"],
        ["sample", "--rows", "99999999999999999999"],
        ["load", "reviews", "a.csv", "--max-rejects", "nan"],
        ["load", "reviews", "a.csv", "--max-unpacked", "inf"],
        ["load", "reviews", "x" * 5_000],
        ["load", "reviews", "x" * 5_000 + ".zip"],
        ["doctor", "--min-free-gb", "nan"],
        ["config", "score_reviews", "--with", "x" * 5_000],
        ["config", "x" * 5_000],
        ["show", "reviews", "--where", "\0"],
    ],
    ids=range(11),
)
def test_what_no_option_takes_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("shopbatch: ") and len(error.splitlines()) == 1 and len(error) < 2_100
    assert time.process_time() - began < 5


VALUES = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from("[]{}:,&*!|>'\"%@`#-?~=<. 019exnai\n\t\\"), max_size=25),
    st.from_regex(r"[-+]?[0-9_.:eExXoObB]{1,40}", fullmatch=True),
    st.sampled_from([*TEXTS.values()]),
)
PATHS = st.one_of(
    st.sampled_from(KEYS), st.text(max_size=12), st.lists(st.sampled_from(KEYS), max_size=3).map(".".join)
)


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(PATHS, VALUES, st.sampled_from([(ScoreReviewsConfig, "score_reviews"), (DescribeConfig, "describe_products")]))
def test_any_override_is_a_value_or_one_message(path: str, value: str, of: tuple[type[config.JobConfig], str]) -> None:
    began = time.process_time()
    error = outcome(f"{path}={value}", *of)
    assert len(one_printable_line(error).splitlines()) <= 1 and len(error) < 2_100
    assert time.process_time() - began < 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_words_end_in_good_order(words: list[str]) -> None:
    assert cli.main(["config", "score_reviews", *words]) in (0, 2)
