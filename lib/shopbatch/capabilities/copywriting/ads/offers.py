"""Selects the offer that is valid for a product on a day, and puts it into words; no model is involved.

The text of an ad has the slot {offer} in place of the offer. The slot is filled when the ad is judged and published.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopbatch.capabilities.copywriting.ads.words import OfferWords, ad_words
from shopbatch.capabilities.copywriting.prompt import one_line
from shopbatch.grounding.lexicon import is_chinese

VERSION = 1  # of the selection and the content of offers; raise it if either changes
SLOT = "{offer}"
COLUMNS = (
    *("offer_id", "product_id", "market", "currency", "price", "former_price", "percent", "code"),
    *("starts_at", "ends_at", "terms", "updated_at"),
)
_MINUTE, _DAY, _TICK = dt.timedelta(minutes=1), dt.timedelta(days=1), dt.timedelta(microseconds=1)
_AGREE = Decimal(1)  # tolerance in per cent between stated and computed reduction, because both are rounded
_LONGEST_TERMS = 80  # maximum characters of terms that an ad quotes


@dataclass(frozen=True)
class Offer:
    """An offer as ads state it.

    Attributes:
        offer_id: Key of its row in `offers`.
        currency: ISO 4217 code; None if no price is stated.
        price: Price of the product, as a decimal number; None if it is not stated.
        former: Price before the reduction, as a decimal number; None if it is unknown or was not higher.
        percent: Reduction in per cent, as a decimal number; None if it is unknown or contradicts the prices.
        code: Code that a customer enters; None if there is none.
        terms: Conditions on one line; None if there are none.
        until: Last day on which the offer is valid all day, as YYYY-MM-DD in the shop's time zone; None: no end is set.
    """

    offer_id: str
    currency: str | None = None
    price: str | None = None
    former: str | None = None
    percent: str | None = None
    code: str | None = None
    terms: str | None = None
    until: str | None = None

    def text(self) -> str:
        """Encode the offer as JSON; equal offers give equal text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def of(cls, text: str | None) -> Offer | None:
        """Decode an offer from the JSON of `Offer.text`; None stays None."""
        return None if text is None else cls(**json.loads(text))


def first_day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the first day that an offer covers completely, from midnight on.

    Example: an offer that starts at midnight gives the same day; one that starts at 8:00 gives the next day.

    Args:
        moment: When the offer begins.
        zone: The shop's time zone.
    """
    return (moment - _TICK).astimezone(zone).date() + _DAY


def last_day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the last day that an offer covers completely, up to 23:59.

    Example: an offer that ends at 23:59 gives the same day; one that ends at 12:00 gives the day before.

    Args:
        moment: When the offer ends.
        zone: The shop's time zone.
    """
    return (moment + _MINUTE).astimezone(zone).date() - _DAY


def holds(row: Mapping[str, Any], day: dt.date, zone: ZoneInfo) -> bool:
    """Return True if an offer is valid during the whole day.

    Args:
        row: A row of `offers`.
        day: The day.
        zone: The shop's time zone.
    """
    starts, ends = row["starts_at"], row["ends_at"]
    return (starts is None or first_day(starts, zone) <= day) and (ends is None or day <= last_day(ends, zone))


