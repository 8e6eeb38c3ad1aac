"""What a page of the site says of a table: who writes it, and what it means."""

import pytest

from shopbatch.site.tables import describe_tables, writer_of
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.warehouse.store import Store


@pytest.mark.parametrize(
    ("table", "job"),
    [
        ("review_sentiment", "score_reviews"),
        ("score_reviews_memo", "score_reviews"),
        ("answer_tickets_questions_memo", "answer_tickets"),  # one of a job that infers in steps
        ("products", None),
        ("somebody_s_table", None),
    ],
)
def test_the_job_that_writes_a_table_is_named(table: str, job: str | None) -> None:
    assert writer_of(table) == job


def test_what_a_load_refused_is_described(store: Store) -> None:
    refused = load_rejects("reviews")
    store.commit(refused, [], "append", "load")
    described = {table.name: table for table in describe_tables(store, {})}[refused.name]
    assert described.meaning == refused.meaning and {c.name for c in described.columns if c.is_key} == {*refused.key}
