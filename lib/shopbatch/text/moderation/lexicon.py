"""Loads the lexicon of moderation: words by class, and the rules that combine classes (en.yaml, zh.yaml).

Every pattern of a word stands for a finite list of texts, so the time to find words is proportional to the length of
the text, whatever it contains.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic import Field

from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
BENIGN = "benign"  # class of harmless words that contain a harmful one: Scunthorpe, 操作
UNFIT = "unfit"  # kind of passages that customers may write and a shop may not
LATIN = re.compile("[a-z]")


class Rule(WordFile):
    """A rule for harmful passages: words of given classes that follow each other.

    Attributes:
        kind: Kind of the passage, such as "insult".
        all: Classes, in order; `a|b` means either. A class of the other language's file is prefixed with the language
            (`en.contact`).
        gap: Most characters between two of the words. No end of a sentence may be between them.
        without: Classes that excuse the passage if one of their words is within its range, extended by `before` and
            `after`.
        before: Characters before the first word in which `without` is looked for.
        after: Characters after the last word in which `without` is looked for.
    """

    kind: str
    all: tuple[str, ...] = Field(min_length=1)
    gap: int = 1
    without: tuple[str, ...] = ()
    before: int = 0
    after: int = 0

    def of_classes(self, names: dict[str, str]) -> Rule:
        """Return the rule with the short names of classes replaced by their full names.

        Args:
            names: Full name by short name, for the classes that the rule's own file defines. Other names (`link`,
                `en.contact`) stay as they are.
        """

        def whole(wanted: str) -> str:
            return "|".join(names.get(name, name) for name in wanted.split("|"))

        changed = {"all": tuple(map(whole, self.all)), "without": tuple(map(whole, self.without))}
        return self.model_copy(update=changed)


class Lexicon(WordFile):
    """The content of en.yaml or zh.yaml.

    Attributes:
        words: Class -> its words as patterns (see `expand`).
        glue: Classes of words that mean nothing alone (is, you, will); a benign word does not cancel them.
        rules: The rules, in any order.
    """

    words: dict[str, str]
    glue: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Words:
    """The words and rules of both languages, indexed for the search.

    Attributes:
        classes: Word -> its classes.
        lengths: First token of a word -> the lengths of such words. A token is a run of Latin letters or one other
            character.
        token: Matches a token with which a word may begin.
        latin: All Latin tokens that occur in words.
        strong: Words that are harmful wherever they stand; they are also looked for in pieces (f u c k).
        glue: Classes that a benign word does not cancel.
        rules: Class -> (name, rule) of the rules that begin with it.
    """

    classes: dict[str, tuple[str, ...]]
    lengths: dict[str, tuple[int, ...]]
    token: re.Pattern[str]
    latin: frozenset[str]
    strong: frozenset[str]
    glue: frozenset[str]
    rules: dict[str, tuple[tuple[str, Rule], ...]]


def expand(pattern: str) -> list[str]:
    """Return all texts that a pattern stands for ("a(b|c)" -> ["ab", "ac"]).

    `(a|b)` and `[a-c]` are alternatives, `?` makes the element before it optional.

    Raises:
        ValueError: A bracket is not closed.
    """
    texts, rest = _alternatives(pattern, 0)
    if rest != len(pattern):
        raise ValueError(f"no pattern: {pattern!r} at {rest}")
    return list(dict.fromkeys(texts))


def _alternatives(pattern: str, place: int) -> tuple[list[str], int]:
    """Parse alternatives from a position up to the closing bracket.

    Returns:
        The texts that they stand for, and the position of the bracket, or the end of the pattern.
    """
    texts: list[str] = []
    sequence = [""]
    while place < len(pattern) and pattern[place] != ")":
        if pattern[place] == "|":
            texts, sequence, place = texts + sequence, [""], place + 1
            continue
        options, place = _one(pattern, place)
        if pattern[place : place + 1] == "?":
            options, place = [*options, ""], place + 1
        sequence = [before + option for before in sequence for option in options]
    return texts + sequence, place


def _one(pattern: str, place: int) -> tuple[list[str], int]:
    """Parse a group, a character class or a character; return its texts and the position behind it."""
    character = pattern[place]
    if character == "(":
        options, end = _alternatives(pattern, place + 1)
        if end == len(pattern):
            raise ValueError(f"no pattern: {pattern!r} has a bracket that is not closed")
        return options, end + 1
    if character == "[":
        end = pattern.index("]", place)
        ends = re.findall("(.)-(.)|(.)", pattern[place + 1 : end])
        return [chr(c) for a, b, one in ends for c in range(ord(a or one), ord(b or one) + 1)], end + 1
    return ([pattern[place + 1]], place + 2) if character == "\\" else ([character], place + 1)


@lru_cache(maxsize=1)
def words() -> Words:
    """Return the words and rules of en.yaml and zh.yaml, read once per process."""
    classes: dict[str, set[str]] = {}
    rules: dict[str, list[tuple[str, Rule]]] = {}
    glue: set[str] = set()
    for language in LANGUAGES:
        lexicon = read_words(Lexicon, "shopbatch.text.moderation", f"{language}.yaml")
        names = {name: name if name == BENIGN else f"{language}.{name}" for name in lexicon.words}
        for name, listed in lexicon.words.items():
            for pattern in filter(None, map(str.strip, re.split(r"[;\n]", listed))):
                for text in expand(pattern):
                    classes.setdefault(text, set()).add(names[name])
        glue.update(names[name] for name in lexicon.glue)
        for number, rule in enumerate(lexicon.rules, 1):
            whole = rule.of_classes(names)
            for first in whole.all[0].split("|"):
                rules.setdefault(first, []).append((f"{language}.{rule.kind}.{number}", whole))
    starts = "".join(re.escape(c) for c in sorted({text[0] for text in classes if not LATIN.match(text[0])}))
    token = re.compile(f"[a-z]+|[{starts}]")
    lengths: dict[str, set[int]] = {}
    for text in classes:
        lengths.setdefault(token.findall(text)[0], set()).add(len(text))
    strong = frozenset(t for t, names in classes.items() if "en.strong" in names and t.isalpha())
    latin = frozenset(token for text in classes for token in re.findall("[a-z]+", text))
    return Words(
        classes={text: tuple(sorted(names)) for text, names in classes.items()},
        lengths={first: tuple(sorted(sizes)) for first, sizes in lengths.items()},
        token=token,
        latin=latin,
        strong=strong,
        glue=frozenset(glue),
        rules={first: tuple(listed) for first, listed in rules.items()},
    )
