"""Translation by an engine that generates text: the prompt, and its answer as a translation."""

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
    """Translates with a generator.

    Attributes:
        generator: What answers.
        instruction: What it is told; {source} and {target} stand for the names of the languages.
        sampling: How the first attempt is drawn.
        temperature: Temperature of later attempts.
    """

    generator: Generator
    instruction: str
    sampling: Sampling
    temperature: float

    def translate(self, texts: Sequence[str], pair: tuple[str, str], attempt: int) -> Generated:
        """Translate the texts. The text of a shop stands between marks, and is no instruction."""
        prompts = [self.generator.render(messages(self.instruction, text, pair)) for text in texts]
        made = self.generator.generate(prompts, attempt_sampling(self.sampling, self.temperature, attempt))
        return Generated([_answer(text) for text in made.texts], made.tokens_in, made.tokens_out, made.finished)


def attempt_sampling(first: Sampling, temperature: float, attempt: int) -> Sampling:
    """Return how an attempt is drawn: later ones have another seed and temperature."""
    if attempt == 1:
        return first
    return first.model_copy(update={"temperature": temperature, "top_p": 0.9, "seed": first.seed + attempt - 1})


def messages(instruction: str, text: str, pair: tuple[str, str]) -> list[dict[str, str]]:
    """Return the chat that asks for a translation."""
    source, target = (NAMES.get(code, code) for code in pair)
    asked = instruction.replace("{source}", source).replace("{target}", target)
    fenced = text.replace("</text>", "< /text>")
    return [{"role": "system", "content": asked}, {"role": "user", "content": f"<text>\n{fenced}\n</text>"}]


def _answer(text: str) -> str:
    """The translation in an answer, without marks around it."""
    before = None
    while before != text:
        before, text = text, _FENCE.sub("", text)
    return text.strip()
