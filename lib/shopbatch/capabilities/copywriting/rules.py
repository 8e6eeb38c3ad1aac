"""Judges product copy by rules and names the first rule that a text breaks.

The rules are applied to stored texts, so that a changed rule generates no text again. They need no language model.
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
from shopbatch.text.vocabulary import is_english

VERSION = 9  # of the rules; raising it judges the stored texts again
_MARKUP = re.compile(
    r"</?[a-z!][^>\n]*>|<\||\|>|\*\*|__|```|^#+ |\]\(|\\[nt\"]|&(?:#\w{1,8}|[a-z]\w{1,30});|https?://|www\.|\S{1,64}@\S{1,64}\.\w",
    re.M,
)
# control characters, writing direction marks and other invisible characters
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_PLACEHOLDER = re.compile(
    r"\[[^\]\n]{1,40}\]|\{[^}\n]{0,40}\}|\bX{3,}\b|\b(?:TBD|TODO|N/A|lorem|ipsum|undefined|null|nan|insert \w+ here"
    r"|your (?:brand|product|company) (?:name|here))\b|\.\.\.\s*\"|^\W*$|待定|此处|某某|（空）",
    re.I,
)
_LATIN = re.compile(r"[A-Za-z][\w.+&'’-]*")
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_TELLING = 40  # minimum letters (without words of the facts) from which the language can be told
_ENGLISH = 0.9  # share of English words from which on a text is English
_LEAK_WORDS = 6  # number of words in a row from the instruction that count as a leak


def is_printable(text: str) -> bool:
    """Return True if a text has no mark-up, invisible characters or placeholders such as "[brand]" or "TBD"."""
    return not (_MARKUP.search(text) or _UNSEEN.search(text) or _PLACEHOLDER.search(text))


@dataclass(frozen=True)
class Verdict:
    """The result of judging a text.

    Attributes:
        copy: The parsed copy; None if the text could not be parsed.
        reason: Name of the rule that the text breaks; None if it may be published.
        findings: The claims that the product's attributes do not back.
    """

    copy: Copy | None
    reason: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Judge:
    """Applies all rules to copy in one language.

    Attributes:
        rules: Settings of the rules.
        language: ISO 639 code of the copy.
        instruction: The system message of the prompt, which copy must not repeat; "" switches this rule off.
    """

    rules: Rules
    language: str
    instruction: str

    def __call__(self, text: str, finish: str, facts: Facts) -> Verdict:
        """Judge a text.

        Reasons, in the order in which they are looked for: cut_off, invalid_json, leaked_prompt, too_long, too_short,
        markup, placeholder, repeats, harmful, other_language, ungrounded_<kind of claim>.

        Args:
            text: The copy as JSON text.
            finish: How the generator ended: "stop" or "length".
            facts: The product's attributes without prompt injections.
        """
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
        """Return the first broken rule about lengths, characters and repetitions; None if there is none."""
        rules = self.rules
        long = len(copy.headline) > rules.headline or len(copy.description) > rules.description
        if long or any(len(b) > rules.bullet for b in copy.bullets):
            return "too_long"
        if len(copy.description) < rules.shortest * (0.5 if self.language == "zh" else 1) or "" in copy.bullets:
            return "too_short"
        if _MARKUP.search(copy.text) or _UNSEEN.search(copy.text):
            return "markup"
        # unless the facts contain it, as in "null modem cable"
        if any(m[0].lower() not in facts.lower for m in _PLACEHOLDER.finditer(copy.text)):
            return "placeholder"
        if len(set(copy.bullets)) < len(copy.bullets) or repeated_share(copy.body, self.language) > rules.repeats:
            return "repeats"
        return None

    def _judge_words(self, copy: Copy, facts: Facts) -> str | None:
        """Return "harmful" or "other_language", the rule that the text breaks; None if it breaks neither."""
        if is_harmful(copy.text, self.rules.allowed, f"{facts.text}\n{facts.names}"):
            return "harmful"
        return "other_language" if is_in_other_language(copy.text, self.language, facts) else None


def is_in_other_language(text: str, language: str, facts: Facts) -> bool:
    """Return True if a text is not written in the given language.

    Words of the product's attributes and names are ignored, because they may be in any language. Short texts pass.

    Args:
        text: The copy or the ad.
        language: ISO 639 code of the language that it should have.
        facts: The product's attributes.
    """

    def unknown(match: re.Match[str]) -> str:
        """Return "" for a word of the attributes, else the word; for `re.sub`."""
        word = match[0].lower().rstrip(".-'’&+")  # without the full stop at the end of a sentence, as in `by Dewy.`
        return "" if word in facts.lower or word in facts.names else match[0]

    own = _LATIN.sub(unknown, text)
    if language == "zh":
        return not is_written_in(own, language)
    # few Chinese characters, for example a brand
    if len("".join(_HAN.findall(text))) < HAN_SHARE * sum(map(str.isalpha, text)):
        own, text = (_HAN.sub(lambda m: "" if m[0] in facts.lower else m[0], t) for t in (own, text))
    short = own.isascii() and sum(map(str.isalpha, own)) < _TELLING
    if short or is_written_in(text, language):
        return False
    words = re.findall(r"[a-z]{3,}", text.lower())  # the classifier misjudges short lists of words
    doubtful = language != "en" or not words or _HAN.search(text)
    return bool(doubtful) or sum(map(is_english, words)) < _ENGLISH * len(words)


def leaks(instruction: str, text: str, language: str) -> bool:
    """Return True if a text repeats six or more words in a row (Chinese: characters) of the prompt's instruction."""
    known = _instruction_runs(instruction, language)
    return any(run in known for run in _runs(_tokens(text, language)))


@lru_cache(maxsize=8)
def _compiled(expressions: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Compile regular expressions that ignore case; cached."""
    return tuple(re.compile(expression, re.I) for expression in expressions)


def repeated_share(text: str, language: str) -> float:
    """Return the share (0 to 1) of pairs of neighbouring words that occurred before in the same text.

    For Chinese, the pairs are of characters. Used to detect models that fall into loops.
    """
    pairs = list(pairwise(_tokens(text, language)))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def _tokens(text: str, language: str) -> list[str]:
    """Split a text into words in lower case; a Chinese text into single characters."""
    if language == "zh":
        return [c for c in text if c.isalnum()]
    return re.findall(r"[a-z0-9']+", text.lower())


@lru_cache(maxsize=8)
def _instruction_runs(instruction: str, language: str) -> frozenset[tuple[str, ...]]:
    """Return all sequences of `_LEAK_WORDS` words of the instruction; cached."""
    return frozenset(_runs(_tokens(instruction, language)))


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all sequences of `_LEAK_WORDS` neighbouring words."""
    return [tuple(words[i : i + _LEAK_WORDS]) for i in range(len(words) - _LEAK_WORDS + 1)]


def parse_attributes(stored: str) -> Mapping[str, str | None]:
    """Decode the attributes that the memo stores as JSON beside a text."""
    return dict(json.loads(stored))
