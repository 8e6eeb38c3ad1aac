"""A warehouse in which some persons stand in every place that there is, beside others who must stay."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from shopbatch.core.hashing import hash128, hex128
from shopbatch.models import erasure, registry
from shopbatch.runs.report import Report
from shopbatch.tables import TABLES
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.schema import Column, Person, Table
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.tables.training_vectors import TRAINING_VECTORS
from shopbatch.warehouse import files
from shopbatch.warehouse.candidates import keep_candidate
from shopbatch.warehouse.store import Store
from tests.inference import toy

# the least and the greatest id of every file, so that they are the bounds of its statistics, and one in the middle
USERS = ("000-ann-7001", "mid-bob-7002", "zzz-cem-7003")
OTHERS = ("001-eve-1001", "mmm-joe-1002", "yyy-kim-1003")
WORDS = "the zip of this jacket broke on day {} and the shop at the corner laughed, said {}"
SHARED = "Just what I wanted, thank you very much!"


def text_of(user: str) -> str:
    return WORDS.format(user[-4:][::-1], user[4:7].upper() * 3)


def reviews() -> list[toy.Row]:
    """Two reviews of each user; the second has a text that several wrote."""
    rows = []
    for i, user in enumerate((*USERS, *OTHERS)):
        own = {"review_id": f"rev-{user}-1", "user_id": user, "text": text_of(user), "language": "en"}
        rows += [own, {"review_id": f"rev-{user}-2", "user_id": user, "text": SHARED, "language": "en"}]
        rows.append({"review_id": f"rev-{user}-3", "user_id": user, "text": " "})
        rows += [{"review_id": f"x{i}-{k}", "text": f"nobody knows who wrote number {i} {k}"} for k in range(20)]
    return rows


def value_of(column: Column, user: str, i: int) -> Any:
    """Any value of a column's type."""
    kind = column.type
    if column.one_of:
        return column.one_of[0]
    if column.name == "source":
        return "test"
    if pa.types.is_string(kind):
        return f"{column.name}-{i}"
    if pa.types.is_binary(kind):
        return bytes([i])
    if pa.types.is_timestamp(kind):
        return datetime(2026, 1, 1 + i, tzinfo=UTC)
    if pa.types.is_date(kind):
        return date(2026, 1, 1 + i)
    if pa.types.is_decimal(kind):
        return Decimal(i)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return min(max(i, column.between[0]), column.between[1]) if column.between else i
    if pa.types.is_boolean(kind):
        return False
    return [] if kind.num_fields else None


OLD = ("transactions", "user_daily")


def plant(store: Store, table: Table) -> None:
    """Fill a table with a row for each user, in one file of each partition."""
    person = table.person
    assert isinstance(person, Person)
    rows = []
    for i, user in enumerate((*USERS, *OTHERS)):
        row = {c.name: value_of(c, user, i) for c in table.columns}
        row |= {person.user: user} if person.user else {}
        row |= {person.review: f"rev-{user}-1"} if person.review else {}
        told = f"as the customer {user} told me"
        lists = {c.name for c in table.columns if pa.types.is_list(c.type)}
        row |= {name: ["nobody", told] if name in lists else told for name in person.quoted}
        if table.name == "support_dialogs":
            row |= {"question": f"where is my parcel, asks {text_of(user)}", "reply": "It is on its way."}
        if table.name == "user_profiles":
            row |= {"as_of": date(2026, 1, 1)}
        if table.name == "inviter_plan":
            row |= {"plan": "p"}
        rows.append({name: row[name] for name in table.names})
        if person.other_user:  # and once more, as the other one of two
            keys = {c.name: value_of(c, user, i + 20) for c in table.columns if c.name in table.key}
            rows.append(rows[-1] | keys | {"plan": "p"} | {person.user: f"somebody-{i}", person.other_user: user})
            rows[-1] = {name: rows[-1][name] for name in table.names}
    data = pa.Table.from_pylist(rows, table.schema())
    partition = {name: str(data[name][0].as_py()) for name in table.partition_by}
    folder = "".join(f"{k}={v}/" for k, v in partition.items())
    path, uri = f"{folder}planted/part-00000.parquet", store.uri(table.name)
    schema = table.file_schema()
    if table.name in OLD:  # older versions did not know which columns are personal, and wrote bounds of all
        schema = pa.schema([field.remove_metadata() for field in schema])
    files.write(f"{uri}/{path}", data.select(schema.names).cast(schema))
    written = files.describe(uri, path, schema, partition)
    store.commit(table, [written], "append", "planted", {"job": table.job, "loads": ["a"], "inputs": ["b"]})


def warehouse(store: Store) -> None:
    """Everything, but what a run of the inference job makes."""
    toy.put(store, reviews()[:9])
    toy.put(store, reviews()[:60], reviews()[60:])
    for table in (*TABLES.values(), load_rejects("users"), TRAINING_BLOCKS, TRAINING_VECTORS):
        done = table.name == "reviews" or table.name.startswith("review_sentiment")
        if isinstance(table.person, Person) and not done:
            plant(store, table)
    # another client's commands, whose conditions and statistics stand in the log; and an old checkpoint
    users = DeltaTable(store.uri("users"))
    users.update(updates={"market": "'US'"}, predicate=f"user_id = '{USERS[0]}'")
    users.create_checkpoint()
    names = [name for user in USERS for name in erasure.text_names(pa.array([text_of(user)]))]

    def build(folder: Path) -> None:
        (folder / "config.json").write_text("{}")

    rows = erasure.keyed(store, names[:1])
    registry.publish(f"{store.root}/_models", "sentiment", build, origin="a", rows=rows)


