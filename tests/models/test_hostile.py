"""Hostile model folders: refused in one line, in bounded time and memory, and none of their code is run."""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import TemplateError
from safetensors.numpy import save_file

from shopbatch.engines.configs import TorchConfig, TorchGenerateConfig
from shopbatch.engines.factory import open_engine, open_generator
from shopbatch.models import registry
from shopbatch.models.chat import chat_prompt
from shopbatch.models.chat_templates import render
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import load_causal, load_tokenizer, load_transformers_tokenizer
from shopbatch.models.regexes import Unbounded, check
from shopbatch.models.screening import screen
from shopbatch.models.shapes import tensor_shapes
from tests.capabilities.language_model.families import FAMILIES
from tests.engines import tiny, tiny_causal

pytestmark = pytest.mark.timeout(120)
Change = Callable[[Path], object]


def into(name: str, **values: Any) -> Change:
    """Change keys of a JSON file."""

    def change(folder: Path) -> None:
        path = folder / name
        tree = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(tree | values))

    return change


def config(**values: Any) -> Change:
    return into("config.json", **values)


def splitting(*patterns: str) -> Change:
    steps = [{"type": "Split", "pattern": {"Regex": p}, "behavior": "Isolated", "invert": False} for p in patterns]
    return into("tokenizer.json", pre_tokenizer={"type": "Sequence", "pretokenizers": steps})


def replacing(*steps: tuple[str, str]) -> Change:
    parts = [{"type": "Replace", "pattern": {"String": a}, "content": b} for a, b in steps]
    return into("tokenizer.json", normalizer={"type": "Sequence", "normalizers": parts})


def text(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content)


def header(tree: object = None, size: int | None = None) -> Change:
    """Weights whose header says something else than what follows."""

    def change(folder: Path) -> None:
        data = json.dumps(tree).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", size or len(data)) + data + bytes(64))

    return change


def gigantic(folder: Path) -> None:
    os.truncate(folder / "tokenizer.json", 1 << 31)


