"""What every generator promises, the same asserts for each."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import (
    WITHOUT_MODEL,
    FakeGenerateConfig,
    HttpGenerateConfig,
    OpenVinoGenerateConfig,
    Sampling,
    TorchGenerateConfig,
)
from shopbatch.engines.factory import open_generator, prepare_generator
from shopbatch.models.chat import chat_prompt
from shopbatch.models.folder import ModelError, contents, digest
from tests.engines import openai_server, tiny_causal

pytestmark = pytest.mark.slow  # graphs are traced and compiled

CONFIGS = {
    "fake": FakeGenerateConfig(),
    "torch": TorchGenerateConfig(batch=4),
    "openvino": OpenVinoGenerateConfig(precision="fp32", cache_mb=16),
    "http": HttpGenerateConfig(url="http://127.0.0.1:0/v1", model="tiny", key="", concurrency=4),
}
REAL = [c for c in CONFIGS.values() if c.kind not in WITHOUT_MODEL]
QUESTIONS = [
    "Where is my order?",
    "It does not fit " * 12,
    "质量很差 😀 e\u0301 \u202eright to left",
    "x",
    "Where is my order?",
    "",
    *(f"return number {i} " + "so " * (i % 7) for i in range(9)),
]
GREEDY = Sampling(max_new_tokens=24)
DRAWN = Sampling(max_new_tokens=24, temperature=0.9, top_p=0.95, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_causal.build(tmp_path_factory.mktemp("causal") / "model")


@pytest.fixture(scope="module", params=CONFIGS)
def generator(request, folder):
    """Each kind; behind http the reference itself answers, so that only what lies between can go wrong."""
    config = CONFIGS[request.param]
    if config.kind != "http":
        yield open_generator(config, str(folder))
        return
    with openai_server.OpenAiServer(openai_server.spoken_by(open_generator(CONFIGS["torch"], str(folder)))) as server:
        yield open_generator(config.model_copy(update={"url": server.url}), None)


@pytest.fixture(scope="module")
def prompts(generator):
    """The questions as this generator wants them."""
    return [generator.render([{"role": "user", "content": question}]) for question in QUESTIONS]


@pytest.fixture(scope="module")
def chats(folder):
    """The questions in the model's own template, as all generators that hold the model want them."""
    return [ask(folder, question) for question in QUESTIONS]


def ask(folder, question):
    return chat_prompt(folder, [{"role": "user", "content": question}])


def assert_same(a, b):
    assert a.texts == b.texts
    assert a.finished == b.finished
    np.testing.assert_array_equal(a.tokens_in, b.tokens_in)
    np.testing.assert_array_equal(a.tokens_out, b.tokens_out)


def test_every_prompt_is_answered_once_in_order(generator, prompts):
    together = generator.generate(prompts, GREEDY)
    assert len(together.texts) == len(together.finished) == len(prompts)
    assert together.tokens_in.shape == together.tokens_out.shape == (len(prompts),)
    assert (together.tokens_in.dtype, together.tokens_out.dtype) == (np.int32, np.int32)
    for i in (0, 1, 2, 5, 9):
        alone = generator.generate([prompts[i]], GREEDY)
        assert (alone.texts, alone.finished) == ([together.texts[i]], [together.finished[i]])
        assert (alone.tokens_in[0], alone.tokens_out[0]) == (together.tokens_in[i], together.tokens_out[i])
    backwards = generator.generate(prompts[::-1], GREEDY)
    assert backwards.texts == together.texts[::-1]
    assert together.texts[0] == together.texts[4]
    assert len(set(together.texts)) > 8


def test_no_prompts(generator):
    for sampling in (GREEDY, DRAWN):
        answered = generator.generate([], sampling)
        assert (answered.texts, answered.finished) == ([], [])
        assert answered.tokens_in.shape == answered.tokens_out.shape == (0,)


