"""Configuration: layers, overrides, and one clear line for every mistake."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from shopbatch.core import config
from shopbatch.core.config import JobConfig, Strict
from shopbatch.core.errors import UserError


class A(Strict):
    kind: Literal["a"] = "a"
    depth: int = 1


class B(Strict):
    kind: Literal["b"] = "b"
    width: int = 2


class Item(Strict):
    name: str
    channel: str


class Conf(JobConfig):
    items: tuple[Item, ...] = ()
    rate: float = 0.5
    words: tuple[str, ...] = ()
    engine: Annotated[A | B, Field(discriminator="kind")] = A()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in ("jobs", "conf/base", "conf/local", "conf/prod"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.setenv("SHOPBATCH_HOME", str(tmp_path))
    monkeypatch.delenv("SHOPBATCH_WAREHOUSE", raising=False)
    (tmp_path / "conf/base/x.yaml").write_text("rate: 0.1\nengine: {kind: a, depth: 5}\n")
    (tmp_path / "conf/local/platform.yaml").write_text("warehouse: here\n")
    return tmp_path


def load(*overrides: str, env: str = "local") -> Conf:
    return config.load(Conf, "x", env, list(overrides))


def test_layers_and_overrides(home: Path) -> None:
    assert load().platform.warehouse == "here"
    assert load().engine == A(depth=5)
    (home / "conf/local/x.yaml").write_text("engine: {depth: 7}\n")
    assert load().engine == A(depth=7)
    assert load("engine.depth=9", "rate=1e-3").engine == A(depth=9)
    assert load("rate=1e-3").rate == 0.001
    assert load(env="prod").engine == A(depth=5)


def test_a_changed_kind_replaces_the_block(home: Path) -> None:
    (home / "conf/local/x.yaml").write_text("engine: {kind: b}\n")
    assert load().engine == B()
    assert load("engine.kind=b").engine == B()


def test_the_environment_names_another_warehouse(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", "/there")
    assert load().platform.warehouse == "/there"
    assert load("platform.warehouse=/elsewhere").platform.warehouse == "/elsewhere"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("rat=1", "unknown key 'rat'; did you mean 'rate'?"),
        ("engine.dept=1", "unknown key 'engine.dept'; did you mean 'engine.depth'?"),
        ("warehouse=x", "did you mean 'platform.warehouse'?"),
        ("master=x", "did you mean 'platform.spark.master'?"),
        (
            "items=[{name: n, chanel: email}]",
            "'items.channel' is missing, and 'items.chanel' is an unknown key; did you mean 'items.channel'?",
        ),
        ("items=[{name: n}, {chanel: x, channel: y}]", "items.channel: a key is missing"),
        ("sky=x", "unknown key 'sky'; `shopbatch config JOB` lists the keys"),
        ("rate=fast", "rate: expected a number (got 'fast')"),
        ("words=en", "words: expected a list (got 'en'; write words=[en])"),
        ("words={a: 1}", "words: expected a list (got {'a': 1}; write words=[{a: 1}])"),
        ("words=[1]", "words: expected a text (got 1)"),
        ("engine.kind=c", "engine.kind: expected 'a', 'b' (got 'c')"),
        (
            "engine=a",
            "engine: expected keys and values: engine.kind, engine.depth, engine.width (got 'a'; write engine.kind",
        ),
        ("wait=x", "wait"),
        ("rate", "expected key.path=value"),
        ("rate=[1", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(home: Path, override: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        load(override)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_broken_yaml_and_unknown_environments(home: Path) -> None:
    with pytest.raises(
        UserError, match=r"no environment 'staging'.*local, prod; a file conf/staging/platform.yaml makes it"
    ):
        load(env="staging")
    (home / "conf/base/x.yaml").write_text("rate: [1\n")
    with pytest.raises(UserError, match="not valid YAML"):
        load()
    (home / "conf/base/x.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match="expected keys and values"):
        load()


def test_a_day_that_no_month_has_and_a_file_in_another_encoding(home: Path) -> None:
    with pytest.raises(UserError, match="day is out of range"):
        config.override("as_of=2017-06-31")
    (home / "conf/base/x.yaml").write_text("rate: 2017-02-30\n")
    with pytest.raises(UserError, match="not valid YAML: day is out of range"):
        load()
    (home / "conf/base/x.yaml").write_bytes("name: caf\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"x.yaml: not valid YAML: .*utf-8"):
        load()


def test_what_is_broken_is_named_and_not_quoted(home: Path) -> None:
    """The line that is no YAML may hold a secret."""
    (home / "conf/base/x.yaml").write_text("rate: 1\nname: @Hunter2secret\n")
    with pytest.raises(UserError, match=r"x.yaml: not valid YAML: .*line 2") as told:
        load()
    with pytest.raises(UserError, match=r"override engine\.api_key=") as other:
        config.override("engine.api_key=@Hunter2secret")
    assert "Hunter2" not in str(told.value) + str(other.value)


def test_yaml_makes_no_objects(home: Path) -> None:
    (home / "conf/base/x.yaml").write_text("rate: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match="not valid YAML"):
        load()


class Item(Strict):
    word: str
    """A word that is not allowed."""


class Loop(Strict):
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the examples.

    Null means until it no longer improves.
    """


