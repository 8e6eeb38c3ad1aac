"""Tells whether a short reply is in the expected language: by script, function words and a classifier.

The classifier decides only where script and function words are inconclusive.
"""

from __future__ import annotations

import re

from shopbatch.grounding.reply_words import words

_HAN = re.compile(r"[\u3400-\u9fff]")
_FOREIGN = re.compile(r"[\u0370-\u1fff\u3040-\u30ff\uac00-\ud7af]")  # neither Latin nor Han
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def is_in_language(text: str, language: str) -> bool:
    """Return True if each sentence of a reply is in the language: "zh", or any other as English.

    English sentences of fewer than five words are not judged singly, only as part of the whole reply.
    """
    if _FOREIGN.search(text):
        return False
    pieces = [piece for piece in re.split(r"[.!?。！？\n]+", text) if len(_WORD.findall(piece)) > 0]
    if language == "zh":
        return all(_is_chinese(piece) for piece in pieces) and bool(_HAN.search(text))
    return not _HAN.search(text) and _is_english(text) and all(_is_english(p) for p in pieces if len(p.split()) >= 5)


def _is_chinese(piece: str) -> bool:
    latin = sum(len(word) for word in re.findall(r"[A-Za-z]{2,}", piece))
    return len(_HAN.findall(piece)) * 3 >= latin


def _is_english(text: str) -> bool:
    spoken = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    small = set(words("en").file.small.split())
    share = sum(word in small or "'" in word for word in spoken) / max(1, len(spoken))
    if share >= 0.2 or len(spoken) < 4:
        return not re.search(r"[äöüßéèêàçñãõìòù¿¡]", text.lower()) or share >= 0.3
    from shopbatch.text.language import load_classifier

    code, sure = load_classifier().classify(text.lower())
    return bool(code == "en" or sure < 0.6)
