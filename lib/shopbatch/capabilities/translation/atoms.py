"""Finds the parts of a text that a translation must not change: placeholders, tags, URLs, order numbers, codes, sizes.

Such a part is called an atom. Atoms are masked before the engine translates and put back afterwards; the checks compare
the atoms of a text with those of its translation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from shopbatch.text.letters import LATIN

VERSION = 4
# {kind: pattern}. If several match at the same character, the first one counts.
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
# numbers with a unit, which look like codes but are none: 500ML, 20V, 64GB, 3D, 15CM
_MEASURE = re.compile(
    r"\d+(?:[.,]\d+)?(?:-?(?:ML|CL|L|KG|G|MG|OZ|LB|CM|MM|M|KM|IN|FT|W|KW|V|MAH|GB|TB|MB|HZ|HP|PCS|PC|PK|CT|X|K|EUR|USD|GBP|CNY|RMB|C|F|Watt|Volt|Euro|Tage|Zoll|Liter|Gramm|Stück|Jahre|Jahren|Minuten|Stunden|Uhr|Prozent|H))+"
    r"|(?:\d+(?:[.,]\d+)?[A-Z]?)-(?:[A-Z]?[a-zäöüß]+)(?:-[A-Za-zäöüß]+)*|\d+(?:[.,/]\d+)+|\d?X{0,4}[SML](?:/\d?X{0,4}[SML])+"
    r"|(?:SPF|FPS|LSF|UPF)\d+|[A-ZÄÖÜ]?[a-zäöüß]{2,}-\d+(?:-[A-Za-zÄÖÜäöüß]{3,})+|\d+er-[A-Z][a-zäöü]+|\d+(?:st|nd|rd|th|er|re|e|ème|°)|[A-Z]?[a-zäöüß]+-\d+|US\d+(?:[.,]\d+)?|(?:USD|EUR|GBP|CNY|RMB)\d+(?:[.,]\d+)?",
)
# a number with an international unit is masked together with the unit
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
    """A part of a text that the translation keeps unchanged, or replaces by a fixed translation.

    Attributes:
        kind: One of KINDS ("tag", "address", "placeholder", "order", "code", "size"), or "glossary", "brand", "measure"
            (a number with its unit).
        text: The part, as it is spelled in the text.
        start: Position of its first character in the text.
        end: Position after its last character.
        written: The string that the translation must contain: equal to `text`, except for glossary entries, where it is
            their fixed translation.
    """

    kind: str
    text: str
    start: int
    end: int
    written: str


@lru_cache(maxsize=4_096)
def atoms(text: str) -> tuple[Atom, ...]:
    """Return the tags, addresses (URL, e-mail), placeholders, order numbers, codes and sizes in a text, in order.

    The atoms do not overlap.
    """
    out = []
    for m in _ALL.finditer(text):
        kind = str(m.lastgroup)
        if kind == "code" and (_MEASURE.fullmatch(m[0]) or len(m[0]) < 2):
            continue
        out.append(Atom(kind, m[0], m.start(), m.end(), m[0]))
    return tuple(out)


def sizes(text: str) -> Counter[str]:
    """Count the clothing sizes that a text gives as letters ("Sizes S, M and XL" -> {"XL": 1, "S": 1, "M": 1}).

    A single letter S, M or L is a size only beside a word such as "size", beside another size, or if there are several.
    """
    named = Counter(atom.text for atom in atoms(text) if atom.kind == "size")
    if _SIZE_WORD.search(text) or named or len(_SINGLE_SIZE.findall(text)) > 1:
        named.update(m[0] for m in _SINGLE_SIZE.finditer(text))
    return named


@dataclass(frozen=True)
class Masked:
    """A text whose atoms are replaced by numbered masks such as ⟦0⟧.

    Attributes:
        text: The masked text, which the engine translates.
        atoms: The replaced atoms; mask i replaces `atoms[i]`.
    """

    text: str
    atoms: tuple[Atom, ...]

    def restore(self, translation: str) -> tuple[str, str]:
        """Replace the masks of a translation by their atoms.

        Args:
            translation: The engine's translation of `text`.

        Returns:
            (translation without masks, fault). The fault is "mask_lost" if a mask is missing, else "mask_doubled" if
            one occurs twice, else "".
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
    """Replace the atoms of a text by numbered masks ("Use {code} now" -> "Use ⟦0⟧ now").

    It masks the atoms that `atoms` finds, numbers with an international unit ("500 ml"), and the atoms in `further`.

    Args:
        text: The text. A text that already contains something like a mask (⟦0⟧, [0]) is returned with nothing masked.
        further: More atoms, such as glossary terms and brands. Where two atoms overlap, one from `further` is
            preferred.
        mark: Format string of a mask; {} in it is replaced by the mask's number.
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
    """Return the atoms (URLs, tags, codes, sizes, ...) that one of two texts has more often than the other.

    Exception: an atom of letters and digits, such as the code "USB-C", is no difference if the other text contains it
    in any spelling.

    Args:
        one: The text.
        other: Its translation.
        allowed: Atoms that the translation may add, such as glossary translations.

    Returns:
        (kind of the atom, its text) each; first those that the translation lacks, then those that it adds.
    """
    a, b = (Counter((x.kind, _comparable(x)) for x in atoms(text)) for text in (one, other))
    parts = [(kind, part) for kind, part in (a - b) if not _holds(other, part)]
    parts += [(kind, part) for kind, part in (b - a) if not _holds(one, part) and part not in allowed]
    return parts


def _comparable(atom: Atom) -> str:
    """Return an atom's text as it is compared: order numbers lose blanks and "#"."""
    return re.sub(r"[\s#]+", "", atom.text) if atom.kind == "order" else atom.text


def _holds(text: str, part: str) -> bool:
    """Return True if a text contains an atom, ignoring case and punctuation ("USB-C" in "usb c cable").

    An atom that does not begin with a letter or digit (placeholder, tag), or has fewer than 3 letters and digits,
    always gives False, because such an atom must be spelled exactly.
    """
    if not part[0].isalnum():
        return False
    bare, within = (re.sub(r"\W", "", t).lower() for t in (part, text))
    return len(bare) > 2 and bare in within
