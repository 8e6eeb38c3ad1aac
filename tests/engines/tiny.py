"""A model folder as transformers writes it, random and tiny: made in a second, no download."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

HIDDEN, LAYERS, POSITIONS = 32, 3, 64
SPECIAL = ["[PAD]", "[CLS]", "[SEP]"]


def build(folder: Path, seed: int = 0, **spec: object) -> Path:
    """spec: the fields of encoder.json; without any there is no such file. One token a byte."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(alphabet),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        pad_token_id=0,
        initializer_range=0.3,  # large enough that texts differ
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    if spec:
        (folder / "encoder.json").write_text(json.dumps(spec))
    return folder
