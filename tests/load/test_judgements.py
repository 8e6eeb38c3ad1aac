"""Judgements as WANDS, ESCI and a shop of its own write them -> the table, with the queries of a file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store


def rows(store: Store, *names: str) -> list[tuple[Any, ...]]:
    read = store.snapshot("judgements").read().to_pylist()
    return sorted(tuple(float(r[n]) if n == "grade" else r[n] for n in names) for r in read)


def wands(
    folder: Path, queries: str = "query_id\tquery\tquery_class\n0\tsalon chair\tMassage\n7\tred rug\tRugs\n"
) -> Path:
    (folder / "query.csv").write_text(queries, "utf-8")
    label = "id\tquery_id\tproduct_id\tlabel\n0\t0\t25434\tExact\n1\t0\t12088\tIrrelevant\n2\t7\t42931\tPartial\n"
    (folder / "label.csv").write_text(label, "utf-8")
    return folder / "label.csv"


def test_wands_takes_the_queries_from_the_file_beside_it(store: Store, tmp_path: Path) -> None:
    report = load_file(store, "judgements", wands(tmp_path))
    assert (report.system, report.rows_rejected) == ("wands", 0)
    assert rows(store, "query", "product_id", "grade", "language", "source") == [
        ("red rug", "42931", 1.0, "en", "label.csv"),
        ("salon chair", "12088", 0.0, "en", "label.csv"),
        ("salon chair", "25434", 2.0, "en", "label.csv"),
    ]
    assert load_file(store, "judgements", tmp_path / "label.csv").rows_read == 0  # the same file again


def test_the_same_labels_with_other_queries_are_another_load(store: Store, tmp_path: Path) -> None:
    load_file(store, "judgements", wands(tmp_path))
    path = wands(tmp_path, "query_id\tquery\tquery_class\n0\tbar stool\tStools\n7\tred rug\tRugs\n")
    load_file(store, "judgements", path, mode="replace")
    assert {q for (q,) in rows(store, "query")} == {"bar stool", "red rug"}


def test_a_label_without_its_query_is_refused_and_listed(store: Store, tmp_path: Path) -> None:
    report = load_file(store, "judgements", wands(tmp_path, "query_id\tquery\n0\tsalon chair\n"))
    assert report.reasons == {"query: no_key": 1}
    assert [q for (q,) in rows(store, "query")] == ["salon chair", "salon chair"]


def test_wands_without_its_queries_is_the_users_mistake(store: Store, tmp_path: Path) -> None:
    path = wands(tmp_path)
    (tmp_path / "query.csv").unlink()
    with pytest.raises(UserError, match=r"stands in query\.csv, which is not beside it"):
        load_file(store, "judgements", path)
    assert not store.exists("judgements")


ESCI = [
    (0, " revent 80 cfm", 0, "B000MOO21W", "us", "I", 0, 1, "train"),
    (1, "zapatillas", 5, "B07X3Y6B1V", "es", "E", 0, 1, "train"),
    (2, "傘", 6, "B07WDM7MQQ", "jp", "S", 1, 1, "test"),
    (3, "傘", 6, "B07RH6Z8KW", "jp", "C", 1, 1, "test"),
]
ESCI_NAMES = (
    *("example_id", "query", "query_id", "product_id", "product_locale", "esci_label"),
    *("small_version", "large_version", "split"),
)


@pytest.mark.parametrize("kind", ["parquet", "csv", "words"])
def test_esci_as_parquet_and_as_csv(store: Store, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("examples.parquet" if kind == "parquet" else "train.csv")
    if kind == "parquet":
        pq.write_table(pa.table(dict(zip(ESCI_NAMES, zip(*ESCI, strict=True), strict=True))), path)
    elif kind == "csv":
        lines = [",".join(map(str, row)) for row in (ESCI_NAMES, *ESCI)]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:  # as the KDD Cup of 2022 wrote them
        word = {"E": "exact", "S": "substitute", "C": "complement", "I": "irrelevant"}
        lines = [f"{r[2]},{r[1]},{r[4]},{r[3]},{word[str(r[5])]}" for r in ESCI]
        path.write_text("\n".join(["query_id,query,query_locale,product_id,esci_label", *lines]) + "\n", "utf-8")
    assert load_file(store, "judgements", path).system == "esci"
    read = rows(store, "language", "product_id", "grade")
    assert read == [
        ("en", "B000MOO21W", 0.0),
        ("es", "B07X3Y6B1V", 1.0),
        ("ja", "B07RH6Z8KW", 0.01),
        ("ja", "B07WDM7MQQ", 0.1),
    ]


def test_a_shops_own_file(store: Store, tmp_path: Path) -> None:
    lines = "query,product_id,grade,source\ncoat,p1,2.33,anna\ncoat,p1,3,ben\ncoat,p2,-1,ben\ncoat,p3,good,ben\n"
    (tmp_path / "own.csv").write_text(lines, "utf-8")
    report = load_file(store, "judgements", tmp_path / "own.csv", Options(max_rejects=1))
    assert report.reasons == {"grade: out_of_range": 1, "grade: not_a_number": 1}
    assert rows(store, "product_id", "grade", "source") == [("p1", 2.33, "anna"), ("p1", 3.0, "ben")]
