"""The paragraph about a product, from the numbers of the table, and the names of aspects. The words are in YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import ConfigDict

from shopbatch.tables.product_aspects import SATISFACTION
from shopbatch.tables.review_aspects import REMARKS
from shopbatch.text.word_files import WordFile, read_words

PROBLEMS, STRENGTHS, CHANGES = 3, 2, 3  # sentences of a paragraph at most
_PROVEN = 0.6  # share of positive mentions from which an aspect is a strength


class Sentences(WordFile):
    """The sentences of one language."""

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
    en: Sentences
    zh: Sentences


class _Aspect(WordFile):
    """One aspect of a taxonomy; the rest of what its file says is not read here."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: Mapping[str, str] = {}


class _Taxonomy(WordFile):
    """The aspects of a taxonomy."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    aspects: Mapping[str, _Aspect] = {}


@lru_cache
def sentences(language: str) -> Sentences:
    """The sentences of a language (en or zh)."""
    loaded: Sentences = getattr(read_words(_Languages, __package__, "page_words.yaml"), language)
    return loaded


@lru_cache
def aspect_names(language: str) -> dict[str, str]:
    """What readers of a language call the aspects of the taxonomies that ship."""
    names = dict(sentences(language).aspects)
    folder = resources.files(__package__).joinpath("taxonomies")
    for file in sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else ():
        if file.name.endswith(".yaml"):
            taxonomy = read_words(_Taxonomy, __package__, f"taxonomies/{file.name}")
            for name, aspect in taxonomy.aspects.items():
                names.setdefault(name, aspect.name.get(language, ""))
    return {name: text for name, text in names.items() if text}


def aspect_name(aspect: str, language: str) -> str:
    """What readers call an aspect; one of another taxonomy by its own name, with blanks."""
    return aspect_names(language).get(aspect) or aspect.replace("_", " ")


def percent(value: float, language: str) -> str:
    """A share in whole percent."""
    return sentences(language).share.format(value=f"{100 * value:.0f}")


def paragraph(name: str, rows: Sequence[Mapping[str, Any]], language: str) -> str:
    """Say in a few sentences what the reviews of a product say.

    Args:
        name: The product's title.
        rows: Its rows of product_aspects of the window `all`, and those of the newest window with an alarm, which have
            `mentions_before` and `before` (negative mentions of the window before) as well.
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
    if total["rating"] is None:
        return words.head.format(name=name, reviews=total["reviews"])
    return words.head_rated.format(name=name, reviews=total["reviews"], rating=f"{total['rating']:.1f}")
