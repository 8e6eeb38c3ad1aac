"""Trainable causal language models: adds LoRA adapters, saves trained models, and creates new models from scratch.

Training calls this in the workers, and on the driver to create and save models. A model folder has the format of
transformers: safetensors, configuration, and tokenizer with a chat template.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from shopbatch.core.errors import UserError
from shopbatch.models.answer_format import AnswerFormat
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.models.loading import model_config, quietly

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
# ChatML: a format that OpenAI published and many open models use
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "vocab.json",
              "merges.txt", "added_tokens.json")  # fmt: skip


def adapt(model: Any, lora: LoraConfig) -> Any:
    """Add LoRA adapters to all linear layers of a causal language model, and freeze its own weights.

    The adapters are initialised at random, so seed torch before.

    Args:
        model: The transformers model.
        lora: Rank, scale and dropout of the adapters.

    Returns:
        The model with adapters (peft).
    """
    import peft

    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, config)


def save(model: Any, folder: Path, base: Path, answers: AnswerFormat | None = None) -> None:
    """Write a trained model, together with the tokenizer of its base, into a folder.

    Args:
        model: The model; adapters are merged into its weights.
        folder: The folder to write to.
        base: The folder of the model that it was trained from.
        answers: The format of the answers that it was trained on; None if it was not trained on dialogs. With it, the
            saved model is prompted as in training, and stops at the token that ended those answers.
    """
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.set_attn_implementation("sdpa")  # the attention used in training works only on packed documents
    with quietly():
        model.save_pretrained(folder)
    for name in _TOKENIZER:
        if (base / name).exists():
            shutil.copyfile(base / name, folder / name)
    if answers is not None:
        _write_answer_format(folder, answers)


def _write_answer_format(folder: Path, answers: AnswerFormat) -> None:
    """Make a saved model stop at the end token of `answers`, and use its changed chat template, if there is one.

    The token is added to `eos_token_id` in `generation_config.json`; the template is written to `chat_template.jinja`.
    """
    path = folder / "generation_config.json"
    defaults = json.loads(path.read_bytes())
    ends = defaults.get("eos_token_id", model_config(folder).get("eos_token_id"))
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if answers.end is not None and answers.end not in ends:
        ends = [*ends, answers.end]
        path.write_text(json.dumps({**defaults, "eos_token_id": ends}, indent=2) + "\n", "utf-8")
    if answers.template:
        (folder / "chat_template.jinja").write_text(answers.template, "utf-8")
        about = folder / "tokenizer_config.json"
        tree = json.loads(about.read_bytes())
        tree.pop("chat_template", None)  # some programs would read it instead of chat_template.jinja
        about.write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n", "utf-8")


def scratch(folder: Path, config: ScratchConfig, texts: Iterable[str], seed: int) -> None:
    """Create a new causal language model: a tokenizer trained on texts, random weights, and the ChatML chat template.

    The same texts, sizes and seed give the same files.

    Args:
        folder: An empty folder.
        config: The sizes of the model.
        texts: The tokenizer's training texts.
        seed: Seed of the random weights.

    Raises:
        UserError: `hidden` is not a multiple of `heads`, or `heads` not one of `kv_heads`.
    """
    if config.hidden % config.heads or config.heads % config.kv_heads:
        raise UserError(
            f"scratch: hidden={config.hidden} must be a multiple of heads={config.heads}, and heads a "
            f"multiple of kv_heads={config.kv_heads}"
        )
    tokenizer = train_tokenizer(texts, config.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.positions,
        "bos_token": START,
        "eos_token": END,
        "pad_token": PAD,
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=1) + "\n", "utf-8")
    torch.manual_seed(seed)
    shape = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=config.hidden,
        intermediate_size=config.inner,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.token_to_id(START),
        eos_token_id=end,
        pad_token_id=pad,
    )
    with quietly():
        transformers.LlamaForCausalLM(shape).save_pretrained(folder)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a byte-level BPE tokenizer (Sennrich et al. 2016), which can represent any text; every digit is a token.

    Args:
        texts: The training texts.
        vocabulary: Maximum number of tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
