"""Engines that translate: Apertium (a small program in its place, and the real one where it is), CTranslate2."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from shopbatch.core.errors import UserError
from shopbatch.engines.base import EngineError
from shopbatch.engines.factory import open_translator
from shopbatch.engines.translator_configs import ApertiumConfig, CTranslate2Config
from shopbatch.engines.translators import apertium
from shopbatch.models.folder import ModelError
from tests.capabilities.translation import dictionary

PAIR = ("en", "es")


def engine(folder: Path, lines: dict[str, str], **settings: object) -> apertium.ApertiumTranslator:
    dictionary.install(folder, lines)
    config = ApertiumConfig(program=str(folder / "apertium"), data=str(folder), **settings)
    return open_translator(config, {})


def test_texts_of_a_call_come_back_in_order_whatever_they_hold(tmp_path: Path) -> None:
    lines = {"A red coat": "Un abrigo rojo", "⟦0⟧ costs $5": "⟦0⟧ cuesta 5 $"}
    texts = ["A red coat", "⟦0⟧ costs $5", "⟦12345:0⟧", "two\nlines", "x; rm -rf $HOME `ls` | cat", "A red coat"]
    made = engine(tmp_path, lines).translate(texts, PAIR, 1)
    assert made.texts == ["Un abrigo rojo", "⟦0⟧ cuesta 5 $", *texts[2:5], "Un abrigo rojo"]
    assert dictionary.calls(tmp_path) == 1 and made.tokens_out.tolist()[0] == 3
    assert engine(tmp_path, lines, batch_bytes=12).translate(texts[:2], PAIR, 1).texts == made.texts[:2]
    assert dictionary.calls(tmp_path) == 3


def test_a_call_whose_lines_do_not_come_back_is_made_text_by_text(tmp_path: Path) -> None:
    made = engine(tmp_path, {"one": "uno", "two": "EAT", "three": "tres"}).translate(["one", "two", "three"], PAIR, 1)
    assert made.texts == ["uno", "", "tres"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "says"),
    [("HANG", "no answer in time"), ("FLOOD", "bytes for an answer"), ("FAIL", "exit code 7: broken pair")],
)
def test_a_program_that_hangs_floods_or_fails_is_an_engine_error(tmp_path: Path, fault: str, says: str) -> None:
    translator = engine(tmp_path, {"now": fault}, timeout=1.0 if fault == "HANG" else 30.0)
    with pytest.raises(EngineError, match=says):
        translator.translate(["now"], PAIR, 1)


def test_what_is_not_installed_is_named_and_a_changed_pair_has_another_digest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no program 'no-such-program'"):
        open_translator(ApertiumConfig(program="no-such-program"), {})
    dictionary.install(tmp_path, {"a": "b"})
    config = ApertiumConfig(program=str(tmp_path / "apertium"), data=str(tmp_path))
    with pytest.raises(UserError, match="no pair eng-deu"):
        apertium.digest_of(config, ("en", "de"))
    before = apertium.digest_of(config, PAIR)
    dictionary.install(tmp_path, {"a": "c"})
    assert apertium.digest_of(config, PAIR) != before
    assert apertium.mode_of(config.model_copy(update={"modes": {"en-es": "eng-spa_US"}}), PAIR) == "eng-spa_US"


@pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is not installed")
def test_the_real_program_keeps_masks_and_numbers() -> None:
    config = ApertiumConfig()
    if not apertium.has_pair(config, PAIR):
        pytest.skip("Apertium has no pair eng-spa")
    texts = ["The knife ⟦0⟧ costs $19.99.", "It weighs 500 g [new] ^ @ {x}.", "Do not wash."] * 20
    made = open_translator(config, {}).translate(texts, PAIR, 1)
    assert len(made.texts) == 60 and made.texts[:3] == made.texts[57:]
    assert "⟦0⟧" in made.texts[0] and "19.99" in made.texts[0] and "cuchillo" in made.texts[0]
    assert all(part in made.texts[1] for part in ("500", "[", "^", "@", "{x}"))


def marian(folder: Path, pieces: list[str]) -> None:
    """A tiny random OPUS-MT model as its converter writes it."""
    import ctranslate2
    import torch
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    words = ["</s>", "<unk>", *pieces, "<pad>"]
    config = MarianConfig(
        vocab_size=len(words), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
        scale_embedding=True,
        pad_token_id=len(words) - 1, eos_token_id=0, decoder_start_token_id=len(words) - 1, forced_eos_token_id=None,
        static_position_embeddings=True, activation_function="swish",
    )  # fmt: skip
    loader = ctranslate2.converters.transformers.MarianMTLoader()
    spec = loader.get_model_spec(MarianMTModel(config).eval())
    spec.register_source_vocabulary(words[:-1])
    spec.register_target_vocabulary(words[:-1])
    spec.config.unk_token, spec.config.eos_token, spec.config.bos_token = "<unk>", "</s>", "</s>"
    spec.config.decoder_start_token = "</s>"
    spec.validate()
    spec.optimize()
    folder.mkdir()
    spec.save(str(folder))
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(sentencepiece([("<unk>", 2), *((piece, 1) for piece in pieces)]))


def sentencepiece(pieces: list[tuple[str, int]]) -> bytes:
    """A sentencepiece model: (piece, kind) each, the longer the likelier."""
    out = b""
    for piece, kind in pieces:
        said = piece.encode()
        entry = (
            b"\x0a"
            + bytes([len(said)])
            + said
            + b"\x15"
            + struct.pack("<f", len(piece) - 20.0)
            + b"\x18"
            + bytes([kind])
        )
        out += b"\x0a" + bytes([len(entry)]) + entry
    return out + b"\x12\x02\x08\x01"  # a field that is not read


def test_a_converted_model_translates_each_text_alike_beside_others(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    marian(folder, ["▁red", "▁coat", "▁", "r", "e", "d", "c", "o", "a", "t", "ing"])
    translator = open_translator(CTranslate2Config(compute="float32", max_tokens=20), {"en-es": str(folder)})
    texts = ["red coat", "coating", "red"]
    made = translator.translate(texts, PAIR, 1)
    assert made.tokens_in.tolist() == [3, 3, 2]  # ▁red ▁coat, ▁coat ing, ▁red, and the end of each
    assert [translator.translate([text], PAIR, 1).texts[0] for text in texts] == made.texts
    assert all("<" not in text and "▁" not in text for text in made.texts) and len(made.finished) == 3
    with pytest.raises(EngineError, match="more than 20 tokens"):
        translator.translate(["coat " * 30], PAIR, 1)
    with pytest.raises(EngineError, match="no model for de-es"):
        translator.translate(texts, ("de", "es"), 1)
    (folder / "source.spm").write_bytes(b"\x0a\xff")
    with pytest.raises(ModelError, match=r"source\.spm: no sentencepiece model"):
        open_translator(CTranslate2Config(), {"en-es": str(folder)}).translate(["red"], PAIR, 1)
