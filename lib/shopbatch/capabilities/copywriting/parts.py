"""Phrases for the parts of a product in English copy: "2 pockets", "a detachable hood"."""

from __future__ import annotations

import re

from shopbatch.capabilities.copywriting.patterns import Names
from shopbatch.capabilities.copywriting.spelling import UNITS
from shopbatch.capabilities.copywriting.wording import article, lowered
from shopbatch.text.vocabulary import is_english

_COUNT = re.compile(r"\d{1,4}")
_SOME = re.compile(r"(\d{1,3}) ([A-Za-z][a-z -]{1,24})")  # 2 zip
_AMOUNT = re.compile(r"\d+(?:[.,]\d+)? ?[A-Za-z%²]{1,5}")
_SIZED = re.compile(rf"\d+(?:[.,]\d+)? ?(?:{UNITS}|inch|MP|bar)")
_CODED = re.compile(r"[A-Za-z-]+ [A-Z]{1,3}-?\d{1,3}")  # HEPA H13
_HAD = frozenset({"included", "with", "incl.", "available", "present"})


def part_of(label: str, value: str, names: Names) -> str:
    """Return an attribute as a noun phrase that can follow "has" or "with"; "" if it cannot be phrased so.

    Examples: ("pockets", "2") -> "2 pockets"; ("hood", "detachable") -> "a detachable hood"; ("torque", "45 Nm") -> "45
    Nm of torque"; ("hood", "") -> "a hood".

    Args:
        label: The attribute's name in lower case.
        value: The attribute's value; "" for an attribute whose value is just yes.
        names: The English word lists.
    """
    last = label.split()[-1] if label else ""
    several = last.endswith("s") and not last.endswith("ss")
    single = re.sub(r"(?<=[^s])s$", "", label)
    mass = label in names.mass or (last in names.mass and label not in names.parts)
    value = value.strip(" .;,")
    value = value if value[:1].isdigit() else lowered(value)
    if label in names.uncounted:
        return ""
    if several and re.fullmatch(r"\d{1,4}", value) and value != "1" and re.fullmatch(r"[a-z -]{3,30}", label):
        return f"{value} {label}"
    if {label, last} & names.amounts and not label.startswith("max") and _AMOUNT.fullmatch(value):
        return f"{value} of {label}"
    if not (mass or {single, single.split()[-1] if single else ""} & names.parts) or len(label.split()) > 3:
        return ""
    if not value or value in _HAD:
        return label if several or mass else article(label)
    if re.search(r"\bincl\b|\bmax\b|\bturn|\d[^a-z]*-?up\b", value) or (mass and value.endswith("s")):
        return ""
    if _COUNT.fullmatch(value) and not mass:
        return article(single) if value == "1" else f"{value} {label if several else label + 's'}"
    if (some := _SOME.fullmatch(value)) and not _SIZED.fullmatch(value):
        if some[2].endswith("s"):
            return ""
        if some[2].split()[0] in (*UNITS.split("|"), "min", "h", "in", "inch", "lm") or mass:
            return article(f"{value} {label}") if not (several or mass) else f"{value} {label}"
        if not is_english(some[2].split()[0]):  # 10 ppm
            return ""
        return f"{value} {label if several else label + 's'}" if some[1] != "1" else article(f"{some[2]} {single}")
    if re.search(r"[,;:/+&()%<>\d]|\b(?:and|or|no|not|none|without|with|for|to|in|of|from|at|by|on)\b", value):
        fits = (_SIZED.fullmatch(value) or _CODED.fullmatch(value)) and not (several or mass)
        return article(f"{value} {label}") if fits else ""
    if len(value.split()) > 3:
        return ""
    phrase = value if value.endswith((last, single.split()[-1])) else f"{value} {label}"
    return phrase if several or mass else article(phrase)


def had(thing: str, names: Names) -> str:
    """Return the parts that a title names behind "with", with articles; "" if they cannot be phrased so.

    Examples: "cup holder" -> "a cup holder"; "hood and pockets" -> "a hood and pockets".

    Args:
        thing: One or several parts, joined by "and", "&" or commas.
        names: The English word lists.
    """
    things = re.split(r" and | & |, ", thing)
    said = []
    for one in things:
        last = one.split()[-1] if one.split() else ""
        if not last or len(one.split()) > 3:
            return ""
        counted = last in names.parts or one in names.parts
        several = re.search("[^su]s$", last) and last not in names.singular
        if not (counted or several or {last, one} & names.mass):
            return ""
        said.append(one if several or not counted else article(one))
    return " and ".join(said)
