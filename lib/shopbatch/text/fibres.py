"""Expands fibre codes of textile labels (fibres.yaml): "92% PES 8% EL" -> "92% polyester 8% elastane"."""

from __future__ import annotations

import re
from functools import lru_cache

from shopbatch.text.word_files import WordFile, read_words


class _Fibres(WordFile):
    """The content of fibres.yaml: English names of fibres by their codes."""

    codes: dict[str, str]


@lru_cache(maxsize=1)
def _patterns() -> tuple[dict[str, str], re.Pattern[str], re.Pattern[str]]:
    codes = read_words(_Fibres, "shopbatch.text", "fibres.yaml").codes
    code = "|".join(sorted(codes, key=len, reverse=True))
    share = r"(\d{1,3}(?:[.,]\d)?) ?%"
    return (
        codes,
        re.compile(rf"{share} ?({code})(?![\w%])"),
        re.compile(rf"(?<![\w%])({code}) ?{share}"),
    )


def written_out(text: str) -> str:
    """Return a text with the fibre codes beside a percentage expanded ("PES 50%" -> "50% polyester").

    Codes elsewhere stay as they are.
    """
    if "%" not in text:
        return text
    codes, behind, before = _patterns()
    text = behind.sub(lambda m: f"{m[1]}% {codes[m[2]]}", text)
    return before.sub(lambda m: f"{m[2]}% {codes[m[1]]}", text)
