r"""Whether a regular expression of a tokenizer can take forever: its library backtracks.

The rule is about the structure, so that the answer is always the same. Where an expression can fail after a repetition,
the repetition is tried again at every shorter length. Two such repetitions, or one inside another, make a text of a few
thousand characters take hours. So a branch may have one repetition without limit that something compulsory follows,
the ways to match what is repeated at most a few times must be few, and what is repeated must not vary in length itself.
The expressions of GPT-2, GPT-4, Llama 3, Qwen, DeepSeek and Mistral are of this kind.
"""

from __future__ import annotations

import re

_LONGEST = 4096
_MOST_WAYS = 16  # in which the limited repetitions of a branch can match
_MOST_RISKY = 16  # branches that backtrack at all
_MOST_TIMES = 1000
_DEEPEST = 20
_QUANTIFIER = re.compile(r"([*+?])|\{(\d*)(,?)(\d*)\}")
_GROUP = re.compile(r"\((?:\?(?:[:=!>]|<[=!]|[imsu-]*:|[imsu-]+(?=\))|<[A-Za-z]\w*>))?")
_ENDLESS = 10**9


class Unbounded(ValueError):
    """The expression may take forever, or is none that this module understands."""


class _Branch:
    """What was read of one alternative.

    Attributes:
        risky: Repetitions without limit that something compulsory follows.
        loose: Those that nothing compulsory follows so far.
        ways: Number of ways in which the limited repetitions before something compulsory can match.
        slack: The same for those that nothing compulsory follows so far.
        varies: Whether the length of what it matches varies.
    """

    def __init__(self) -> None:
        self.risky, self.loose, self.ways, self.slack, self.varies = 0, 0, 1, 1, False

    def compulsory(self) -> None:
        self.risky, self.loose = self.risky + self.loose, 0
        self.ways, self.slack = self.ways * self.slack, 1
        if self.risky > 1 or self.ways > _MOST_WAYS:
            raise Unbounded("it may backtrack for ever")


def check(pattern: str) -> None:
    """Raise Unbounded for a regular expression that may take forever on some text."""
    if len(pattern) > _LONGEST:
        raise Unbounded(f"it has more than {_LONGEST:,} characters")
    reader = _Reader(pattern)
    reader.alternatives(0)
    if reader.risky > _MOST_RISKY:
        raise Unbounded(f"more than {_MOST_RISKY} of its branches backtrack")
    if reader.at < len(pattern):
        raise Unbounded("a parenthesis is closed that was not opened")


class _Reader:
    """Reads a pattern in the syntax of Oniguruma, as far as tokenizers use it."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at, self.risky = pattern, 0, 0

    def alternatives(self, depth: int) -> tuple[bool, bool, int, int]:
        """Read to the end of a group: (it varies in length, it may be empty, its risky repetitions, its ways)."""
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
        """Read one term with its repetition. Returns whether it is compulsory: it must match at least one character."""
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
        """Read a character, a class or a group: as `alternatives`, and whether it only looks at what is there."""
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
        """Read a class of characters, which may hold others."""
        if depth > _DEEPEST:
            raise Unbounded("it is nested too deeply")
        self.at += 1
        self.at += self.pattern.startswith("^", self.at)
        self.at += self.pattern.startswith("]", self.at)  # the first one is a character
        while self.at < len(self.pattern) and self.pattern[self.at] != "]":
            if self.pattern[self.at] == "[":
                self._char_class(depth + 1)
            else:
                self.at += 2 if self.pattern[self.at] == "\\" else 1
        if self.at >= len(self.pattern):
            raise Unbounded("a class of characters is not closed")
        self.at += 1

    def _escape(self) -> bool:
        """Read what a backslash begins; tells whether it only looks at what is there (`\\b`, `\\z`)."""
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
        """Read how often the term before is repeated, at least and at most."""
        match = _QUANTIFIER.match(self.pattern, self.at)
        if match is None or match[0] == "{}" or (match[0][0] == "{" and not match[2] and not match[4]):
            self.at += self.pattern.startswith("{", self.at)  # not a repetition: the character itself
            return 1, 1
        self.at = match.end()
        sign, least, comma, most = match.groups()
        if self.pattern.startswith(("?", "+"), self.at):
            if sign is None and self.pattern[self.at] == "+":
                raise Unbounded("a repetition repeats another one")
            self.at += 1  # reluctant or possessive: no worse than greedy
        if _QUANTIFIER.match(self.pattern, self.at):
            raise Unbounded("a repetition repeats another one")
        if sign:
            return {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}[sign]
        limits = int(least or 0), int(most) if most else _ENDLESS if comma else int(least or 0)
        if limits[0] > _MOST_TIMES or (limits[1] != _ENDLESS and limits[1] > _MOST_TIMES):
            raise Unbounded(f"it repeats something more than {_MOST_TIMES:,} times")
        return limits
