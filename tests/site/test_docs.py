"""`shopbatch docs`: the site shows what is in a small warehouse, escaped and masked, and every link leads somewhere."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from safetensors.numpy import save_file

from shopbatch.cli import main as cli
from shopbatch.load import load_file
from shopbatch.models import registry
from shopbatch.runs.report import Report, Rows
from shopbatch.site import lineage
from shopbatch.site.records import Job
from shopbatch.site.reports import NEWEST
from shopbatch.tables import SOURCES, TABLES
from shopbatch.warehouse.store import Store
from tests.cluster.head import clean_environment
from tests.cluster.s3 import object_store

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Checks that tags are closed in the order in which they were opened; collects tags, links, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        assert not [name for name in values if name.startswith("on") or name == "src"]
        self.tags.add(tag)
        self.links += [values["href"] or ""] if "href" in values else []
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}" if self.open and self.open[-1] != "style" else ""

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def pages(folder: Path) -> dict[str, Page]:
    return {path.name: Page(path.read_text("utf-8")) for path in folder.glob("*.html")}


def docs(store: Store, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Page]:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    assert cli.main(["docs", *words]) == 0
    return pages(Path(words[words.index("--output") + 1]) if "--output" in words else Path(store.root) / "_site")


def load(store: Store, folder: Path, *texts: str) -> None:
    path = folder / f"{len(texts)}-{hashlib.md5(repr(texts).encode()).hexdigest()}.csv"
    path.write_text("review_id,text\n" + "".join(f"r{i},{text}\n" for i, text in enumerate(texts)), "utf-8")
    load_file(store, "reviews", str(path))


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Two loads of reviews, a run that trained a model on them, and a run that was refused."""
    load(store, tmp_path, "write to jane@example.com", HOSTILE)
    load(store, tmp_path, "a third one", "a fourth", "a fifth")
    run = Report("train_sentiment_head", "20261101T000000Z-aaaaaa", tables={"reviews": {"read": 2}})
    metrics = {"en": {"accuracy": {"value": 0.91, "low": 0.88, "high": 0.94}, "confusion": {"labels": [HOSTILE]}}}

    def build(folder: Path) -> None:
        import numpy as np

        save_file({"w": np.zeros(3, np.float32)}, folder / "head.safetensors")

    root = f"{store.root}/_models"
    model = registry.publish(root, "sentiment", build, metrics=metrics, licence=f"MIT {HOSTILE}", encoder="e5-small@1")
    run.models = {"sentiment": model.digest}
    run.finish("published", 0)
    run.save(store.root)
    refused = Report("score_reviews", "20261102T000000Z-bbbbbb", tables={"reviews": {"read": 1}}, rows=Rows(read=5))
    refused.finish("refused", 3, f"a gate refused {HOSTILE}; ask joe@example.com")
    refused.save(store.root)
    return store


