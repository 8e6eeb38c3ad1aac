"""Persons who stand everywhere are erased everywhere; everybody else stays, and so does what the next run needs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shopbatch.capabilities.sentiment.stage import SentimentStage, review_text
from shopbatch.cli import main as cli
from shopbatch.core import config
from shopbatch.core.errors import Stopped, UserError
from shopbatch.core.hashing import hash128
from shopbatch.erasure import change, records
from shopbatch.erasure import erase as whole
from shopbatch.erasure.ids import read_ids
from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.models import erasure, registry
from shopbatch.runs.report import Report
from shopbatch.tables import SOURCES, TABLES
from shopbatch.tables.load_rejects import load_rejects
from shopbatch.tables.schema import Nobody, Person
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.tables.training_vectors import TRAINING_VECTORS
from shopbatch.warehouse.browse import why
from shopbatch.warehouse.store import Store
from tests.erasure import planted
from tests.inference import toy

pytestmark = pytest.mark.slow

TEXTS = {"reviews": review_text}
OUR = ("digest", "rejects_digest", "run_key", "mix", "mix_of")


def erase(store: Store, *users: str, reviews: tuple[str, ...] = (), models: bool = False) -> whole.Erasure:
    return whole.erase(store, set(users), set(reviews), TEXTS, models)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = toy.warehouse(tmp_path_factory.mktemp("planted"))
    planted.warehouse(store)
    planted.scored(store)
    planted.leftovers(store, Report("score_reviews"))
    return store


@pytest.fixture
def shop(once: Store, tmp_path: Path) -> Store:
    shutil.copytree(once.root, tmp_path / "shop")
    return Store(str(tmp_path / "shop"))


def rows(store: Store) -> dict[str, pl.DataFrame]:
    """Every table of a person in an order that does not depend on files."""
    frames = {}
    for name in store.names():
        frame = pl.read_delta(store.uri(name))
        frames[name] = frame.with_columns(pl.struct(pl.all()).hash(seed=1).alias("h")).sort("h").drop("h")
    return frames


def of_others(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """What must be left, told without the code under test: no cell holds one of the ids or texts."""
    left = {}
    for name, frame in frames.items():
        flat = [pl.col(c).cast(pl.String) for c, kind in frame.schema.items() if not kind.is_nested()]
        flat += [pl.col(c).list.join("\n") for c, kind in frame.schema.items() if kind == pl.List(pl.String)]
        text = frame.select(pl.concat_str([column.fill_null("") for column in flat])).to_series()
        left[name] = frame.filter(~text.str.contains_any(planted.planted_words()))
    return left


def test_every_table_says_where_a_person_stands() -> None:
    for table in (*TABLES.values(), *map(load_rejects, SOURCES), TRAINING_BLOCKS, TRAINING_VECTORS, toy.spec().memo):
        person = table.person
        assert person is not None, f"{table.name}: declare person="
        if isinstance(person, Nobody):
            assert person.why.endswith("."), table.name
            assert not {"user_id", "review_id"} & set(table.names), table.name
            continue
        named = {person.user, person.other_user, person.review, *person.quoted, *person.hashes} - {""}
        assert named <= set(table.names), table.name
        assert named or person.trained, table.name
        for column in ("user_id", "inviter_id", "invitee_id", "root_id", "review_id"):
            assert column not in table.names or column in named, f"{table.name}.{column}"
        free = {c.name for c in table.columns if c.free_text}
        assert not free or person.user or free <= named, f"{table.name}: whose text is in {free}?"
        theirs = "content_hash" in table.names and (person.user or person.review)
        assert not theirs or person.hashes == ("content_hash",), f"{table.name}: its memo keeps what was made of a text"
    for name in ("review_sentiment", "review_aspects", "review_moderation"):
        of = TABLES[name].person
        assert isinstance(of, Person) and of.hashes == ("content_hash",)
        assert of.hashed == SentimentStage.content, f"{name}: the content hash is of other columns"


def test_a_person_is_erased_everywhere_and_nobody_else(shop: Store) -> None:
    before = rows(shop)
    stood = planted.holds(shop.root, *planted.planted_words())
    for place in (
        *(f"{n}/_delta_log" for n in ("users", "transactions", "user_daily")),
        *("reviews/killed", "_damaged", "transactions/part-1", "exports/reviews.parquet", "exports/users.csv"),
        *("report.json", "report.html", "merchant.html", "log.txt", "_keys", "candidate"),
        *(t.name for t in TABLES.values() if isinstance(t.person, Person)),
    ):
        assert any(place in path for path in stood), f"nothing is planted in {place}"
    metadata = {name: dict(shop.snapshot(name).metadata) for name in shop.names()}
    done = erase(shop, *planted.USERS)
    assert planted.holds(shop.root, *planted.planted_words()) == []
    assert done.unknown == 0 and done.scanned is not None and done.scanned.files > 50
    after, expected = rows(shop), of_others(before)
    for name, frame in after.items():
        if name not in (toy.MEMO, TRAINING_BLOCKS.name, TRAINING_VECTORS.name, toy.REJECTS):
            assert frame.equals(expected[name]), name
            assert done.tables.get(name, 0) == before[name].height - frame.height, name
        for key, value in metadata[name].items():
            assert key in OUR or shop.snapshot(name).metadata[key] == value, (name, key)
    assert after[TRAINING_VECTORS.name].height == 0 < before[TRAINING_VECTORS.name].height
    assert after[TRAINING_BLOCKS.name].height == 0 and not (Path(shop.root) / "_training").exists()
    left = [r for r in planted.reviews() if r.get("user_id") not in planted.USERS and r["text"].strip()]
    high = hash128(toy.reviews(left).select(["title", "text"]).columns)[0].view("int64").tolist()
    assert sorted(after[toy.MEMO]["hash_hi"]) == sorted(set(high)), "the shared text stays, each own one goes"
    assert after[toy.REJECTS].height == before[toy.REJECTS].height - len(planted.USERS)
    assert [model.partition("@")[0] for model in done.models] == ["sentiment"]
    [report] = Path(shop.root).glob("_runs/score_reviews/*/report.json")
    tree = json.loads(report.read_text())
    assert tree["job"] == "score_reviews" and tree["message"] == "[erased]"
    assert json.loads(next(Path(shop.root).glob("_runs/_keys/*/*.json")).read_text())["job"] == "score_reviews"
    assert report.with_name("log.txt").read_text() == "12:00:00 a line\n"
    page = report.with_name("report.html").read_text()
    exports = Path(shop.root) / "exports"
    kept = [(exports / name).read_text() for name in ("users.csv", "rows.jsonl")]
    for user in planted.OTHERS:
        assert [row["text"] for row in tree["samples"] if user in row["review_id"]] == [planted.text_of(user)]
        assert planted.text_of(user) in page and planted.text_of(user) in kept[0]
        assert all(user in text for text in kept)
    whole_file = pl.read_parquet(exports / "reviews.parquet")
    assert whole_file.height == len(planted.reviews()) - 3 * len(planted.USERS)


def test_the_next_run_goes_on_and_brings_nobody_back(ray_local: None, store: Store) -> None:
    shop = store
    planted.warehouse(shop)
    planted.leftovers(shop, toy.run(shop, toy.spec()))
    before = rows(shop)[toy.MEMO].height
    assert erase(shop, *planted.USERS).tables[toy.SINK] == 2 * len(planted.USERS)
    assert rows(shop)[toy.MEMO].height == before - len(planted.USERS), "the shared text stays, each own one goes"
    live = rows(shop)[toy.SINK].drop("scored_at", "run_id")
    report = toy.run(shop, toy.spec())
    assert (report.rows.computed, report.message, report.outcome) == (0, "", "published")
    assert all(gate.passed for gate in report.gates)
    [drift] = [gate for gate in report.gates if gate.name == "drift"]
    assert drift.value == 0.0 and "no baseline" not in drift.detail, "the mix of labels is that of the rows left"
    assert rows(shop)[toy.SINK].drop("scored_at", "run_id").equals(live)
    assert planted.holds(shop.root, *planted.planted_words()) == []
    assert toy.run(shop, toy.spec()).outcome == "nothing to do"
    answer = why(shop, toy.SINK, f"rev-{planted.OTHERS[0]}-1")
    assert answer["published"] and answer["memo"]
    with pytest.raises(UserError):
        why(shop, toy.SINK, f"rev-{planted.USERS[0]}-1")


POINTS = (  # where, and at the how manieth time: of the third table on, some are done and some are not
    *(("erase_pending", 1), ("erase_written", 3), ("erase_committed", 1), ("erase_committed", 9), ("erase_swept", 9)),
    *(("erase_checkpoint", 9), ("erase_log_cleaned", 9), ("erase_file", 1), ("erase_file", 5), ("erase_cleaned", 1)),
    *(("erase_scanned", 1), ("erase_recorded", 1)),
)


class Killed(BaseException):
    """A kill, within this process."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Raise at a crash point the n-th time that it is passed."""
    at: dict[str, Any] = {"name": "", "times": 1}

    def crash_point(name: str) -> None:
        if name == at["name"]:
            at["times"] -= 1
            if not at["times"]:
                raise Killed(name)

    for module in (whole, change):
        monkeypatch.setattr(module, "crash_point", crash_point)
    yield at


