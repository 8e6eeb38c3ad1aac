"""A warehouse works in a folder of any name, or is refused in one line before anything starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from deltalake import write_deltalake

from shopbatch.cli import main as cli
from shopbatch.core import config
from shopbatch.core.errors import UserError
from shopbatch.warehouse import browse, files, spark_bridge
from shopbatch.warehouse.store import Store
from tests.inference import toy
from tests.load.delta_tables import DeltaTableByHand, column, vector_in_log
from tests.warehouse.test_evolution import NEW, OLD, new_rows, old_rows, put
from tests.warehouse.test_store import FOLDERS, rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]
NAMES = [
    "shop [v2]",
    "{prod,test}",
    "a b",
    "店 é",
    "100%",
    "a%zz",
    "a#b",
    "a?b",
    "a*b",
    "a;b",
    "it's",
    'a"b',
    "a|b^c`d",
]
NAMES += ["~x", "a:b", "a&b=c", "a+b", "[!x]", "]"]


@pytest.mark.parametrize("name", NAMES)
def test_the_store_works(tmp_path: Path, name: str) -> None:
    store = Store(str(tmp_path / name / "warehouse"))
    decoy = Store(str(tmp_path / "axb" / "warehouse"))  # what `a?b` and `a*b` would match as patterns
    put(decoy, NEW, new_rows("decoy"), "last")
    for number in range(11):  # beyond a checkpoint
        put(store, OLD, old_rows(f"k{number}"), f"r{number}", note=number)
    put(store, NEW, new_rows("c"), "last", "replace", recipe="abc")
    snapshot = store.snapshot("toy")
    assert (snapshot.metadata["recipe"], snapshot.read(["id"])["id"].to_pylist()) == ("abc", ["c"])
    uris = [file.uri for file in snapshot.files]
    assert files.scan(uris).select("id").collect()["id"].to_list() == ["c"]
    assert (files.duplicate_keys([*uris, *uris], ["id"]), store.names()) == (1, ["toy"])
    old = store.recall("toy", 11)
    assert old is not None and old.rows == 11
    assert browse.show(store, "toy", 1, ["id=c"]).num_rows == 1


@pytest.mark.parametrize("name", ["shop [v2]", "a#b", "100%", "it's {x}"])
def test_commands_work(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a Delta table of another client is loaded from such a folder."""
    root = tmp_path / name
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(root / "warehouse"))
    table = DeltaTableByHand(root / "in", [column("text", "string")], ["deletionVectors"])
    table.add("x%20y.parquet", rows("a", "b", "c").select(["text"]), vector_in_log([1]))
    (root / "f.csv").write_text("review_id,text\n1,good\n")
    for command in (["load", "reviews", str(table.write())], ["load", "reviews", str(root / "f.csv")]):
        assert cli.main(command) == cli.main(command) == 0
    assert cli.main(["show", "reviews"]) == cli.main(["tables"]) == 0
    assert Store(str(root / "warehouse")).snapshot("reviews").rows == 3


@pytest.mark.parametrize("name", ["per%20cent", "a%2Fb", "%E4%B8%AD", "back\\slash", "new\nline", "tab\t"])
def test_other_folders_are_refused_before_anything_is_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / name / "warehouse"))
    (tmp_path / "f.csv").write_text("review_id,text\n1,good\n")
    for command in (["load", "reviews", str(tmp_path / "f.csv")], ["tables"], ["sample", "--source", "generated"]):
        assert cli.main(command) == 2
        said = capsys.readouterr().err.strip()
        assert "rename that folder" in said and len(said.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["f.csv"]


def test_a_link_to_such_a_folder_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "per%20cent").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "per%20cent")
    with pytest.raises(UserError, match="percent code '%20'"):
        Store(str(tmp_path / "link"))
    with pytest.raises(UserError, match="percent code"):
        Store("s3://bucket/per%20cent")
    with pytest.raises(UserError, match="percent code"):
        Store(f"file://{tmp_path}/per%2520cent")
    put(Store(f"file://{tmp_path}/a%20b"), OLD, old_rows("a"), "r1")
    assert Store(str(tmp_path / "a b")).snapshot("toy").rows == 1
    assert Store("s3://bucket/a?endpoint_override=http%3A%2F%2Flocalhost").root.endswith("localhost")


