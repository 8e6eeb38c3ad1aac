"""Parts of a text that a translation keeps as they are: placeholders, tags, addresses, numbers of orders, codes, sizes.

They are masked before an engine that keeps masks, and put back after it; and the checks compare them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.letters import LATIN

VERSION = 4
# A kind's pattern; of two that begin at one place the first counts.
_PATTERNS = {
    "tag": r"</?[A-Za-z][\w:-]*(?:\s[^<>]*)?/?>|&(?:[A-Za-z]{2,8}|#\d{1,5});",
    "address": r"https?://[^\s<>\"'）)，。、]+(?<![.,;:!?])|\bwww\.[^\s<>\"'）)，。、]+(?<![.,;:!?])"
    r"|[\w.+-]+@[\w-]+(?:\.[A-Za-z0-9-]+)+"
    r"|(?<![\w.])[a-z0-9-]{2,}\.(?:com|org|net|de|es|fr|cn|shop|store|eu|io|co\.uk)(?:/[^\s，。、]*)?(?![\w])",
    "placeholder": r"\{\{[^{}\n]{1,60}\}\}|\$\{[^{}\n]{1,60}\}|\{[\w.\s:-]{0,60}\}|%\(\w+\)[sdf]"
    r"|%(?:\d\$)?[sdf](?![A-Za-z])|%%\w+%%|\[\[[^\[\]\n]{1,60}\]\]|\[[A-Z][A-Z0-9_]{1,40}\]|<<\w+>>|__[A-Z_]+__|\*\|\w+\|\*"
    r"|(?<![A-Za-z0-9]):[a-z_]{3,}:(?![A-Za-z0-9])",
    "order": r"#\s?[A-Z]{0,4}-?\d[\w-]*|(?<![\w.,])\d{7,}(?![\w]|[.,]\d)",
    "code": r"(?<![A-Za-z0-9#@.-])(?=[A-Za-z0-9./+-]*\d)(?=[A-Za-z0-9./+-]*[A-Z])"
    r"[A-Za-z0-9]+(?:[-/.+][A-Za-z0-9]+)*(?![A-Za-zÀ-ÿ0-9@]|-[A-Za-zÀ-ÿ0-9])",
    "size": rf"(?<![{LATIN}0-9'’&-])(?:\d?X{{1,4}}[SL]|X{{1,4}}S)(?![{LATIN}0-9'’&])",
}  # fmt: skip
KINDS = tuple(_PATTERNS)
_ALL = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))
# a number with a unit is no code: 500ML, 20V, 64GB, 3D, 15CM
_MEASURE = re.compile(
    r"\d+(?:[.,]\d+)?(?:-?(?:ML|CL|L|KG|G|MG|OZ|LB|CM|MM|M|KM|IN|FT|W|KW|V|MAH|GB|TB|MB|HZ|HP|PCS|PC|PK|CT|X|K|EUR|USD|GBP|CNY|RMB|C|F|Watt|Volt|Euro|Tage|Zoll|Liter|Gramm|Stück|Jahre|Jahren|Minuten|Stunden|Uhr|Prozent|H))+"
    r"|(?:\d+(?:[.,]\d+)?[A-Z]?)-(?:[A-Z]?[a-zäöüß]+)(?:-[A-Za-zäöüß]+)*|\d+(?:[.,/]\d+)+|\d?X{0,4}[SML](?:/\d?X{0,4}[SML])+"
    r"|(?:SPF|FPS|LSF|UPF)\d+|[A-ZÄÖÜ]?[a-zäöüß]{2,}-\d+(?:-[A-Za-zÄÖÜäöüß]{3,})+|\d+er-[A-Z][a-zäöü]+|\d+(?:st|nd|rd|th|er|re|e|ème|°)|[A-Z]?[a-zäöüß]+-\d+|US\d+(?:[.,]\d+)?|(?:USD|EUR|GBP|CNY|RMB)\d+(?:[.,]\d+)?",
)
# a number with a sign that all languages share stays together with it
_MEASURED = re.compile(
    r"(?<![\w.,])\d+(?:[.,]\d+)*(?:\s?[x×]\s?\d+(?:[.,]\d+)*)*\s?"
    r"(?:m[lgm]|cl|k[gmW]|cm|[glmWVAK]|mAh|[GTMk]B|[kMG]?Hz|dB|°[CF]?|%|lm|den|ppi|dpi|fps|px|MP)(?![\w°])"
)
_SINGLE_SIZE = re.compile(rf"(?<![{LATIN}0-9'’&.-])(?<!\d )[SML](?![{LATIN}0-9'’&]|\.\w|\s?=)")
_SIZE_WORD = re.compile(r"size|talla|gr(?:ö|oe)(?:ß|ss)en?|taille|尺码|码|号|尺寸|fit|passt|medidas?|grob", re.I)
_MARK = "⟦{}⟧"
_MARKS = re.compile(r"[⟦\[【]\s*(\d{1,3})\s*[⟧\]】]")


@dataclass(frozen=True)
class Atom:
    """A part of a text that stays as it is.

    Attributes:
        kind: One of KINDS, or glossary, brand, measure.
        text: The part.
        start: Where it begins.
        end: Where it ends.
        written: What stands for it in the translation; the same, but for an entry of the glossary.
    """

    kind: str
    text: str
    start: int
    end: int
    written: str


@lru_cache(maxsize=4_096)
def atoms(text: str) -> tuple[Atom, ...]:
    """Return the atoms of a text in order, none inside another."""
    out = []
    for m in _ALL.finditer(text):
        kind = str(m.lastgroup)
        if kind == "code" and (_MEASURE.fullmatch(m[0]) or len(m[0]) < 2):
            continue
        out.append(Atom(kind, m[0], m.start(), m.end(), m[0]))
    return tuple(out)


def sizes(text: str) -> Counter[str]:
    """The sizes of clothes that a text names by letters: S, M, L, XL, ..."""
    named = Counter(atom.text for atom in atoms(text) if atom.kind == "size")
    if _SIZE_WORD.search(text) or named or len(_SINGLE_SIZE.findall(text)) > 1:
        named.update(m[0] for m in _SINGLE_SIZE.finditer(text))
    return named


@dataclass(frozen=True)
class Masked:
    """A text with masks.

    Attributes:
        text: The text that the engine reads.
        atoms: What the masks stand for, the first one for mask 0.
    """

    text: str
    atoms: tuple[Atom, ...]

    def restore(self, translation: str) -> tuple[str, str]:
        """Put the atoms back.

        Returns:
            The translation, and what is wrong with its masks: mask_lost, mask_doubled, or "".
        """
        seen = Counter(int(number) for number in _MARKS.findall(translation) if int(number) < len(self.atoms))
        problem = ""
        if any(seen[i] > 1 for i in range(len(self.atoms))):
            problem = "mask_doubled"
        if any(seen[i] == 0 for i in range(len(self.atoms))):
            problem = "mask_lost"

        def written(m: re.Match[str]) -> str:
            number = int(m[1])
            return self.atoms[number].written if number < len(self.atoms) else m[0]

        return _MARKS.sub(written, translation), problem


def mask(text: str, further: Iterable[Atom] = (), mark: str = _MARK) -> Masked:
    """Replace atoms by masks.

    Args:
        text: The text. A text that holds a mask already is returned without masks.
        further: Atoms beside those of `atoms` and numbers with a sign as unit: entries of the glossary, brands. They go
            first.
        mark: How a mask is written; {} is its number.
    """
    if _MARKS.search(text):
        return Masked(text, ())
    chosen: list[Atom] = []
    measured = [Atom("measure", m[0], m.start(), m.end(), m[0]) for m in _MEASURED.finditer(text)]
    for atom in (*sorted(further, key=lambda a: a.start - a.end), *atoms(text), *measured):
        if all(atom.end <= other.start or other.end <= atom.start for other in chosen):
            chosen.append(atom)
    chosen.sort(key=lambda atom: atom.start)
    out, last = [], 0
    for number, atom in enumerate(chosen):
        out += [text[last : atom.start], mark.format(number)]
        last = atom.end
    return Masked("".join([*out, text[last:]]), tuple(chosen))


def differences(one: str, other: str, allowed: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (kind, part) of each atom that only one of two texts has, or that one has more often.

    Args:
        one: The text.
        other: Its translation.
        allowed: Parts of the translation that may be new, such as those that the glossary demands.
    """
    a, b = (Counter((x.kind, _comparable(x)) for x in atoms(text)) for text in (one, other))
    parts = [(kind, part) for kind, part in (a - b) if not _holds(other, part)]
    parts += [(kind, part) for kind, part in (b - a) if not _holds(one, part) and part not in allowed]
    return parts


def _comparable(atom: Atom) -> str:
    return re.sub(r"[\s#]+", "", atom.text) if atom.kind == "order" else atom.text


def _holds(text: str, part: str) -> bool:
    """Whether a text holds a part, perhaps written otherwise: `USB-C` as `USB C`. Placeholders and tags are exact."""
    if not part[0].isalnum():
        return False
    bare, within = (re.sub(r"\W", "", t).lower() for t in (part, text))
    return len(bare) > 2 and bare in within