TENSOR = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}
CHANGES: dict[str, tuple[Change, str]] = {
    "attention from the hub": (config(_attn_implementation="kernels-community/evil"), "code from elsewhere"),
    "attention in a part": (config(text_config={"attn_implementation": {"": "evil/kernel"}}), "code from elsewhere"),
    "experts from the hub": (config(experts_implementation="evil/kernel"), "code from elsewhere"),
    "kernels": (config(kernel_config={"kernel_mapping": {"a": "evil/kernel:x"}}), "code from elsewhere"),
    "own code": (config(auto_map={"AutoModel": "evil--modeling.Evil"}), "auto_map"),
    "own tokenizer": (into("tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.T", None]}), "auto_map"),
    "a hint to trust": (config(trust_remote_code=True), "trust_remote_code"),
    "own pipeline": (config(custom_pipelines={"x": {"impl": "evil.P"}}), "custom_pipelines"),
    "own generation": (into("generation_config.json", custom_generate="evil/g"), "custom_generate"),
    "an adapter": (into("adapter_config.json", base_model_name_or_path="../other"), "adapters name a base"),
    "huge hidden size": (config(hidden_size=10**9), "hidden_size"),
    "hidden size of others": (config(hidden_size=60_000), "ask for"),
    "negative hidden size": (config(hidden_size=-32), "hidden_size"),
    "hidden size as text": (config(hidden_size="32"), "hidden_size"),
    "endless numbers": (config(intermediate_size=float("inf")), "intermediate_size"),
    "huge vocabulary": (config(vocab_size=100_000_000), "vocab_size"),
    "many layers": (config(num_hidden_layers=10**6), "num_hidden_layers"),
    "many labels": (config(num_labels=10**9), "num_labels"),
    "many experts": (config(num_local_experts=10**7), "num_local_experts"),
    "many positions": (config(max_position_embeddings=10**9), "max_position_embeddings"),
    "a size inside": (config(vision_config={"hidden_size": 10**10}), "hidden_size"),
    "a token that is none": (config(eos_token_id="</s>"), "eos_token_id"),
    "a length that is none": (into("tokenizer_config.json", model_max_length="long"), "is no number"),
    "deep": (text("config.json", "[" * 100_000 + "]" * 100_000), "nested too deeply"),
    "rather deep": (text("config.json", '{"a":' * 90 + "1" + "}" * 90), "nested too deeply"),
    "deep tokenizer": (text("tokenizer.json", '{"model":' * 900 + "{}" + "}" * 900), "nested too deeply"),
    "no JSON": (text("config.json", "{"), "cannot be read"),
    "no object": (text("config.json", "[1]"), "not an object"),
    "no text": (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe{}"), "cannot be read"),
    "a number with many digits": (text("config.json", f'{{"a": {"9" * 5000}}}'), "cannot be read"),
    "no tokenizer": (text("tokenizer.json", '{"a": 1}'), "not a tokenizer"),
    "a tokenizer of another version": (text("tokenizer.json", '{"model": {"type": "Evil"}}'), "cannot be read"),
    "gigantic tokenizer": (gigantic, "bytes"),
    "backtracking": (splitting(r"(a+)+$"), "regular expression"),
    "long expression": (splitting("a" * 100_000), "characters"),
    "many expressions": (splitting(*["a"] * 40), "regular expressions"),
    "many replacements": (replacing(*[("a", "aa")] * 40), "lengthens"),
    "a long replacement": (replacing(("a", "a" * 100_000)), "lengthens"),
    "a long chat template": (text("chat_template.jinja", "a" * 200_000), "bytes"),
    "a long template inside": (into("tokenizer_config.json", chat_template="a" * 200_000), "bytes"),
    "an endless template": (text("chat_template.jinja", "{{ 'x' * 10**9 }}"), "chat template is refused"),
    "a template that leaves": (into("tokenizer_config.json", chat_template="{{ ''.__class__.mro() }}"), "is refused"),
    "one of several templates": (
        into("tokenizer_config.json", chat_template=[{"name": "default", "template": "{% if %}"}]), "is refused"),
    "a header that is too long": (header({}, 1 << 62), "states a header"),
    "a header longer than the file": (header({}, 100_000), "cannot be read"),
    "a header that is no JSON": (header("x"), "cannot be read"),
    "overlapping tensors": (header({"a": TENSOR, "b": TENSOR}), "cannot be read"),
    "a tensor beyond the end": (header({"a": TENSOR | {"shape": [80], "data_offsets": [0, 320]}}), "cannot be read"),
    "a shape of another size": (header({"a": TENSOR | {"shape": [1 << 40]}}), "cannot be read"),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be read"),
    "weights from elsewhere": (config(transformers_weights="../other/model.safetensors"), "not in the folder"),
    "an index from elsewhere": (
        config(text_config={"transformers_weights": "/x.safetensors.index.json"}),
        "not in the",
    ),
    "a shard that is not there": (
        into("model.safetensors.index.json", weight_map={"a": "model-2.safetensors"}),
        "not in the folder",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"encoder": tiny.build(folder / "encoder"), "causal": tiny_causal.build(folder / "causal")}


def copied(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("name", CHANGES)
def test_a_hostile_folder_is_refused_in_one_line(name: str, models: dict[str, Path], tmp_path: Path) -> None:
    """Wherever it is given: to the registry, to an engine, or to what loads a part of it."""
    change, says = CHANGES[name]
    encoder = copied(models["encoder"], tmp_path / "encoder")
    causal = copied(models["causal"], tmp_path / "causal")
    for folder in (encoder, causal):
        change(folder)
    root = str(tmp_path / "_models")
    ways: list[Callable[[], object]] = [
        lambda: open_engine(TorchConfig(), str(encoder)),
        lambda: open_generator(TorchGenerateConfig(), str(causal)),
    ]
    if says not in ("is no number", "cannot be read"):  # those are noticed by what reads them
        ways += [
            lambda: registry.resolve(root, str(encoder)),
            lambda: registry.base(root, str(causal)),
            lambda: load_tokenizer(encoder),
            lambda: load_transformers_tokenizer(causal),
            lambda: load_causal(causal),
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for way in ways:
        with pytest.raises(ModelError) as error:
            way()
        assert says in str(error.value) and "\n" not in str(error.value), error.value
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 300_000  # KB
    assert not Path(root).exists() or not list(Path(root).rglob("manifest.json"))


def test_the_models_of_these_tests_are_taken_as_they_are(models: dict[str, Path], tmp_path: Path) -> None:
    for folder in models.values():
        assert registry.base(str(tmp_path), str(folder)).digest
    config(max_position_embeddings=1 << 20, rope_theta=10_000.0)(copied(models["causal"], tmp_path / "long"))
    screen(tmp_path / "long")
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262_144}
    folder = copied(models["causal"], tmp_path / "others")
    config(rope_theta=10_000.0, rope_scaling=yarn, transformers_weights="model.safetensors")(folder)
    # what a hub has beside safetensors: the index of pickles that are not fetched, and a copy in a folder
    into("pytorch_model.bin.index.json", weight_map={"a": "pytorch_model-00001-of-00002.bin"})(folder)
    (folder / "original").mkdir()
    shutil.copy(folder / "model.safetensors", folder / "original" / "part.safetensors")
    into("original/model.safetensors.index.json", weight_map={"a": "part.safetensors"})(folder)
    screen(folder)


def test_a_file_that_was_added_to_a_published_model_is_found(models: dict[str, Path], tmp_path: Path) -> None:
    """The digest of what is listed is still right, but a template beside it would change every answer."""
    model = registry.base(str(tmp_path), str(models["encoder"]))
    (Path(model.path) / "chat_template.jinja").write_text("evil")
    with pytest.raises(ModelError, match=r"chat_template\.jinja was not there"):
        registry.find(str(tmp_path), model.reference)


USED = {  # the expressions of tokenizers in use
    "GPT-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "GPT-4": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"
    r"|\s*[\r\n]|\s",
    "GPT-4o": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "Llama 3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "DeepSeek": "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "BLOOM": r" ?[^(\s|[.,!?…。,、।۔،])]+",
    "Kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{M}&&[^\p{Han}]]+(?i:'s|'t)?",
    "Command": r"\d{1,3}(?=(?:\d{3})*\b)",
    "e5": " {2,}",
    "Chinese": "[一-龥぀-ゟ゠-ヿ]+",
}
ENDLESS = (
    r"(a+)+$", r"(a*)*b", r"(a|a)*b", r"(a|aa)+$", r"(?:a?){30}a{30}", "a?" * 30 + "a" * 30, "a*a*b", "(.*)(.*)(.*)x",
    r"(x+x+)+y", r"([a-z]+)*=", r"(?:\s+\w+)*x", r"(\w+\s?)*!", r"(a)\1", r"(?<n>a)\g<n>", r"\s*\s*\s*x", "a.*b.*c",
    "(a{1,900}){1,900}", "a{0,900}a{0,900}b", "a{99999999}", "(" * 30 + ")" * 30, "(a", "a)", "[a", "a**", "a{1,3}+",
    "(?x: a +)", "(?(1)a|b)", "(?~a)", r"^(([a-z])+.)+[A-Z]([a-z])+$", "(?=(a+)+)b", "|".join(["a*b"] * 40),
    "a*(b*c)d",
)  # fmt: skip


def test_expressions_in_use_are_taken_and_those_that_backtrack_for_ever_are_not() -> None:
    for pattern in USED.values():
        check(pattern)
    taken = []
    for pattern in ENDLESS:
        with pytest.raises(Unbounded):
            check(pattern)
            taken.append(pattern)
    assert not taken


GROWING = "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = BODY %}{% endfor %}{{ ns.x }}"
TEMPLATES = (
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% for i in range(99999) if false %}{% endfor %}" * 50,
    "{{ 1|round(1000000000, 'floor') }}", "{{ 1|round(-1000000000) }}",
    "{% set s = [0] * 1900000 %}{% for i in range(28000) %}{% if 1 in s %}{% endif %}{% endfor %}",
    "{% set s = [0] * 1900000 %}{% for i in range(28000) %}{% set t = s[1:] %}{% endfor %}",
    "{% set s = [0] * 1900000 %}{% for i in range(28000) %}{% set t = s.count(1) %}{% endfor %}",
    "{{ 'a' * 10**10 }}", "{{ [1] * 10**10 }}", "{{ 10**10**9 }}{{ 7 ** 999999999 }}",
    *(GROWING.replace("BODY", body) for body in (
        "ns.x ~ ns.x", "ns.x + ns.x", "[ns.x, ns.x]", "(ns.x, ns.x)", "{'a': ns.x, 'b': ns.x}", "dict(a=ns.x, b=ns.x)",
        "ns.x.replace('a', 'aaaaaaaa')", "ns.x|replace('a', 'aaaaaaaa')", "[ns.x, ns.x]|join", "','.join([ns.x, ns.x])",
        "'%s%s' % (ns.x, ns.x)", "'{}{}'.format(ns.x, ns.x)", "[ns.x] + [ns.x]",
    )),
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% set ns = namespace(x=7) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{{ range(99999)|list|tojson }}" * 50, "{{ 'x'|center(10**9) }}", "{{ 'x'.ljust(10**9) }}", "{{ lipsum(10**9) }}",
    "{{ '%1000000000s' % 'x' }}", "{{ '{:>1000000000}'.format('x') }}", "{{ 'x'.__format__('>1000000000') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ cycler.__init__.__globals__ }}", "{{ 1|attr('__class__') }}",
    "{{ messages.append(1) }}", "{{ messages[0].update(role='x') }}", "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as p %}", "{{ 1 / 0 }}", "{{ raise_exception('no\nway') }}", "{% if true %}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{% for i in [1] %}" * 30 + "{% endfor %}" * 30,
)  # fmt: skip


@pytest.mark.parametrize("source", TEMPLATES, ids=range(len(TEMPLATES)))
def test_a_chat_template_cannot_leave_its_sandbox_or_go_on_for_ever(source: str) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError) as error:
        render(source, messages=messages, tools=None, add_generation_prompt=True)
    assert "chat template" in str(error.value) and "\n" not in str(error.value)
    assert messages == [{"role": "user", "content": "Hi"}]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 300_000  # KB