def test_an_answer_has_no_more_tokens_than_it_may(generator, prompts):
    for most in (1, 5, 24):
        answered = generator.generate(prompts, Sampling(max_new_tokens=most))
        assert answered.tokens_in.min() > 0
        assert answered.tokens_out.min() > 0
        assert answered.tokens_out.max() <= most
        for count, finish in zip(answered.tokens_out, answered.finished, strict=True):
            assert finish == ("length" if count == most and finish == "length" else "stop")
            assert count == most or finish == "stop"
    short, long = (generator.generate(prompts, Sampling(max_new_tokens=n)) for n in (5, 24))
    for a, b in zip(short.texts, long.texts, strict=True):
        assert b.startswith(a.rstrip("\ufffd"))  # a character may be cut in the middle


def test_an_answer_ends_before_a_stop_text(generator, prompts):
    whole = generator.generate(prompts, GREEDY)
    found = 0
    for i, text in enumerate(whole.texts[:8]):
        middle = len(text) // 2
        stop = text[middle : middle + 2]
        if len(stop) < 2 or "\ufffd" in stop:
            continue
        found += 1
        cut = generator.generate([prompts[i]], GREEDY.model_copy(update={"stop": ("never said", stop)}))
        assert cut.texts == [text[: text.index(stop)]]
        assert cut.finished == ["stop"]
        assert cut.tokens_out[0] <= whole.tokens_out[i]
    assert found
    never = generator.generate(prompts, GREEDY.model_copy(update={"stop": ("never said",)}))
    assert_same(never, whole)


def test_a_stop_text_of_the_prompt_does_not_end_the_answer(generator, prompts):
    whole = generator.generate(prompts[:1], GREEDY)
    assert "my order" in prompts[0]
    assert_same(generator.generate(prompts[:1], GREEDY.model_copy(update={"stop": ("my order",)})), whole)


def test_draws_are_repeatable_and_depend_on_the_seed_and_the_prompt_alone(generator, prompts):
    first = generator.generate(prompts, DRAWN)
    assert_same(generator.generate(prompts, DRAWN), first)
    for i in (1, 9):
        assert generator.generate([prompts[i]], DRAWN).texts == [first.texts[i]]
    assert first.texts[0] == first.texts[4]
    assert generator.generate(prompts, DRAWN.model_copy(update={"seed": 4})).texts != first.texts
    assert generator.generate(prompts, GREEDY).texts != first.texts


def test_without_temperature_the_seed_does_not_matter(generator, prompts):
    assert_same(
        generator.generate(prompts[:3], GREEDY.model_copy(update={"seed": 9, "top_p": 0.1})),
        generator.generate(prompts[:3], GREEDY),
    )


def test_a_tiny_share_of_the_probability_is_the_greedy_answer(chats, folder):
    for config in REAL:
        generator = open_generator(config, str(folder))
        nearly = DRAWN.model_copy(update={"top_p": 1e-6})
        assert generator.generate(chats, nearly).texts == generator.generate(chats, GREEDY).texts


def test_an_empty_prompt_is_refused(generator, prompts):
    with pytest.raises(EngineError, match="empty"):
        generator.generate([prompts[0], ""], GREEDY)
    assert generator.generate(prompts[:1], GREEDY).texts


def test_greedy_in_fp32_is_the_reference_token_for_token(folder, chats):
    reference, exact = (open_generator(config, str(folder)) for config in REAL)
    for most in (1, 7, 40):
        for stop in ((), ("e",)):
            sampling = Sampling(max_new_tokens=most, stop=stop)
            assert_same(exact.generate(chats, sampling), reference.generate(chats, sampling))


def test_answers_end_at_every_end_token(tmp_path, chats, folder):
    reference = open_generator(CONFIGS["torch"], str(folder)).generate(chats, GREEDY)
    other = tiny_causal.build(tmp_path / "model")
    tokenizer = open_generator(CONFIGS["torch"], str(other)).prompts.tokenizer
    ends = sorted({i for text in reference.texts[:4] for i in tokenizer.encode(text).ids[5:7]})
    (other / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, *ends], "pad_token_id": 2}))
    answers = [open_generator(config, str(other)).generate(chats, GREEDY) for config in REAL]
    assert_same(*answers)
    assert answers[0].finished.count("stop") >= 4
    assert answers[0].tokens_out.sum() < reference.tokens_out.sum()


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_coarser_numbers_say_nearly_the_same(folder, chats, precision):
    rough = open_generator(OpenVinoGenerateConfig(precision=precision, cache_mb=16), str(folder))
    exact = open_generator(CONFIGS["torch"], str(folder))
    first = Sampling(max_new_tokens=1)
    pairs = zip(rough.generate(chats, first).texts, exact.generate(chats, first).texts, strict=True)
    assert sum(a == b for a, b in pairs) >= len(chats) * 2 // 3
    assert len(rough.generate(chats, GREEDY).texts) == len(chats)


