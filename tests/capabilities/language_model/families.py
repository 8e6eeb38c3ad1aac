"""Tiny models whose chat templates behave like those of the families they are named after; written for these tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LESSON = [
    "Where is my order? The parcel is on its way and will arrive on Friday.",
    "You can send the dress back within thirty days; it was $20 and is $10 now.",
    "质量很差，不会再买。这本书很好，推荐给大家！",
] * 4
_TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
_ASK = "{% if add_generation_prompt %}<|im_start|>assistant\n"
# only the answer to the last question has a block of thoughts
_THOUGHTS = "<|im_start|>assistant\n<think>\n\n</think>\n\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n"
_THINKER = (
    "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}"
    + _THOUGHTS
    + "{% else %}"
    + _TURN
    + "{% endif %}"
    "{% endfor %}" + _ASK
)
_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_LLAMA_3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


@dataclass(frozen=True)
class Family:
    """A family of chat models.

    special, added: its control tokens, marked as special or not. ends: those that its configuration names. asked: what
    the model must be tuned after, with QUESTION in it. end: what must end an answer. changed: whether the tuned model
    needs another chat template than its base.
    """

    template: str
    special: tuple[str, ...]
    ends: tuple[str, ...]
    asked: str
    end: str
    added: tuple[str, ...] = ()
    changed: bool = False
    kind: str = "bytes"
    more: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "ChatML": Family(
        "{% for m in messages %}" + _TURN + "{% endfor %}" + _ASK + "{% endif %}",
        _CHATML,
        ("<|im_end|>",),
        "<|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>",
    ),
    "Qwen2.5 base": Family(
        "{% for m in messages %}" + _TURN + "{% endfor %}" + _ASK + "{% endif %}",
        _CHATML,
        ("<|endoftext|>",),
        "<|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>",
    ),
    "Qwen3": Family(
        _THINKER + "{% if enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}",
        _CHATML,
        ("<|im_end|>", "<|endoftext|>"),
        "<|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_end|>",
        ("<think>", "</think>"),
        changed=True,
    ),
    "Qwen3.5 thinking": Family(
        _THINKER + "{{ '<think>\n' }}{% if enable_thinking is false %}{{ '\n</think>\n\n' }}{% endif %}{% endif %}",
        _CHATML,
        ("<|im_end|>",),
        "<|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_end|>",
        ("<think>", "</think>"),
        changed=True,
    ),
    "Qwen3.5 not thinking": Family(
        _THINKER + "{{ '<think>\n' }}{% if enable_thinking is not true %}{{ '\n</think>\n\n' }}{% endif %}{% endif %}",
        _CHATML,
        ("<|im_end|>",),
        "<|im_start|>user\nQUESTION<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        "<|im_end|>",
        ("<think>", "</think>"),
    ),
    "DeepSeek": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}<｜Assistant｜>{{ m.content }}"
        "{{ eos_token }}{% elif m.role == 'user' %}<｜User｜>{{ m.content }}{% else %}{{ m.content }}{% endif %}"
        "{% endfor %}"
        "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}",
        ("<｜eos｜>", "<｜bos｜>"),
        ("<｜eos｜>",),
        "<｜bos｜><｜User｜>QUESTION<｜Assistant｜>",
        "<｜eos｜>",
        ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
        changed=True,
    ),
    "Phi-3": Family(
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}",
        ("<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"),
        ("<|endoftext|>",),
        "<|user|>\nQUESTION<|end|>\n<|assistant|>\n",
        "<|end|>",
    ),
    "Llama 3": Family(
        "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
        "{{ m.content | trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        ("<|end_of_text|>", *_LLAMA_3),
        ("<|end_of_text|>", "<|eot_id|>"),
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nQUESTION<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<|eot_id|>",
        more={"bos_token": "<|begin_of_text|>"},
    ),
    "Llama 2": Family(
        "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token }}[INST] {{ m.content | trim }} [/INST]"
        "{% else %} {{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}",
        ("</s>", "<s>", "<unk>"),
        ("</s>",),
        "<s> [INST] QUESTION [/INST]",
        "</s>",
        kind="pieces",
        more={"bos_token": "<s>", "unk_token": "<unk>"},
    ),
}


def tokenizer(kind: str, special: tuple[str, ...], added: tuple[str, ...] = ()) -> Tokenizer:
    """A tokenizer of a kind: `bytes` as GPT-2's, with its control tokens beside the vocabulary; `pieces` as Llama 2's,
    and `unigram` as T5's, with them in it."""
    if kind == "bytes":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        made.train_from_iterator(LESSON, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    elif kind == "pieces":
        words = {token: i for i, token in enumerate(["<unk>", *special[:2], *(f"<0x{i:02X}>" for i in range(256))])}
        for text in (
            "▁",
            "$",
            "<",
            ">",
            "/",
            "s",
            "|",
            "▁was",
            "[",
            "]",
            "INST",
            "I",
            "N",
            "S",
            "T",
            "w",
            "a",
            "▁w",
            "as",
        ):
            words.setdefault(text, len(words))
        merges = [("▁", "w"), ("a", "s"), ("▁w", "as")]
        made = Tokenizer(models.BPE(words, merges, unk_token="<unk>", byte_fallback=True))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        made.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        learn = trainers.UnigramTrainer(vocab_size=150, special_tokens=[*special, "<unk>"], unk_token="<unk>")
        made.train_from_iterator([*LESSON, "<>|/[]{}_=:#sie"], learn)
    made.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    made.add_tokens([AddedToken(t, normalized=False) for t in added])
    return made


def build(folder: Path, family: Family, **options: Any) -> Path:
    """A model folder of the family. options: fields of the Family that are replaced."""
    family = Family(**{**family.__dict__, **options})
    made = tokenizer(family.kind, family.special, family.added)
    bos = {"bos_token": family.special[1]} if family.template.startswith("{{ bos_token }}") else {}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=family.special[0], pad_token=family.special[0], **{**bos, **family.more}
    )
    fast.chat_template = family.template
    ids = [made.token_to_id(t) for t in family.ends]
    shape = LlamaConfig(
        vocab_size=made.get_vocab_size(), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=512, eos_token_id=ids[0],
        bos_token_id=None, pad_token_id=ids[0],
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    fast.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ids if len(ids) > 1 else ids[0]}))
    return folder
