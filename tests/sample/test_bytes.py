"""The generated tables are the same to the byte on every machine, and after every change of the code that makes them.

If a digest differs on purpose, raise the VERSION of the module that makes the table, and note the new digest here.
"""

import hashlib
import json
from collections.abc import Callable

import pyarrow as pa
import pytest

from shopbatch.sample.activity import events, transactions
from shopbatch.sample.campaigns import campaigns, coupons, redemptions
from shopbatch.sample.dialogs import dialogs
from shopbatch.sample.experiments import experiments
from shopbatch.sample.generated import customers
from shopbatch.sample.orders import order_lines, orders
from shopbatch.sample.product_copy import pairs
from shopbatch.sample.reductions import reductions
from shopbatch.sample.referrals import referral_events
from shopbatch.sample.reviews import reviews
from shopbatch.sample.shop import Mess, Shop, products, users
from shopbatch.sample.tickets import tickets

SHOP = Shop(reviews=2_000, products=300, users=200, seed=3, lines=2_000, events=2_000)
MESSY = Shop(
    reviews=500, products=40, users=50, seed=8,
    mess=Mess(duplicate_texts=0.5, duplicate_keys=0.1, null_text=0.1, blank_text=0.1, long_text=0.02, emoji=0.3,
              mixed_language=0.2, chinese=0.5, nul_bytes=0.05),
)  # fmt: skip
Make = Callable[[Shop], pa.Table]
TABLES: dict[str, Make] = {
    "products": lambda shop: products(shop, 0, shop.products),
    "users": lambda shop: users(shop, 0, shop.users),
    "reviews": lambda shop: reviews(shop, 0, shop.reviews)[0],
    "transactions": lambda shop: transactions(shop, 0, shop.lines),
    "events": lambda shop: events(shop, 0, shop.events),
    "campaigns": lambda shop: campaigns(shop, 0, 12 * shop.users),
    "experiments": lambda shop: experiments(shop, 0, 2 * shop.users),
    "coupons": lambda shop: coupons(shop, 0, 1_200),
    "redemptions": lambda shop: redemptions(shop, 0, 12 * shop.users),
    "offers": lambda shop: reductions(shop, 0, shop.products),
    "support_dialogs": lambda shop: dialogs(1_000, shop.seed),
    "product_copy": lambda shop: pairs(products(shop, 0, shop.products), 600, shop.seed),
    "orders": lambda shop: orders(customers(shop), 0, 900),
    "order_lines": lambda shop: order_lines(customers(shop), 0, 900),
    "tickets": lambda shop: tickets(customers(shop), 0, 1_000),
    "referral_events": lambda shop: referral_events(shop, 0, shop.users),
}
DIGESTS = {
    "products": "9120ff17c440077a",
    "users": "ee8dad0371aadc7f",
    "reviews": "64a467e395b9a657",
    "transactions": "f63752d255b91d55",
    "events": "0655f6f02594b3a5",
    "campaigns": "1f92df5ec6f6a005",
    "experiments": "27a505eabfbe3880",
    "coupons": "caa1f2fee4f703a2",
    "redemptions": "a8bcae169cdfd64e",
    "offers": "0b7c2c4064cfea7e",
    "support_dialogs": "abfd0ab6e8b093c0",
    "product_copy": "86e92dd99faa699b",
    "orders": "bd1bda9bbc0c5c1f",
    "order_lines": "03c0b3cf4c6b6224",
    "tickets": "07bf744afa32bea9",
    "referral_events": "f7ba58ba166249cc",
}
MESSY_REVIEWS = "13b8d1ea92ad12c8"


def digest(table: pa.Table) -> str:
    rows = json.dumps(table.to_pylist(), default=str, ensure_ascii=False)
    return hashlib.blake2b(rows.encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize("name", TABLES)
def test_a_generated_table_is_the_same(name: str) -> None:
    assert digest(TABLES[name](SHOP)) == DIGESTS[name]


def test_reviews_with_many_faults_are_the_same() -> None:
    assert digest(reviews(MESSY, 0, MESSY.reviews)[0]) == MESSY_REVIEWS
