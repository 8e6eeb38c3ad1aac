"""Judges published ads by the tables alone: written from the declarations of `products` and `offers`, and from the
specifications of the channels, without the code of the job."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from rich.cells import cell_len

Row = Mapping[str, Any]
# 3GPP TS 23.038, table 6.2.1, row by row, and the extension table
GSM = set("@Δ 0¡P¿p£_!1AQaq$Φ\"2BRbr¥Γ#3CScsèΛ¤4DTdtéΩ%5EUeuùΠ&6FVfvìΨ'7GWgwòΣ(8HXhxÇΘ)9IYiy\nΞ*:JZjzØ+;KÄkäøÆ,<LÖlö"
          "\ræ-=MÑmñÅß.>NÜnüåÉ/?O§oà")  # fmt: skip
GSM_TWO = set("^{}\\[~]|€\f")
SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "元": "CNY", "美元": "USD", "欧元": "EUR", "英镑": "GBP"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SUM = r"\d[\d,]*(?:\.\d+)?"
_MONEY = re.compile(rf"(?P<before>[$€£¥]) ?(?P<a>{_SUM})|(?P<b>{_SUM}) ?(?P<after>美元|欧元|英镑|元)")
_FORMER = re.compile(rf"(?:instead of [$€£¥]?|原价)({_SUM})")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_DATE = re.compile(rf"({'|'.join(MONTHS)}) (\d{{1,2}})\b|(\d{{1,2}})月(\d{{1,2}})日")


def problems(
    ads: Iterable[Row], products: Sequence[Row], offers: Sequence[Row], day: dt.date, zone: str = "UTC"
) -> list[str]:
    """What is wrong with the ads that are to be sent on a day."""
    goods = {row["product_id"]: row for row in products}
    found: list[str] = []
    seen: Counter[tuple[str, str]] = Counter()
    for ad in ads:
        own = [o for o in offers if o["product_id"] == ad["product_id"] and _holds(o, day, ad["market"], zone)]
        stated = next((o for o in own if o["offer_id"] == ad["offer_id"]), None)
        if ad["offer_id"] is not None and stated is None:
            found.append(f"{ad['ad_id']}: its offer does not hold on the day")
        if ad["valid_until"] is not None and ad["valid_until"] < day:
            found.append(f"{ad['ad_id']}: ended")
        ids = [v["variant_id"] for v in ad["variants"]]
        if len(set(ids)) < len(ids):
            found.append(f"{ad['ad_id']}: variants share a name")
        for variant in ad["variants"]:
            seen[ad["segment"], variant["text"].casefold()] += 1
            whole = f"{variant['title'] or ''}\n{variant['text']}"
            found += [f"{variant['variant_id']}: {p}: {whole!r}" for p in _limits(ad["channel"], variant)]
            claims = _claims(whole, goods[ad["product_id"]], stated, zone)
            found += [f"{variant['variant_id']}: {p}: {whole!r}" for p in claims]
    found += [f"{segment}: a text comes {n} times: {text!r}" for (segment, text), n in seen.items() if n > 1]
    return found


def _holds(offer: Row, day: dt.date, market: str, zone: str) -> bool:
    """Whether an offer holds at noon of the day and at both its ends, but for the last minute."""
    if offer["market"] not in (None, market):
        return False
    midnight = dt.datetime.combine(day, dt.time(), ZoneInfo(zone))
    starts, ends = offer["starts_at"], offer["ends_at"]
    moments = (midnight, midnight + dt.timedelta(hours=12), midnight + dt.timedelta(hours=23, minutes=58, seconds=59))
    return all((starts is None or starts <= m) and (ends is None or m < ends) for m in moments)


def _limits(channel: str, variant: Row) -> Iterable[str]:
    title, text = variant["title"], variant["text"]
    width = {"email_subject": 70, "push": 150, "social": 280, "banner": 90}.get(channel)
    if width is not None and cell_len(text) > width:
        yield f"{cell_len(text)} columns of {width}"
    if channel == "sms":
        basic = set(text) <= GSM | GSM_TWO
        units = sum(1 + (c in GSM_TWO) for c in text) if basic else len(text.encode("utf-16-le")) // 2
        if units > (160 if basic else 70):
            yield f"{units} units"
        if (variant["length"], variant["encoding"], variant["parts"]) != (units, "GSM-7" if basic else "UCS-2", 1):
            yield "is measured wrongly"
    titled = {"push": 50, "banner": 30}.get(channel)
    if titled is None and title is not None:
        yield "has a title"
    if titled is not None and not (title and cell_len(title) <= titled):
        yield f"title {title!r}"
    if "\n" in text or re.search(r"[{}]|https?:|None|null", text):
        yield "line break, slot or address"


def _claims(whole: str, product: Row, offer: Row | None, zone: str) -> Iterable[str]:
    """What a text says of money, reductions and days that the offer does not, and numbers that nothing says."""
    rest = whole.replace("Reply STOP to opt out", "").replace("拒收请回复R", "")
    for match in _MONEY.finditer(rest):
        amount = Decimal((match["a"] or match["b"]).replace(",", ""))
        currency = SIGNS[match["before"] or match["after"]]
        told = [] if offer is None else [offer["price"], offer["former_price"]]
        if offer is None or currency != offer["currency"] or amount not in [t for t in told if t is not None]:
            yield f"sum {match[0]}"
    for match in _FORMER.finditer(rest):
        if offer is None or Decimal(match[1].replace(",", "")) != offer["former_price"]:
            yield f"former price {match[0]}"
    now = re.search(rf"(?:now [$€£¥]|现价)({_SUM})", rest, re.I)
    if now and (offer is None or Decimal(now[1].replace(",", "")) != offer["price"]):
        yield f"price {now[0]}"
    if "former" in rest or (offer is not None and offer["former_price"] is None and re.search("instead of|原价", rest)):
        yield "a price before that the table does not hold"
    for match in re.finditer(r"(\d+(?:\.\d+)?)% off|(\d(?:\.\d)?)折|优惠(\d+(?:\.\d+)?)%", rest):
        percent = Decimal(match[1] or match[3]) if not match[2] else 100 - 10 * Decimal(match[2])
        if offer is None or offer["percent"] is None or percent != offer["percent"]:
            yield f"reduction {match[0]}"
    for match in _DATE.finditer(rest):
        month, number = (MONTHS.index(match[1]) + 1, match[2]) if match[1] else (int(match[3]), match[4])
        if offer is None or offer["ends_at"] is None:
            yield f"day {match[0]}"
            continue
        last = (offer["ends_at"].astimezone(ZoneInfo(zone)) - dt.timedelta(days=1) + dt.timedelta(minutes=1)).date()
        if (last.month, last.day) != (month, int(number)):
            yield f"day {match[0]}, not {last}"
    for pattern in (_MONEY, re.compile(r"\d+(?:\.\d+)?% off|\d(?:\.\d)?折|优惠\d+(?:\.\d+)?%"), _DATE):
        rest = pattern.sub(" ", rest)
    entries = dict(product["attributes"] or [])
    known = " ".join(str(v) for v in [*product.values(), *entries.values(), *entries] if v is not None)
    numbers = set(_NUMBER.findall(known)) | ({offer["code"]} if offer else set())
    stated = [n for n in _NUMBER.findall(rest) if n not in numbers and n not in known]
    terms = (offer or {}).get("terms") or ""
    code = (offer or {}).get("code") or ""
    yield from (f"number {n}" for n in stated if n not in terms and n not in code)
    for match in re.finditer(
        r"\b(?:free|hurry|only \d+ left|best|cheapest|guaranteed?)\b|免费|仅剩|最低|第一", rest, re.I
    ):
        if match[0].lower() not in known.lower():
            yield f"a claim that no ad may make, {match[0]}"
