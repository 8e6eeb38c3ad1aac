"""Runs all checks on one translation and collects the faults; `TranslationStage` refuses a translation that has any."""

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
    """One thing that is wrong with a translation.

    Attributes:
        kind: Which check failed: one of KINDS (such as "number" or "lost_name"), or "mask" (the engine lost or doubled
            a mask) or "cut" (it stopped at its token limit), which only the stage finds.
        detail: The words concerned, and what was expected.
    """

    kind: str
    detail: str


@dataclass(frozen=True)
class Pair:
    """A text and its translation, with everything that the checks need to know about them.

    Attributes:
        one: The text.
        other: The translation.
        languages: ISO 639-1 codes of text and translation.
        brands: Brands known from the product; they may not be lost.
        glossary: {term of the text: translation that the shop demands}; None: no terms.
        forbidden: Words that the translation may not contain.
        likeness: Similarity of the two by an encoder; None: not computed, so not checked.
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
        """Words that the translation may contain untranslated.

        They are brands and other names, atoms (URLs, codes, sizes and the like), and the glossary's translations.
        """
        entries = self.glossary or {}
        parts = (atom.text for atom in atoms.atoms(self.one))
        return (*self.brands, *entries.values(), *parts, *names.names(self.one, self.languages[0], self.brands))


def check(pair: Pair, thresholds: likeness.Thresholds = likeness.THRESHOLDS) -> list[Fault]:
    """Return the faults of a translation, the most certain first; [] if it passes.

    Checks whose word lists lack one of the languages are left out. A translation without any letter or digit has only
    the fault "empty".

    Args:
        pair: The text and its translation.
        thresholds: Lower limits of the similarity.
    """
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
        if group != "extent" or not _denies(pair, words)  # no fault: not within 48 hours -> after more than 48 hours
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
    """Find changed numbers, units and letter sizes; [] for languages without number patterns."""
    if not all(code in amounts.LANGUAGES for code in pair.languages):
        return []
    faults = [Fault(kind, words) for kind, words in numbers.number_faults(pair.one, pair.other, pair.languages)]
    before, after = atoms.sizes(pair.one), atoms.sizes(pair.other)
    if before - after and after - before:
        faults.append(Fault("size", f"{', '.join(before)} became {', '.join(after)}"))
    return faults


def _denies(pair: Pair, words: str) -> bool:
    """Return True if a changed word is in a negated clause, in the text or in its translation.

    `check` then ignores a change in the word group "extent" (at least, at most), because negation and change can cancel
    out: "not within 48 hours" -> "after more than 48 hours".

    Args:
        pair: The text and its translation.
        words: The changed word, as `claims.changed_words` describes it: "<word of the text> became <word of the
            translation>".
    """
    texts = zip((pair.one, pair.other), words.split(" became "), pair.languages, strict=True)
    return any(
        code in negation.languages()
        and any(word in c and negation.denials(c, code).strong for c in clauses.clauses(text))
        for text, word, code in texts
    )


def _denials(pair: Pair) -> list[Fault]:
    """Find negations that were dropped or added, sentence by sentence; [] for languages without a list of negations."""
    if not all(code in negation.languages() for code in pair.languages):
        return []
    parts = [[text[a:b] for a, b in sentences(text)] for text in (pair.one, pair.other)]
    said = [negation.differ(one, other, pair.languages) for one, other in negation.aligned(*parts)]
    return [Fault("negation", words) for words in said if words]