def test_every_page_is_well_formed_and_every_link_leads_somewhere(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = docs(filled, monkeypatch)
    jobs = {f"job-{path.stem}.html" for path in (ROOT / "jobs").glob("*.py")}
    expected = jobs | {f"table-{name}.html" for name in TABLES} | {"index.html", "runs.html", "models.html"}
    assert set(site) >= expected
    folder = Path(filled.root) / "_site"
    reports = set()
    for name, page in site.items():
        assert "script" not in page.tags and len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            parts = urlsplit(link)
            assert not parts.scheme and not parts.netloc
            target = (folder / unquote(parts.path)).resolve()
            assert target.is_file(), (name, link)
            assert not parts.fragment or parts.fragment in site[target.name].ids, (name, link)
            reports |= {target.parent.name} if target.name == "report.html" else set()
        assert "default-src 'none'" in (folder / name).read_text("utf-8")
    assert reports == {"20261101T000000Z-aaaaaa", "20261102T000000Z-bbbbbb"}


def test_the_site_says_what_is_there(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    site = docs(filled, monkeypatch)
    runs = site["runs.html"].words
    assert runs.index("20261102T000000Z-bbbbbb") < runs.index("20261101T000000Z-aaaaaa"), "the newest comes first"
    assert "refused" in site["job-score_reviews.html"].words and "5 read" in site["job-score_reviews.html"].words
    assert "never run here" in site["index.html"].words, "jobs without a run are listed, too"
    models = site["models.html"].words
    for fact in ("live", "en · accuracy 0.91 (0.88 to 0.94)", "trained by train_sentiment_head", "reviews , version 2"):
        assert fact in models, fact
    reviews = site["table-reviews.html"].words
    versions = reviews.partition("Versions version written rows size ")[2]
    assert re.findall(r"(\d+) \d+ \w+ \d{4}, \d\d:\d\d UTC (by shopbatch load|the empty table) (\d+)", versions) == [
        ("2", "by shopbatch load", "5"),
        ("1", "by shopbatch load", "2"),
        ("0", "the empty table", "0"),
    ]
    assert "review_id key string" in reviews and "Body of the review, as the customer wrote it." in reviews
    for job in ("finetune_encoder", "score_reviews", "train_sentiment_head"):
        assert job in reviews.partition("read by ")[2]
    assert "written by score_reviews" in site["table-review_sentiment.html"].words
    assert "does not exist yet" in site["table-review_sentiment.html"].words


def test_texts_are_escaped_and_masked_wherever_they_stand(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = pa.field(f"c {HOSTILE}", pa.string(), metadata={"comment": f"means {HOSTILE}"})
    rows = pa.table([[f"{HOSTILE} 'x' \"y\" call +1 415 555 2671"]], pa.schema([field]))
    write_deltalake(filled.uri("foreign"), rows, mode="append")
    damaged = Path(filled.root) / "_runs" / "score_reviews" / "20261103T000000Z-cccccc" / "report.json"
    damaged.parent.mkdir()
    hostile = {name: HOSTILE for name in ("outcome", "started_at", "ended_at", "message")}
    damaged.write_text(json.dumps({**hostile, "tables": {HOSTILE: {"read": 1}}, "models": [HOSTILE], "rows": 3}))
    site = docs(filled, monkeypatch)
    for name, page in site.items():
        text = (Path(filled.root) / "_site" / name).read_text("utf-8")
        assert "<script" not in text and "script" not in page.tags, name
        assert not re.search(r"\w@example\.com|415 555", text), name
    assert HOSTILE in site["table-foreign.html"].text and f"means {HOSTILE}" in site["table-foreign.html"].text
    assert "[email]" in site["table-reviews.html"].text and "[phone]" in site["table-foreign.html"].text
    assert HOSTILE in site["models.html"].text and HOSTILE in site["runs.html"].text


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Path(filled.root) / "_runs" / "score_reviews"
    for name, text in {"20261104T000000Z-bad001": "{half", "20261104T000000Z-bad002": "[1]"}.items():
        (runs / name).mkdir()
        (runs / name / "report.json").write_text(text)
    (runs / "20261105T000000Z-going0").mkdir()
    (Path(filled.root) / "_runs" / "<b>" / "r").mkdir(parents=True)
    write_deltalake(filled.uri("gone"), pa.table({"a": [1]}))
    for file in DeltaTable(filled.uri("gone")).file_uris():
        Path(file).unlink()
    site = docs(filled, monkeypatch)
    for page in ("job-score_reviews.html", "runs.html"):
        words = site[page].words
        assert "20261104T000000Z-bad002, 20261104T000000Z-bad001 cannot be read" in words
        assert "1 of the runs left no report" in words and "20261102T000000Z-bbbbbb" in words
    assert "cannot be read" in site["table-gone.html"].words and "is missing" in site["table-gone.html"].words
    assert "cannot be read" in site["index.html"].words


def test_only_the_newest_runs_of_a_job_are_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(NEWEST + 1):
        folder = Path(store.root) / "_runs" / "old_job" / f"20261101T{number:06d}Z-aaaaaa"
        folder.mkdir(parents=True)
        (folder / "report.json").write_text('{"outcome": "published"}')
    words = docs(store, monkeypatch)["job-old_job.html"].words
    assert f"Only the newest {NEWEST} of {NEWEST + 1} runs are shown." in words
    assert words.count("20261101T") == NEWEST and "20261101T000000Z" not in words
    assert "No job of this name is declared any more." in words


def test_a_run_that_was_killed_is_lost(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(store, tmp_path, "one")
    report = Report("score_reviews", host="another machine", pid=1, started_at="2026-11-01T00:00:00+00:00")
    report.save_as_running(store.root)
    site = docs(store, monkeypatch)
    assert "lost" in site["runs.html"].text and "running" not in site["job-score_reviews.html"].text


@pytest.mark.slow
def test_the_same_warehouse_gives_the_same_bytes_and_old_pages_go(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs(filled, monkeypatch)
    folder = Path(filled.root) / "_site"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "table-dropped.html").write_text("an earlier site")
    docs(filled, monkeypatch)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert "_site" not in filled.names()
    outside = docs(filled, monkeypatch, "--output", str(tmp_path / "elsewhere"))
    assert set(outside) == set(first)
    assert not any("report.html" in link for page in outside.values() for link in page.links)


def test_a_mistake_is_one_line_and_no_file_of_others_is_touched(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", filled.root)
    other = tmp_path / "homepage"
    other.mkdir()
    (other / "index.html").write_text("<h1>mine</h1>")
    for output in (other, other / "index.html"):
        assert cli.main(["docs", "--output", str(output)]) == 2
        assert "--output" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["index.html"]
    assert (other / "index.html").read_text() == "<h1>mine</h1>"
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "nowhere"))
    assert cli.main(["docs"]) == 2
    assert "no warehouse" in capsys.readouterr().err and not (tmp_path / "nowhere").exists()
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", "s3://shop/warehouse")
    assert cli.main(["docs"]) == 2
    assert "add --output FOLDER" in capsys.readouterr().err


@pytest.mark.slow
def test_it_needs_neither_ray_nor_spark_nor_torch(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", filled.root)
    code = "import sys; from shopbatch.cli.main import main; code = main(['docs']); print(); print(*sys.modules);"
    done = subprocess.run([sys.executable, "-c", f"{code} sys.exit(code)"], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "jinja2" in loaded and not {"ray", "pyspark", "torch", "matplotlib", "transformers"} & loaded


@pytest.mark.slow
def test_a_warehouse_on_an_object_store_has_a_site(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("review_id,text\na,first\nb,second\n", "utf-8")
    with object_store() as s3:
        env = {**clean_environment(), **s3.env, "SHOPBATCH_WAREHOUSE": s3.warehouse("docs")}
        for words in (["load", "reviews", str(tmp_path / "r.csv")], ["docs", "--output", str(tmp_path / "site")]):
            subprocess.run([sys.executable, "-m", "shopbatch", *words], env=env, cwd=ROOT, check=True, timeout=120)
        assert not [key for key in s3.keys("docs") if "_site" in key]
    site = pages(tmp_path / "site")
    assert "No job has run in this warehouse." in site["runs.html"].words
    assert "by shopbatch load 2" in site["table-reviews.html"].words


def test_the_picture_shows_every_table_that_a_job_declares_and_no_arrow_twice(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = docs(filled, monkeypatch)
    lineage_text = site["index.html"].text.partition("Lineage")[2].partition("Source tables")[0]
    for table in TABLES.values():
        assert table.name in SOURCES or f"table {table.name}" in lineage_text, table.name
    assert "model sentiment" in lineage_text


def test_boxes_do_not_overlap_and_arrows_go_right_even_if_jobs_feed_each_other() -> None:
    jobs = [
        Job("first", "", [], reads=frozenset({"a", "c"}), writes=frozenset({"b"})),
        Job("second", "", [], reads=frozenset({"b"}), writes=frozenset({"c"})),
        Job("third", "", [], reads=frozenset({"a", "d"}), writes=frozenset({"d"}), loads=frozenset({"m"})),
        Job("fourth", "", [], reads=frozenset({"a", "b"}), makes=frozenset({"m"})),
    ]
    picture = lineage.draw(jobs, {("table", "a")})
    places = {(box.kind, box.name): (box.x, box.y) for box in picture.boxes}
    assert len(places) == len(set(places.values())) == len(picture.boxes) == 9
    assert all(0 <= x <= picture.width - lineage.WIDTH and 0 <= y < picture.height for x, y in places.values())
    assert places["table", "a"][0] < places["job", "first"][0] < places["table", "b"][0] < places["job", "second"][0]
    assert places["job", "fourth"][0] < places["model", "m"][0] < places["job", "third"][0] < places["table", "d"][0]
    assert len(picture.arrows) == 11
    assert [box.name for box in picture.boxes if box.is_there] == ["a"]


@pytest.mark.parametrize("name", sorted(set(TABLES) - set(SOURCES)))
def test_every_table_that_is_no_source_says_what_writes_it(name: str) -> None:
    table = TABLES[name]
    assert (ROOT / "jobs" / f"{table.job}.py").is_file() or table.command.startswith("review ")
