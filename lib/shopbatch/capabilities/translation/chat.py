"""Translates with an engine that generates text (a language model): builds the prompts and cleans the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shopbatch.engines.base import Generated, Generator
from shopbatch.engines.configs import Sampling

NAMES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "hi": "Hindi", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian",
    "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese (simplified)",
}  # fmt: skip
_FENCE = re.compile(r"^\s*(?:```\w*\n?|<text>\s*)|(?:\n?```|\s*</text>)\s*$")


@dataclass(frozen=True)
class ChatTranslator:
    """Adapter through which a text-generating engine is used like a translation engine (protocol `Translator`).

    Attributes:
        generator: The engine.
        instruction: System prompt; {source} and {target} in it are replaced by the English names of the languages.
        sampling: Sampling settings of the first attempt.
        temperature: Sampling temperature of later attempts.
    """

    generator: Generator
    instruction: str
    sampling: Sampling
    temperature: float

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate the texts, in their order.

        Each text stands in the prompt between <text> and </text>, so that the model does not take it for an
        instruction.

        Args:
            texts: The texts.
            pair: ISO 639-1 codes of source and target language.
            attempt: Number of the attempt, from 1; it changes seed and temperature.

        Returns:
            The translations with their token counts.
        """
        prompts = [self.generator.render(messages(self.instruction, text, pair)) for text in texts]
        made = self.generator.generate(prompts, attempt_sampling(self.sampling, self.temperature, attempt))
        return Generated([_answer(text) for text in made.texts], made.tokens_in, made.tokens_out, made.finished)


def attempt_sampling(first: Sampling, temperature: float, attempt: int) -> Sampling:
    """Return the sampling settings of an attempt.

    Attempt 1 uses `first`. Later attempts use `temperature`, top_p 0.9, and another seed each.

    Args:
        first: Sampling settings of the first attempt.
        temperature: Temperature of later attempts.
        attempt: Number of the attempt, from 1.
    """
    if attempt == 1:
        return first
    return first.model_copy(update={"temperature": temperature, "top_p": 0.9, "seed": first.seed + attempt - 1})


def messages(instruction: str, text: str, pair: tuple[str, str]) -> list[dict[str, str]]:
    """Return the chat messages (system and user) that ask for the translation of one text.

    Args:
        instruction: System prompt with {source} and {target}.
        text: The text; a </text> in it is made harmless.
        pair: ISO 639-1 codes of source and target language.
    """
    source, target = (NAMES.get(code, code) for code in pair)
    asked = instruction.replace("{source}", source).replace("{target}", target)
    fenced = text.replace("</text>", "< /text>")
    return [{"role": "system", "content": asked}, {"role": "user", "content": f"<text>\n{fenced}\n</text>"}]


def _answer(text: str) -> str:
    """Return the translation from a model's answer, without code fences and <text> tags around it."""
    before = None
    while before != text:
        before, text = text, _FENCE.sub("", text)
    return text.strip()
