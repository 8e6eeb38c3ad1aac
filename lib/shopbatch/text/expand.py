"""Rewrites catalogue names as a person would write them: abbreviations are expanded, codes removed.

The word lists are in abbreviations.yaml. Nothing is added to what the catalogue says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from shopbatch.text.word_files import WordFile, read_words

_CUT = 30  # length at which the catalogue cuts off a name, in characters
_PARENTHESIS = re.compile(r"\(([^()]*)(\)|$)")
_ROMAN = re.compile(r"[IVX]{2,}|X+[SL]")


class _Abbreviations(WordFile):
    """The word lists of abbreviations.yaml; the comments there explain the fields."""

    phrases: dict[str, str]
    words: dict[str, str]
    proper_nouns: frozenset[str]
    acronyms: frozenset[str]
    splitters: tuple[str, ...]
    named_last: frozenset[str]
    plural_first: frozenset[str]
    singular_in_s: frozenset[str]


@dataclass(frozen=True)
class _Lexicon:
    """The word lists and the patterns made of them; each pattern is compiled when it is first needed."""

    listed: _Abbreviations

    @cached_property
    def phrase(self) -> re.Pattern[str]:
        phrases = sorted(self.listed.phrases, key=len, reverse=True)
        return re.compile(rf"(?<![A-Z0-9])({_any(phrases)})(?![A-Z0-9])")

    @cached_property
    def splitter(self) -> re.Pattern[str]:
        return re.compile(
            rf"\b({_any(self.listed.splitters)}|supplements)-(?=[A-Z])|-(?=(?:BULK|PREPACK|PRPCK)$)",
        )

    @cached_property
    def stump(self) -> re.Pattern[str]:
        """Return the pattern of a last word that was cut off in the catalogue: up to three letters, no known word."""
        return re.compile(rf"(?<=[ &/])(?!(?:{_any(self.listed.words)})$)[A-Z]{{1,3}}$")

    @cached_property
    def proper(self) -> dict[str, str]:
        return {word.upper(): word for word in self.listed.proper_nouns}


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    return _Lexicon(read_words(_Abbreviations, "shopbatch.text", "abbreviations.yaml"))


@lru_cache(maxsize=65536)
def expand(value: str, joiner: str = "and") -> str:
    """Write a catalogue name in lower case, with abbreviations expanded and codes removed.

    Args:
        value: The name, such as `BREAD:ITALIAN/FRENCH`, which becomes "bread (Italian or French)" with joiner "or".
        joiner: The word that replaces a slash.

    Returns:
        The name, or "" if nothing is left of it.
    """
    text = " ".join(value.split())
    if text != text.upper():
        return _mixed_case(text, joiner)
    lexicon = _lexicon()
    if len(text) >= _CUT:
        text = lexicon.stump.sub("", text)
    text = _PARENTHESIS.sub(lambda m: _parenthesis(m[1], bool(m[2])), text)
    text = lexicon.phrase.sub(lambda m: lexicon.listed.phrases[m[1]].replace(" ", "\0"), text)
    text = re.sub(r"-MAGAZINE$", " MAGAZINE", text)
    text = lexicon.splitter.sub(lambda m: f"{m[1] or ''} : ", text)
    parts = [words for part in re.split(r"\s*:\s*|\s+-\s*|\s*-\s+", text) if (words := _words(part, joiner))]
    if not parts:
        return ""
    rest = " ".join(parts[1:]).replace("(", "").replace(")", "")
    return f"{parts[0]} ({rest})" if rest and "(" not in parts[0] else " ".join([parts[0], rest]).strip()


def _parenthesis(inside: str, closed: bool) -> str:
    """Return the text that replaces a parenthesis: its words, or a blank for codes and cut-off parentheses."""
    words = closed and re.fullmatch(r"[A-Z &/-]{3,}", inside) and not inside.startswith(("EX", "INCL"))
    return f" : {inside} " if words else " "


def _words(part: str, joiner: str) -> str:
    text = re.sub(r"\bW/(?=[A-Z])", "WITH ", part)
    text = re.sub(r"(?<=\D)\s*/\s*(?=\D)", f" {joiner} ", text)
    text = re.sub(r"\s*&\s*", " and ", text)
    text = re.sub(r",(?=[^\s\0])", ", ", text)
    kept = [written for word in text.split(" ") if (written := _word(word))]
    while kept and kept[-1] in ("and", "or", ",", "with", "including", "-"):
        kept.pop()
    while kept and kept[0] in ("and", "or", ",", "-"):
        kept.pop(0)
    while len(kept) > 1 and kept[-1].lower() in _lexicon().listed.named_last and kept[0] != "all":
        kept = [kept[-1], *kept[:-2]] if kept[-2] == "all" and len(kept) > 2 else [kept[-1], *kept[:-1]]
        if kept[0] == "others":
            kept[0] = "other"
    written = re.sub(r"\b(and|or)( (?:and|or))+\b", r"\1", " ".join(kept)).replace("\0", " ")
    return _commas(written, joiner)


def _commas(text: str, joiner: str) -> str:
    """Replace all joiners but the last by commas ("a and b and c" -> "a, b and c")."""
    return re.sub(rf" {joiner} (?=.* {joiner} )", ", ", text)


def _word(word: str) -> str:
    lexicon = _lexicon()
    if "\0" in word:
        return re.sub(r"\b[A-Z]{2,}(?=-)|(?<=-)[A-Z]{2,}\b", lambda m: m[0].lower(), word)
    if not word.isupper():
        return word
    if word in lexicon.listed.words:
        return lexicon.listed.words[word]
    if word in lexicon.proper:
        return lexicon.proper[word]
    if word in lexicon.listed.acronyms:
        return word
    if "-" in word:
        return "-".join(_word(part) or part.lower() for part in word.split("-"))
    counted = re.fullmatch(r"(\d+)(PK|PC)", word)
    return f"{counted[1]}-{'pack' if counted[2] == 'PK' else 'piece'}" if counted else word.lower()


def _mixed_case(text: str, joiner: str) -> str:
    """Expand a name that is not all capitals: write it in lower case, with words in place of "&" and "/".

    Proper nouns and words with several capitals or with digits stay as they are.
    """
    listed = _lexicon().listed
    text = re.sub(r"\s*/\s*", f" {joiner} ", re.sub(r"\s*&\s*", " and ", text))
    words = [listed.words.get(w.upper(), w) if w.upper() == "INITMATES" else w for w in text.split()]
    words = _commas(" ".join(words), joiner).split()
    return " ".join(
        word
        if word in listed.proper_nouns or sum(c.isupper() for c in word) > 1 or any(c.isdigit() for c in word)
        else word.lower()
        for word in words
    )


def title_case(title: str) -> str:
    """Write a title for print: capitalise words that are all capitals, keep codes, strip signs at the ends.

    An example: "LEVI'S MEN-JEANS 501 XL!" -> "Levi's Men-Jeans 501 XL".
    """
    text = " ".join(title.split()).strip(" -/|*!.,;:#~_")
    if text == text.upper() and any(c.isalpha() for c in text):
        text = " ".join(word if any(c.isdigit() for c in word) else _capitalized(word) for word in text.split())
    return text


def _capitalized(word: str) -> str:
    acronyms = _lexicon().listed.acronyms
    return "-".join(p if p in acronyms or _ROMAN.fullmatch(p) else p[:1] + p[1:].lower() for p in word.split("-"))


def is_plural(name: str) -> bool:
    """Return True if an English product name is plural ("potato chips", "apples Gala"; not "asparagus")."""
    listed = _lexicon().listed
    words = re.findall(r"[A-Za-z']+", re.split(r"[(,]| - | with | without | in | for | of ", name)[0])
    words = [word for word in words if len(word) > 2] or words
    if words and words[0].lower() in listed.plural_first:
        return True
    last = words[-1].lower() if words else ""
    return last.endswith("s") and not last.endswith(("ss", "'s")) and last not in listed.singular_in_s
