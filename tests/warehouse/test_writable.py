"""A table that another client gave constraints or features is written as they ask, or refused in one line at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

from shopbatch.cli import main as cli
from shopbatch.core.errors import UserError
from shopbatch.sample import fill_generated
from shopbatch.tables import table
from shopbatch.tables.training_blocks import TRAINING_BLOCKS
from shopbatch.training import blocks
from shopbatch.warehouse import delta
from shopbatch.warehouse.store import Store
from tests.warehouse.test_evolution import OLD, old_rows, put

Change = Callable[[str], None]


def log(uri: str, *actions: Mapping[str, Any]) -> None:
    """Append a commit to a table's log, as another client would."""
    folder = Path(uri, "_delta_log")
    version = max(int(p.stem) for p in folder.glob("*.json")) + 1
    (folder / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)))


def metadata(uri: str) -> dict[str, Any]:
    """The table's newest metadata action."""
    logs = sorted(Path(uri, "_delta_log").glob("*.json"))
    actions = [json.loads(line) for file in logs for line in file.read_text().splitlines()]
    return [a for a in actions if "metaData" in a][-1]


def features(*names: str, reader: bool = False, **configuration: str) -> Change:
    def change(uri: str) -> None:
        protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": list(names)}
        if reader:
            protocol |= {"minReaderVersion": 3, "readerFeatures": list(names)}
        action = metadata(uri)
        action["metaData"]["configuration"] |= {f"delta.{k}": v for k, v in configuration.items()}
        log(uri, {"protocol": protocol}, action)

    return change


def field(column: str, version: int = 4, nullable: bool = True, **told: Any) -> Change:
    def change(uri: str) -> None:
        action = metadata(uri)
        schema = json.loads(action["metaData"]["schemaString"])
        for one in schema["fields"]:
            if one["name"] == column:
                one["metadata"] |= {f"delta.{k.replace('_', '.')}": v for k, v in told.items()}
                one["nullable"] = nullable
        action["metaData"]["schemaString"] = json.dumps(schema)
        log(uri, {"protocol": {"minReaderVersion": 1, "minWriterVersion": version}}, action)

    return change


def mapped(uri: str) -> None:
    for number, name in enumerate(("id", "n"), 1):
        field(name, columnMapping_id=number, columnMapping_physicalName=name)(uri)
    features("columnMapping", reader=True, **{"columnMapping.mode": "name"})(uri)


def constraint(uri: str) -> None:
    DeltaTable(uri).alter.add_constraint({"few": "n <\n 3"})


INVARIANT = json.dumps({"expression": {"expression": "n > 3"}})
REFUSED: dict[str, tuple[Change, str]] = {
    "clustering": (features("clustering", "domainMetadata"), "writer feature clustering"),
    "rowTracking": (features("rowTracking", "domainMetadata"), "writer feature rowTracking"),
    "inCommitTimestamp": (features("inCommitTimestamp"), "writer feature inCommitTimestamp"),
    "icebergCompatV1": (features("icebergCompatV1"), "writer feature icebergCompatV1"),
    "icebergCompatV2": (features("icebergCompatV2", "appendOnly"), "writer feature icebergCompatV2"),
    "domainMetadata": (features("domainMetadata"), "writer feature domainMetadata"),
    "allowColumnDefaults": (features("allowColumnDefaults"), "writer feature allowColumnDefaults"),
    "typeWidening": (features("typeWidening", reader=True), "writer feature typeWidening"),
    "vacuumProtocolCheck": (features("vacuumProtocolCheck", reader=True), "writer feature vacuumProtocolCheck"),
    "vectors and more": (features("deletionVectors", "typeWidening", reader=True), "cannot be read .*TypeWidening"),
    "unknown to readers": (features("collations-preview", reader=True), "collations-preview"),
    "unknown": (features("somethingNew"), "writer feature somethingNew"),
    "mapped": (mapped, "mapped columns"),
    "broken": (features("columnMapping", reader=True, **{"columnMapping.mode": "name"}), "cannot be read .*physicalN"),
    "writer version": (lambda uri: log(uri, {"protocol": {"minReaderVersion": 2, "minWriterVersion": 6}}), "identityC"),
    "constraint": (constraint, r"constraint few \(n < 3\).*DROP CONSTRAINT few"),
    "constraint of a feature": (features("checkConstraints", **{"constraints.c": "n > 3"}), r"constraint c \(n > 3\)"),
    "invariant": (field("n", 2, invariants=INVARIANT), r"invariant of column n \(n > 3\)"),
    "generated": (field("n", generationExpression="length(id)"), r"generated column n \(length\(id\)\)"),
    "identity": (field("n", identity_start=1, identity_step=1), "identity column n"),
    "not null": (field("n", 2, nullable=False), "NOT NULL on column n"),
}


@pytest.fixture
def toy(store: Store) -> Store:
    put(store, OLD, old_rows("a"), "r1")
    return store


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_what_is_not_kept_is_refused_by_name_at_once(toy: Store, case: str, mode: Any) -> None:
    change, says = REFUSED[case]
    change(toy.uri("toy"))
    version, start = len(list(Path(toy.uri("toy"), "_delta_log").glob("*.json"))), time.monotonic()
    for commit in (lambda: toy.check_targets([OLD], mode), lambda: put(toy, OLD, old_rows("b"), "r2", mode)):
        with pytest.raises(UserError, match=f"table 'toy'.*{says}") as error:
            commit()
        assert "\n" not in str(error.value)
    assert time.monotonic() - start < 2
    assert len(list(Path(toy.uri("toy"), "_delta_log").glob("*.json"))) == version


