"""The house stays in order: layers, jobs with their pages, small modules with plain content, light commands."""

import ast
import graphlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from shopbatch.core import config
from shopbatch.runs import job
from shopbatch.tables import TABLES, Table

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lib" / "shopbatch"
MODULES = sorted(PACKAGE.rglob("*.py"))
JOBS = sorted(p.stem for p in (ROOT / "jobs").glob("*.py"))
README = (ROOT / "README.md").read_text("utf-8")
ALL_JOBS = (ROOT / "docs" / "jobs" / "index.md").read_text("utf-8")
BROAD_EXCEPT = "runs/job.py"  # whatever happened, the report and the exit code must say so


def lint_imports(*, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache"]
    paths = os.pathsep.join([str(cwd), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", JOBS)
def test_every_job_has_a_conf_a_test_a_page_and_a_row_in_the_list_of_jobs(name: str) -> None:
    for wanted in (f"conf/base/{name}.yaml", f"tests/jobs/test_{name}.py"):
        assert (ROOT / wanted).is_file(), f"{name}: {wanted} is missing"
    assert re.search(rf"^\| \[{name}\]\({name}\.md\) \|", ALL_JOBS, re.M), (
        f"{name}: docs/jobs/index.md has no row that begins with a link to the job's page"
    )
    assert f"[{name}](docs/jobs/{name}.md)" in README, f"{name}: README.md's table of jobs does not link its page"
    page = ROOT / "docs" / "jobs" / f"{name}.md"
    assert f"`{name}`" in page.read_text("utf-8"), f"{name}: {page.name} does not mention `{name}`"


def test_no_conf_test_or_row_is_left_of_a_job_that_is_gone() -> None:
    assert {p.stem for p in (ROOT / "conf" / "base").glob("*.yaml")} <= set(JOBS)
    assert {p.stem.removeprefix("test_") for p in (ROOT / "tests" / "jobs").glob("test_*.py")} <= set(JOBS)
    for rows in (re.findall(r"^\| \[(\w+)\]\(", ALL_JOBS, re.M), re.findall(r"\]\(docs/jobs/(\w+)\.md\)", README)):
        assert sorted(set(rows) - {"index"}) == JOBS


def test_the_readme_is_a_map() -> None:
    assert README.count("\n") <= 150
    for link in re.findall(r"\]\(([\w./-]+\.md)\)", README):
        assert (ROOT / link).is_file(), link


@pytest.mark.parametrize("name", JOBS)
def test_job_files_are_thin_and_their_configuration_loads_in_every_environment(name: str) -> None:
    assert len((ROOT / "jobs" / f"{name}.py").read_text("utf-8").splitlines()) <= 40
    declared = job.find(name)
    for env in sorted(p.name for p in (ROOT / "conf").iterdir() if p.name != "base"):
        assert isinstance(config.load(declared.config, name, env, []), declared.config)


@pytest.mark.parametrize("name", JOBS)
def test_every_configuration_key_says_what_it_means(name: str) -> None:
    keys = config.describe(job.find(name).config)
    assert len(keys) > 8
    for key in keys:
        assert len(key.meaning) > 10, f"{name}: {key.path} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert text.count("\n") <= 400
    assert "DataContext" not in text, "set options on a dataset (Dataset.context); the process's are shared by all runs"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, node.name
            arguments = [a for a in [*node.args.args, *node.args.kwonlyargs] if a.arg != "self"]
            assert len(arguments) <= 7, node.name
        if isinstance(node, ast.ExceptHandler) and path.relative_to(PACKAGE).as_posix() != BROAD_EXCEPT:
            assert node.type is not None and ast.unparse(node.type) not in ("Exception", "BaseException"), path


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_words_are_data(path: Path) -> None:
    """Less than half of a module is text that is neither a docstring nor a column's or a field's meaning."""
    if path.parent.name == "tables":
        return  # the meanings of columns are declarations
    tree = ast.parse(path.read_text("utf-8"))
    statements = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
    words = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in statements and " " in n.value
    ]
    code = len(ast.unparse(tree))
    assert sum(map(len, words)) <= max(0.5 * code, 400), "mostly phrases: move them to YAML beside this file"


UNJUDGED = {  # modules that publish a table whose size says nothing, and why
    "inference/publish.py": "inference/audit.py judges it",
    "capabilities/profiles/publish.py": "profiles/run.py judges it",
    "capabilities/search/rerank/scores.py": "the pairs of one run",
    "capabilities/sentiment/bias/run.py": "made-up sentences, of no table",
}


def test_every_publication_is_judged_by_what_it_is_made_of() -> None:
    """No table is replaced by a job that does not ask whether it, or a table that it reads, was emptied or cut."""
    for path in MODULES:
        text, name = path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix()
        if "publication.commit(" in text and name not in UNJUDGED and name != "warehouse/publish.py":
            assert "publication.judge(" in text, f"{name}: call publication.judge before publication.commit"


def test_every_table_is_listed() -> None:
    for path in (PACKAGE / "tables").glob("*.py"):
        module = importlib.import_module(f"shopbatch.tables.{path.stem}")
        for table in vars(module).values():
            if isinstance(table, Table) and table.name not in ("training_blocks", "training_vectors"):  # caches
                assert TABLES.get(table.name) == table, f"{path.name}: list {table.name} in tables/__init__.py"


def test_every_column_of_every_table_says_what_it_means() -> None:
    for table in TABLES.values():
        assert set(table.key) <= set(table.names)
        for column in table.columns:
            assert len(column.meaning) > 10, f"{table.name}.{column.name}"


def test_nothing_imports_upwards_and_capabilities_do_not_import_each_other() -> None:
    done = lint_imports(cwd=ROOT / "lib")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/errors.py", "import shopbatch.runs.report"),
        ("tables/schema.py", "def late():\n    from shopbatch.warehouse import store"),
        ("engines/base.py", "from shopbatch.inference import spec"),
        ("capabilities/sentiment/stage.py", "from shopbatch.capabilities.copywriting import rules"),
    ],
)
def test_an_import_upwards_or_sideways_is_noticed(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "shopbatch", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "shopbatch" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")
    done = lint_imports(cwd=tmp_path)
    assert done.returncode == 1 and "broken" in done.stdout, done.stdout


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("shopbatch", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    order = list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle
    assert set(order) == graph.modules


@pytest.mark.parametrize(
    "command",
    [["ruff", "check"], ["ruff", "format", "--check"], pytest.param(["mypy"], marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_lint(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
