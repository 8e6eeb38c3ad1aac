"""Copy as a model wrote it -> headline, description and bullets, or the reason why it may not be shown.

Rules are applied to kept text, so that another rule regenerates nothing. None needs a model of ours.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shopbatch.core.config import Strict
from shopbatch.grounding.check import Facts, Finding, check

VERSION = 2  # of the rules
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "headline": {"type": "string"},
        "description": {"type": "string"},
        "bullets": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
    },
    "required": ["headline", "description", "bullets"],
    "additionalProperties": False,
})  # fmt: skip
_MARKUP = re.compile(
    r"</?[a-z!][^>\n]*>|<\||\|>|\*\*|__|```|^#+ |\]\(|\\[nt\"]|&(?:amp|lt|gt|nbsp|quot);|https?://|www\.|\S{1,64}@\S{1,64}\.\w",
    re.M,
)
# control signs, and those that change the direction or are not seen
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_BLANKS = re.compile(
    r"\[[^\]\n]{1,40}\]|\{[^}\n]{0,40}\}|\bX{3,}\b|\b(?:TBD|TODO|N/A|lorem|ipsum|undefined|null|nan|insert \w+ here"
    r"|your (?:brand|product|company) (?:name|here))\b|\.\.\.\s*\"|^\W*$|待定|此处|某某|（空）",
    re.I,
)


# of better-profanity's list, what a shop sells
ALLOWED = (
    "breast", "breasts", "douche", "dummy", "facial", "fat", "hemp", "homey", "kill", "knob", "kraut", "loin", "loins",
    "maxi", "muff", "murder", "nappy", "nude", "oral", "organ", "panties", "panty", "pasty", "pawn", "pot", "potty",
    "rum", "rump", "screw", "slope", "snuff", "steamy", "strip", "stroke", "vodka", "weed", "woody",
)  # fmt: skip


class Banned(Strict):
    """Claims that may not be made at all, whatever the attributes say: regular expressions, by market and language."""

    market: str
    language: str
    patterns: tuple[str, ...]

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value


class Rules(Strict):
    """What copy must be like. Lengths are in characters, of Chinese as of English.

    market: which `banned` apply. repeats: greatest share of word pairs (Chinese: pairs of characters) that were there
    before, since small models fall into loops. coverage: least share of the attributes that the copy must mention.
    allowed: words that the list of harmful words holds and a shop may use, besides those of the product's attributes.
    """

    market: str = "us"
    banned: tuple[Banned, ...] = ()
    headline: int = Field(default=120, ge=1)
    description: int = Field(default=900, ge=1)
    bullet: int = Field(default=200, ge=1)
    shortest: int = Field(default=20, ge=0)
    repeats: float = Field(default=0.5, ge=0, le=1)
    coverage: float = Field(default=0.5, ge=0, le=1)
    allowed: tuple[str, ...] = ALLOWED

    @property
    def identity(self) -> dict[str, Any]:
        """Part of what names the checks."""
        return self.model_dump(mode="json")


class Copy(BaseModel):
    """One product's copy."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    headline: str = Field(min_length=1)
    description: str = Field(min_length=1)
    bullets: tuple[str, ...] = Field(min_length=2, max_length=4)

    @property
    def text(self) -> str:
        """All of it, a part a line."""
        return "\n".join([self.headline, self.description, *self.bullets])


@dataclass(frozen=True)
class Verdict:
    """copy: None where the text is none. reason: why it may not be shown, None where it may. findings: its claims."""

    copy: Copy | None
    reason: str | None
    findings: tuple[Finding, ...] = ()


def parse(text: str) -> Copy | None:
    """The JSON object in a text. Repaired within bounds: what stands around it is cut off, an end that is missing after
    the last whole bullet is put there. None: it is none, or other keys or types than those of a Copy.
    """
    start = text.find("{")
    if start < 0:
        return None
    body = text[start:]
    for candidate in (body, body[: body.rfind("}") + 1], re.sub(r"\"\s*,?\s*$", '"', body.rstrip()) + "]}"):
        try:
            found, _ = json.JSONDecoder(strict=False).raw_decode(candidate)
            if isinstance(found, dict) and isinstance(found.get("bullets"), list):
                found["bullets"] = tuple(found["bullets"])
            copy = Copy.model_validate(found)
        except (ValueError, ValidationError, RecursionError):
            continue
        return Copy(
            headline=copy.headline.strip(),
            description=copy.description.strip(),
            bullets=tuple(b.strip() for b in copy.bullets),
        )
    return None