@pytest.mark.parametrize("heads", [4, 1])
def test_models_of_other_shapes(tmp_path, heads):
    other = tiny_causal.build(
        tmp_path / "m", seed=1, tie_word_embeddings=False, num_key_value_heads=heads, head_dim=32, num_hidden_layers=3
    )
    prompts = [ask(other, question) for question in QUESTIONS]
    assert_same(*(open_generator(config, str(other)).generate(prompts, GREEDY) for config in REAL))


def test_a_prompt_that_is_too_long_is_refused_and_named(folder, chats):
    for config in REAL:
        generator = open_generator(config, str(folder))
        with pytest.raises(EngineError, match=rf"with {tiny_causal.POSITIONS} new ones"):
            generator.generate(chats, Sampling(max_new_tokens=tiny_causal.POSITIONS))
        assert len(generator.generate(chats, GREEDY).texts) == len(chats)


def test_a_small_cache_takes_turns_and_one_too_small_is_named(tmp_path):
    # keys and values of 16 KiB per token: 5 MiB hold 320 tokens
    wide = tiny_causal.build(tmp_path / "wide", head_dim=256, num_key_value_heads=4)
    prompts = [ask(wide, f"{i} " + "so " * i) for i in range(40)]
    wanted = open_generator(CONFIGS["torch"], str(wide)).generate(prompts, GREEDY)
    small = OpenVinoGenerateConfig(precision="fp32", cache_mb=5)
    generator = open_generator(small, str(wide))
    assert generator.blocks * 32 < wanted.tokens_in.sum()
    assert_same(generator.generate(prompts, GREEDY), wanted)
    with pytest.raises(EngineError, match="cache_mb=1 has"):
        open_generator(small.model_copy(update={"cache_mb": 1}), str(wide)).generate(prompts, GREEDY)


def test_a_failure_of_the_backend_is_an_engine_error_and_the_next_call_works(folder, chats):
    generator = open_generator(CONFIGS["openvino"], str(folder))
    wanted = generator.generate(chats, GREEDY)
    generator.pipeline = Broken()
    with pytest.raises(EngineError, match="no memory left"):
        generator.generate(chats, GREEDY)
    assert_same(generator.generate(chats, GREEDY), wanted)
    generator = open_generator(CONFIGS["torch"], str(folder))
    generator.model = Broken()
    with pytest.raises(EngineError, match="no memory left"):
        generator.generate(chats, GREEDY)


class Broken:
    """A backend that fails on every call, as a device without memory does."""

    def generate(self, *_: object, **__: object) -> None:
        raise RuntimeError("no memory\nleft")


def test_the_fake_generator_fails_where_it_is_told_to(chats):
    clean = open_generator(FakeGenerateConfig(), None).generate(chats, GREEDY)
    generator = open_generator(FakeGenerateConfig(fail_on="fit", raise_on="number 3"), None)
    assert generator.generate(chats[2:5], GREEDY).texts == clean.texts[2:5]
    with pytest.raises(EngineError):
        generator.generate(chats[:3], GREEDY)
    with pytest.raises(ArithmeticError):
        generator.generate(chats[2:], GREEDY)


