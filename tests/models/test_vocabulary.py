"""A cut vocabulary: kept tokens split texts as before, no known character becomes unknown, vectors are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel

from shopbatch.engines.configs import TorchConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import load_tokenizer, model_config
from shopbatch.models.vocabulary import needed_ids, prune

pytestmark = pytest.mark.slow  # encoders are opened
SPECIAL = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
CORPUS = [
    "soft warm coat with a lovely lining and warm sleeves",
    "the lining is torn and the sleeves are too long for a coat",
    "softer and warmer than the other coats, lovely indeed",
    "质量很好 非常满意 大衣很暖和",
    "不好 质量差 大衣破了",
]
SEEN = ["a soft coat with warm sleeves", "质量很好"]
NEW = ["the other lining is torn indeed", "大衣破了 lovely", "xylophone ☃"]
KINDS = ("Unigram", "WordPiece", "BPE")


def build(folder: Path, kind: str, seed: int = 0) -> Path:
    """A random encoder with a trained tokenizer of one of the three kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "Unigram":
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(vocab_size=140, special_tokens=SPECIAL, unk_token="[UNK]")
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    elif kind == "WordPiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        trainer = trainers.WordPieceTrainer(vocab_size=180, special_tokens=SPECIAL)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        trainer = trainers.BpeTrainer(vocab_size=180, special_tokens=SPECIAL, show_progress=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, pad_token_id=1, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_kept_tokens_get_the_same_tokens_and_vectors(tmp_path: Path, kind: str) -> None:
    source, target = build(tmp_path / "source", kind), tmp_path / "target"
    target.mkdir()
    before = load_tokenizer(source)
    seen = np.unique(np.concatenate([before.encode(text).ids for text in SEEN]))
    kept, size = prune(source, target, EncoderSpec(prefix="", layers=(1, 2)), seen)
    after, config = load_tokenizer(target), model_config(target)
    assert kept < size == before.get_vocab_size() and kept == after.get_vocab_size() == config["vocab_size"]
    assert config["num_hidden_layers"] == 2  # the third is above what the vectors need
    assert after.token_to_id("[PAD]") == config["pad_token_id"]
    for text in SEEN:
        assert after.encode(text).tokens == before.encode(text).tokens
    split_otherwise = 0
    for text in NEW:
        old, new = before.encode(text), after.encode(text)
        assert new.tokens.count("[UNK]") == old.tokens.count("[UNK]"), text
        split_otherwise += old.tokens != new.tokens
    assert split_otherwise, "the test's texts hold nothing that was cut"
    engines = [open_engine(TorchConfig(max_tokens=32), str(folder)) for folder in (spec(source), target)]
    vectors = [engine.encode(pa.array(SEEN)).vectors for engine in engines]
    np.testing.assert_array_equal(*vectors)


def spec(folder: Path) -> Path:
    """Let the source pool the layers that the target pools."""
    (folder / "encoder.json").write_text(json.dumps({"layers": [1, 2]}))
    return folder


def test_without_a_cut_only_the_layers_above_go(tmp_path: Path) -> None:
    source, target = build(tmp_path / "source", "Unigram"), tmp_path / "target"
    target.mkdir()
    kept, size = prune(source, target, EncoderSpec(layers=(1,)), None)
    assert kept == size
    assert load_tokenizer(target).to_str() == load_tokenizer(source).to_str()
    assert EncoderSpec.load(target).layers == (1,) and model_config(target)["num_hidden_layers"] == 1


def test_a_vocabulary_of_another_kind_is_refused(tmp_path: Path) -> None:
    source = build(tmp_path / "source", "WordPiece")
    tree = json.loads((source / "tokenizer.json").read_text())
    tree["model"]["type"] = "WordLevel"
    with pytest.raises(ModelError, match="'WordLevel' cannot be cut"):
        needed_ids(tree, np.array([0]))
    (source / "tokenizer.json").unlink()
    (tmp_path / "target").mkdir()
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        prune(source, tmp_path / "target", EncoderSpec(), np.array([0]))
