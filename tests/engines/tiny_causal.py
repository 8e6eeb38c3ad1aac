"""A causal model folder as transformers writes it, random and tiny: made in a second, no download."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

VOCABULARY, POSITIONS = 500, 256
SPECIAL = ["<|end|>", "<|begin|>", "<|pad|>"]
TEMPLATE = (
    "{% for message in messages %}<|begin|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)
_LESSON = [
    "Where is my order? The parcel is on its way and will arrive on Friday.",
    "I would like to return the dress; it does not fit. You can send it back within thirty days.",
    "质量很差，不会再买。这本书很好，推荐给大家！ 😀",
] * 3


def build(folder: Path, seed: int = 0, template: str | None = TEMPLATE, **config: object) -> Path:
    """template: of chats; None for none. config: fields of the LlamaConfig instead of those here."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(_LESSON, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=SPECIAL[0], pad_token=SPECIAL[2])
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    fields = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "max_position_embeddings": POSITIONS,
        "eos_token_id": 0,
        "bos_token_id": None,
        "pad_token_id": 2,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,  # large enough that prompts differ
    }
    LlamaForCausalLM(LlamaConfig(**{**fields, **config})).save_pretrained(folder)
    # defaults that a folder may bring, and that are not to be used: only what a call asks for
    generation = {
        "eos_token_id": 0,
        "pad_token_id": 2,
        "do_sample": True,
        "temperature": 3.0,
        "repetition_penalty": 2.0,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder
