"""What a shop promises, as numbers; and how questions about it, and replies, are written down.

Used by `policies_en*` and `policies_zh*` (the words) and `generated_dialogs` (who puts them together). Words hold no
number of their own: `{return_days}` is a number below, so a promise cannot be stated in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_TIMES = {
    "ship_from": "3",
    "ship_to": "5",
    "dispatch_hours": "24",
    "express_days": "2",
    "abroad_from": "8",
    "abroad_to": "12",
    "countries": "26",
    "track_hours": "12",
    "return_days": "30",
    "refund_days": "7",
    "exchange_days": "21",
    "transfer_days": "3",
    "pay_hours": "48",
    "parts": "4",
    "invoice_months": "18",
    "lock_tries": "5",
    "lock_minutes": "15",
    "link_minutes": "20",
    "address_hours": "2",
    "cancel_minutes": "60",
    "change_hours": "3",
    "damage_days": "6",
    "wrong_days": "10",
    "missing_days": "9",
    "search_days": "4",
    "pickup_days": "8",
    "warranty_months": "24",
    "match_days": "14",
    "gift_months": "36",
    "coupons": "1",
    "points": "100",
    "points_months": "12",
    "restock_days": "16",
    "size_cm": "2",
    "answer_hours": "6",
    "delete_days": "28",
    "export_days": "11",
    "mail_hours": "72",
    "bulk_items": "25",
    "bulk_percent": "15",
}
_LOCAL = {  # dollars and a.m., p.m. in English, yuan and 24 hours in Chinese
    "en": {
        "free_over": "50",
        "ship_cost": "4.90",
        "express_cost": "13",
        "abroad_cost": "19",
        "return_cost": "3.50",
        "part_min": "120",
        "gift_min": "10",
        "gift_max": "250",
        "coupon_min": "40",
        "points_value": "5",
        "wrap_cost": "3",
        "open_from": "8",
        "open_to": "9",
    },
    "zh": {
        "free_over": "99",
        "ship_cost": "8",
        "express_cost": "18",
        "abroad_cost": "120",
        "return_cost": "9",
        "part_min": "600",
        "gift_min": "50",
        "gift_max": "2000",
        "coupon_min": "150",
        "points_value": "5",
        "wrap_cost": "10",
        "open_from": "8",
        "open_to": "21",
    },
}
POLICY: Mapping[str, Mapping[str, str]] = {language: {**_TIMES, **local} for language, local in _LOCAL.items()}


@dataclass(frozen=True)
class Case:
    """Questions that get the same answer. Templates: `[a|b]` is one of these, `{name}` a number or what was asked of.

    fact: what the shop promises. step: what the customer does. more: what may be said besides.
    limit: the questions state a number {n}, below the policy of that name; beyond: above it.
    """

    ask: tuple[str, ...]
    fact: tuple[str, ...]
    step: tuple[str, ...]
    more: tuple[str, ...] = ()
    limit: str = ""
    beyond: bool = False


@dataclass(frozen=True)
class Intent:
    """about: order (a question may name one), product or shop. goods: the kind of product it may name."""

    about: str
    cases: tuple[Case, ...]
    goods: str = "any"
