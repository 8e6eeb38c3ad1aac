"""Generates the tables `campaigns`, `coupons` and `redemptions` of the generated shop.

Whether user u received campaign c, and which coupons u redeemed, is a function of the seed and the row number c * users
+ u alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import Numbers, Rows, below, chance, from_seconds, names, skewed
from shopbatch.sample.shop import START, YEARS, Shop
from shopbatch.tables.campaigns import CAMPAIGNS, COUPONS, REDEMPTIONS

CAMPAIGNS_SENT, DAYS = 12, 30  # number of campaigns, and days that each one lasts
RECEIVED, REDEEMED = 0.25, 0.05  # share of the users who receive a campaign; share of those who redeem
COUPONS_EACH, PRODUCTS_EACH = 20, 5
COUPON_ROWS = CAMPAIGNS_SENT * COUPONS_EACH * PRODUCTS_EACH
_DAY = 86_400
_TYPES = ("Type A", "Type B", "Type C")


def campaigns(shop: Shop, first: int, count: int) -> pa.Table:
    """Return the rows of `campaigns` for the (campaign, user) pairs [first, first + count).

    There is one row per pair whose user received the campaign, a random quarter of the users. Pairs are numbered
    campaign by campaign.
    """
    rows = _received(shop, first, count)
    campaign, user = _pair(shop, rows)
    begin = _begin(shop, campaign)
    columns = {
        "campaign_id": names("g-", campaign),
        "user_id": names("g-", user),
        "campaign_type": pc.take(pa.array(_TYPES), pa.array(campaign % len(_TYPES))),
        "starts_at": from_seconds(begin),
        "ends_at": from_seconds(begin + DAYS * _DAY),
        "source": pa.repeat("generated", len(rows)),
    }
    return pa.table(columns, schema=CAMPAIGNS.schema())


def coupons(shop: Shop, first: int, count: int) -> pa.Table:
    """Return rows [first, first + count) of `coupons`: one row per coupon and product for which it is valid.

    Each coupon is valid for five products of one taste (cluster of products).
    """
    rows = np.arange(first, first + count, dtype=np.int64)
    coupon, place = np.divmod(rows, PRODUCTS_EACH)
    any_product = skewed(shop.seed, "coupon product", coupon.astype(np.uint64), shop.products)
    columns = {
        "campaign_id": names("g-", coupon // COUPONS_EACH),
        "coupon_id": names("g-", coupon),
        "product_id": names("g-", (any_product + place * shop.clusters) % shop.products),
        "source": pa.repeat("generated", count),
    }
    return pa.table(columns, schema=COUPONS.schema())


def redemptions(shop: Shop, first: int, count: int) -> pa.Table:
    """Return the rows of `redemptions` for the (campaign, user) pairs [first, first + count).

    Pairs are numbered campaign by campaign. A user who received a campaign redeems none, one or two of its coupons.
    """
    seed, received = shop.seed, _received(shop, first, count)
    using = received[chance(seed, "redeems", received, REDEEMED)]
    chosen = below(seed, "coupon chosen", using, COUPONS_EACH)
    other = (chosen + 1 + below(seed, "other coupon", using, COUPONS_EACH - 1)) % COUPONS_EACH
    redeemed = np.column_stack([np.ones(len(using), bool), chance(seed, "redeems two", using, 0.5)])
    nth = np.column_stack([chosen, other])[redeemed]
    rows = np.column_stack([using, using])[redeemed]
    draws = np.column_stack([using * np.uint64(2), using * np.uint64(2) + np.uint64(1)])[redeemed]
    campaign, user = _pair(shop, rows)
    moment = _begin(shop, campaign) + 1 + below(seed, "redeemed", draws, DAYS * _DAY - 1)
    columns = {
        "user_id": names("g-", user),
        "campaign_id": names("g-", campaign),
        "coupon_id": names("g-", campaign * COUPONS_EACH + nth),
        "redeemed_at": from_seconds(moment),
        "source": pa.repeat("generated", len(rows)),
    }
    return pa.table(columns, schema=REDEMPTIONS.schema())


def _received(shop: Shop, first: int, count: int) -> Rows:
    rows = np.arange(first, first + count, dtype=np.uint64)
    return rows[chance(shop.seed, "received", rows, RECEIVED)]


def _pair(shop: Shop, rows: Rows) -> tuple[Numbers, Numbers]:
    """Split (campaign, user) pair numbers into campaign numbers and user numbers, both int64 [n]."""
    campaign, user = np.divmod(rows.astype(np.int64), shop.users)
    return campaign, user


def _begin(shop: Shop, campaign: Numbers) -> Numbers:
    """Return the start of each campaign in seconds since 1970 UTC.

    It is a midnight; a campaign ends before the next one starts.
    """
    days = YEARS * 365
    drawn = below(shop.seed, "campaign start", campaign.astype(np.uint64), days // CAMPAIGNS_SENT - DAYS)
    return START + (campaign * days // CAMPAIGNS_SENT + drawn) * _DAY
