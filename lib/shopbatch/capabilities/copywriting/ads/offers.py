"""Which offer holds for a product on a day, and how it is said: from the table alone, never from a model.

An ad's text has the slot {offer} where the offer stands. It is filled when the ad is judged and published.
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

VERSION = 1  # of what becomes of a row of `offers`
SLOT = "{offer}"
COLUMNS = (
    *("offer_id", "product_id", "market", "currency", "price", "former_price", "percent", "code"),
    *("starts_at", "ends_at", "terms", "updated_at"),
)
_MINUTE, _DAY, _TICK = dt.timedelta(minutes=1), dt.timedelta(days=1), dt.timedelta(microseconds=1)
_AGREE = Decimal(1)  # per cent by which a stated reduction and that of the prices may differ, since both are rounded
_LONGEST_TERMS = 80  # characters


@dataclass(frozen=True)
class Offer:
    """An offer as ads state it; sums are decimal numbers as text, days are days of the shop's time zone.

    Attributes:
        offer_id: The row of `offers`.
        currency: ISO 4217 code; None if no price is stated.
        price: What the product costs.
        former: What it cost before; only if that was more.
        percent: The reduction, only if it agrees with the prices.
        code: What a customer enters.
        terms: Conditions on one line.
        until: The last day on which the offer holds throughout; None: no end is set.
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
        """Write the offer as JSON; equal offers give equal text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def of(cls, text: str | None) -> Offer | None:
        """Read what `text` wrote; None stays None."""
        return None if text is None else cls(**json.loads(text))


def first_day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the first day that is wholly behind the moment at which an offer begins."""
    return (moment - _TICK).astimezone(zone).date() + _DAY


def last_day(moment: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Return the last day that is wholly before the moment at which an offer ends; 23:59 counts as the day's end."""
    return (moment + _MINUTE).astimezone(zone).date() - _DAY


def holds(row: Mapping[str, Any], day: dt.date, zone: ZoneInfo) -> bool:
    """Whether an offer holds from the first to the last minute of a day."""
    starts, ends = row["starts_at"], row["ends_at"]
    return (starts is None or first_day(starts, zone) <= day) and (ends is None or day <= last_day(ends, zone))


def chosen(rows: Sequence[Mapping[str, Any]], market: str, day: dt.date, zone: ZoneInfo) -> Offer | None:
    """The offer that the ads of a product state in a market on a day.

    Of several it is the one that names the market, then the one with the lowest price, the greatest reduction, the
    latest end, and the first name.

    Args:
        rows: The product's rows of `offers`.
        market: The market of the ad.
        day: The day on which it is sent.
        zone: The shop's time zone.
    """
    fitting = [row for row in rows if row["market"] in (None, market) and holds(row, day, zone)]
    if not fitting:
        return None
    never = dt.datetime.max.replace(tzinfo=dt.UTC)

    def order(row: Mapping[str, Any]) -> tuple[Any, ...]:
        price = row["price"] if row["price"] is not None else Decimal("Infinity")
        end = row["ends_at"] or never
        return (row["market"] is None, price, -(row["percent"] or 0), never - end, row["offer_id"])

    return _stated(min(fitting, key=order), zone)


def _stated(row: Mapping[str, Any], zone: ZoneInfo) -> Offer:
    """What may be said of a row: nothing that its own columns contradict."""
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
    """A number without zeros at its end, never in powers of ten."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(amount: str, currency: str, words: OfferWords) -> str:
    """A sum of money as the language writes it."""
    number = Decimal(amount)
    if number != number.to_integral_value() and number.quantize(Decimal("0.01")) == number:
        number = number.quantize(Decimal("0.01"))  # 19.90, but 20
    figures = f"{number:,f}"
    if currency in words.symbols:
        return words.money.format(symbol=words.symbols[currency], amount=figures)
    return words.plain_money.format(amount=figures, currency=currency)


def day_text(day: dt.date, words: OfferWords) -> str:
    """A day as the language writes it."""
    return words.date.format(month=words.months[day.month - 1], number=day.month, day=day.day)


def ways_to_say(offer: Offer, language: str) -> list[str]:
    """The offer from its fullest wording to its shortest; every one of them holds by itself.

    An offer with terms is never stated without saying that there are some, one with a code never without the code.
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
    return len(terms) <= _LONGEST_TERMS and is_chinese(terms) == (language == "zh")


def _with_terms(said: str, conditions: Sequence[str], language: str) -> str:
    if not conditions:
        return said
    return f"{said}（{conditions[0]}）" if language == "zh" else f"{said} ({conditions[0]})"


def _cores(offer: Offer, words: OfferWords) -> tuple[str, str]:
    """What is offered: in full, and in short."""
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
