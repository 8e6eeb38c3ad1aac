"""A cross-encoder as transformers writes it, random and tiny."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, processors
from transformers import BertConfig, BertForSequenceClassification

from tests.engines import tiny


def build(folder: Path, labels: int = 1, seed: int = 0) -> Path:
    """One token a byte; the two texts of a pair have types of their own."""
    tiny.build(folder, seed)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer.get_vocab()),
        hidden_size=tiny.HIDDEN,
        num_hidden_layers=tiny.LAYERS,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=tiny.POSITIONS,
        pad_token_id=0,
        initializer_range=0.3,
        num_labels=labels,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
