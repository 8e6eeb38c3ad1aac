"""Causal language models of transformers: loaded, given adapters, merged, made anew; their tokenizers too.

Called by `training/plans.py` in the workers and by the driver of `finetune_llm`. A folder is a transformers folder:
safetensors, config, tokenizer with a chat template.
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
from shopbatch.models.configs import LoraConfig, ScratchConfig
from shopbatch.models.folder import ModelError, quietly

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
# ChatML, as OpenAI published the format and many open models use it
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "vocab.json",
              "merges.txt", "added_tokens.json")  # fmt: skip


def load(folder: Path, attention: str = "sdpa", dtype: torch.dtype = torch.float32) -> Any:
    """The model of a folder. Raises ModelError: none there, weights missing or of another shape, not safetensors."""
    try:
        with quietly():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise ModelError(f"{folder}: can not be loaded: {' '.join(str(error).split())[:300]}") from None
    # transformers invents weights that it does not find
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{folder}: {len(missing)} weights are missing, among them {missing[0]}")
    return model


def adapt(model: Any, lora: LoraConfig) -> Any:
    """The model with adapters on all linear layers of the decoder; its own weights are frozen. Seed torch before."""
    import peft

    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return peft.get_peft_model(model, config)


def save(model: Any, folder: Path, base: Path) -> None:
    """Write a trained model, adapters merged into the weights, with the tokenizer of its base."""
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model.set_attn_implementation("sdpa")  # ours is for packed documents
    with quietly():
        model.save_pretrained(folder)
    for name in _TOKENIZER:
        if (base / name).exists():
            shutil.copyfile(base / name, folder / name)


def scratch(folder: Path, config: ScratchConfig, texts: Iterable[str], seed: int) -> None:
    """Write a new model: tokenizer trained on the texts, random weights, chat template.

    The same texts, configuration and seed give the same files. UserError if the sizes do not fit together.
    """
    if config.hidden % config.heads or config.heads % config.kv_heads:
        raise UserError(
            f"scratch: hidden={config.hidden} must be a multiple of heads={config.heads}, and that of "
            f"kv_heads={config.kv_heads}"
        )
    tokenizer = train_tokenizer(texts, config.vocabulary)
    tokenizer.save(str(folder / "tokenizer.json"))
    end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": config.positions,
        "bos_token": START,
        "eos_token": END,
        "pad_token": PAD,
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
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
    """Byte-level BPE (Sennrich et al. 2016): any text has tokens. Digits are tokens of their own."""
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