@pytest.mark.parametrize(("point", "times"), POINTS)
def test_killed_anywhere_it_goes_on(shop: Store, kill_at: dict[str, Any], point: str, times: int) -> None:
    before = rows(shop)
    kill_at |= {"name": point, "times": times}
    with pytest.raises(Killed):
        erase(shop, *planted.USERS)
    done = erase(shop, *planted.USERS)
    assert planted.holds(shop.root, *planted.planted_words()) == []
    expected = of_others(before)
    for name, frame in rows(shop).items():
        if name not in (toy.MEMO, TRAINING_BLOCKS.name, TRAINING_VECTORS.name, toy.REJECTS):
            assert frame.equals(expected[name]), name
    assert done.unknown == 0 and done.models and done.tables["reviews"] == 9
    assert not (Path(shop.root) / "_erasures" / "pending.json").exists()
    assert change.data_files(shop, "reviews") == sorted(shop.snapshot("reviews").by_path)


@pytest.mark.parametrize("point", ["erase_recorded", "erase_models"])
def test_killed_before_or_after_the_models_are_deleted_it_goes_on(
    shop: Store, kill_at: dict[str, Any], point: str
) -> None:
    kill_at |= {"name": point, "times": 1}
    with pytest.raises(Killed):
        erase(shop, *planted.USERS, models=True)
    assert erase(shop, *planted.USERS, models=True).models
    assert erasure.list_models(shop) == []


