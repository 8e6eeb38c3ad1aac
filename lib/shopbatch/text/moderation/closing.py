"""Restores words that are disguised by several characters: f u c k, sh1t, a$$, f**k, fuuuck, 傻*逼, 加 微 信, 女马.

It works on texts that `folding` has normalised character by character; `find` uses it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice, product

from shopbatch.text.moderation.folding import Changed, Folded, signs
from shopbatch.text.moderation.lexicon import words

_MOST = 48  # most spellings of one token that are tried
_HAN = "\u3400-\u9fff"
# signs and emoji between two Chinese characters that end neither a clause nor a sentence
_ENDS = r",.!?;:，。！？；：、…~～“”\"'()（）《》【】+/%—-"
_BETWEEN_HAN = re.compile(rf"(?<=[{_HAN}])(?:[^\w\n{_ENDS}]{{1,4}}|[.*_~/-]{{1,3}})(?=[{_HAN}])")
# single letters, or single characters, each with a few signs between
_SPACED = re.compile(r"(?<![a-z0-9@$'])[a-z0-9@$!*](?:[^a-z0-9\n\u3400-\u9fff@$!]{1,3}[a-z0-9@$!*]){2,60}(?![a-z0-9'])")
_NUMBER = re.compile(r"(?<=\s)\d[.,]\d(?!\S)")  # "a 5.5" has a number, and no letters
_SPACED_HAN = re.compile(rf"(?<![{_HAN}])[{_HAN}](?:(?:\n|[^\w\n]{{1,3}})[{_HAN}]){{2,60}}(?![{_HAN}])")
_LINES = re.compile(rf"(?:(?<=\n)|(?<![\s\S]))[{_HAN}]{{1,2}}(?:\n[{_HAN}]{{1,2}}){{2,20}}(?![{_HAN}])")
_REPEATED_HAN = re.compile(rf"([{_HAN}])\1{{2,60}}")
# a syllable that touches a Chinese character
_PINYIN = re.compile(rf"(?<![a-z])(?:(?<=[{_HAN}])[a-z]{{2,6}}|[a-z]{{2,6}}(?=[{_HAN}]))(?![a-z])")
_SIGNS = "0-9@$!|+*#%&€£¢"
_MIXED = re.compile(rf"(?<![a-z{_SIGNS}])(?=[a-z]{{0,23}}[{_SIGNS}])[a-z{_SIGNS}]{{2,24}}(?![a-z{_SIGNS}])")
_REPEATED = re.compile(r"(?<![a-z])(?=[a-z]{0,38}?([a-z])\1)[a-z]{3,40}(?![a-z])")
_PIECES = re.compile(r"(?<![a-z'])([a-z]{1,10})[^a-z0-9\n\u3400-\u9fff]{1,2}(?=([a-z]{1,10})(?![a-z]))")


def close(folded: Folded) -> Folded:
    """Return a folded text with disguised words joined and spelled as in the lexicon ("sh1t fu ck" -> "shit fuck")."""
    if any(map(folded.text.__contains__, signs().parts)):
        folded = folded.rewrite(_parts(), lambda match: [(signs().parts[match[0]], match.start())])
    if not folded.text.isascii():
        folded = folded.rewrite(_LINES, lambda match: [x for x in _kept(match) if x[0] != "\n"])
        folded = folded.rewrite(_SPACED_HAN, lambda match: [x for x in _kept(match) if x[0] >= "\u3400"])
        folded = folded.rewrite(_BETWEEN_HAN, lambda match: [])
        folded = folded.rewrite(_REPEATED_HAN, lambda match: _kept(match, 0, 1))
        folded = folded.rewrite(_PINYIN, _spelled_in_pinyin)
    folded = folded.rewrite(_SPACED, _letters)
    folded = folded.rewrite(_MIXED, _spelled_out)
    folded = folded.rewrite(_REPEATED, _squeezed)
    return folded.rewrite(_PIECES, _joined)


@lru_cache(maxsize=1)
def _parts() -> re.Pattern[str]:
    return re.compile("|".join(signs().parts))


def _kept(match: re.Match[str], start: int = 0, end: int | None = None) -> Changed:
    """Return characters of a match, each with its position in the searched text, for `Folded.rewrite`.

    Args:
        match: The match.
        start: First character to return, relative to the match.
        end: End of the characters to return (exclusive), relative to the match; None for all.
    """
    first = match.start()
    return [(c, first + start + i) for i, c in enumerate(match[0][start:end])]


def _letters(match: re.Match[str]) -> Changed | None:
    """Join single letters, and divide them into known words ("f u c k y o u" -> "fuck you"); None to change nothing."""
    kept = [(c, place) for c, place in _kept(match) if c.isalnum() or c in "@$!*"]
    if not any(c.isalpha() for c, _ in kept) or _NUMBER.search(match[0]):
        return None
    out = Changed()
    for word in _cut("".join(c for c, _ in kept)):
        out += [(" ", out[-1][1])] if out else []
        out += kept[: len(word)]
        kept = kept[len(word) :]
    return out


def _cut(letters: str) -> list[str]:
    """Divide letters into as few known words as possible ("fuckyou" -> ["fuck", "you"]).

    If that is impossible, return them as one piece.
    """
    known = words().latin
    best: list[list[str] | None] = [[]]
    for end in range(1, len(letters) + 1):
        ways = [
            [*before, letters[start:end]]
            for start in range(max(0, end - 16), end)
            if (before := best[start]) is not None and letters[start:end] in known
        ]
        best.append(min(ways, key=len, default=None))
    return best[-1] or [letters]


def _spelled_in_pinyin(match: re.Match[str]) -> Changed | None:
    """Replace a pinyin syllable by a character that forms a listed word with its neighbours; None if there is none."""
    text, (start, end), known = match.string, match.span(), words().classes
    for character in signs().pinyin.get(match[0], ""):
        around = f"{text[max(0, start - 3) : start]}{character}{text[end : end + 3]}"
        place = min(3, start)
        spans = ((a, b) for a in range(place + 1) for b in range(place + 1, len(around) + 1) if b - a > 1)
        if any(around[a:b] in known for a, b in spans):
            return [(character, start)]
    return None


def _spelled_out(match: re.Match[str]) -> Changed | None:
    """Replace digits and signs in a token by letters if that gives a known word ("sh1t" -> "shit"); else None."""
    token, known = match[0], words()
    if len(token) < 3 or not any(c.isalpha() or c in "@$" for c in token):
        return None
    tail = len(token) - len(token.rstrip("!+|"))  # shit!!
    for size in dict.fromkeys((len(token), len(token) - tail)):
        options = [signs().leet.get(c, c) for c in token[:size]]
        if "*" in options:
            word = _censored(options)
        else:
            word = next((w for w in map("".join, islice(product(*options), _MOST)) if w in known.latin), None)
        if word is not None:
            spelled = [(c, match.start() + i) for i, c in enumerate(word)]
            return spelled + _kept(match, size)
    bare = [(c, place) for c, place in _kept(match) if c.isalpha()]
    return bare if "".join(c for c, _ in bare) in known.strong else None


def _censored(options: list[str]) -> str | None:
    """Return the word that stars hide (f**k, sh*t, f***); None if there is none.

    The first letter and one more must be visible, except in "f***".

    Args:
        options: For each character of the token, the letters that it may stand for, or "*".
    """
    shown = sum(option != "*" for option in options)
    if options[0] == "*" or (shown < 2 and options != ["f", "*", "*", "*"]):
        return None
    fits = (
        word
        for word in words().strong
        if len(word) == len(options) and all(o == "*" or c in o for c, o in zip(word, options, strict=True))
    )
    return min(fits, default=None)


def _squeezed(match: re.Match[str]) -> Changed | None:
    """Remove repeated letters if that gives a known word (fuuuck, asssshole, stuuupid); else return None."""
    token, known = match[0], words()
    if token in known.latin:
        return None
    for most in (1, 2):
        kept = [x for i, x in enumerate(_kept(match)) if i < most or token[i - most : i] != x[0] * most]
        word = "".join(c for c, _ in kept)
        if word in known.strong or (word in known.latin and len(token) - len(word) > 1):
            return kept
    return None


def _joined(match: re.Match[str]) -> Changed | None:
    """Remove the gap between two pieces of a strong word ("fu ck", "bit-ch"); else return None."""
    return _kept(match, 0, len(match[1])) if match[1] + match[2] in words().strong else None
