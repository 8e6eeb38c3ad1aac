"""Declares the source table `products`: the catalogue of the shop, one row per product.

Filled by `shopbatch sample` or `shopbatch load products FILE`. The names and meanings of prices, availability, links
and identifiers follow the product data specification of Google Merchant Center.
"""

import pyarrow as pa

from shopbatch.tables.schema import PRICE, TEXT_LIST, TEXT_MAP, TIMESTAMP, Column, Nobody, Table, View

CODES = "codes"  # the column of further codes (SKU, barcode) by which orders may name a product
AVAILABILITY = ("in_stock", "out_of_stock", "preorder", "backorder")

PRODUCTS = Table(
    name="products",
    meaning="One row per product of the catalogue.",
    key=("product_id",),
    person=Nobody("The catalogue describes goods."),
    latest_by="updated_at",
    merge_rows=True,
    html=True,
    columns=(
        Column("product_id", pa.string(), "Name of the product, unique in the shop.", nullable=False),
        Column("title", pa.string(), "Name shown to customers; null where the source has none."),
        Column("division", pa.string(), "Largest grouping of the catalogue (General, Petite, ...); null if none."),
        Column("department", pa.string(), "Department (GROCERY, Dresses, ...)."),
        Column("category", pa.string(), "Category or class within the department."),
        Column("product_type", pa.string(), "Finest grouping within the category; null where not given."),
        Column("brand", pa.string(), "Brand, or National / Private where only that is known."),
        Column("manufacturer_id", pa.string(), "Name of the manufacturer; null where unknown."),
        Column("package_size", pa.string(), "Size as printed on the package (22 LB); null where not given."),
        Column("description", pa.string(), "The shop's own text about it, without HTML.", free_text=True),
        Column("price", PRICE, "Price of one unit, in `currency`.", between=(0, 10**11)),
        Column("sale_price", PRICE, "Reduced price, while it is on sale; else null.", between=(0, 10**11)),
        Column("currency", pa.string(), "ISO 4217 code of the prices (EUR, CNY, ...)."),
        Column("availability", pa.string(), f"Stock: {', '.join(AVAILABILITY)}.", one_of=AVAILABILITY),
        Column("attributes", TEXT_MAP, "Colour, size, material, season, ... by name; null if none are known."),
        Column("tags", TEXT_LIST, "Words that the shop files it under; null if none."),
        Column("image_url", pa.string(), "Address of the main picture."),
        Column("image_path", pa.string(), "File of the main picture, where the shop has it as a file."),
        Column("url", pa.string(), "Address of its page in the shop."),
        Column("gtin", pa.string(), "Global Trade Item Number: 8, 12, 13 or 14 digits (EAN, UPC, ISBN)."),
        Column("item_group_id", pa.string(), "The product that this is a variant of, the same for all its variants."),
        Column(
            CODES,
            TEXT_LIST,
            "What else orders may name it by: SKUs and barcodes of it and of its variants; null if none are known.",
        ),
        Column("language", pa.string(), "ISO 639-1 code of its texts (en, zh, ...); null where unknown."),
        Column("market", pa.string(), "ISO 3166-1 code of the country it is sold in (US, CN, ...); null: everywhere."),
        Column("created_at", TIMESTAMP, "When it came into the catalogue, UTC."),
        Column("updated_at", TIMESTAMP, "When the catalogue last changed it, UTC; the latest row of a product counts."),
        Column(
            "source",
            pa.string(),
            "Where the row came from: a sample's name, or the file that was loaded.",
            personal=True,
        ),
    ),
    view=View(("title", "brand", "category", "price")),
)
