"""A CLIP folder as transformers writes it, random and tiny: made in a second, no download."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from tests.engines import tiny

SIZE, DIM = 32, 16


def build(folder: Path, seed: int = 0) -> Path:
    """One token a byte; pictures of 32 pixels in patches of 8."""
    tiny.build(folder)
    tokens = len(json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"])
    torch.manual_seed(seed)
    text = CLIPTextConfig(
        vocab_size=tokens, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=24, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=SIZE, patch_size=8,
        initializer_range=0.3,
    )  # fmt: skip
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=DIM)
    CLIPModel(config).save_pretrained(folder)
    about = {
        "crop_size": {"height": SIZE, "width": SIZE}, "do_center_crop": True, "size": {"shortest_edge": SIZE},
        "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28], "resample": 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(about), "utf-8")
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    special |= {"sep_token": "[SEP]", "eos_token": "[SEP]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(special | {"model_max_length": 24}), "utf-8")
    return folder