def scored(store: Store) -> None:
    """What a run of score_reviews leaves: memo, published rows and rejects, by content hash."""
    source, spec = toy.reviews(reviews()), toy.spec()
    hashes = hash128([source["title"], source["text"]])
    signed = zip(*(word.view(np.int64).tolist() for word in hashes), strict=True)
    words = dict(zip(words_of(hashes), signed, strict=True))
    rows = [r | {"content_hash": h} for r, h in zip(source.to_pylist(), words_of(hashes), strict=True)]
    good, empty = [r for r in rows if r["text"].strip()], [r for r in rows if not r["text"].strip()]
    score = {"p_negative": 0.2, "p_neutral": 0.3, "p_positive": 0.5, "language": "en"}
    came = {"scored_at": datetime(2026, 1, 1, tzinfo=UTC), "run_id": "run-1", "recipe": spec.recipe}
    seen = {r["content_hash"]: words[r["content_hash"]] for r in good}
    _put(store, spec.memo, [came | score | {"hash_hi": a, "hash_lo": b, "attempt": 1} for a, b in seen.values()])
    said = {"job": "score_reviews", "reasons": {"empty": len(empty)}, "digest": "1", "rejects_digest": "2"}
    said |= {"source": {"table": "reviews"}, "mix": {"en": {"positive": len(good)}}, "mix_of": ["language", "label"]}
    lost = {"reason": "empty", "kind": "row", "attempt": 0, "source_file": "f"}
    _put(store, spec.rejects, [came | lost | r | {"source_row": i} for i, r in enumerate(empty)], said)
    _put(store, spec.sink, [r | came | score | {"label": "positive"} for r in good], said)


def words_of(hashes: tuple[np.ndarray, np.ndarray]) -> list[str]:
    return list(map(str, hex128(*hashes).to_pylist()))


def _put(store: Store, table: Table, rows: list[dict[str, Any]], said: dict[str, Any] | None = None) -> None:
    schema = table.schema()
    data = pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema)
    partition = {name: str(data[name][0].as_py()) for name in table.partition_by}
    path = "".join(f"{k}={v}/" for k, v in partition.items()) + "run-1/p00000-0000000-00000.parquet"
    files.write(f"{store.uri(table.name)}/{path}", data.select(table.file_schema().names))
    written = files.describe(store.uri(table.name), path, table.file_schema(), partition)
    store.commit(table, [written], "append", "run-1", said)


def leftovers(store: Store, report: Report) -> None:
    """What lies beside the tables: of killed runs, damaged files, reports, candidates, exports, pages."""
    root, user = Path(store.root), USERS[1]
    rows = toy.reviews(reviews())
    files.write(f"{store.uri('reviews')}/killed/part-00000.parquet", rows)
    draft = root / "users" / "killed" / f".part-00000.parquet.{'0' * 32}"
    draft.parent.mkdir()
    draft.write_bytes(b"half of " + user.encode())
    (root / "_damaged" / "users").mkdir(parents=True)
    (root / "_damaged" / "users" / "part.parquet").write_bytes(b"PAR1 broken " + user.encode())
    (root / "transactions" / "part-1.parquet.damaged-1").write_bytes(b"PAR1 broken " + user.encode())
    rejects = TABLES["review_sentiment_rejects"]
    written = store.write_file(rejects, store.snapshot(rejects.name).read(), "candidate", 0)
    keep_candidate(store, "score_reviews", report.run_id, rejects, [written])
    report.samples += [{"review_id": f"rev-{u}-1", "text": text_of(u), "label": "negative"} for u in (*USERS, *OTHERS)]
    report.message = f"user {user} was odd"
    folder = Path(report.save(store.root))
    (folder / "log.txt").write_text(f"12:00:00 a line\n12:00:01 row of {user} failed\n")
    quote = text_of(user).replace("'", "&#39;")
    (folder / "merchant.html").write_text(f"<p>{quote}</p>")
    keys = root / "_runs" / "_keys" / "score_reviews-1"
    keys.mkdir(parents=True)
    (keys / "0001.json").write_text(json.dumps({"job": "score_reviews", "message": f"user {user}"}) + "\n")
    training = root / "_training" / "finetune_llm" / "k" / "step-00000001"
    training.mkdir(parents=True)
    (training / "checkpoint.json").write_text("{}")
    exports = root / "exports"
    exports.mkdir()
    lines = ["user_id,note", *(f'{u},"{text_of(u)}"' for u in (*USERS, *OTHERS))]
    (exports / "users.csv").write_text("\n".join(lines) + "\n")
    pq.write_table(rows, exports / "reviews.parquet", compression="gzip")
    (exports / "rows.jsonl").write_text("".join(f'{{"user_id": "{u}"}}\n' for u in (*USERS, *OTHERS)))
    (exports / "page.html").write_text(f"<td>{user}</td>")


def holds(root: str, *needles: str) -> list[str]:
    """The files in which one of the words stands: a plain search, in bytes and in rows, that knows nothing else."""
    seen = []
    for path in sorted(Path(root).rglob("*")):
        if not path.is_file() or path.name in ("erasure.key", "pending.json"):
            continue
        data = path.read_bytes()
        if data[:4] == b"PAR1" and b"broken" not in data[:12]:
            data += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
        if path.suffix == ".gz":
            data += gzip.decompress(data)
        if any(needle.encode() in data for needle in needles):
            seen.append(str(path.relative_to(root)))
    return seen


def planted_words() -> list[str]:
    return [word for user in USERS for word in (user, text_of(user))]