def test_a_run_that_begins_meanwhile_ends_it_before_it_claims_anything(
    shop: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Report("score_reviews")
    report.host, report.pid = socket.gethostname(), os.getpid()

    def begins(name: str) -> None:
        if name == "erase_cleaned":
            report.save_as_running(shop.root)

    with monkeypatch.context() as patch, pytest.raises(Stopped, match="is under way"):
        patch.setattr(whole, "crash_point", begins)
        erase(shop, *planted.USERS)
    assert (Path(shop.root) / "_erasures" / "pending.json").exists()
    report.outcome = "nothing to do"
    report.save(shop.root)
    assert erase(shop, *planted.USERS).tables["reviews"] == 9


def test_a_real_kill_and_the_same_command(shop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("\n".join(planted.USERS))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", shop.root)
    monkeypatch.setenv("SHOPBATCH_HOME", str(config.root()))
    command = [sys.executable, "-m", "shopbatch", "erase", "--users", str(ids)]
    environment = {**os.environ, "SHOPBATCH_CRASH_AT": "erase_committed"}
    killed = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert killed.returncode == -9
    assert cli.main(command[3:]) == 0
    assert planted.holds(shop.root, *planted.planted_words()) == []


def test_one_review_goes_and_the_author_stays(shop: Store) -> None:
    user = planted.USERS[0]
    before = rows(shop)
    done = erase(shop, reviews=(f"rev-{user}-1",))
    assert planted.holds(shop.root, f"rev-{user}-1") == []
    assert done.tables["reviews"] == done.tables[toy.SINK] == done.tables[toy.MEMO] == 1
    after = rows(shop)
    assert after["reviews"].filter(pl.col("user_id") == user).height == 2
    assert all(after[n].equals(before[n]) for n in ("users", "transactions", "support_dialogs"))


def test_a_row_that_names_two_persons_goes_with_either(store: Store, tmp_path: Path) -> None:
    """Also where their ids could be ordinary numbers: then only the columns say that they name somebody."""
    events = tmp_path / "events.csv"
    rows = ["e1,17,18", "e2,18,19", "e3,,17", "e4,19,20", "e5,20,21"]
    lines = "".join(f"{row},email,joined,2026-01-0{i}\n" for i, row in enumerate(rows, 1))
    events.write_text("event_id,inviter_id,invitee_id,channel,kind,at\n" + lines)
    load_file(store, "referral_events", events, Options())
    beside = Path(store.root) / "exports"
    beside.mkdir()
    (beside / "edges.csv").write_text("inviter_id,invitee_id,n\n17,30,1\n31,17,2\n32,33,17\n")
    done = erase(store, "17", "19", "nobody")
    left = pl.read_delta(store.uri("referral_events")).select("inviter_id", "invitee_id").rows()
    assert left == [("20", "21")] and done.tables["referral_events"] == 4 and done.unknown == 1
    assert (beside / "edges.csv").read_text() == "inviter_id,invitee_id,n\n32,33,17\n"
    events.write_text(
        "event_id,inviter_id,invitee_id,kind,at\ne7,17,40,joined,2026-02-01\ne8,40,41,joined,2026-02-02\n"
    )
    again = load_file(store, "referral_events", events, Options())
    assert "1 row is of an erased person" in "\n".join(again.lines())


def test_a_dry_run_counts_and_writes_nothing(
    shop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = tmp_path / "ids.csv"
    ids.write_text("name,user_id\n" + "".join(f"x,{u} \n" for u in (*planted.USERS, planted.USERS[0], "nobody-9")))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", shop.root)
    before = {p: p.stat().st_mtime_ns for p in Path(shop.root).rglob("*")}
    assert cli.main(["erase", "--users", str(ids), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "reviews: 9 rows would be erased" in out and "1 of the ids are in no row" in out
    assert "model sentiment@" in out
    assert not any(word in out for word in planted.planted_words())
    assert {p: p.stat().st_mtime_ns for p in Path(shop.root).rglob("*")} == before


def test_models_are_named_with_their_command_and_deleted_if_asked(
    shop: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [model] = erasure.list_models(shop)
    digest = next(registry.listed(f"{shop.root}/_models"))[0]["digest"]
    for job, run_id in (("train_sentiment_head", "20260101T000000Z-a"), ("score_reviews", "20260102T000000Z-b")):
        report = Report(job, run_id, models={"sentiment": digest}, command=f"shopbatch run {job}")
        report.save(shop.root)
    ids = tmp_path / "ids.txt"
    ids.write_text(planted.USERS[0])
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", shop.root)
    assert cli.main(["erase", "--users", str(ids), "--models"]) == 0
    out = capsys.readouterr().out
    assert f"model {model['model']} was trained on their rows; train it anew: shopbatch run train_sentiment_head" in out
    assert erasure.list_models(shop) == [] and not (Path(shop.root) / "_models" / "sentiment" / "live.json").exists()


def test_every_kind_of_model_that_learnt_from_a_person_is_named_and_no_other(store: Store, tmp_path: Path) -> None:
    """By users, by keys, by texts that stand in any table; a user of the same number as a review is somebody else."""
    for table, lines in {
        "users": "user_id,age\n17,30\n18,40\n",
        "tickets": "ticket_id,user_id,text\nt-1,17,where is my parcel now\nt-2,18,how do I return a lamp\n",
        "queries": "query_id,query,user_id\nq-1,a green lamp for two,17\nq-2,a red coat for me,18\n",
        "reviews": "review_id,user_id,text\n17,18,It broke on the very first day of rain.\n18,17,Good and cheap.\n",
    }.items():
        (tmp_path / f"{table}.csv").write_text(lines, "utf-8")
        load_file(store, table, str(tmp_path / f"{table}.csv"))
    theirs = {
        "propensity": erasure.user_names(["17", "19"]),
        "intents": ["t-1"],
        "questions": erasure.text_names(pa.array(["where is my parcel now"])),
        "retriever": erasure.text_names(pa.array(["a green lamp for two"])),
        "moderation": erasure.text_names(pa.array(["Good and cheap."])),
        "sentiment": ["18"],
    }
    others = {"uplift": erasure.user_names(["18"]), "other-intents": ["t-2"], "aspects": ["17"]}
    for name, rows in (theirs | others).items():

        def build(folder: Path, name: str = name) -> None:
            (folder / "config.json").write_text(json.dumps({"name": name}))

        registry.publish(f"{store.root}/_models", name, build, origin="a", **erasure.record(store, rows))
    left = registry.publish(f"{store.root}/_models", "killed", build, candidate=True)
    assert {model.partition("@")[0] for model in whole.foretell(store, {"17"}, set(), TEXTS).models} == set(theirs)
    done = erase(store, "17", models=True)
    assert {model.partition("@")[0] for model in done.models} == set(theirs)
    assert {str(m["model"]).partition("@")[0] for m in erasure.list_models(store)} == set(others)
    assert not Path(left.path).exists(), "what a killed run learnt from them"


def test_it_is_refused_while_a_run_is_alive(shop: Store) -> None:
    report = Report("score_reviews")
    report.host, report.pid = socket.gethostname(), os.getpid()
    report.save_as_running(shop.root)
    with pytest.raises(Stopped, match=rf"score_reviews/{report.run_id} is under way"):
        erase(shop, *planted.USERS)
    assert planted.holds(shop.root, *planted.planted_words()), "nothing is erased"


def test_the_record_names_nobody_and_notices_who_comes_back(shop: Store, tmp_path: Path) -> None:
    erase(shop, planted.USERS[0], reviews=(f"rev-{planted.USERS[1]}-1",))
    [record] = records.records(shop)
    assert len(record["users"]) == len(record["reviews"]) == 1 and record["tables"]["reviews"] == 4
    assert record["scan"]["hits"] == 0
    again = tmp_path / "again.csv"
    again.write_text(
        "review_id,user_id,text\n"
        f"n-1, {planted.USERS[0]} ,I am here again\nrev-{planted.USERS[1]}-1,{planted.USERS[1]},x\nn-2,new-user,hello\n"
    )
    report = load_file(shop, "reviews", again, Options())
    assert "2 rows are of erased persons" in "\n".join(report.lines())
    other = tmp_path / "other.csv"
    other.write_text("review_id,user_id,text\nn-3,new-user,hello\n")
    assert "erased" not in "\n".join(load_file(shop, "reviews", other, Options()).lines())


def test_of_two_rows_with_one_key_the_same_one_counts_afterwards(ray_local: None, store: Store) -> None:
    """A rewritten file must not become the newest one."""
    old, new = {"review_id": "a", "text": "old words"}, {"review_id": "a", "text": "new words"}
    person = {"review_id": "b", "user_id": "gone-1234", "text": "something else"}
    toy.put(store, [old, person])
    written = store.write_file(TABLES["reviews"], toy.reviews([new]), "second", 0)
    store.commit(TABLES["reviews"], [written], "append", "second")
    toy.run(store, toy.spec())
    before = pl.read_delta(store.uri(toy.SINK)).filter(pl.col("review_id") == "a")["content_hash"].item()
    erase(store, "gone-1234")
    assert toy.run(store, toy.spec()).rows.computed == 0
    assert pl.read_delta(store.uri(toy.SINK)).select("review_id", "content_hash").rows() == [("a", before)]


def test_what_another_client_changed_before_is_still_undone(shop: Store) -> None:
    before = rows(shop)[toy.SINK]
    DeltaTable(shop.uri(toy.SINK)).update(
        updates={"label": "'forged'"}, predicate=f"review_id = 'rev-{planted.OTHERS[0]}-1'"
    )
    erase(shop, *planted.USERS)
    assert rows(shop)[toy.SINK].equals(of_others({"x": before})["x"])


def test_ten_thousand_in_one_pass(store: Store) -> None:
    many = 30_000
    data = toy.reviews({"review_id": f"r-{i:05}", "user_id": f"u-{i:05}", "text": f"words {i}"} for i in range(many))
    toy.put(store, data)
    done = erase(store, *(f"u-{i:05}" for i in range(0, many, 3)))
    assert done.tables == {"reviews": many // 3}
    assert store.snapshot("reviews").version == 1 + 1
    left = pl.read_delta(store.uri("reviews"))
    assert left["user_id"].to_list() == [f"u-{i:05}" for i in range(many) if i % 3]


ID = st.sampled_from(["u-100", "u-200", " u-200\u00a0", "17", "u-1000", "ünï-7", "x'y\"z-1", None])
ROWS = st.lists(st.lists(st.tuples(ID, st.sampled_from(["r-1", "r-2", "r-3"])), min_size=1, max_size=5), max_size=4)


@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(ROWS, st.sets(st.sampled_from(["u-100", "u-200", "17", "ünï-7", "x'y\"z-1", "nobody"]), min_size=1))
def test_any_rows_of_any_files(tables: list[list[tuple[str | None, str]]], gone: set[str]) -> None:
    """What is left are the rows of others, in their order, of every version and of every table."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        for n, rows_of in enumerate(tables):
            listed = [{"user_id": u, "review_id": f"{r}-{u}", "text": f"{n} {i}"} for i, (u, r) in enumerate(rows_of)]
            written = store.write_file(TABLES["reviews"], toy.reviews(listed), f"run-{9 - n}", 0)
            store.commit(TABLES["reviews"], [written], "append", f"run-{n}", {"loads": [str(n)], "inputs": [str(n)]})
        expected = []
        if tables:
            before = store.snapshot("reviews").read()
            expected = [r for r in before.to_pylist() if (r["user_id"] or "").strip() not in gone]
        done = erase(store, *gone)
        if tables:
            after = store.snapshot("reviews")
            assert after.read().to_pylist() == expected
            assert after.metadata["loads"] == [str(n) for n in range(len(tables))]
            assert done.tables.get("reviews", 0) == before.num_rows - len(expected)
        assert erase(store, *gone).tables == {}


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("a\n\n b \na\n", {"a", "b"}),
        ("\ufeffuser_id\na\n", {"a"}),
        ('x,user_id\n1,"a,b"\n2,c\n', {"a,b", "c"}),
    ],
)
def test_a_file_of_ids(tmp_path: Path, content: str, ids: set[str]) -> None:
    path = tmp_path / "ids"
    path.write_text(content)
    assert read_ids(str(path), "user_id") == ids


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\n \n", "it holds no id"),
        ("a,b\nc,d\n", "no user_id"),
        ("review_id\nw-1\n", "its header is review_id, expected user_id"),
        (b"\xff\xfe", "not UTF-8"),
        (None, "cannot be read .*; it takes a file with one id a line"),
    ],
)
def test_a_wrong_file_of_ids(tmp_path: Path, content: str | bytes | None, says: str) -> None:
    path = tmp_path / "ids"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=says):
        read_ids(str(path), "user_id")