def test_a_hostile_template_is_refused_where_a_prompt_is_made(models: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(models["causal"], tmp_path / "model")
    (folder / "chat_template.jinja").write_text("{{ 'x' * 10**9 if messages[0].content == 'Go' }}")
    assert chat_prompt(folder, [{"role": "user", "content": "Hi"}]) == ""
    with pytest.raises(ModelError, match="more than a chat template needs"):
        chat_prompt(folder, [{"role": "user", "content": "Go"}])


MORE = {
    "macros and tools": "{% macro f(t) %}[{{ t.name | upper }}: {{ t | tojson(indent=2) }}]{% endmacro %}"
    "{% for t in tools or [] %}{{ f(t) }}{% endfor %}{{- bos }}{% generation %}{{ messages[-1]['content'] | trim }}"
    "{% endgeneration %}\n",
    "namespaces": "{% set ns = namespace(last=none, n=0) %}{% for m in messages[::-1] %}{% set ns.n = ns.n + 1 %}"
    "{% if m.role == 'user' and ns.last is none %}{% set ns.last = loop.index0 %}{% endif %}"
    "{% if loop.index > 5 %}{% break %}{% endif %}{% endfor %}{{ ns.last ~ '/' ~ ns.n ~ none }} {{ [1, 2] + [3] }}",
    "texts": "{{ messages | map(attribute='content') | join('|') | replace('a', 'b') | indent(3) }}"
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ 'a b'.split(' ')[1].title() }}"
    "{{ {'b': 1, 'a': [true, none]} | tojson }}{% for k, v in {'x': 'y'}.items() %}{{ k }}{{ v }}{% endfor %}"
    "{{ ('a', 2) }}{{ 7 % 3 }}{{ 2 ** 3 * 2 }}{{ undefined }}{{ messages[0].content[:2] }}{{ 'é' | tojson }}",
}