@dataclass(frozen=True)
class Judge:
    """Rules ready to be applied. instruction: of the prompt, none of which may be repeated."""

    rules: Rules
    language: str
    instruction: str

    def __call__(self, text: str, finish: str, facts: Facts) -> Verdict:
        """finish: of the generator. facts: of the product's harmless attributes."""
        copy = parse(text)
        if copy is None:
            return Verdict(None, "cut_off" if finish == "length" else "invalid_json")
        if _shared_run(_tokens(copy.text, self.language), _instruction(self.instruction, self.language)):
            return Verdict(copy, "leaked_prompt")
        if reason := self._form(copy) or self._words(copy, facts):
            return Verdict(copy, reason)
        found = tuple(check(facts, copy.text, self.language, self._banned()))
        return Verdict(copy, f"ungrounded_{found[0].kind}" if found else None, found)

    def _form(self, copy: Copy) -> str | None:
        rules = self.rules
        long = len(copy.headline) > rules.headline or len(copy.description) > rules.description
        if long or any(len(b) > rules.bullet for b in copy.bullets):
            return "too_long"
        if len(copy.description) < rules.shortest * (0.5 if self.language == "zh" else 1) or "" in copy.bullets:
            return "too_short"
        if _MARKUP.search(copy.text) or _UNSEEN.search(copy.text):
            return "markup"
        if _BLANKS.search(copy.text):
            return "placeholder"
        if len(set(copy.bullets)) < len(copy.bullets) or repeated(copy.text, self.language) > rules.repeats:
            return "repeats"
        return None

    def _words(self, copy: Copy, facts: Facts) -> str | None:
        if harmful(copy.text, self.rules.allowed, facts.text):
            return "harmful"
        return None if speaks(copy.text, self.language) else "other_language"

    def _banned(self) -> Sequence[re.Pattern[str]]:
        return _compiled(self.rules.banned, self.rules.market, self.language)


@lru_cache(maxsize=8)
def _compiled(banned: tuple[Banned, ...], market: str, language: str) -> tuple[re.Pattern[str], ...]:
    listed = [p for b in banned if b.market == market and b.language == language for p in b.patterns]
    return tuple(re.compile(p, re.I) for p in listed)


def repeated(text: str, language: str) -> float:
    """Share of pairs of neighbouring words (zh: characters) that were in the text before, 0 to 1."""
    words = _tokens(text, language)
    pairs = list(pairwise(words))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def speaks(text: str, language: str) -> bool:
    """Whether a text is in the language, as py3langid and, for Chinese, the script tell."""
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    letters = sum(c.isalpha() for c in text) or 1
    if language == "zh":
        return han > 0.4 * letters
    if han > 0.02 * letters:
        return False
    from py3langid import classify

    return bool(classify(" ".join(text.lower().split()))[0] == language) or _ascii_words(text, language)


def _ascii_words(text: str, language: str) -> bool:
    """Short copy full of names looks foreign to any classifier: English is then told by its small words."""
    small = {"the", "a", "an", "and", "with", "for", "in", "of", "to", "from", "it", "is", "this"}
    return language == "en" and len(small & set(re.findall(r"[a-z]+", text.lower()))) >= 3


@lru_cache(maxsize=1)
def _listed() -> frozenset[str]:
    """The words and phrases of better-profanity's list, in small letters. Its own search takes 0.2 s a text."""
    lines = resources.files("better_profanity").joinpath("profanity_wordlist.txt").read_text("utf-8").splitlines()
    return frozenset(line.strip().lower() for line in lines if line.strip())


def harmful(text: str, allowed: tuple[str, ...], known: str = "") -> bool:
    """Whether a text holds a word or phrase of better-profanity's list, `allowed` and those of `known` apart.

    known: what the product's attributes say; their words are free in either number: olive oil may be extra virgin.
    """
    found = (_phrases(text) & _listed()) - set(allowed)
    own = _phrases(known) if found else set()
    return any(not {w, f"{w}s", w.removesuffix("s")} & own for w in found)


def _phrases(text: str) -> set[str]:
    """Its words and its runs of at most four of them, in small letters."""
    words = re.findall(r"[\w*@$!-]+", unicodedata.normalize("NFKC", text).lower())
    words += [bare for w in words if (bare := w.strip("*@$!-")) != w]
    return {" ".join(run) for n in range(1, 5) for run in _runs(words, n)}


def _tokens(text: str, language: str) -> list[str]:
    if language == "zh":
        return [c for c in text if c.isalnum()]
    return re.findall(r"[a-z0-9']+", text.lower())


@lru_cache(maxsize=8)
def _instruction(instruction: str, language: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(_tokens(instruction, language)))


def _runs(words: Sequence[str], length: int = 6) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]


def _shared_run(words: Sequence[str], runs: frozenset[tuple[str, ...]]) -> bool:
    return any(run in runs for run in _runs(words))


def attributes_of(raw: str) -> Mapping[str, str | None]:
    """The attributes that the memo keeps beside a text."""
    return dict(json.loads(raw))
