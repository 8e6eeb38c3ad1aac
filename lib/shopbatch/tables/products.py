"""products: the catalogue. Filled by `shopbatch sample` or `shopbatch load products FILE`."""

import pyarrow as pa

from shopbatch.tables.schema import Column, Table

PRODUCTS = Table(
    name="products",
    meaning="One row per product of the catalogue.",
    key=("product_id",),
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
        Column("source", pa.string(), "Where the row came from: a sample's name, or the file that was loaded."),
    ),
)