@pytest.mark.parametrize("name", ["shop [v2]", "{prod,test}", "a*b?", "店 100% #;'"])
def test_spark_reads_and_writes(tmp_path: Path, spark: SparkSession, name: str) -> None:
    store = Store(str(tmp_path / name))
    put(store, OLD, old_rows("a", "bb"), "r1")
    frame = spark_bridge.read(spark, store.snapshot("toy"), ["id", "n"])
    store.commit(OLD, spark_bridge.write(frame.repartition(1), store, OLD, "spark"), "append", "spark")
    frame = spark_bridge.read(spark, store.snapshot("toy"), ["id", "n"])
    assert sorted(tuple(row) for row in frame.collect()) == [("a", 1), ("a", 1), ("bb", 2), ("bb", 2)]


def test_spark_reads_folders_of_another_client(store: Store, spark: SparkSession) -> None:
    values = ["[a]", "b*", "{c,d}", "e?", "plain"]
    write_deltalake(store.uri("folders"), rows(*"abcde", text=values), partition_by=["text"])
    frame = spark_bridge.read(spark, store.snapshot(FOLDERS.name), ["id", "text"])
    assert sorted(tuple(row) for row in frame.collect()) == list(zip("abcde", values, strict=True))


@pytest.mark.parametrize(
    ("written", "folder"),
    [
        ("~/shop", "home/shop"),
        ("~x/shop", "~x/shop"),
        ("./a b/../c//d/", "c/d"),
        ("//{}//e", "e"),
        ("link/shop", "real/shop"),
        ("file://{}/a%20b%23c%3F", "a b#c?"),
        ("FILE://localhost{}/店/", "店"),
        ("a:b/-x", "a:b/-x"),
        ("x" * 200 + "/" + "y" * 200, "x" * 200 + "/" + "y" * 200),
    ],
)
def test_one_folder_has_many_names(tmp_path: Path, written: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("home", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "f.csv").write_text("review_id,text\n1,good\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SHOPBATCH_HOME", str(ROOT))
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", written.replace("{}", str(tmp_path)))
    for command in (["load", "reviews", "f.csv"], ["show", "reviews"], ["tables"], ["runs"], ["docs"]):
        assert cli.main(command) == 0
    assert Store(str(tmp_path / folder)).snapshot("reviews").rows == 1


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "file://elsewhere/x",
        "file:///x?y",
        "file:///x#y",
        "file:///%FF",
        "s3://",
        "nope://x/y",
        "\udcff",
        "x" * 300,
    ],
)
def test_what_is_no_place_is_refused(
    written: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.environ", {**os.environ, "SHOPBATCH_WAREHOUSE": ""})
    for command in (["load", "reviews", "f.csv"], ["show", "reviews"], ["config", "score_reviews"]):
        monkeypatch.setattr(config, "layers", lambda *_: iter([("test", {"platform": {"warehouse": written}})]))
        if (command[0] == "config" and len(written) == 300) or "nope" in written:
            continue  # only opening it can say so
        assert cli.main(command) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    with pytest.raises((UserError, OSError)):
        Store(written).check_writable()


@pytest.mark.parametrize("name", ["shop [v2]", "a#b?c*", "100% 店 ~x", "file:x"])
def test_a_run_works(tmp_path: Path, ray_local: None, name: str) -> None:
    store = Store(str(tmp_path / name / "warehouse"))
    tables = toy.shop(40)
    toy.put(store, *tables)
    report = toy.run(store, toy.spec())
    assert report.outcome == "published" and store.snapshot(toy.SINK).rows > 10
    assert toy.run(store, toy.spec()).outcome == "nothing to do"
