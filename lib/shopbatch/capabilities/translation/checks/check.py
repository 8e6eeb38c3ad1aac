"""All checks of a translation, and what each finds: what is refused names its reason and the words that it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shopbatch.capabilities.translation import atoms
from shopbatch.capabilities.translation.checks import claims, completeness, likeness, names, negation, numbers
from shopbatch.grounding.sentences import sentences
from shopbatch.text import amounts, clauses, vocabulary

VERSION = 3
# Everything that can change a verdict; the checks' version is its digest.
IDENTITY = (
    *(VERSION, atoms.VERSION, claims.VERSION, completeness.VERSION, names.VERSION, likeness.VERSION, amounts.VERSION),
    *(clauses.VERSION, vocabulary.VERSION, negation.VERSION, numbers.VERSION),
)
KINDS = (
    *(
        "empty",
        "atom",
        "language",
        "untranslated",
        "number",
        "unit",
        "size",
        "negation",
        "lost_name",
        "new_name",
        "missing",
        "added",
    ),
    *("repeated", "meaning", "added_claim", "changed_word", "glossary"),
)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a translation.

    Attributes:
        kind: One of KINDS.
        detail: The words that it is for, and what was expected.
    """

    kind: str
    detail: str


@dataclass(frozen=True)
class Pair:
    """A text and its translation.

    Attributes:
        one: The text.
        other: The translation.
        languages: Their ISO 639-1 codes.
        brands: Brands that are known from the product.
        glossary: Terms of the text and what the shop says for them.
        forbidden: What may not stand in the translation.
        likeness: What an encoder finds of the two; None: there is none.
    """

    one: str
    other: str
    languages: tuple[str, str]
    brands: tuple[str, ...] = ()
    glossary: Mapping[str, str] | None = None
    forbidden: Sequence[str] = ()
    likeness: likeness.Likeness | None = None

    @property
    def kept(self) -> tuple[str, ...]:
        """What may stand in the translation as it stands in the text, or come from the glossary."""
        entries = self.glossary or {}
        parts = (atom.text for atom in atoms.atoms(self.one))
        return (*self.brands, *entries.values(), *parts, *names.names(self.one, self.languages[0], self.brands))


def check(pair: Pair, thresholds: likeness.Thresholds = likeness.THRESHOLDS) -> list[Fault]:
    """Return what is wrong with a translation, the surest first."""
    one, other, languages = pair.one, pair.other, pair.languages
    if not any(c.isalnum() for c in other):
        return [Fault("empty", "no words")]
    faults = [
        Fault("atom", f"{kind} {part}")
        for kind, part in atoms.differences(one, other, tuple((pair.glossary or {}).values()))
    ]
    if foreign := completeness.language_fault(other, languages[1], one):
        faults.append(Fault("language", f"it is in {foreign}"))
    if left := completeness.untranslated(one, other, languages, pair.kept):
        faults.append(Fault("untranslated", left))
    faults += _numbers(pair)
    faults += _denials(pair)
    faults += [
        Fault(kind, name)
        for kind, name in names.name_faults(
            one, other, languages, pair.brands, " ".join((pair.glossary or {}).values())
        )
    ]
    if length := completeness.length_fault(one, other, languages):
        faults.append(Fault(*length))
    if again := completeness.repeated(one, other, languages):
        faults.append(Fault("repeated", again))
    faults += [Fault("added_claim", f"{claim}: {words}") for claim, words in claims.added_claims(one, other, languages)]
    faults += [
        Fault("changed_word", f"{group}: {words}")
        for group, words in claims.changed_words(one, other, languages)
        if group != "extent" or not _denies(pair, words)  # not within 48 hours: after more than 48 hours
    ]
    faults += [
        Fault("glossary", f"{term}: {written} is missing")
        for term, written in (pair.glossary or {}).items()
        if written.lower() not in other.lower()
    ]
    faults += [Fault("glossary", f"{word} is forbidden") for word in pair.forbidden if word.lower() in other.lower()]
    if pair.likeness is not None:
        longer, _ = completeness.length_ratio(one, other, languages)
        fewer = completeness.sentences_of(one, parted=False) > completeness.sentences_of(other)
        faults += [Fault(kind, detail) for kind, detail in pair.likeness.faults(thresholds, longer, fewer)]
    return faults


def _numbers(pair: Pair) -> list[Fault]:
    if not all(code in amounts.LANGUAGES for code in pair.languages):
        return []
    faults = [Fault(kind, words) for kind, words in numbers.number_faults(pair.one, pair.other, pair.languages)]
    before, after = atoms.sizes(pair.one), atoms.sizes(pair.other)
    if before - after and after - before:
        faults.append(Fault("size", f"{', '.join(before)} became {', '.join(after)}"))
    return faults


def _denies(pair: Pair, words: str) -> bool:
    """Whether one of the clauses denies that hold one of the words (`before became after`)."""
    texts = zip((pair.one, pair.other), words.split(" became "), pair.languages, strict=True)
    return any(
        code in negation.languages()
        and any(word in c and negation.denials(c, code).strong for c in clauses.clauses(text))
        for text, word, code in texts
    )


def _denials(pair: Pair) -> list[Fault]:
    if not all(code in negation.languages() for code in pair.languages):
        return []
    parts = [[text[a:b] for a, b in sentences(text)] for text in (pair.one, pair.other)]
    said = [negation.differ(one, other, pair.languages) for one, other in negation.aligned(*parts)]
    return [Fault("negation", words) for words in said if words]