def test_the_graph_is_made_once_beside_the_model_and_is_no_part_of_it(tmp_path, monkeypatch):
    from shopbatch.engines.generators import openvino_generator

    other = tiny_causal.build(tmp_path / "_models" / "tiny" / "0123456789ab", seed=7)  # one that is in no cache yet
    before = digest(contents(other))
    prepare_generator(CONFIGS["fake"], None)
    prepare_generator(CONFIGS["torch"], str(other))
    assert not list(other.glob("openvino-*"))
    prepare_generator(CONFIGS["openvino"], str(other))
    graph = openvino_generator.exported_causal(other)
    assert graph.parent == other
    assert graph.name.startswith("openvino-")
    assert digest(contents(other)) == before
    monkeypatch.setattr(openvino_generator, "export_causal", lambda *_: pytest.fail("exported again"))
    assert openvino_generator.exported_causal(other, "bf16") == graph
    monkeypatch.undo()
    prepare_generator(OpenVinoGenerateConfig(precision="int8"), str(other))
    assert len(list(other.glob("openvino-*"))) == 2
    assert [p for p in other.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("config", REAL, ids=lambda c: c.kind)
def test_a_folder_that_is_no_model(tmp_path, config):
    with pytest.raises(ModelError, match=r"config\.json"):
        open_generator(config, str(tmp_path))
    with pytest.raises(ModelError, match="nowhere"):
        open_generator(config, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="needs a model"):
        open_generator(config, None)


def test_a_model_of_another_architecture_is_named(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    del config["num_hidden_layers"]
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_layer": 2}))
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    with pytest.raises(ModelError, match="num_hidden_layers"):
        open_generator(CONFIGS["openvino"], str(tmp_path))


def test_a_model_without_an_end_token_goes_on(tmp_path, chats):
    other = tiny_causal.build(tmp_path / "m", eos_token_id=None)
    (other / "generation_config.json").unlink()
    answers = [open_generator(config, str(other)).generate(chats, Sampling(max_new_tokens=60)) for config in REAL]
    assert_same(*answers)
    assert set(answers[0].finished) == {"length"}


@pytest.mark.parametrize("config", REAL, ids=lambda c: c.kind)
def test_missing_weights_are_not_invented(tmp_path, config):
    other = tiny_causal.build(tmp_path / "m")
    state = load_file(other / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    save_file(state, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"model\.layers\.1\.mlp\.up_proj\.weight"):
        open_generator(config, str(other))
    assert not list(other.glob("openvino-*")) + list(other.glob(".openvino-*"))


def test_a_prompt_is_made_by_the_models_own_template(folder, tmp_path):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert chat_prompt(folder, messages) == (
        "<|begin|>system\nBe brief.<|end|>\n<|begin|>user\nHi<|end|>\n<|begin|>assistant\n"
    )
    none = tiny_causal.build(tmp_path / "none", template=None)
    with pytest.raises(ModelError, match="no chat template"):
        chat_prompt(none, messages)
    strict = tiny_causal.build(tmp_path / "strict", template="{{ raise_exception('no system prompt') }}")
    with pytest.raises(UserError, match="no system prompt"):
        chat_prompt(strict, messages)
    (tmp_path / "empty").mkdir()
    for where in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ModelError) as error:
            chat_prompt(where, messages)
        assert "\n" not in str(error.value)


def test_special_tokens_of_a_prompt_are_recognised_and_none_are_added(folder, chats):
    reader = open_generator(CONFIGS["torch"], str(folder)).prompts
    ids = reader.read([chats[0]], 1)[0]
    assert (ids.count(0), ids.count(1)) == (1, 2)
    assert reader.tokenizer.decode(ids, skip_special_tokens=False) == chats[0]


def test_recipes_differ_by_what_changes_a_result_and_by_nothing_else():
    for kind, config in CONFIGS.items():
        assert config.identity()["kind"] == kind
    base = OpenVinoGenerateConfig()
    assert base.model_copy(update={"threads": 7, "cache_mb": 1}).identity() == base.identity()
    assert base.model_copy(update={"precision": "int8"}).identity() != base.identity()
    assert TorchGenerateConfig(batch=1).identity() == TorchGenerateConfig().identity()
    assert TorchGenerateConfig(dtype="bfloat16").identity() != TorchGenerateConfig().identity()
    assert FakeGenerateConfig(fail_on="x", slow_ms=3).identity() == FakeGenerateConfig().identity()


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"stop": [""]}, {"x": 1}])
def test_sampling_that_can_not_be(wrong):
    with pytest.raises(ValidationError):
        Sampling.model_validate(wrong)


def test_configurations_are_light_to_import():
    heavy = ("torch", "openvino", "openvino_genai", "transformers", "ray")
    check = f"import sys, shopbatch.engines.factory; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
