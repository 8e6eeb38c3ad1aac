"""The installed package alone, far from a checkout: a small shop's first try with its messy export of reviews."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import subprocess
import sys
import venv
import zipfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hatchling import build

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HEADER = ("review_id", "product_id", "rating", "title", "text", "created_at")
PRAISE = {
    "de": ("Sehr schöne Jacke, sitzt prima und wärmt gut", "Schnelle Lieferung, Größe passt, gerne wieder"),
    "fr": ("Très belle veste, je suis ravie de mon achat", "Livraison rapide et qualité parfaite, merci beaucoup"),
    "en": ("Lovely jacket, it fits well and keeps me warm", "Fast delivery and great quality, thank you so much"),
}
BLAME = {
    "de": (
        "Leider schon nach zwei Wochen kaputt, sehr enttäuscht",
        "Stoff kratzt fürchterlich, ich schicke sie zurück",
    ),
    "fr": ("Cassée après une semaine, je suis très déçue", "Mauvaise qualité, je la renvoie tout de suite"),
    "en": ("It fell apart after a week, very disappointed", "Terrible quality, I want my money back"),
}


def export(rows: int = 300, seed: int = 5) -> tuple[bytes, dict[str, tuple[str, str]], Counter[str]]:
    """A semicolon-separated file in Windows-1252, what its reviews say, and how many rows have nothing to score.

    8 % of the texts say nothing, 5 % of the rows replace an earlier one, and some have bits of HTML.

    Returns:
        The file, language and label by review, and the number of rows without a score by reason.
    """
    draw, says, reasons = random.Random(seed), dict[str, tuple[str, str]](), Counter[str]()
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    keys = set()
    for number in range(rows):
        replaces = number > 20 and draw.random() < 0.05
        key, day = f"B-{draw.randrange(20) if replaces else number}", f"{number % 28 + 1}.3.2025"
        language, stars = draw.choice(("de", "de", "fr", "en")), draw.choice((1, 2, 4, 5, 5))
        text = draw.choice((PRAISE if stars > 3 else BLAME)[language])
        text = draw.choice((text, text, f"<p>{text}.</p>", f"{text}!<br />{number}", f"{text} &amp; {number}"))
        if not replaces and number >= 20 and draw.random() < 0.08:
            text = draw.choice(("", "  ", "...", "<br>"))
            reasons["empty"] += 1
        else:
            says[key] = (language, "positive" if stars > 3 else "negative")
        reasons["duplicate_key"] += key in keys
        keys.add(key)
        day = f"{number % 28 + 1}.{4 + number // 28}.2025" if replaces else day
        writer.writerow((key, f"A{number % 9}", stars, draw.choice(("", "Für Paul")), text, day))
    return out.getvalue().encode("cp1252"), says, reasons


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the built package, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = folder / build.build_wheel(str(folder))
    venv.create(folder / "venv", with_pip=False)
    site = next((folder / "venv").glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    # a path in a .pth file is only added to sys.path, so that the checkout's own .pth file is not read
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries))
    return folder / "venv" / "bin" / "python"


def call(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SHOPBATCH_", "PYTHONPATH"))}
    return subprocess.run([python, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_a_small_shop_gets_through_at_the_first_try(python: Path, tmp_path: Path) -> None:
    content, says, reasons = export()
    assert len(content.decode("cp1252")) != len(content.decode("utf-8", "ignore")), "no umlauts"

    def shopbatch(folder: Path, *words: str) -> str:
        done = call(python, folder, "-m", "shopbatch", *words)
        assert done.returncode == 0, (words, done.stdout[-1000:], done.stderr[-3000:])
        return done.stdout

    where = call(python, tmp_path, "-c", "import shopbatch; print(shopbatch.__file__)").stdout
    assert Path(where).is_relative_to(python.parents[1])
    made = shopbatch(tmp_path, "init", "myshop").splitlines()
    assert made[-1].split() == ["shopbatch", "run", "score_reviews"] and "  cd myshop" in made
    home = tmp_path / "myshop"
    (home / "export.csv").write_bytes(content)
    shopbatch(home, "load", "reviews", "export.csv")
    report = json.loads(shopbatch(home, "run", "score_reviews").splitlines()[-1])
    assert report["rejects"] == dict(reasons) and report["rows"]["published"] == len(says)
    assert "positive" in shopbatch(home, "show", "review_sentiment")
    scored = pl.read_delta(str(home / ".warehouse" / "review_sentiment"))
    assert set(scored["review_id"]) == set(says)
    languages, labels = (
        sum(says[key][part] == value for key, value in scored.select("review_id", column).iter_rows()) / len(says)
        for part, column in enumerate(("language", "label"))
    )
    assert languages > 0.97 and labels > 0.85, (languages, labels)
    filled = shopbatch(tmp_path, "sample", "--rows", "50")  # without a project folder
    assert re.search(r"^reviews +50 rows", filled, re.M)
