"""Every crash point of the code is one that a test uses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_crash_point_is_used_by_a_test() -> None:
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "lib").rglob("*.py"))
    names = re.findall(r'crash_point\(f?"([^"]+)"\)', code)
    assert len(names) == len(re.findall(r"(?<!def )crash_point\((?!\))", code)), "a name that is no literal"
    tests = "\n".join(p.read_text("utf-8") for p in (ROOT / "tests").rglob("*.py") if p != Path(__file__))
    for name in names:
        pattern = re.sub(r"\\\{.*?\\\}", r"\\w[\\w-]*", re.escape(name))
        assert re.search(rf"""["'=]{pattern}\b""", tests), f"no test uses the crash point {name}"


def test_a_process_that_was_told_to_stop_does_so_once() -> None:
    script = "from shopbatch.core.crash_points import crash_point\nfor _ in range(3):\n    crash_point('place')\n"
    environment = {**os.environ, "SHOPBATCH_CRASH_AT": "place", "SHOPBATCH_CRASH_SIGNAL": "SIGSTOP"}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    os.kill(process.pid, signal.SIGCONT)
    status = os.waitpid(process.pid, os.WUNTRACED)[1]
    if os.WIFSTOPPED(status):
        process.kill()
    process.returncode = 0  # it was waited for here
    assert os.WIFEXITED(status), "it stopped again"
