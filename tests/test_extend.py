"""docs/extend.md is followed to the letter in a copy of the project, and what it builds passes its own checks."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text("utf-8")
CHECKS = (
    "tests/jobs/test_tag_reviews.py",
    "tests/test_layout.py::test_every_job_has_a_conf_a_test_a_page_and_a_row_in_the_list_of_jobs",
    "tests/test_layout.py::test_no_conf_test_or_row_is_left_of_a_job_that_is_gone",
    "tests/test_layout.py::test_job_files_are_thin_and_their_configuration_loads_in_every_environment",
    "tests/test_layout.py::test_every_table_is_listed",
    "tests/test_layout.py::test_nothing_imports_upwards_and_capabilities_do_not_import_each_other",
    "tests/erasure/test_erase.py::test_every_table_says_where_a_person_stands",
)
pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]


def block(after: str) -> str:
    """The first block of Python that follows these words of the page."""
    match = re.search(r"```python\n(.*?)```", PAGE[PAGE.index(after) :], re.S)
    assert match
    return match[1]


def follow(copy: Path) -> None:
    """Do what the page says."""
    package = copy / "lib" / "shopbatch"
    (package / "tables" / "review_language.py").write_text(block("## 1. "), "utf-8")
    declared = package / "tables" / "__init__.py"
    text = declared.read_text("utf-8").replace(
        "_DERIVED = (", "_DERIVED = (REVIEW_LANGUAGE, REVIEW_LANGUAGE_REJECTS,", 1
    )
    line = "from shopbatch.tables.review_language import REVIEW_LANGUAGE, REVIEW_LANGUAGE_REJECTS\n"
    declared.write_text(text.replace("from shopbatch.tables.", f"{line}from shopbatch.tables.", 1), "utf-8")
    capability = package / "capabilities" / "review_language"
    capability.mkdir()
    (capability / "__init__.py").write_text(block("## 2. "), "utf-8")
    (capability / "run.py").write_text(block("`lib/shopbatch/capabilities/review_language/run.py`"), "utf-8")
    (copy / "jobs" / "tag_reviews.py").write_text(block("## 3. "), "utf-8")
    conf = re.search(r"A comment is enough if the defaults are right:\s+`(#[^`]*)`", PAGE)
    assert conf
    (copy / "conf" / "base" / "tag_reviews.yaml").write_text(conf[1] + "\n", "utf-8")
    (copy / "tests" / "jobs" / "test_tag_reviews.py").write_text(block("`tests/jobs/test_tag_reviews.py`"), "utf-8")
    (copy / "docs" / "jobs" / "tag_reviews.md").write_text("# `tag_reviews`\n", "utf-8")
    for place, begins, heading in (
        ("docs/jobs/index.md", r"\| \[tag_reviews\]", "| --- | --- | --- | --- |\n"),
        ("README.md", r"\| The language", "| you want | jobs |\n| --- | --- |\n"),
    ):
        row = re.search(rf"``({begins}.*?\|)``", PAGE)
        assert row
        page = copy / place
        page.write_text(page.read_text("utf-8").replace(heading, f"{heading}{row[1]}\n", 1), "utf-8")


def test_the_page_builds_a_job_that_passes_its_checks(tmp_path):
    for part in ("lib", "jobs", "conf", "tests", "docs", "README.md", "pyproject.toml"):
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, tmp_path / part)
    follow(tmp_path)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(tmp_path / "lib"), str(tmp_path)]), "SHOPBATCH_HOME": "."}
    tests = [sys.executable, "-m", "pytest", "-x", "-n", "0", "-p", "no:cacheprovider", "-k", "tag_reviews or not ["]
    done = subprocess.run([*tests, *CHECKS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout or "100%" in done.stdout
    strict = [sys.executable, "-m", "mypy", "lib/shopbatch/capabilities/review_language", "jobs/tag_reviews.py"]
    typed = subprocess.run(strict, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert typed.returncode == 0, typed.stdout
