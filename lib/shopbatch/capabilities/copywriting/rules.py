"""Judges copy that a model wrote: the first rule that it breaks, or None if it may be shown.

Rules are applied to stored text, so that a changed rule generates nothing again. None of them needs a model of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from shopbatch.capabilities.copywriting.config import Rules
from shopbatch.capabilities.copywriting.copy_format import Copy, parse
from shopbatch.capabilities.copywriting.patterns import phrases
from shopbatch.grounding.check import Facts, Finding, check
from shopbatch.text.language import HAN_SHARE, is_written_in
from shopbatch.text.moderation.generated import is_harmful

VERSION = 8  # of the rules; raising it judges the stored texts again
_MARKUP = re.compile(
    r"</?[a-z!][^>\n]*>|<\||\|>|\*\*|__|```|^#+ |\]\(|\\[nt\"]|&(?:#\w{1,8}|[a-z]\w{1,30});|https?://|www\.|\S{1,64}@\S{1,64}\.\w",
    re.M,
)
# control characters, characters that change the direction of writing, and invisible ones
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_PLACEHOLDER = re.compile(
    r"\[[^\]\n]{1,40}\]|\{[^}\n]{0,40}\}|\bX{3,}\b|\b(?:TBD|TODO|N/A|lorem|ipsum|undefined|null|nan|insert \w+ here"
    r"|your (?:brand|product|company) (?:name|here))\b|\.\.\.\s*\"|^\W*$|待定|此处|某某|（空）",
    re.I,
)
_LATIN = re.compile(r"[A-Za-z][\w.+&'’-]*")
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_TELLING = 40  # letters besides the facts' from which a text has a language
_LEAK_WORDS = 6  # this many words in a row from the instruction are a leak


def is_printable(text: str) -> bool:
    """Whether a text holds no mark-up, no invisible sign and no placeholder."""
    return not (_MARKUP.search(text) or _UNSEEN.search(text) or _PLACEHOLDER.search(text))


@dataclass(frozen=True)
class Verdict:
    """What the rules say about a text.

    copy: the parsed copy, None if the text is not copy. reason: why it may not be shown, None if it may.
    findings: the claims that the attributes do not back.
    """

    copy: Copy | None
    reason: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Judge:
    """Applies rules to copy in one language. instruction: the system message, which copy must not repeat."""

    rules: Rules
    language: str
    instruction: str

    def __call__(self, text: str, finish: str, facts: Facts) -> Verdict:
        """Judge a text. finish: how the generator ended. facts: the product's attributes without prompt injections."""
        copy = parse(text)
        if copy is None:
            return Verdict(None, "cut_off" if finish == "length" else "invalid_json")
        if leaks(self.instruction, copy.text, self.language):
            return Verdict(copy, "leaked_prompt")
        if reason := self._judge_form(copy, facts) or self._judge_words(copy, facts):
            return Verdict(copy, reason)
        banned = _compiled(self.rules.banned_in(self.language))
        findings = tuple(check(facts, copy.text, self.language, banned, phrases(self.language)))
        return Verdict(copy, f"ungrounded_{findings[0].kind}" if findings else None, findings)

    def _judge_form(self, copy: Copy, facts: Facts) -> str | None:
        rules = self.rules
        long = len(copy.headline) > rules.headline or len(copy.description) > rules.description
        if long or any(len(b) > rules.bullet for b in copy.bullets):
            return "too_long"
        if len(copy.description) < rules.shortest * (0.5 if self.language == "zh" else 1) or "" in copy.bullets:
            return "too_short"
        if _MARKUP.search(copy.text) or _UNSEEN.search(copy.text):
            return "markup"
        if any(m[0].lower() not in facts.lower for m in _PLACEHOLDER.finditer(copy.text)):  # a null modem cable
            return "placeholder"
        if len(set(copy.bullets)) < len(copy.bullets) or repeated_share(copy.body, self.language) > rules.repeats:
            return "repeats"
        return None

    def _judge_words(self, copy: Copy, facts: Facts) -> str | None:
        if is_harmful(copy.text, self.rules.allowed, f"{facts.text}\n{facts.names}"):
            return "harmful"
        return "other_language" if is_in_other_language(copy.text, self.language, facts) else None


def is_in_other_language(text: str, language: str, facts: Facts) -> bool:
    """Whether a text is written in another language, apart from words of the facts and of their names."""

    def unknown(match: re.Match[str]) -> str:
        word = match[0].lower().rstrip(".-'’&+")  # of `by Dewy.`, the sentence ends there
        return "" if word in facts.lower or word in facts.names else match[0]

    own = _LATIN.sub(unknown, text)
    if language == "zh":
        return not is_written_in(own, language)
    if len("".join(_HAN.findall(text))) < HAN_SHARE * sum(map(str.isalpha, text)):  # a brand in an English text
        own, text = (_HAN.sub(lambda m: "" if m[0] in facts.lower else m[0], t) for t in (own, text))
    short = own.isascii() and sum(map(str.isalpha, own)) < _TELLING
    return not (short or is_written_in(text, language))


def leaks(instruction: str, text: str, language: str) -> bool:
    """Whether a text repeats words of the instruction that it was written by."""
    known = _instruction_runs(instruction, language)
    return any(run in known for run in _runs(_tokens(text, language)))


@lru_cache(maxsize=8)
def _compiled(expressions: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(expression, re.I) for expression in expressions)


def repeated_share(text: str, language: str) -> float:
    """Share of pairs of neighbouring words (Chinese: characters) that occurred before in the text, 0 to 1."""
    pairs = list(pairwise(_tokens(text, language)))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def _tokens(text: str, language: str) -> list[str]:
    """Words in small letters; Chinese characters one by one."""
    if language == "zh":
        return [c for c in text if c.isalnum()]
    return re.findall(r"[a-z0-9']+", text.lower())


@lru_cache(maxsize=8)
def _instruction_runs(instruction: str, language: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(_tokens(instruction, language)))


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _LEAK_WORDS]) for i in range(len(words) - _LEAK_WORDS + 1)]


def parse_attributes(stored: str) -> Mapping[str, str | None]:
    """The attributes that the memo stores beside a text."""
    return dict(json.loads(stored))
