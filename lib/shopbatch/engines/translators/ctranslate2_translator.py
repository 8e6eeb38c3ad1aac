"""Translation by a sequence-to-sequence model in CTranslate2: OPUS-MT (Marian) for one pair, or NLLB for many.

The model folder is the output of `ct2-transformers-converter`, plus the tokenizer: `tokenizer.json`, or for OPUS-MT
`source.spm` and `target.spm`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shopbatch.core.errors import UserError, one_line
from shopbatch.engines.base import EngineError, Finish, Generated
from shopbatch.engines.translator_configs import CTranslate2Config
from shopbatch.models.folder import ModelError
from shopbatch.models.sentencepieces import load_pieces

_END = "</s>"
_STEP = 16  # texts are grouped by length in steps of this many tokens


class CTranslate2Translator:
    """A translator that runs in CTranslate2, as `CTranslate2Config` describes it.

    The model of a language pair is loaded when its first text is translated.
    """

    def __init__(self, config: CTranslate2Config, folders: dict[str, str]) -> None:
        """Store the settings without loading a model.

        Args:
            config: Settings of the backend.
            folders: Local model folder of each language pair, by a name such as "en-es"; the key "" gives one folder
                for all pairs.
        """
        self.config, self.folders = config, folders
        self._models: dict[str, _Model] = {}

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate texts, in order (see `Translator.translate`).

        Each attempt after the first widens the beam search by 2, so that a retry can find another translation.
        """
        folder = self.folders.get("-".join(pair)) or self.folders.get("")
        if not folder:
            raise EngineError(f"no model for {'-'.join(pair)}")
        if folder not in self._models:
            self._models[folder] = _Model(Path(folder), self.config)
        return self._models[folder].translate(texts, pair, self.config.beam + 2 * (attempt - 1))


class _Model:
    """One loaded translation model with the tokenizers of its source and target texts.

    Raises:
        UserError: The package ctranslate2 is not installed.
        ModelError: The folder holds no model that CTranslate2 can load.
    """

    def __init__(self, folder: Path, config: CTranslate2Config) -> None:
        try:
            import ctranslate2
        except ImportError:
            raise UserError("engine ctranslate2 needs the package: pip install 'shopbatch[translation]'") from None
        self.config = config
        self.before, self.after = load_pieces(folder)
        try:
            self.model = ctranslate2.Translator(
                str(folder),
                device=config.device,
                compute_type=config.compute,
                intra_threads=config.threads,
                inter_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"model {folder}: {one_line(error, 200)}") from None

    def translate(self, texts: Sequence[str], pair: tuple[str, str], beam: int) -> Generated:
        """Translate texts with a given beam size, in order.

        Raises:
            EngineError: A text has more than `max_tokens` tokens, or CTranslate2 failed.
        """
        codes = [self.config.languages.get(code, "") for code in pair]
        rows = [[*filter(None, [codes[0]]), *self.before.pieces(text), _END] for text in texts]
        if max(map(len, rows), default=0) > self.config.max_tokens:
            raise EngineError(f"a text has more than {self.config.max_tokens} tokens")
        # the length limit of translations is per call, so texts of similar length share a call
        groups: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault(2 * _STEP * -(-len(row) // _STEP) + _STEP, []).append(number)
        answers: dict[int, Any] = {}
        for most, numbers in sorted(groups.items()):
            made = self._call([rows[n] for n in numbers], codes[1], beam, most)
            answers |= {n: (answer, most) for n, answer in zip(numbers, made, strict=True)}
        pieces = [[p for p in answers[n][0].hypotheses[0] if p not in (codes[1], _END)] for n in range(len(rows))]
        finish: list[Finish] = ["length" if len(p) >= answers[n][1] - 1 else "stop" for n, p in enumerate(pieces)]
        tokens = [np.array([len(r) for r in side], np.int32) for side in (rows, pieces)]
        return Generated([self.after.text(p) for p in pieces], tokens[0], tokens[1], finish)

    def _call(self, rows: list[list[str]], target: str, beam: int, most: int) -> list[Any]:
        """Run CTranslate2 on tokenised texts.

        Args:
            rows: Tokens of each text.
            target: Language token of the target language; "" for a model of one pair.
            beam: Beam size.
            most: Maximum number of tokens of a translation.
        """
        try:
            return list(
                self.model.translate_batch(
                    rows,
                    target_prefix=[[target] for _ in rows] if target else None,
                    beam_size=beam,
                    max_batch_size=self.config.batch_tokens,
                    batch_type="tokens",
                    max_decoding_length=most,
                    disable_unk=True,
                )
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"ctranslate2: {one_line(error, 200)}") from None
