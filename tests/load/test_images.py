"""`shopbatch load images FOLDER`: pictures with their products; bad files are refused and stop nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from shopbatch.cli.main import main
from shopbatch.load import images
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store
from tests.pictures.drawn import CUT, photo, saved, write_hostile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures of four products, in every way in which a file can name its product."""
    place = tmp_path / "pictures"
    (place / "B4").mkdir(parents=True)
    files = {"B1.jpg": 1, "B1_2.png": 2, "B4/front.webp": 3, "B4/back.jpg": 4, "main-blue.jpg": 5, "other.png": 6}
    for name, seed in files.items():
        kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[name.rpartition(".")[2]]
        (place / name).write_bytes(saved(photo(seed), kind))
    return place


@pytest.fixture
def shop(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A catalogue; two products share one picture by its address."""
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    url = "https://shop.example/img/main-blue.jpg?w=800"
    columns = {"product_id": ["B1", "B2", "B3", "B4"], "image_url": [None, url, url, "https://x.example/none.jpg"]}
    rows = PRODUCTS.fill(4, **{name: pa.array(values, pa.string()) for name, values in columns.items()})
    store.commit(PRODUCTS, [store.write_file(PRODUCTS, rows, "first", 0)], "replace", "first")
    return store


def table(store: Store, name: str = "product_images") -> pl.DataFrame:
    return pl.DataFrame(store.snapshot(name).read())


def owners(store: Store) -> dict[str, str | None]:
    return dict(table(store).select("image_id", "product_id").iter_rows())


def test_a_folder_becomes_the_table_with_the_products_of_its_files(shop: Store, folder: Path) -> None:
    assert main(["load", "images", str(folder)]) == 0
    assert owners(shop) == {
        "B1.jpg": "B1",
        "B1_2.png": "B1",
        "B4/front.webp": "B4",
        "B4/back.jpg": "B4",
        "main-blue.jpg#B2": "B2",
        "main-blue.jpg#B3": "B3",
        "other.png": None,
    }
    row = table(shop).filter(image_id="B1.jpg").to_dicts()[0]
    assert (row["width"], row["height"], row["format"]) == (96, 64, "JPEG")
    assert row["bytes"] == (folder / "B1.jpg").stat().st_size
    snapshot = shop.snapshot("product_images")
    assert not any(snapshot.bounds(name) for name in ("picture", "signature", "uri", "image_id"))


def test_the_same_folder_is_loaded_once_and_a_change_decodes_only_itself(
    shop: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", "images", str(folder)]) == 0
    version, before = shop.snapshot("product_images").version, table(shop)
    assert main(["load", "images", str(folder)]) == 0
    assert shop.snapshot("product_images").version == version
    (folder / "other.png").unlink()
    (folder / "B1.jpg").write_bytes(saved(photo(7), "JPEG"))
    decoded: list[str] = []
    whole = images._decode
    monkeypatch.setattr(images, "_decode", lambda file: decoded.append(file.name) or whole(file))
    capsys.readouterr()
    assert main(["load", "product_images", str(folder)]) == 0
    assert "5 pictures of 5 files" in (said := capsys.readouterr().out) and "4 of them unchanged" in said
    assert decoded == ["B1.jpg"]
    after = table(shop)
    assert set(before["image_id"]) - set(after["image_id"]) == {"other.png"}
    both = before.join(after, on="image_id", suffix="_now").filter(pl.col("picture") != pl.col("picture_now"))
    assert both["image_id"].to_list() == ["B1.jpg"]


def test_a_list_decides_where_there_is_one(shop: Store, folder: Path) -> None:
    lines = "file,product_id\nother.png,B9\nB4/front.webp,B1\nB4/front.webp,B2\n"
    (folder / "list.csv").write_text(lines, "utf-8")
    assert main(["load", "images", str(folder), str(folder / "list.csv")]) == 0
    named = {name: product for name, product in owners(shop).items() if product}
    assert named == {"other.png": "B9", "B4/front.webp#B1": "B1", "B4/front.webp#B2": "B2"}
    (folder / "list.csv").write_text("name,sku\na,b\n", "utf-8")
    assert main(["load", "images", str(folder), str(folder / "list.csv")]) == 2


def test_without_a_catalogue_the_names_of_files_are_products(store: Store, folder: Path) -> None:
    shutil.rmtree(folder / "B4")
    images.load_images(store, folder)
    assert owners(store) == {"B1.jpg": "B1", "B1_2.png": "B1_2", "main-blue.jpg": "main-blue", "other.png": "other"}


def test_what_cannot_be_loaded_is_one_line(
    shop: Store, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("a", "utf-8")
    for words in (["none"], ["text"], ["missing"], ["text/a.txt"], ["pictures", "--encoding", "utf-8"], []):
        paths = [str(tmp_path / word) if not word.startswith("-") and word != "utf-8" else word for word in words]
        assert main(["load", "images", *paths]) == 2
    assert all(len(line) < 400 for line in capsys.readouterr().err.splitlines())
    assert shop.find("product_images") is None
    assert main(["load", "images", str(folder), "--dry-run"]) == 0
    assert shop.find("product_images") is None


@pytest.mark.parametrize(
    ("bad", "share", "loaded"),
    [(9, None, False), (9, "0.8", False), (9, "0.9", True), (3, "0.01", False), (2, "0.01", True)],
)
def test_a_folder_of_which_too_much_is_broken_leaves_the_table_as_it_was(
    shop: Store, folder: Path, capsys: pytest.CaptureFixture[str], bad: int, share: str | None, loaded: bool
) -> None:
    assert main(["load", "images", str(folder)]) == 0
    before = table(shop)
    other = folder.with_name("other")
    other.mkdir()
    (other / "B1.jpg").write_bytes(saved(photo(9), "JPEG"))
    for number in range(bad):
        (other / f"{number}.jpg").write_bytes(saved(photo(number), "JPEG")[:200])
    words = ["load", "images", str(other), *([] if share is None else ["--max-rejects", share])]
    capsys.readouterr()
    assert main(words) == (0 if loaded else 2)
    said = capsys.readouterr()
    assert len(table(shop)) == (1 if loaded else len(before))
    assert loaded or (f"{bad} of {bad + 1} files are no pictures" in said.err and said.err.count("\n") == 1)


RUN = """
import sys
from pathlib import Path
from shopbatch.load import load_images
from shopbatch.warehouse.store import Store
load_images(Store(sys.argv[1]), sys.argv[2], max_rejects=1)
# not what getrusage says: a child inherits that from its parent
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
def test_hostile_files_are_rejects_and_take_little_memory(shop: Store, folder: Path) -> None:
    """More than 60 of them, beside the good ones; decoding only one of the bombs would take gigabytes."""
    wanted = write_hostile(folder)
    assert len(wanted) >= 60
    done = subprocess.run(
        [sys.executable, "-c", RUN, shop.root, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 450_000, "kilobytes"
    assert len(table(shop)) == 7
    refused = table(shop, "product_images_load_rejects")
    reasons = dict(refused.select("source_file", "reason").iter_rows())
    assert set(reasons) == set(wanted)
    for name, reason in wanted.items():
        assert reasons[name] in (("truncated", "damaged") if reason == CUT else (reason,)), name
    before = shop.snapshot("product_images").version
    assert main(["load", "images", str(folder)]) == 0, "there already"
    (folder / "new.jpg").write_bytes(b"")
    assert main(["load", "images", str(folder)]) == 2, "more than a tenth is refused"
    assert shop.snapshot("product_images").version == before