def chosen(rows: Sequence[Mapping[str, Any]], market: str, day: dt.date, zone: ZoneInfo) -> Offer | None:
    """Select the offer that the ads of a product state in a market on a day; None if none is valid.

    Of several valid offers, those for this market are preferred to those for all markets. Among these the lowest price,
    then the greatest reduction, the latest end and the first offer_id decide.

    Args:
        rows: The product's rows of `offers`.
        market: The market of the ad.
        day: The day on which the ad is sent.
        zone: The shop's time zone.
    """
    fitting = [row for row in rows if row["market"] in (None, market) and holds(row, day, zone)]
    if not fitting:
        return None
    never = dt.datetime.max.replace(tzinfo=dt.UTC)

    def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the sort key of an offer; the smallest is selected."""
        price = row["price"] if row["price"] is not None else Decimal("Infinity")
        end = row["ends_at"] or never
        return (row["market"] is None, price, -(row["percent"] or 0), never - end, row["offer_id"])

    return _stated(min(fitting, key=order), zone)


def _stated(row: Mapping[str, Any], zone: ZoneInfo) -> Offer:
    """Build the Offer of a row of `offers`, without values that are impossible or contradict each other.

    Left out are prices without a currency; a former price that was not higher; a reduction that is not between 0 and
    100 per cent; and a reduction that differs by one per cent or more from the reduction between the two prices.
    """
    price, former, percent, currency = (row[n] for n in ("price", "former_price", "percent", "currency"))
    if not currency or price is None or price <= 0:
        price = former = None
    if price is None or former is None or former <= price:
        former = None
    if percent is not None and not 0 < percent < 100:
        percent = None
    if percent is not None and price is not None and former is not None:
        reduction = (former - price) / former * 100
        percent = percent if abs(reduction - percent) < _AGREE else None
    terms = one_line(row["terms"] or "").rstrip(" .。")
    return Offer(
        offer_id=row["offer_id"],
        currency=currency if price is not None else None,
        price=None if price is None else _plain(price),
        former=None if former is None else _plain(former),
        percent=None if percent is None else _plain(percent),
        code=one_line(row["code"] or "") or None,
        terms=terms or None,
        until=None if row["ends_at"] is None else last_day(row["ends_at"], zone).isoformat(),
    )


def _plain(number: Decimal) -> str:
    """Format a number without trailing zeros and without an exponent: 20.00 -> "20"."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: str, currency: str, words: OfferWords) -> str:
    """Format a sum of money: ("19.9", "USD") -> "$19.90"; ("19.9", "CHF") -> "19.90 CHF".

    Args:
        amount: The sum, as a decimal number.
        currency: ISO 4217 code.
        words: The offer words of the language.
    """
    number = Decimal(amount)
    if number != number.to_integral_value() and number.quantize(Decimal("0.01")) == number:
        number = number.quantize(Decimal("0.01"))  # two decimals: 19.90, but 20
    figures = f"{number:,f}"
    if currency in words.symbols:
        return words.money.format(symbol=words.symbols[currency], amount=figures)
    return words.plain_money.format(amount=figures, currency=currency)


def day_text(day: dt.date, words: OfferWords) -> str:
    """Format a day in the language: "Nov 30", or 11月30日."""
    return words.date.format(month=words.months[day.month - 1], number=day.month, day=day.day)


def ways_to_say(offer: Offer, language: str) -> list[str]:
    """Return the offer in words, in several versions from the most detailed to the shortest.

    An ad uses the first version for which it has room. Example: "20% off: now $19.90 instead of $25 with the code
    SAVE20 until Nov 30 (Terms apply)", ..., "now $19.90 with the code SAVE20 (Terms apply)". If the offer has a code,
    every version states it. If it has terms, every version states them or says that terms apply.

    Args:
        offer: The offer.
        language: One of LANGUAGES.
    """
    words = ad_words(language).offers
    until = [words.until.format(until=day_text(dt.date.fromisoformat(offer.until), words))] if offer.until else []
    code = [words.code.format(code=offer.code)] if offer.code else []
    head = words.joiner.join
    terms = [offer.terms] if offer.terms and _is_sayable(offer.terms, language) else []
    short = [words.short_terms] if offer.terms else []
    full, brief = _cores(offer, words)
    ways = []
    for core, after in ((full, [*code, *until]), (brief, [*code, *until]), (brief, code)):
        for conditions in [terms, short] if terms else [short]:
            said = head([core, *after])
            ways.append(_with_terms(said, conditions, language))
    return list(dict.fromkeys(ways))


def _is_sayable(terms: str, language: str) -> bool:
    """Return True if the terms are short enough and in the language of the ad."""
    return len(terms) <= _LONGEST_TERMS and is_chinese(terms) == (language == "zh")


def _with_terms(said: str, conditions: Sequence[str], language: str) -> str:
    """Append the first of the conditions in brackets; return the text unchanged if there are no conditions."""
    if not conditions:
        return said
    return f"{said}（{conditions[0]}）" if language == "zh" else f"{said} ({conditions[0]})"


def _cores(offer: Offer, words: OfferWords) -> tuple[str, str]:
    """Return the price and reduction of an offer in words, as a pair: the full version and the short one.

    Example: ("20% off: now $19.90 instead of $25", "now $19.90").
    """
    price = former = discount = ""
    if offer.price and offer.currency:
        price = money(offer.price, offer.currency, words)
        former = money(offer.former, offer.currency, words) if offer.former else ""
    if offer.percent:
        pattern = words.discount if "." not in offer.percent else words.odd_discount
        discount = pattern.format(percent=offer.percent, tenths=_plain((100 - Decimal(offer.percent)) / 10))
    short = words.price.format(price=price) if price else discount or words.none
    if discount and price:
        pattern = words.discount_former if former else words.discount_price
        return pattern.format(discount=discount, price=price, former=former), short
    return (words.price_former.format(price=price, former=former) if former else short), short