class Wide(Strict):
    kind: Literal["wide"] = "wide"
    """Which engine computes."""
    batch: int = 8
    """Rows per call of the engine."""
    width: int = 2
    """Width in pixels of one row."""


class Tall(Strict):
    kind: Literal["tall"] = "tall"
    """Which engine computes."""
    batch: int = 8
    """Rows per call of the engine."""
    url: str
    """Where the engine answers."""


class Described(Strict):
    rate: float = Field(0.5, gt=0, le=1)
    """Share of the rows that are used."""
    mode: Literal["fast", "exact"] = "fast"
    names: dict[str, tuple[str, ...]] = Field({"en": ("a",)})
    """Names by language."""
    items: tuple[Item, ...] = (Item(word="free"),)
    """Words that are refused."""
    loop: Loop = Loop(epochs=3)
    """How long it trains."""
    second: Loop | None = None
    """How long it trains a second time."""
    engine: Annotated[Wide | Tall, Field(discriminator="kind")] = Wide(width=7)
    """What computes the rows."""


def test_every_key_of_a_configuration_is_described() -> None:
    assert [tuple(key) for key in config.describe(Described)] == [
        ("rate", "float, > 0, <= 1", "0.5", "Share of the rows that are used.", ""),
        ("mode", "fast | exact", "fast", "", ""),
        ("names", "mapping of str to list of str", "{en: [a]}", "Names by language.", ""),
        ("items", "list of block", "[{word: free}]", "Words that are refused.", ""),
        ("items[].word", "str", None, "A word that is not allowed.", ""),
        ("loop", "block", "", "How long it trains.", ""),
        (
            "loop.epochs",
            "int, >= 1 or null",
            "3",
            "Passes over the examples. Null means until it no longer improves.",
            "",
        ),
        ("second", "block or null", "null", "How long it trains a second time.", ""),
        (
            "second.epochs",
            "int, >= 1 or null",
            "null",
            "Passes over the examples. Null means until it no longer improves.",
            "",
        ),
        ("engine", "block", "", "What computes the rows.", ""),
        ("engine.kind", "wide | tall", "wide", "Which engine computes.", ""),
        ("engine.batch", "int", "8", "Rows per call of the engine.", ""),
        ("engine.width", "int", "7", "Width in pixels of one row.", "engine.kind: wide"),
        ("engine.url", "str", None, "Where the engine answers.", "engine.kind: tall"),
    ]


def test_the_platform_is_described_completely() -> None:
    keys = config.describe(JobConfig)
    assert {"platform.warehouse", "platform.spark.memory"} <= {key.path for key in keys}
    assert all(len(key.meaning) >= 10 for key in keys)
