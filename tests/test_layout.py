"""The map is right: jobs = confs = tests = README rows; every module says what it is and stays small."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shopbatch.core import config
from shopbatch.runs import job
from shopbatch.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "lib" / "shopbatch").rglob("*.py"))
JOBS = sorted(p.stem for p in (ROOT / "jobs").glob("*.py"))


def test_every_job_has_a_conf_a_test_and_a_row_in_the_readme() -> None:
    assert sorted(p.stem for p in (ROOT / "conf" / "base").glob("*.yaml")) == JOBS
    assert sorted(p.stem.removeprefix("test_") for p in (ROOT / "tests" / "jobs").glob("test_*.py")) == JOBS
    readme = (ROOT / "README.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", readme, re.M)) == JOBS


@pytest.mark.parametrize("name", JOBS)
def test_job_files_are_thin_and_their_configuration_loads_in_every_environment(name: str) -> None:
    assert len((ROOT / "jobs" / f"{name}.py").read_text("utf-8").splitlines()) <= 60
    found = job.find(name)
    for env in sorted(p.name for p in (ROOT / "conf").iterdir() if p.name != "base"):
        assert isinstance(config.load(found.config, name, env, []), found.config)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert text.count("\n") <= 400
    assert "DataContext" not in text, "options are a dataset's own (Dataset.context): the process's are shared by runs"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, node.name
            arguments = [a for a in [*node.args.args, *node.args.kwonlyargs] if a.arg != "self"]
            assert len(arguments) <= 7, node.name
        if isinstance(node, ast.ExceptHandler) and path.name != "job.py":
            assert node.type is not None and ast.unparse(node.type) not in ("Exception", "BaseException"), path


def test_every_column_of_every_table_says_what_it_means() -> None:
    for table in TABLES.values():
        assert set(table.key) <= set(table.names)
        for column in table.columns:
            assert len(column.meaning) > 10, f"{table.name}.{column.name}"


def test_the_command_starts_without_heavy_imports() -> None:
    code = "import sys; from shopbatch import cli; cli.parser(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "torch", "transformers", "openvino", "polars", "pandas", "deltalake"} & set(loaded)


@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_lint(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
