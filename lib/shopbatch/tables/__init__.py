"""What data exists. `TABLES` is the whole catalogue; each subject has a file of its own."""

from shopbatch.errors import UserError
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.review_sentiment import REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS
from shopbatch.tables.reviews import REVIEWS
from shopbatch.tables.schema import Column, Table
from shopbatch.tables.transactions import TRANSACTIONS
from shopbatch.tables.users import USERS

TABLES: dict[str, Table] = {
    t.name: t for t in (PRODUCTS, USERS, TRANSACTIONS, REVIEWS, REVIEW_SENTIMENT, REVIEW_SENTIMENT_REJECTS)
}
SOURCES = ("products", "users", "transactions", "reviews")


def table(name: str) -> Table:
    """The declared table of that name. UserError (with the names there are) if there is none."""
    if name not in TABLES:
        raise UserError(f"no table {name!r}; there are: {', '.join(TABLES)}")
    return TABLES[name]


__all__ = ["SOURCES", "TABLES", "Column", "Table", "table"]
