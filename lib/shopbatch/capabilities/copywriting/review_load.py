"""Loads reviewers' verdicts on published copy from a spreadsheet into the table `copy_reviews`.

Every row of the sheet is checked; all valid verdicts are written in one commit.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.copy_format import MOST_BULLETS, Copy
from shopbatch.capabilities.copywriting.examples import update_examples
from shopbatch.capabilities.copywriting.prompt import fenced
from shopbatch.capabilities.copywriting.review_sheet import TEXTS, SheetRow, columns_of, read_sheet, sheet_cells
from shopbatch.capabilities.copywriting.review_texts import Facts, PublishedText, facts_of, published_texts
from shopbatch.capabilities.copywriting.reviews import Review, copy_of, judge_edit, latest_reviews, text_digest
from shopbatch.core.errors import UserError
from shopbatch.tables.copy_reviews import COPY_REVIEWS, VERDICTS
from shopbatch.tables.product_copy import PRODUCT_COPY
from shopbatch.warehouse.foreign import put_all_right, refuse_foreign
from shopbatch.warehouse.store import Store


@dataclass(frozen=True)
class LoadedReviews:
    """The result of loading a review sheet.

    Attributes:
        reviews: The verdicts that were newly loaded.
        repeated: Number of verdicts that had been loaded before.
        unreviewed: Number of rows without a verdict.
        problems: (row number, description of the problem) of the rows that were not loaded.
        examples: Number of reviewed examples that are now in `product_copy`.
        undone: A sentence for each change that another program had made to `copy_reviews` and that was undone before
            loading.
    """

    reviews: Sequence[Review]
    repeated: int
    unreviewed: int
    problems: Sequence[tuple[int, str]]
    examples: int
    undone: Sequence[str] = ()

    def lines(self) -> list[str]:
        """Return the result as lines of text for the command line."""
        verdicts = Counter(review.verdict for review in self.reviews)
        counts = [(verdicts["accept"], "accepted"), (verdicts["edit"], "edited"), (verdicts["refuse"], "refused")]
        more = [(self.repeated, "loaded before"), (self.unreviewed, "without a verdict")]
        trusted = sum(review.trusted for review in self.reviews)
        counts += [(n, what) for n, what in (*more, (trusted, "trusted")) if n]
        lines = [*self.undone, ", ".join(f"{n:,} {what}" for n, what in counts)]
        if self.problems:
            lines += [f"{len(self.problems):,} not loaded:", *(f"  row {n}: {what}" for n, what in self.problems)]
        lines.append(f"product_copy: {self.examples:,} examples of reviewed copy")
        return lines + (["next: shopbatch run describe_products"] if verdicts["edit"] or verdicts["refuse"] else [])


def load_reviews(store: Store, config: Config, path: str | Path, trust: bool = False) -> LoadedReviews:
    """Load the verdicts of a review sheet, and update the training examples that follow from them.

    The verdicts are one commit of `copy_reviews`, the examples one of `product_copy`. Loading a sheet again changes
    nothing, and completes a load that was interrupted.

    Args:
        store: The warehouse.
        config: Settings of describe_products; edited texts must pass its rules.
        path: The sheet: a CSV file or a workbook.
        trust: Whether edited texts may state claims that the product's attributes do not back.

    Raises:
        UserError: The file cannot be read, or contains no verdict. Nothing is written.
        Stopped: Another command changed `product_copy` meanwhile.
    """
    store.check_writable()
    undone = put_all_right(store, [COPY_REVIEWS])
    store.check_targets([COPY_REVIEWS])
    store.check_targets([PRODUCT_COPY], "rewrite")
    rows, broken = read_sheet(path)
    if not any(row.cells["verdict"] for row in rows):
        raise UserError(f"{path}: no row has a verdict; write {', '.join(VERDICTS)} into the column verdict")
    load = _Load(store, config, trust, rows)
    for row in rows:
        load.take(row)
    if load.reviews:
        file = store.write_file(COPY_REVIEWS, _table(load.reviews), f"review-{uuid.uuid4().hex[:12]}", 0)
        metadata = {"source": Path(path).name, "rows": len(load.reviews)}
        key = f"review/{file.path.partition('/')[0]}"
        store.commit(COPY_REVIEWS, [file], "append", key, metadata, guard=refuse_foreign)
    examples = update_examples(store, list(latest_reviews(store).values()))
    problems = sorted([*load.problems, *broken])
    return LoadedReviews(load.reviews, load.repeated, load.unreviewed, problems, examples, undone)


def _table(reviews: Sequence[Review]) -> pa.Table:
    """Return verdicts as rows of `copy_reviews`."""
    rows = [
        vars(r)
        | {
            "headline": r.copy.headline,
            "description": r.copy.description,
            "bullets": list(r.copy.bullets),
            "meta_description": r.copy.meta,
        }
        for r in reviews
    ]
    columns = {c.name: pa.array([row[c.name] for row in rows], c.type) for c in COPY_REVIEWS.columns}
    return COPY_REVIEWS.fill(len(rows), **columns)


class _Problem(Exception):
    """The reason why a row of the sheet cannot be loaded, as a sentence for the reviewer."""


@dataclass
class _Load:
    """State of loading one review sheet: checks row after row and collects verdicts and problems.

    Attributes:
        store: The warehouse.
        config: Settings of describe_products.
        trust: Whether edited texts may state claims that the product's attributes do not back.
        rows: The rows of the sheet.
        reviews: The new verdicts so far.
        problems: (row number, description of the problem) so far.
        repeated: Number of verdicts that had been loaded before.
        unreviewed: Number of rows without a verdict.
    """

    store: Store
    config: Config
    trust: bool
    rows: Sequence[SheetRow]
    reviews: list[Review] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    repeated: int = 0
    unreviewed: int = 0

    def __post_init__(self) -> None:
        self.now, self.known = datetime.now(UTC), latest_reviews(self.store)
        wanted = {row.cells["text_digest"] for row in self.rows}
        # also texts that were reviewed before and are not published any more, because they were edited or refused
        self.texts: dict[str, PublishedText | Review] = {d: review for d, review in self.known.items() if d in wanted}
        self.texts |= {text.digest: text for text in published_texts(self.store) if text.digest in wanted}
        self.facts = facts_of(self.store, [text.product_id for text in self.texts.values()])
        self.numbers: dict[str, int] = {}

    def take(self, row: SheetRow) -> None:
        """Check one row, and add it to the verdicts, the counts or the problems."""
        if not row.cells["verdict"] and not row.new:
            self.unreviewed += 1
            return
        try:
            review = self._review(row)
        except _Problem as problem:
            text = self.texts.get(row.cells["text_digest"])
            about = f"product {text.product_id}, {text.language}: " if text else ""
            self.problems.append((row.number, f"{about}{problem}"))
            return
        if review is None:
            self.repeated += 1
        else:
            self.reviews.append(review)

    def _review(self, row: SheetRow) -> Review | None:
        """Return the verdict of a row; None if it was loaded before.

        Raises:
            _Problem: The row cannot be loaded.
        """
        verdict = _checked_verdict(row)
        text, facts, original = self._original(row)
        copy = _edited(row, original) if verdict == "edit" else original
        review = Review(
            product_id=text.product_id,
            language=text.language,
            text_digest=row.cells["text_digest"],
            content_hash=text.content_hash,
            attributes=fenced(facts),
            verdict=verdict,
            copy=copy,
            reason=row.cells["reason"] or None,
            trusted=False,
            reviewed_at=self.now,
        )
        if (known := self.known.get(review.text_digest)) is not None and _same(known, review):
            return None
        return self._judged(review, facts) if verdict == "edit" else review

    def _original(self, row: SheetRow) -> tuple[PublishedText | Review, Facts, Copy]:
        """Find the text that a row is about.

        Returns:
            The published text, or the former verdict on a text that is not published any more; the present attributes
            of its product; and the text as it was exported.

        Raises:
            _Problem: No such text was published or reviewed, the text was changed in the sheet or is in two rows, or
                the product changed.
        """
        digest = row.cells["text_digest"]
        text = self.texts.get(digest)
        if text is None:
            raise _Problem("its text is not published (any more); write a new sheet with --output")
        if (first := self.numbers.setdefault(digest, row.number)) != row.number:
            raise _Problem(f"row {first} is about the same text")
        facts = self.facts.get((text.product_id, text.content_hash))
        if facts is None:
            raise _Problem("its product has changed since; run describe_products and write a new sheet with --output")
        original = _copy(row.cells)
        if original is None or text_digest(text.product_id, text.language, original) != digest:
            raise _Problem(
                "its text was changed in place: write new text into the columns new_... (if only letters are lost, "
                "save the file as CSV UTF-8)"
            )
        return text, facts, text.copy if isinstance(text, PublishedText) else original

    def _judged(self, review: Review, facts: Facts) -> Review:
        """Return an edit that passes the rules; it is marked as trusted if it passes only because `trust` is set.

        Raises:
            _Problem: The edited text breaks a rule.
        """
        rules, copy = self.config.rules, review.copy
        verdict = judge_edit(rules, review.language, copy, facts, trusted=False)
        if verdict.reason is None:
            return review
        if self.trust and judge_edit(rules, review.language, copy, facts, trusted=True).reason is None:
            return replace(review, trusted=True)
        claims = dict.fromkeys(f'"{f.span}"' + (f" ({f.against})" if f.against else "") for f in verdict.findings)
        if claims:
            raise _Problem(f"nothing in the product's facts backs {', '.join(claims)} [{verdict.reason}]")
        raise _Problem(f"the new text breaks the rule {verdict.reason}")


def _checked_verdict(row: SheetRow) -> str:
    """Return the verdict of a row: accept, edit or refuse.

    Raises:
        _Problem: The verdict is missing or unknown, or does not agree with the new text in the row.
    """
    verdict = row.verdict
    if not row.cells["verdict"]:
        raise _Problem("there is new text, but no verdict: write edit")
    if verdict is None:
        raise _Problem(f"verdict {row.cells['verdict']!r} is not known: write {', '.join(VERDICTS)}")
    if verdict != "edit" and row.new:
        raise _Problem(f"there is new text, but the verdict is {verdict}: write edit, or remove the new text")
    return verdict


def _edited(row: SheetRow, original: Copy) -> Copy:
    """Return the original copy with the parts that the reviewer rewrote.

    Raises:
        _Problem: The number of bullets is wrong, or nothing was rewritten.
    """
    copy = _copy({**sheet_cells(original), **row.new})
    if copy is None:
        raise _Problem(f"new_bullets holds 2 to {MOST_BULLETS} bullets, one per line")
    if copy == original:
        raise _Problem("the verdict is edit, but there is no new text")
    return copy


def _copy(cells: Mapping[str, str]) -> Copy | None:
    """Parse the copy in the cells of a row; None if a part is missing or the number of bullets is wrong.

    Args:
        cells: Text by column of the sheet; the columns TEXTS are read.
    """
    try:
        return copy_of(columns_of({name: cells[name] for name in TEXTS}))
    except ValidationError:
        return None


def _same(known: Review, review: Review) -> bool:
    """Return True if two verdicts have the same decision, text and reason."""
    return (known.verdict, known.copy, known.reason) == (review.verdict, review.copy, review.reason)
