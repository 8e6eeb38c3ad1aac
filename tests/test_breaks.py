"""Five promises are broken on purpose, each in a copy of the package, and the suite's own tests must fail there."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Break:
    """An edit of one module, and a test of the suite that must notice it."""

    module: str
    before: str
    after: str
    test: str


_REJECTS = """\
            self.replace(publication, self.spec.rejects, metadata, "rejects_digest", candidate.rejects)
"""
_SINK = """\
            changed = self.replace(publication, self.spec.sink, shown, "digest", candidate.files, tuple(beside))
"""
_BETWEEN = """\
            crash_point("between_commits")
            # If the table's commit is superseded, the rejects stay visible: the run that was faster may rely on them.
"""
BREAKS = {
    "the table is committed before its rejects": Break(
        "inference/publish.py",
        _REJECTS + _BETWEEN + _SINK,
        _SINK + _BETWEEN + _REJECTS,
        "tests/inference/test_audit.py::test_the_rejects_are_visible_before_the_table",
    ),
    "a receipt is given before its file is there": Break(
        "inference/unit.py",
        "        self.calls, self.began, self.patience = 0, time.monotonic(), self.task.config.flush_seconds\n"
        "        return receipt\n",
        "        self.calls, self.began, self.patience = 0, time.monotonic(), self.task.config.flush_seconds\n"
        "        import os\n"
        '        file = f"{self.task.memo}/{path}"\n'
        "        content = open(file, 'rb').read()\n"
        "        os.unlink(file)\n"
        "        for late, held in self.__dict__.setdefault('late', {}).items():\n"
        "            open(late, 'wb').write(held)\n"
        "        self.late = {file: content}\n"
        "        return receipt\n",
        "tests/inference/test_unit.py::test_a_unit_that_ray_runs_again_computes_nothing_twice",
    ),
    "files that are visible already are committed again": Break(
        "warehouse/store.py",
        'new = list(added) if mode == "replace" else [f for f in added if f.path not in snapshot.by_path]',
        "new = list(added)",
        "tests/warehouse/test_store.py::test_an_append_of_nothing_new_and_a_guard_that_raises_leave_no_version",
    ),
    "the memo answers whatever the recipe": Break(
        "inference/memo.py",
        'return [f for f in snapshot.files if f.partition["recipe"] == self.spec.recipe] if snapshot else []',
        "return list(snapshot.files) if snapshot else []",
        "tests/inference/test_run.py::test_a_new_model_replaces_the_table_whole_and_only_when_accepted",
    ),
    "a candidate is published before its gates are asked": Break(
        "inference/publish.py",
        "            self._refuse_if_failed(candidate)\n"
        '            with report.stage("commit"):\n'
        "                self._commit(publication, candidate, index.reasons)\n",
        '            with report.stage("commit"):\n'
        "                self._commit(publication, candidate, index.reasons)\n"
        "            self._refuse_if_failed(candidate)\n",
        "tests/inference/test_audit.py::test_a_refused_first_run_leaves_no_table",
    ),
}


def outcome(package: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the suite with this copy of the package."""
    paths = os.pathsep.join([str(package), str(ROOT)])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"PYTHONPATH": paths}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of each break's test, two at a time; None: of all of these tests with an unbroken copy."""

    def run(wrong: Break | None) -> subprocess.CompletedProcess[str]:
        package = tmp_path_factory.mktemp("package")
        shutil.copytree(ROOT / "lib" / "shopbatch", package / "shopbatch", ignore=shutil.ignore_patterns("__pycache__"))
        if wrong is None:
            return outcome(package, *(b.test for b in BREAKS.values()))
        file = package / "shopbatch" / wrong.module
        text = file.read_text("utf-8")
        assert text.count(wrong.before) == 1, f"{wrong.module} has changed: mend this test"
        file.write_text(text.replace(wrong.before, wrong.after), "utf-8")
        return outcome(package, wrong.test)

    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(run, wrong) for name, wrong in {None: None, **BREAKS}.items()}
        yield {name: future.result for name, future in futures.items()}


def test_an_unbroken_copy_passes(outcomes):
    done = outcomes[None]()
    assert done.returncode == 0 and f"{len(BREAKS)} passed" in done.stdout, done.stdout[-2000:] + done.stderr[-1000:]


@pytest.mark.parametrize("name", BREAKS)
def test_the_suite_notices(outcomes, name):
    done = outcomes[name]()
    assert done.returncode == 1 and "AssertionError" in done.stdout and "1 failed" in done.stdout, (
        done.stdout[-2000:] + done.stderr[-1000:]
    )
