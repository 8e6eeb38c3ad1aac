"""The generated pages of docs/ are what the code declares; links, commands and settings in docs/ exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from shopbatch.cli import data, reference
from shopbatch.cli.main import COMMANDS, shopbatch
from shopbatch.core.config import describe
from shopbatch.load.presets import preset_names
from shopbatch.runs import job
from shopbatch.runs.report import Report
from shopbatch.tables import SOURCES, TABLES
from shopbatch.tables.images import PRODUCT_IMAGES
from shopbatch.tables.policies import POLICIES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))


@pytest.mark.parametrize("path", [path for path, _ in reference.pages(DOCS)], ids=lambda p: str(p.relative_to(DOCS)))
def test_the_generated_pages_are_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == dict(reference.pages(DOCS))[path], "stale: run `make docs`"


def _listed(text: str) -> list[str]:
    """The names of a sentence such as `Source table: a, b or c (a remark).`"""
    names = re.sub(r"\([^)]*\)|\.$", "", text.partition(":")[2]).replace(" or ", ", ")
    return sorted(name.strip() for name in names.split(",") if name.strip())


def test_the_lists_of_what_can_be_loaded_are_complete() -> None:
    """In the help of `shopbatch load` and at the head of the page about a user's own data."""
    files = sorted({*SOURCES} - {POLICIES.name, PRODUCT_IMAGES.name})
    assert _listed(data._SOURCES) == sorted([*files, "policies", "images"])
    page = (DOCS / "your-data.md").read_text("utf-8")
    assert _listed(re.search(r"into a source table: .*?\.", page, re.S)[0]) == files  # type: ignore[index]
    lines = page.partition("| table | presets |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [re.sub(r"\([^)]*\)", "", line).strip("| ").split("|") for line in lines]
    named = {
        table.strip(): sorted(map(str.strip, names.split(",")))
        for tables, names in cells
        for table in tables.split(",")
    }
    assert named == {table: [*names] for table in SOURCES if (names := preset_names(table))}


@pytest.mark.parametrize("name", JOBS)
def test_the_page_of_a_job_lists_every_setting_with_its_meaning(name: str) -> None:
    by_hand, mark, generated = (DOCS / "jobs" / f"{name}.md").read_text("utf-8").partition(reference.MARK)
    assert mark and len(by_hand) > 500, "the part by hand says what the job does"
    for key in describe(job.find(name).config):
        if not key.path.startswith("platform"):
            row = re.search(rf"^\| `{re.escape(key.path)}` \| [^|]+ \| .* \| (.+) \|$", generated, re.M)
            assert row and len(row[1]) > 10, key.path


def test_every_command_table_and_field_of_the_report_is_in_the_reference() -> None:
    commands = (DOCS / "reference" / "commands.md").read_text("utf-8")
    assert re.findall(r"^## shopbatch (\w+)$", commands, re.M) == list(COMMANDS)
    tables = (DOCS / "reference" / "tables.md").read_text("utf-8")
    assert set(re.findall(r"^### (\w+)$", tables, re.M)) == set(TABLES)
    report = Report("any", run_key="key", attempt=1, host="here", pid=1).to_dict()
    words = yaml.safe_load((ROOT / "lib/shopbatch/cli/reference.yaml").read_text("utf-8"))
    assert list(words["report"]) == list(report)
    assert sorted(words["exit_codes"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```|``.*?``|`[^`\n]*`", "", path.read_text("utf-8"), flags=re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_navigation() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", nav))
    assert listed == {path.relative_to(DOCS).as_posix() for path in PAGES}


def test_commands_in_the_docs_exist() -> None:
    """Each `shopbatch ...` line in a code block of docs/ names a command, and a job that there is."""
    known, seen = {*COMMANDS, "init", "runs", "config"}, 0
    for path in PAGES:
        for block in re.findall(r"```(?:bash)?\n(.*?)```", path.read_text("utf-8"), re.S):
            for line in block.splitlines():
                if not line.startswith("shopbatch "):
                    continue
                words = shlex.split(line, comments=True)
                assert words[1] in known, f"{path.name}: {line}"
                if words[1] in ("run", "submit"):
                    assert words[2] in (*JOBS, "tag_reviews"), f"{path.name}: {line}"
                seen += 1
    assert seen > 20
    assert isinstance(shopbatch.get_command(click.Context(shopbatch), "docs"), click.Command)