@pytest.mark.parametrize("name", [*FAMILIES, *MORE])
def test_a_chat_template_writes_what_it_writes_in_transformers(name: str) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    system = {"role": "system", "content": "Be brief.\nAnd kind."}
    question = {"role": "user", "content": " A quéstion\nof two lines "}
    chat = [system, question, {"role": "assistant", "content": "Yes"}]
    source = FAMILIES[name].template if name in FAMILIES else MORE[name]
    common = {"documents": None, "bos_token": "<s>", "eos_token": "</s>", "tools": None}
    written = 0
    for messages in (chat[1:2], chat[:2], chat[1:], chat):
        for more in ({}, {"tools": [{"name": "f", "n": [1]}], "bos": "<s>", "enable_thinking": False}):
            for asked in (True, False):
                given = {**common, **more, "add_generation_prompt": asked}
                try:
                    expected = render_jinja_template([messages], chat_template=source, **given)[0][0]
                except TemplateError:
                    with pytest.raises(ModelError):
                        render(source, messages=messages, **given)
                else:
                    assert render(source, messages=messages, **given) == expected
                    written += 1
    assert written


def test_weights_of_many_tensors_are_read_for_their_shapes_only(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({f"w{i}": np.zeros(4, np.float32) for i in range(3000)}, path)
    assert tensor_shapes(path, "model") == {f"w{i}": (4,) for i in range(3000)}
    screen(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.safetensors cannot be read"):
        screen(tmp_path)
