"""Generated reviews: templates in two languages, with the mess that real tables have in named shares.

Called by `generated`. Row i is a function of (seed, i) and the size of the shop; no row needs another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample import phrases
from shopbatch.sample.draws import (
    Mask,
    Numbers,
    Rows,
    below,
    chance,
    draw,
    earlier,
    from_seconds,
    names,
    nulled,
    pick,
    scramble,
    skewed,
)
from shopbatch.tables.reviews import REVIEWS

START, YEARS = 1_672_531_200, 2  # reviews are written from 2023-01-01 on, for two years
LONG = 10_000
CLUSTERS = 16


@dataclass(frozen=True)
class Mess:
    """Shares (0 to 1) of the rows, or of the contents, that are as real tables are.

    duplicate_texts: rows whose title and text an earlier row has. duplicate_keys: rows that are a later version of
    an earlier row. long_text: texts of exactly 10,000 characters. stated_label: rows whose source states a label.
    """

    duplicate_texts: float = 0.20
    duplicate_keys: float = 0.002
    null_text: float = 0.003
    blank_text: float = 0.003
    long_text: float = 0.0005
    emoji: float = 0.03
    mixed_language: float = 0.02
    chinese: float = 0.30
    nul_bytes: float = 0.0001
    null_title: float = 0.15
    null_rating: float = 0.05
    null_product: float = 0.01
    null_user: float = 0.02
    null_language: float = 0.05
    null_created_at: float = 0.01
    stated_label: float = 0.10


RATINGS = (0.06, 0.07, 0.12, 0.22, 0.53)  # of 1 to 5 stars, near the real clothing reviews
EXTRAS = (0.15, 0.18, 0.2, 0.17, 0.3)  # of texts with 0 to 4 further sentences


@dataclass(frozen=True)
class Shop:
    """The shop that reviews belong to: its size (lines: of transactions), its seed and its mess."""

    reviews: int
    products: int
    users: int
    seed: int
    mess: Mess = Mess()
    lines: int = 0
    events: int = 0

    @property
    def clusters(self) -> int:
        """How many tastes the products fall into: product p is of taste p % clusters; a tiny catalogue has one."""
        return CLUSTERS if self.products >= CLUSTERS * 16 else 1


def is_version(shop: Shop, rows: Rows) -> Mask:
    """Rows that are a later version of an earlier review."""
    return chance(shop.seed, "version", rows, shop.mess.duplicate_keys) & (rows > 0)


def is_copy(shop: Shop, rows: Rows) -> Mask:
    """Rows whose title and text are those of an earlier row."""
    copied = chance(shop.seed, "copy", rows, shop.mess.duplicate_texts) & (rows > 0)
    return copied & ~is_version(shop, rows)


def favourite(shop: Shop, field: str, users: Numbers, rows: Rows) -> Numbers:
    """A product for each (user, row): mostly from the user's favourite cluster, popular ones more often, int64 [n]."""
    clusters = shop.clusters
    own = below(shop.seed, "taste", users.astype(np.uint64), clusters)
    any_cluster = below(shop.seed, field + "/cluster", rows, clusters)
    cluster = np.where(chance(shop.seed, field + "/stray", rows, 0.3), any_cluster, own)
    return cluster + clusters * skewed(shop.seed, field, rows, shop.products // clusters)


def reviews(shop: Shop, first: int, count: int) -> tuple[pa.Table, int]:
    """Rows [first, first + count) of the reviews, and how many of their texts no earlier row has."""
    rows = np.arange(first, first + count, dtype=np.uint64)
    seed, mess = shop.seed, shop.mess
    copies, versions = is_copy(shop, rows), is_version(shop, rows)
    content, identity = rows.copy(), rows.copy()
    content[copies] = earlier(seed, "content", rows[copies], lambda r: is_copy(shop, r))
    identity[versions] = earlier(seed, "identity", rows[versions], lambda r: is_version(shop, r))

    rating = pick(seed, "rating", content, RATINGS) + 1
    mood = np.where(rating <= 2, phrases.NEGATIVE, np.where(rating == 3, phrases.NEUTRAL, phrases.POSITIVE))
    chinese = chance(seed, "chinese", content, mess.chinese)
    title, text = _titles(shop, content, mood, chinese), _texts(shop, content, mood, chinese)
    fresh = int(np.count_nonzero(~copies & ~_is_empty(shop, content)))

    user = below(seed, "user", identity, shop.users)
    product = favourite(shop, "product", user, identity)
    label = pc.take(pa.array(phrases.SENTIMENTS), pa.array(mood))
    language = pc.take(pa.array(phrases.LANGUAGES), pa.array(chinese.astype(np.int64)))
    columns = {
        "review_id": names("g-", identity),
        "product_id": nulled(names("g-", product), chance(seed, "no product", identity, mess.null_product)),
        "user_id": nulled(names("g-", user), chance(seed, "no user", identity, mess.null_user)),
        "title": title,
        "text": text,
        "rating": nulled(pa.array(rating.astype(np.int8)), chance(seed, "no rating", rows, mess.null_rating)),
        "label": nulled(label, ~chance(seed, "label", rows, mess.stated_label)),
        "language": nulled(language, chance(seed, "no language", rows, mess.null_language)),
        "created_at": nulled(_created(shop, rows), chance(seed, "no time", rows, mess.null_created_at) & ~versions),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=REVIEWS.schema()), fresh


def _created(shop: Shop, rows: Rows) -> pa.Array:
    """Moments that grow with the row, so that a later version is the later one."""
    span = YEARS * 365 * 86_400
    step = max(span // max(shop.reviews, 1), 1)
    jitter = (draw(shop.seed, "time", rows) % np.uint64(step)).astype(np.int64)
    return from_seconds(START + rows.astype(np.int64) * span // max(shop.reviews, 1) + jitter // 2)


def _is_empty(shop: Shop, content: Rows) -> Mask:
    return chance(shop.seed, "empty", content, shop.mess.null_text + shop.mess.blank_text)


def _titles(shop: Shop, content: Rows, mood: Numbers, chinese: Mask) -> pa.Array:
    digit = below(shop.seed, "title", content, 2**phrases.TITLE_BITS)
    index = ((chinese * 3 + mood) << phrases.TITLE_BITS) + digit
    title = pc.take(phrases.banks().title, pa.array(index))
    return nulled(title, chance(shop.seed, "no title", content, shop.mess.null_title))


def _texts(shop: Shop, content: Rows, mood: Numbers, chinese: Mask) -> pa.Array:
    """The text of each content. The bits of the scrambled content number choose the phrases: no two are equal."""
    seed, mess, banks = shop.seed, shop.mess, phrases.banks()
    bits = scramble(content, seed, phrases.TEXT_BITS).astype(np.int64)
    here = chinese.astype(np.int64)
    other = np.where(chance(seed, "mixed", content, mess.mixed_language), 1 - here, here)

    def take(bank: pa.Array, width: int, block: Numbers) -> pa.Array:
        nonlocal bits
        chosen = (block << width) + (bits & (2**width - 1))
        bits = bits >> width
        return pc.take(bank, pa.array(chosen))

    parts = [
        take(banks.opening, phrases.OPENING_BITS, here * 3 + mood),
        _nul(shop, content),
        take(banks.story, phrases.STORY_BITS, other),
        take(banks.detail, phrases.DETAIL_BITS, here * 3 + mood),
        *_extras(shop, content, here),
        take(banks.closing, phrases.CLOSING_BITS, other * 3 + mood),
        _emoji(shop, content, mood),
    ]
    return _spoil(shop, content, pc.binary_join_element_wise(*parts, ""))


def _extras(shop: Shop, content: Rows, here: Numbers) -> list[pa.Array]:
    """Up to four further sentences, each of another kind; the first kind differs from row to row."""
    bank = phrases.banks().extra
    wanted = pick(shop.seed, "extras", content, EXTRAS)
    choice = draw(shop.seed, "extra", content).astype(np.int64)
    columns = []
    for place in range(4):
        kind, digit = (choice + place) & 3, (choice >> (2 + 4 * place)) & 15
        index = np.where(wanted > place, (here << phrases.EXTRA_BITS) + (kind << 4) + digit, len(bank) - 1)
        columns.append(pc.take(bank, pa.array(index)))
    return columns


def _emoji(shop: Shop, content: Rows, mood: Numbers) -> pa.Array:
    bank = phrases.banks().emoji
    there = chance(shop.seed, "emoji", content, shop.mess.emoji)
    index = np.where(there, mood * 4 + below(shop.seed, "which emoji", content, 4), len(bank) - 1)
    return pc.take(bank, pa.array(index))


def _nul(shop: Shop, content: Rows) -> pa.Array:
    there = chance(shop.seed, "nul", content, shop.mess.nul_bytes)
    return pc.take(pa.array(["", "\x00"]), pa.array(there.astype(np.int64)))


def _spoil(shop: Shop, content: Rows, text: pa.Array) -> pa.Array:
    """Texts of 10,000 characters, blank ones and nulls, in place of some."""
    seed, mess = shop.seed, shop.mess
    long = pa.array(chance(seed, "long", content, mess.long_text))
    short = text.filter(long)
    if len(short):
        times = pc.add(pc.divide(LONG, pc.utf8_length(short)), 1)
        stretched = pc.utf8_slice_codeunits(pc.binary_repeat(short, times), 0, LONG)
        text = pc.replace_with_mask(text, long, stretched)
    empty = _is_empty(shop, content)
    nulls = empty & chance(seed, "null", content, mess.null_text / max(mess.null_text + mess.blank_text, 1e-12))
    blank = pc.take(phrases.banks().blank, pa.array(below(seed, "blank", content, len(phrases.BLANKS))))
    return nulled(pc.if_else(pa.array(empty), blank, text), nulls)
