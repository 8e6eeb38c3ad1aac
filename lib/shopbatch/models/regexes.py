"""Refuses regular expressions that could run almost forever; the regex library of tokenizers backtracks.

The rule looks only at the structure of the expression, so the answer does not depend on the machine. Where an
expression can fail after a repetition, the library tries the repetition again at every shorter length. Two such
repetitions in a row, or one inside another, can take hours on a text of a few thousand characters. So three things are
required:

- a branch has at most one unlimited repetition that is followed by something compulsory;
- the limited repetitions of a branch can match in few ways;
- what is repeated does not vary in length itself.

The expressions of GPT-2, GPT-4, Llama 3, Qwen, DeepSeek and Mistral meet these conditions.
"""

from __future__ import annotations

import re

_LONGEST = 4096
_MOST_WAYS = 16  # maximum number of ways in which the limited repetitions of a branch can match
_MOST_RISKY = 16  # maximum number of branches that backtrack
_MOST_TIMES = 1000
_DEEPEST = 20
_QUANTIFIER = re.compile(r"([*+?])|\{(\d*)(,?)(\d*)\}")
_GROUP = re.compile(r"\((?:\?(?:[:=!>]|<[=!]|[imsu-]*:|[imsu-]+(?=\))|<[A-Za-z]\w*>))?")
_ENDLESS = 10**9


class Unbounded(ValueError):
    """A regular expression could run almost forever, or has a syntax that this module does not understand."""


class _Branch:
    """Counts for one alternative of a regular expression (a part between `|`), while it is read term by term.

    Attributes:
        risky: Number of unlimited repetitions that are followed by a compulsory term, so that they may be retried.
        loose: Number of unlimited repetitions that no compulsory term follows so far.
        ways: Number of ways in which the limited repetitions before the last compulsory term can match.
        slack: Number of ways in which the limited repetitions after the last compulsory term can match.
        varies: Whether the length of the match can vary.
    """

    def __init__(self) -> None:
        self.risky, self.loose, self.ways, self.slack, self.varies = 0, 0, 1, 1, False

    def compulsory(self) -> None:
        """Record a compulsory term, which makes all repetitions before it risky.

        Raises:
            Unbounded: The branch then has more than one risky repetition, or too many ways to match.
        """
        self.risky, self.loose = self.risky + self.loose, 0
        self.ways, self.slack = self.ways * self.slack, 1
        if self.risky > 1 or self.ways > _MOST_WAYS:
            raise Unbounded("it may backtrack for ever")


def check(pattern: str) -> None:
    """Raise `Unbounded` if a regular expression could run almost forever on some text.

    Args:
        pattern: The expression, in the syntax of Oniguruma.
    """
    if len(pattern) > _LONGEST:
        raise Unbounded(f"it has more than {_LONGEST:,} characters")
    reader = _Reader(pattern)
    reader.alternatives(0)
    if reader.risky > _MOST_RISKY:
        raise Unbounded(f"more than {_MOST_RISKY} of its branches backtrack")
    if reader.at < len(pattern):
        raise Unbounded("a parenthesis is closed that was not opened")


