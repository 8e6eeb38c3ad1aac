"""The words that are looked for, by class, and the rules that combine them (en.yaml, zh.yaml).

Every word is a finite text, so that looking for words takes time in proportion to the text, whatever it holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pydantic import Field

from shopbatch.text.word_files import WordFile, read_words

LANGUAGES = ("en", "zh")
BENIGN = "benign"  # the class of the words that only look like another one: Scunthorpe, 操作
UNFIT = "unfit"  # the kind of what only a shop must not say
LATIN = re.compile("[a-z]")


class Rule(WordFile):
    """One way in which a text is harmful: words of some classes, one after the other.

    Attributes:
        kind: What the text then is.
        all: Classes, in order; `a|b` means either. A class of the other file has its name before it (`en.contact`).
        gap: Most characters between two of them. No end of a sentence may stand between.
        without: Classes of which no word may stand between, `before` or `after`.
        before: How many characters before the first word `without` looks at.
        after: How many characters after the last word `without` looks at.
    """

    kind: str
    all: tuple[str, ...] = Field(min_length=1)
    gap: int = 1
    without: tuple[str, ...] = ()
    before: int = 0
    after: int = 0

    def of_classes(self, names: dict[str, str]) -> Rule:
        """Return the rule in which the classes that its file defines have their full names.

        Classes of other files (`link`, `en.contact`) keep the names that they have.
        """

        def whole(wanted: str) -> str:
            return "|".join(names.get(name, name) for name in wanted.split("|"))

        changed = {"all": tuple(map(whole, self.all)), "without": tuple(map(whole, self.without))}
        return self.model_copy(update=changed)


class Lexicon(WordFile):
    """What a file holds.

    Attributes:
        words: By class, as patterns (see `expand`).
        glue: The classes of words that mean nothing alone (is, you, will), which no benign word takes away.
        rules: In any order.
    """

    words: dict[str, str]
    glue: tuple[str, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Words:
    """All words, ready to look for.

    Attributes:
        classes: The classes of every word.
        lengths: The lengths of the words by their first token: Latin letters up to the next other sign, or one other
            character.
        token: Finds where a word may begin.
        latin: The Latin tokens that any word consists of.
        strong: The words in one piece that are harmful wherever they stand; they are also looked for in pieces.
        glue: The classes that no benign word takes away.
        rules: The rules by the class that they begin with.
    """

    classes: dict[str, tuple[str, ...]]
    lengths: dict[str, tuple[int, ...]]
    token: re.Pattern[str]
    latin: frozenset[str]
    strong: frozenset[str]
    glue: frozenset[str]
    rules: dict[str, tuple[tuple[str, Rule], ...]]


def expand(pattern: str) -> list[str]:
    """List the texts that a pattern stands for: `(a|b)` and `[a-c]` are alternatives, `?` makes what precedes optional.

    Raises:
        ValueError: A bracket is not closed.
    """
    texts, rest = _alternatives(pattern, 0)
    if rest != len(pattern):
        raise ValueError(f"no pattern: {pattern!r} at {rest}")
    return list(dict.fromkeys(texts))


def _alternatives(pattern: str, place: int) -> tuple[list[str], int]:
    """The texts of alternatives, up to the bracket that closes them, and where that is."""
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
    """The texts of a group, a class or a character, and where the next one begins."""
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
    """Read the files."""
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