KEPT: dict[str, Change] = {
    "deletion vectors are allowed": features("deletionVectors", reader=True, enableDeletionVectors="true"),
    "checkpoints of version 2": features("v2Checkpoint", reader=True, checkpointPolicy="v2"),
    "change data feed": features("changeDataFeed", enableChangeDataFeed="true"),
    "features without a use": features("appendOnly", "invariants", "checkConstraints", "generatedColumns"),
    "the key is not null": field("id", 2, nullable=False),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_is_kept_is_written(toy: Store, case: str) -> None:
    KEPT[case](toy.uri("toy"))
    toy.check_targets([OLD], "replace")
    for number in range(12):  # beyond a checkpoint
        put(toy, OLD, old_rows(f"b{number}"), f"n{number}")
    first = toy.snapshot("toy").by_path["n0/part-00000.parquet"]
    toy.commit(OLD, [toy.write_file(OLD, old_rows("b0"), "c", 0)], "compact", "c", removed=[first.path])
    assert toy.snapshot("toy").rows == 13
    assert by_delta_rs(toy) == sorted(toy.snapshot("toy").read(["id"])["id"].to_pylist())
    put(toy, OLD, old_rows("z"), "z", "replace")
    assert by_delta_rs(toy) == toy.snapshot("toy").read(["id"])["id"].to_pylist() == ["z"]


def by_delta_rs(store: Store) -> list[str]:
    query = QueryBuilder().register("t", DeltaTable(store.uri("toy"))).execute("select id from t order by id")
    return [str(value) for value in pa.table(query.read_all())["id"].to_pylist()]


def test_an_append_only_table_takes_rows_and_keeps_them(toy: Store) -> None:
    DeltaTable(toy.uri("toy")).alter.set_table_properties({"delta.appendOnly": "true"})
    put(toy, OLD, old_rows("b"), "r2")
    before = toy.snapshot("toy")
    merged = [toy.write_file(OLD, old_rows("a", "b"), "r3", 0)]
    toy.commit(OLD, merged, "compact", "c", removed=[f.path for f in before.files])
    for mode in ("replace", "rewrite"):
        with pytest.raises(UserError, match=r"delta\.appendOnly, and this would take rows out"):
            put(toy, OLD, old_rows("c"), "r4", mode)
        with pytest.raises(UserError, match="appendOnly"):
            toy.check_targets([OLD], mode)
    assert toy.snapshot("toy").rows == 2


def test_a_table_in_other_folders_is_refused(store: Store) -> None:
    write_deltalake(store.uri("toy"), old_rows("a"), partition_by=["id"])
    with pytest.raises(UserError, match=r"partition columns id \(expected: none\)"):
        put(store, OLD, old_rows("b"), "r")


def test_an_error_that_no_attempt_can_cure_is_raised_at_once(toy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def refuse(*_: Any) -> None:
        attempts.append(1)
        raise CommitFailedError("something that nobody has thought of")

    monkeypatch.setattr(delta, "write_commit", refuse)
    with pytest.raises(CommitFailedError, match="nobody has thought of"):
        put(toy, OLD, old_rows("b"), "r2")
    assert len(attempts) <= 3


@pytest.mark.slow
def test_an_object_store_that_does_not_answer_is_asked_again(toy: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write, attempts = delta.write_commit, []

    def fail(*arguments: Any) -> None:
        attempts.append(1)
        if len(attempts) < 8:
            raise CommitFailedError("error sending request")
        write(*arguments)

    monkeypatch.setattr(delta, "write_commit", fail)
    put(toy, OLD, old_rows("b"), "r2")
    assert toy.snapshot("toy").rows == 2


@pytest.mark.parametrize("name", ["reviews", "reviews_load_rejects"])
def test_a_load_is_refused_before_the_file_is_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("review_id,text,rating\n1,good,5\n2,good,nine\n")
    second.write_text("review_id,text,rating\n3,bad,1\n")
    assert cli.main(["load", "reviews", str(first)]) == 0
    features("clustering")(store.uri(name))
    capsys.readouterr()
    before = {p for p in Path(store.root).rglob("*.parquet")}
    assert cli.main(["load", "reviews", str(second)]) == 2
    said = capsys.readouterr().err.strip()
    assert name in said and "clustering" in said and "\n" not in said
    assert {p for p in Path(store.root).rglob("*.parquet")} == before
    assert cli.main(["load", "reviews", str(first)]) == 0, "there is nothing to write"


def test_a_sample_is_refused_before_its_first_table(store: Store) -> None:
    reviews = table("reviews")
    store.commit(reviews, [], "append", "x", {"sample": "x"})
    field("rating", 2, nullable=False)(store.uri("reviews"))
    with pytest.raises(UserError, match="NOT NULL on column rating"):
        fill_generated(store, 50, 0)
    assert store.names() == ["reviews"]


@pytest.mark.parametrize("which", ["sink", "rejects", "memo"])
def test_an_inference_job_is_refused_before_ray_is_needed(store: Store, which: str) -> None:
    from tests.inference import toy as job

    job.put(store, job.reviews([{"review_id": "r", "text": "one"}]))
    target = getattr(job.spec(), which)
    delta.create_table(store.uri(target.name), target)
    features("rowTracking")(store.uri(target.name))
    with pytest.raises(UserError, match=f"'{target.name}'.*rowTracking"):
        job.run(store, job.spec())
    assert sorted(store.names()) == sorted(["reviews", target.name])


def test_blocks_for_training_are_refused_before_ray_is_needed(store: Store) -> None:
    delta.create_table(store.uri(TRAINING_BLOCKS.name), TRAINING_BLOCKS)
    features("rowTracking")(store.uri(TRAINING_BLOCKS.name))
    with pytest.raises(UserError, match=r"'training_blocks'.*rowTracking"):
        blocks.build(store, "pack", {}, lambda rows: [], 8, 0)
