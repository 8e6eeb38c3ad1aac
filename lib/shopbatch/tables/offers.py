"""Declares the source table `offers`: reduced prices, codes and terms of products for a limited time.

Filled by `shopbatch sample` or `shopbatch load`.
"""

import pyarrow as pa

from shopbatch.tables.schema import PRICE, TIMESTAMP, Column, Nobody, Table, View

PERCENT = pa.decimal128(5, 2)

OFFERS = Table(
    name="offers",
    meaning="One row per offer of a product: for how long, at what price, on what terms.",
    key=("offer_id",),
    person=Nobody("An offer is made to everybody."),
    latest_by="updated_at",
    columns=(
        Column("offer_id", pa.string(), "Name of the offer, unique in the shop.", nullable=False),
        Column("product_id", pa.string(), "The product (products.product_id).", nullable=False),
        Column("market", pa.string(), "ISO 3166-1 code of the country it holds in (US, CN, ...); null: everywhere."),
        Column("currency", pa.string(), "ISO 4217 code of its prices (EUR, CNY, ...)."),
        Column("price", PRICE, "Price of one unit under the offer, in `currency`; null if none.", between=(0, 10**11)),
        Column(
            "former_price",
            PRICE,
            "The price that an ad may compare with: the lowest one of the time before that the market's law names (30 "
            "days in the European Union, 7 in China), in `currency`; null if there is none.",
            between=(0, 10**11),
        ),
        Column("percent", PERCENT, "Reduction in per cent of the price; null if none is stated.", between=(0, 100)),
        Column("code", pa.string(), "Code that a customer enters to get it; null if none is needed."),
        Column("starts_at", TIMESTAMP, "When it begins, UTC; null: it has begun."),
        Column("ends_at", TIMESTAMP, "When it ends, UTC; null: no end is set."),
        Column("terms", pa.string(), "Its conditions, in the language of the market; null if none.", free_text=True),
        Column("updated_at", TIMESTAMP, "When it was last changed, UTC; the latest row of an offer counts."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("product_id", "price", "former_price", "percent", "ends_at")),
)
