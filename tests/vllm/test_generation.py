"""vLLM on this machine's CPU: the contract of all generators, and what is vLLM's own."""

import importlib.util
import json
from types import SimpleNamespace

import pytest

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.configs import Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.models.folder import ModelError
from tests.engines import test_generation as contract
from tests.engines import tiny_causal
from tests.engines.test_generation import (  # noqa: F401
    DRAWN,
    GREEDY,
    assert_same,
    test_a_model_without_an_end_token_goes_on,
    test_a_prompt_that_is_too_long_is_refused_and_named,
    test_a_stop_text_of_the_prompt_does_not_end_the_answer,
    test_a_tiny_share_of_the_probability_is_the_greedy_answer,
    test_an_answer_ends_before_a_stop_text,
    test_an_answer_has_no_more_tokens_than_it_may,
    test_an_empty_prompt_is_refused,
    test_answers_end_at_every_end_token,
    test_draws_are_repeatable_and_depend_on_the_seed_and_the_prompt_alone,
    test_every_prompt_is_answered_once_in_order,
    test_greedy_in_fp32_is_the_reference_token_for_token,
    test_models_of_other_shapes,
    test_no_prompts,
    test_without_temperature_the_seed_does_not_matter,
)
from tests.vllm.conftest import VLLM

SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 12}, "mood": {"enum": ["calm", "bold"]}},
    "required": ["title", "mood"],
    "additionalProperties": False,
}


def test_under_a_guide_every_answer_fits_the_schema(generator, prompts):
    for sampling in (GREEDY, DRAWN):
        guided = sampling.model_copy(update={"guide": json.dumps(SCHEMA), "max_new_tokens": 150})
        answered = generator.generate(prompts, guided)
        assert set(answered.finished) == {"stop"}
        for text in answered.texts:
            found = json.loads(text)
            assert set(found) == {"title", "mood"}
            assert len(found["title"]) <= 12
            assert found["mood"] in ("calm", "bold")
    assert len(set(answered.texts)) > 1


def test_a_guide_that_is_none_is_an_engine_error_and_the_engine_stays(generator, prompts):
    wanted, engine = generator.generate(prompts, GREEDY), generator.llm
    for guide in ("{", '{"type": "nonsense"}'):
        with pytest.raises(EngineError, match="vllm: "):
            generator.generate(prompts, GREEDY.model_copy(update={"guide": guide}))
    assert_same(generator.generate(prompts, GREEDY), wanted)
    assert generator.llm is engine


def test_a_failure_of_the_backend_is_an_engine_error_and_the_next_call_works(generator, prompts, monkeypatch):
    wanted = generator.generate(prompts, GREEDY)
    core = generator.llm.llm_engine.engine_core.engine_core
    runs = core.model_executor.execute_model
    calls = []

    def third_fails(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise RuntimeError("no memory\nleft")
        return runs(*args, **kwargs)

    monkeypatch.setattr(core.model_executor, "execute_model", third_fails)
    with pytest.raises(EngineError, match="no memory left"):
        generator.generate(prompts, GREEDY)
    assert generator.llm is None
    assert_same(generator.generate(prompts, GREEDY), wanted)


def test_answers_in_another_order_or_too_few_are_refused(generator, prompts, monkeypatch):
    generate = generator.llm.generate
    for wrong in (lambda found: found[::-1], lambda found: found[1:]):
        monkeypatch.setattr(generator.llm, "generate", lambda *args, wrong=wrong, **kw: wrong(generate(*args, **kw)))
        with pytest.raises(EngineError, match="not those of the prompts"):
            generator.generate(prompts[:3], GREEDY)


def test_generators_of_one_process_take_turns(generator, prompts, tmp_path):
    wanted = generator.generate(prompts, GREEDY)
    other = open_generator(VLLM, str(tiny_causal.build(tmp_path / "m", seed=5)))
    assert generator.llm is None
    assert other.generate(prompts, GREEDY).texts != wanted.texts
    assert_same(generator.generate(prompts, GREEDY), wanted)
    assert other.llm is None


def test_a_small_cache_takes_turns_and_one_too_small_is_named(folder):
    prompts = [contract.ask(folder, f"{i} " + "so " * i) for i in range(40)]
    wanted = open_generator(contract.CONFIGS["torch"], str(folder)).generate(prompts, GREEDY)
    small = open_generator(VLLM.model_copy(update={"cache_mb": 1}), str(folder))
    cache = small.llm.llm_engine.vllm_config.cache_config
    assert cache.num_gpu_blocks * cache.block_size < wanted.tokens_in.sum()
    assert_same(small.generate(prompts, GREEDY), wanted)
    wide = tiny_causal.build(folder.parent / "wide", head_dim=256, num_hidden_layers=8)
    with pytest.raises(ModelError, match="cannot open it with cache_mb=1: No available memory") as error:
        open_generator(VLLM.model_copy(update={"cache_mb": 1}), str(wide))
    assert "\n" not in str(error.value)


def test_length_is_of_prompt_and_answer(folder, prompts):
    short = open_generator(VLLM.model_copy(update={"length": 64}), str(folder))
    with pytest.raises(EngineError, match="more than the 64"):
        short.generate(prompts[:1], Sampling(max_new_tokens=60))
    assert short.generate(prompts[:1], GREEDY).texts
    with pytest.raises(UserError, match=r"length=257: .* at most 256"):
        open_generator(VLLM.model_copy(update={"length": 257}), str(folder))


def test_folders_that_are_no_models_and_missing_weights(folder, prompts, tmp_path):
    contract.test_a_folder_that_is_no_model(tmp_path, VLLM)
    contract.test_missing_weights_are_not_invented(tmp_path, VLLM)
    # what could not be opened leaves nothing behind that keeps a sound model from answering
    assert open_generator(VLLM, str(folder)).generate(prompts[:1], GREEDY).texts[0]


def test_a_model_that_vllm_can_not_open_is_named_and_the_next_one_opens(folder, tmp_path, prompts):
    for name, change in {"unknown": {"model_type": "x", "architectures": ["X"]}, "kernel": {"head_dim": 16}}.items():
        other = tiny_causal.build(tmp_path / name, **change) if name == "kernel" else tiny_causal.build(tmp_path / name)
        about = json.loads((other / "config.json").read_text())
        (other / "config.json").write_text(json.dumps({**about, **change}))
        with pytest.raises(ModelError, match="vLLM cannot open it") as error:
            open_generator(VLLM, str(other))
        assert "\n" not in str(error.value)
    assert open_generator(VLLM, str(folder)).generate(prompts[:1], GREEDY).texts


def test_without_the_package_it_says_what_to_install(folder, monkeypatch):
    with pytest.raises(UserError, match=r"gpus=1, but .* for a CPU: vllm=="):
        open_generator(VLLM.model_copy(update={"gpus": 1}), str(folder))
    found = importlib.util.find_spec
    missing = SimpleNamespace(find_spec=lambda name: None if name == "vllm" else found(name))
    monkeypatch.setattr("shopbatch.engines.generators.vllm_generator.importlib.util", missing)
    with pytest.raises(UserError, match=r"optional package: pip install vllm=="):
        open_generator(VLLM, str(folder))
