"""Generates `reviews` in English and Chinese from phrases, with the faults of real data in the shares of `Mess`.

Row i is a function of (seed, i) and the size of the shop, so rows can be generated in any order.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample import review_banks
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
)
from shopbatch.sample.shop import START, YEARS, Shop, favourite
from shopbatch.tables.reviews import REVIEWS

LONG = 10_000  # characters of a text that is made too long
RATINGS = (0.06, 0.07, 0.12, 0.22, 0.53)  # shares of 1 to 5 stars, close to the real clothing reviews
EXTRAS = (0.15, 0.18, 0.2, 0.17, 0.3)  # shares of texts with 0 to 4 further sentences


def is_version(shop: Shop, rows: Rows) -> Mask:
    """Return a mask [n] of the rows that are a later version of an earlier review (same key)."""
    return chance(shop.seed, "version", rows, shop.mess.duplicate_keys) & (rows > 0)


def is_copy(shop: Shop, rows: Rows) -> Mask:
    """Return a mask [n] of the rows that repeat the title and text of an earlier row."""
    copied = chance(shop.seed, "copy", rows, shop.mess.duplicate_texts) & (rows > 0)
    return copied & ~is_version(shop, rows)


def reviews(shop: Shop, first: int, count: int) -> tuple[pa.Table, int]:
    """Return rows [first, first + count) of `reviews`, and how many of their texts occur in no earlier row."""
    rows = np.arange(first, first + count, dtype=np.uint64)
    seed, mess = shop.seed, shop.mess
    copies, versions = is_copy(shop, rows), is_version(shop, rows)
    content, identity = rows.copy(), rows.copy()
    content[copies] = earlier(seed, "content", rows[copies], lambda r: is_copy(shop, r))
    identity[versions] = earlier(seed, "identity", rows[versions], lambda r: is_version(shop, r))

    rating = pick(seed, "rating", content, RATINGS) + 1
    mood = np.where(
        rating <= 2, review_banks.NEGATIVE, np.where(rating == 3, review_banks.NEUTRAL, review_banks.POSITIVE)
    )
    chinese = chance(seed, "chinese", content, mess.chinese)
    title, text = _titles(shop, content, mood, chinese), _texts(shop, content, mood, chinese)
    fresh = int(np.count_nonzero(~copies & ~_is_empty(shop, content)))

    user = below(seed, "user", identity, shop.users)
    product = favourite(shop, "product", user, identity)
    label = pc.take(pa.array(review_banks.SENTIMENTS), pa.array(mood))
    language = pc.take(pa.array(review_banks.LANGUAGES), pa.array(chinese.astype(np.int64)))
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
    """Return times of writing that grow with the row number, so that a later version of a review has a later time."""
    span = YEARS * 365 * 86_400
    step = max(span // max(shop.reviews, 1), 1)
    jitter = (draw(shop.seed, "time", rows) % np.uint64(step)).astype(np.int64)
    return from_seconds(START + rows.astype(np.int64) * span // max(shop.reviews, 1) + jitter // 2)


def _is_empty(shop: Shop, content: Rows) -> Mask:
    return chance(shop.seed, "empty", content, shop.mess.null_text + shop.mess.blank_text)


def _titles(shop: Shop, content: Rows, mood: Numbers, chinese: Mask) -> pa.Array:
    digit = below(shop.seed, "title", content, 2**review_banks.TITLE_BITS)
    index = ((chinese * 3 + mood) << review_banks.TITLE_BITS) + digit
    title = pc.take(review_banks.banks().title, pa.array(index))
    return nulled(title, chance(shop.seed, "no title", content, shop.mess.null_title))


def _texts(shop: Shop, content: Rows, mood: Numbers, chinese: Mask) -> pa.Array:
    """Return the text of each review, joined from phrases of `review_banks`.

    The content number of a review is scrambled (a permutation), and the bits of the result choose the phrases; so
    reviews with different content numbers have different texts.

    Args:
        shop: The shop.
        content: Content number of each review, uint64 [n]: its row number, or that of the original if the review
            repeats an earlier text.
        mood: Sentiments as indices of `review_banks.SENTIMENTS`, int64 [n].
        chinese: Mask of the reviews in Chinese, [n].
    """
    seed, mess, banks = shop.seed, shop.mess, review_banks.banks()
    bits = scramble(content, seed, review_banks.TEXT_BITS).astype(np.int64)
    here = chinese.astype(np.int64)
    other = np.where(chance(seed, "mixed", content, mess.mixed_language), 1 - here, here)

    def take(bank: pa.Array, width: int, block: Numbers) -> pa.Array:
        nonlocal bits
        chosen = (block << width) + (bits & (2**width - 1))
        bits = bits >> width
        return pc.take(bank, pa.array(chosen))

    parts = [
        take(banks.opening, review_banks.OPENING_BITS, here * 3 + mood),
        _nul(shop, content),
        take(banks.story, review_banks.STORY_BITS, other),
        take(banks.detail, review_banks.DETAIL_BITS, here * 3 + mood),
        *_extras(shop, content, here),
        take(banks.closing, review_banks.CLOSING_BITS, other * 3 + mood),
        _emoji(shop, content, mood),
    ]
    return _spoil(shop, content, pc.binary_join_element_wise(*parts, ""))


def _extras(shop: Shop, content: Rows, here: Numbers) -> list[pa.Array]:
    """Return the further sentences of each review as four columns of texts, [n] each; "" means no sentence.

    A review gets 0 to 4 sentences of different types; the first type varies from review to review.

    Args:
        shop: The shop.
        content: Content number of each review (see `_texts`), uint64 [n].
        here: Language of each review as index of `review_banks.LANGUAGES`, int64 [n].
    """
    bank = review_banks.banks().extra
    wanted = pick(shop.seed, "extras", content, EXTRAS)
    choice = draw(shop.seed, "extra", content).astype(np.int64)
    columns = []
    for place in range(4):
        kind, digit = (choice + place) & 3, (choice >> (2 + 4 * place)) & 15
        index = np.where(wanted > place, (here << review_banks.EXTRA_BITS) + (kind << 4) + digit, len(bank) - 1)
        columns.append(pc.take(bank, pa.array(index)))
    return columns


def _emoji(shop: Shop, content: Rows, mood: Numbers) -> pa.Array:
    bank = review_banks.banks().emoji
    there = chance(shop.seed, "emoji", content, shop.mess.emoji)
    index = np.where(there, mood * 4 + below(shop.seed, "which emoji", content, 4), len(bank) - 1)
    return pc.take(bank, pa.array(index))


def _nul(shop: Shop, content: Rows) -> pa.Array:
    there = chance(shop.seed, "nul", content, shop.mess.nul_bytes)
    return pc.take(pa.array(["", "\x00"]), pa.array(there.astype(np.int64)))


def _spoil(shop: Shop, content: Rows, text: pa.Array) -> pa.Array:
    """Replace some of the texts by faulty ones, in the shares of `Mess`: 10,000 characters long, blank, or null.

    Args:
        shop: The shop.
        content: Content number of each review (see `_texts`), uint64 [n].
        text: The texts, [n].
    """
    seed, mess = shop.seed, shop.mess
    long = pa.array(chance(seed, "long", content, mess.long_text))
    short = text.filter(long)
    if len(short):
        times = pc.add(pc.divide(LONG, pc.utf8_length(short)), 1)
        stretched = pc.utf8_slice_codeunits(pc.binary_repeat(short, times), 0, LONG)
        text = pc.replace_with_mask(text, long, stretched)
    empty = _is_empty(shop, content)
    nulls = empty & chance(seed, "null", content, mess.null_text / max(mess.null_text + mess.blank_text, 1e-12))
    blanks = review_banks.banks().blank
    blank = pc.take(blanks, pa.array(below(seed, "blank", content, len(blanks))))
    return nulled(pc.if_else(pa.array(empty), blank, text), nulls)