class _Reader:
    """A recursive-descent parser for the part of Oniguruma's syntax that tokenizers use.

    Its methods read from position `at` and advance it.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.risky = pattern, 0, 0

    def alternatives(self, depth: int) -> tuple[bool, bool, int, int]:
        """Read all alternatives up to the end of a group.

        Returns:
            Whether the length of the match varies, whether it may be empty, the number of unlimited repetitions, and
            the number of ways to match.
        """
        if depth > _DEEPEST:
            raise Unbounded("it is nested too deeply")
        branches, empty = [_Branch()], False
        compulsory = False
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                branches.append(_Branch())
                empty, compulsory = empty or not compulsory, False
            else:
                compulsory = self._term(branches[-1], depth) or compulsory
        varies = len(branches) > 1 or any(b.varies for b in branches)
        risky = max(b.risky + b.loose for b in branches)
        self.risky += sum(b.risky for b in branches)
        ways = max(b.ways * b.slack for b in branches) * (len(branches) if depth else 1)
        return varies, empty or not compulsory, risky, ways

    def _term(self, branch: _Branch, depth: int) -> bool:
        """Read one term with its repetition, and add it to the branch.

        Returns:
            Whether the term is compulsory: it must match at least one character.
        """
        varies, empty, risky, ways, assertion = self._atom(depth)
        least, most = self._repetition()
        if most > 1 and (varies or risky or ways > 1):
            raise Unbounded("what it repeats varies in length itself")
        if assertion or not (least == 0 or empty):
            branch.compulsory()
        if most == _ENDLESS:
            branch.loose += 1
        branch.loose += risky
        branch.slack *= (min(most, _MOST_TIMES) - least + 1 if most != _ENDLESS else 1) * ways
        if branch.loose + branch.risky > 1 and risky:
            branch.compulsory()
        branch.varies = branch.varies or varies or least != most
        if branch.ways > _MOST_WAYS or branch.loose > 3 or branch.slack > _MOST_WAYS**3:
            raise Unbounded("it may backtrack for ever")
        return not (least == 0 or empty or assertion)

    def _atom(self, depth: int) -> tuple[bool, bool, int, int, bool]:
        """Read a character, a class of characters, or a group.

        Returns:
            The four values of `alternatives`, and whether the atom is an assertion, which matches no characters (`^`,
            `(?=`).
        """
        char = self.pattern[self.at]
        if char == "(":
            return self._group(depth)
        if char == "[":
            self._char_class(0)
        elif char == "\\":
            return False, False, 0, 1, self._escape()
        elif char in "*+?{":
            raise Unbounded("a repetition repeats nothing or another repetition")
        else:
            self.at += 1
        return False, False, 0, 1, char in "^$"

    def _group(self, depth: int) -> tuple[bool, bool, int, int, bool]:
        """Read a group in parentheses; the result is that of `_atom`."""
        match = _GROUP.match(self.pattern, self.at)
        opening = match[0] if match else ""
        if opening == "(" and self.pattern.startswith("?", self.at + 1):
            raise Unbounded("it has a kind of group that tokenizers do not need")
        self.at += len(opening)
        varies, empty, risky, ways = self.alternatives(depth + 1)
        if self.at >= len(self.pattern):
            raise Unbounded("a parenthesis is not closed")
        self.at += 1
        return varies, empty, risky, ways, opening in ("(?=", "(?!", "(?<=", "(?<!")

    def _char_class(self, depth: int) -> None:
        """Read a class of characters in brackets, which may contain other classes."""
        if depth > _DEEPEST:
            raise Unbounded("it is nested too deeply")
        self.at += 1
        self.at += self.pattern.startswith("^", self.at)
        self.at += self.pattern.startswith("]", self.at)  # a bracket in first place is a character
        while self.at < len(self.pattern) and self.pattern[self.at] != "]":
            if self.pattern[self.at] == "[":
                self._char_class(depth + 1)
            else:
                self.at += 2 if self.pattern[self.at] == "\\" else 1
        if self.at >= len(self.pattern):
            raise Unbounded("a class of characters is not closed")
        self.at += 1

    def _escape(self) -> bool:
        r"""Read a backslash sequence.

        Returns:
            Whether the sequence is an assertion, which matches no characters (`\b`, `\z`).
        """
        char = self.pattern[self.at + 1 : self.at + 2]
        if not char or char in "kgKX123456789":
            raise Unbounded("it refers to a group, or to what it matched before")
        self.at += 2
        if char in "pPxu" and self.pattern.startswith("{", self.at):
            end = self.pattern.find("}", self.at)
            if end < 0:
                raise Unbounded("a brace is not closed")
            self.at = end + 1
        return char in "bBAzZG"

    def _repetition(self) -> tuple[int, int]:
        """Read the quantifier of a term: its minimum and maximum number of repetitions; (1, 1) if it has none."""
        match = _QUANTIFIER.match(self.pattern, self.at)
        if match is None or match[0] == "{}" or (match[0][0] == "{" and not match[2] and not match[4]):
            self.at += self.pattern.startswith("{", self.at)  # a brace that is no quantifier is an ordinary character
            return 1, 1
        self.at = match.end()
        sign, least, comma, most = match.groups()
        if self.pattern.startswith(("?", "+"), self.at):
            if sign is None and self.pattern[self.at] == "+":
                raise Unbounded("a repetition repeats another one")
            self.at += 1  # a reluctant or possessive repetition is no slower than a greedy one
        if _QUANTIFIER.match(self.pattern, self.at):
            raise Unbounded("a repetition repeats another one")
        if sign:
            return {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}[sign]
        limits = int(least or 0), int(most) if most else _ENDLESS if comma else int(least or 0)
        if limits[0] > _MOST_TIMES or (limits[1] != _ENDLESS and limits[1] > _MOST_TIMES):
            raise Unbounded(f"it repeats something more than {_MOST_TIMES:,} times")
        return limits
