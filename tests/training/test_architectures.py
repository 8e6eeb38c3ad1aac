"""Which models can be trained on packed documents. The others are refused, not trained as what they are not."""

from typing import Any

import pytest
import torch
import transformers

from shopbatch.models.folder import ModelError
from shopbatch.training import attention
from shopbatch.training.objectives import Classify, NextToken, verify
from shopbatch.training.packing import flatten

from . import tiny

SHAPE = {"vocab_size": 120, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
         "num_attention_heads": 4, "max_position_embeddings": 128, "pad_token_id": 1}  # fmt: skip
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}


def causal(kind: str, **more: Any) -> NextToken:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SHAPE, initializer_range=0.3, **more)
    return NextToken(transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention.NAME))


def encoder(kind: str, **more: Any) -> Classify:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, **SHAPE, initializer_range=0.3, **more)
    return Classify(transformers.AutoModel.from_config(config, attn_implementation=attention.NAME), 3)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gpt2", "phi3", "olmo2"])
def test_decoders_that_keep_documents_apart(kind: str) -> None:
    objective = causal(kind, **({} if kind == "gpt2" else GROUPED)).train()
    verify(objective)
    assert objective.training and objective.model.config._attn_implementation == attention.NAME


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "electra"])
def test_encoders_that_keep_documents_apart(kind: str) -> None:
    objective = encoder(kind).train()
    verify(objective)
    assert objective.training and objective.encoder.config._attn_implementation == attention.NAME


@pytest.mark.parametrize(
    ("kind", "more"),
    [("bloom", {}), ("codegen", {"rotary_dim": 4, "n_head": 4, "n_embd": 32, "n_layer": 2}),
     ("lfm2", {"num_key_value_heads": 2, "full_attn_idxs": [0]}),
     ("mamba2", {"num_heads": 8, "head_dim": 8, "n_groups": 1, "state_size": 8, "chunk_size": 8}),
     ("gemma2", {**GROUPED, "attn_logit_softcapping": 1.0})],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_decoders_that_do_not_are_refused(kind: str, more: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="cannot be trained") as refused:
        verify(causal(kind, **more))
    assert "\n" not in str(refused.value)


def test_an_encoder_with_positions_of_its_own_is_refused() -> None:
    with pytest.raises(ModelError, match="mpnet cannot be trained"):
        verify(encoder("mpnet"))


def test_a_sliding_window_is_the_models_own() -> None:
    objective = causal("mistral", **GROUPED, sliding_window=8).eval()
    found = tiny.documents(6)
    assert max(len(d.ids) for d in found) > 3 * 8
    with torch.no_grad():
        packed = objective(flatten(found))
        objective.model.set_attn_implementation("eager")
        alone = []
        for document in found:
            ids = torch.from_numpy(document.ids).long()
            losses = torch.nn.functional.cross_entropy(
                objective.model(input_ids=ids[None]).logits[0, :-1], ids[1:], reduction="none"
            )
            alone.append(losses[torch.from_numpy(document.trained[1:])])
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-4, rtol=1e-4)
