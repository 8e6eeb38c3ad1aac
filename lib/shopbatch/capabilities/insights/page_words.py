"""Writes the summary of a product from its rows of `product_aspects`, and names aspects for readers.

The sentences are in `page_words.yaml`, in English and Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import ConfigDict

from shopbatch.tables.product_aspects import SATISFACTION
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.text.word_files import WordFile, read_words

PROBLEMS, STRENGTHS, CHANGES = 3, 2, 3  # most sentences of each kind in a summary
_PROVEN = 0.6  # least share of positive mentions of an aspect that counts as a strength


class Sentences(WordFile):
    """The sentence templates of one language in `page_words.yaml`.

    Attributes:
        join: Separator between the sentences.
        share: Template of a percentage.
        head: First sentence, with the number of reviews.
        head_rated: First sentence if reviews have stars.
        sentiment: Sentence on the number of negative reviews.
        apart: Sentence on the number of reviews whose stars contradict their text.
        problem: Sentence on an aspect with negative mentions.
        strength: Sentence on an aspect with mostly positive mentions.
        worse: Sentence on a rise of the share of negative mentions.
        better: Sentence on a fall of the share of negative mentions.
        wish: Sentence on the number of reviews with a wish.
        aspects: Display names of rows that belong to no taxonomy: `satisfaction` (the reviews as a whole), wish,
            comparison and usage.
    """

    join: str
    share: str
    head: str
    head_rated: str
    sentiment: str
    apart: str
    problem: str
    strength: str
    worse: str
    better: str
    wish: str
    aspects: Mapping[str, str]


class _Languages(WordFile):
    """The content of `page_words.yaml`: the sentence templates of each language."""

    en: Sentences
    zh: Sentences


class _Aspect(WordFile):
    """The names of one aspect in a taxonomy file, by language; its lexicon is not read here."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: Mapping[str, str] = {}


class _Taxonomy(WordFile):
    """The aspects of a taxonomy file, by name."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    aspects: Mapping[str, _Aspect] = {}


@lru_cache
def sentences(language: str) -> Sentences:
    """Return the sentence templates of a language (en or zh), read once per process."""
    loaded: Sentences = getattr(read_words(_Languages, __package__, "page_words.yaml"), language)
    return loaded


@lru_cache
def aspect_names(language: str) -> dict[str, str]:
    """Return the display name of each aspect of the taxonomies that ship, and of each row in `Sentences.aspects`.

    Args:
        language: Language of the names, en or zh.

    Returns:
        Display names, by aspect ("size_fit" -> "Size and fit").
    """
    names = dict(sentences(language).aspects)
    folder = resources.files(__package__).joinpath("taxonomies")
    for file in sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else ():
        if file.name.endswith(".yaml"):
            taxonomy = read_words(_Taxonomy, __package__, f"taxonomies/{file.name}")
            for name, aspect in taxonomy.aspects.items():
                names.setdefault(name, aspect.name.get(language, ""))
    return {name: text for name, text in names.items() if text}


def aspect_name(aspect: str, language: str) -> str:
    """Return the display name of an aspect ("size_fit" -> "Size and fit").

    For an aspect of a shop's own taxonomy no display name is known, so its underscores become blanks ("cable_length" ->
    "cable length").
    """
    return aspect_names(language).get(aspect) or aspect.replace("_", " ")


def percent(value: float, language: str) -> str:
    """Format a share (0 to 1) in whole percent, as the language writes it (0.3 -> "30 %")."""
    return sentences(language).share.format(value=f"{100 * value:.0f}")


def paragraph(name: str, rows: Sequence[Mapping[str, Any]], language: str) -> str:
    """Write the summary of a product: a few sentences on ratings, changes, problems and strengths.

    Args:
        name: The product's title.
        rows: The product's rows of `product_aspects`. Rows about all reviews (window `all`) give ratings, problems and
            strengths; the row of the aspect `satisfaction` must be among them. Rows of the newest time window give
            changes, if their column `alarm` is true; they also have `mentions_before` and `before` (mentions and
            negative mentions in the window before).
        language: en or zh.
    """
    words = sentences(language)
    whole = {row["aspect"]: row for row in rows if row["window_start"] is None}
    total = whole[SATISFACTION]
    parts = [_head(words, name, total)]
    if total["mentions"]:
        parts.append(words.sentiment.format(negatives=total["negatives"], mentions=total["mentions"]))
    if total["apart"]:
        parts.append(words.apart.format(apart=total["apart"]))
    aspects = [row for row in whole.values() if row["aspect"] not in (SATISFACTION, *REMARKS)]
    shares = [row for row in aspects if row["share_negative"] is not None]

    def sentence(form: str, row: Mapping[str, Any]) -> str:
        shown = {key: percent(row[key], language) for key in ("low", "high") if row[key] is not None}
        share = "" if row["share_negative"] is None else percent(row["share_negative"], language)
        return form.format(**{**row, **shown, "aspect": aspect_name(row["aspect"], language), "share": share})

    problems = sorted((r for r in shares if r["negatives"]), key=lambda r: (-r["negatives"], r["aspect"]))
    strengths = [r for r in shares if r["positives"] >= _PROVEN * r["mentions"]]
    strengths.sort(key=lambda r: (-r["positives"], r["aspect"]))
    changed = [r for r in rows if r["window_start"] is not None and r["alarm"] and r["change"]]
    changed.sort(key=lambda r: (-abs(r["change"]), r["aspect"]))
    parts += [sentence(words.worse if r["change"] > 0 else words.better, r) for r in changed[:CHANGES]]
    parts += [sentence(words.problem, r) for r in problems[:PROBLEMS]]
    parts += [sentence(words.strength, r) for r in strengths[:STRENGTHS]]
    if (wish := whole.get("wish")) is not None:
        parts.append(words.wish.format(mentions=wish["mentions"]))
    return words.join.join(parts)


def _head(words: Sentences, name: str, total: Mapping[str, Any]) -> str:
    """Return the first sentence: the number of reviews, and the mean stars if there are any."""
    if total["rating"] is None:
        return words.head.format(name=name, reviews=total["reviews"])
    return words.head_rated.format(name=name, reviews=total["reviews"], rating=f"{total['rating']:.1f}")
