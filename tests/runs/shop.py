"""A project with one job, whose session costs nothing, run as a user runs it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopbatch.runs import history

# the session is what these tests do without: a real one takes ten seconds to start
_JOB = '''
import os, signal, sys, time
from contextlib import contextmanager, nullcontext
from shopbatch.runs import supervise
from shopbatch.core import errors, sessions
from shopbatch.core.config import JobConfig
from shopbatch.core.progress import Progress
from shopbatch.runs.job import Job, main
from shopbatch.warehouse.gates import Gate, refuse_if_failed

sessions.ray_session = lambda platform: nullcontext()
if how_starts := os.environ.get("TOY_SESSION"):
    @contextmanager
    def session(platform):
        exec(ENDS[how_starts])
        yield
    sessions.ray_session = session
supervise.STOP_SECONDS = float(os.environ.get("TOY_STOP_SECONDS", supervise.STOP_SECONDS))
supervise.EXIT_SECONDS = 1.0

LONG = "forged " + "bob@example.com +49 171 1234567 x" * 100_000
ENDS = {
    "published": "pass",
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "gone": "os._exit(1)",
    "defect": "raise KeyError('nobody expects ann@example.com')",
    "mistake": "raise errors.UserError('column x is missing; add it')",
    "refused": "refuse_if_failed([Gate('share', 0.5, 0.1, False, 'too many')])",
    "noisy stop": "os.write(2, b'Traceback (most recent call last):' + bytes([10])); "
    "raise errors.Stopped('interrupted by SIGINT')",
    "long stop": "raise errors.Stopped(LONG)",
    "long mistake": "raise errors.UserError(LONG)",
    "long defect": "raise KeyError(LONG)",
    "long refusal": "refuse_if_failed([Gate(LONG, LONG, LONG, False, LONG)])",
    "long note": "from shopbatch.core import display; display.current().note(LONG); report.message = LONG",
    "first": "m = config.platform.warehouse + '/first'; os.path.exists(m) or (open(m, 'w').close(), "
    "print('waiting', file=sys.stderr, flush=True), time.sleep(60))",
    "deaf": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); "
    "print('waiting', file=sys.stderr, flush=True); time.sleep(200)",
    "leaves": "import subprocess; subprocess.Popen(['sleep', '200'])",
    "lingers": "import atexit; atexit.register(time.sleep, 200)",
    "waits": "print('waiting', file=sys.stderr, flush=True); time.sleep(60)",
}

class Config(JobConfig):
    how: str = "published"
    """How the run ends."""

def run(config, store, report):
    with report.stage("first") as stage:
        stage.rows = 12_345
    report.rows.read, report.rows.published, report.rows.rejected, report.rows.pending = 12_345, 12_340, 5, 0
    report.rejects = {"too_long": 5}
    os.write(2, b"noise of native code, mail ann@example.com\\n")
    with report.stage("second"), Progress(10, every=0.01) as progress:
        progress.advance(4)
        exec(ENDS[config.how])
        progress.advance(6)
    report.tables["things"] = {"written": 3}
    report.outcome = "published"

JOB = Job("toy", Config, run, next="show things", alone=ALONE)
'''


@dataclass(frozen=True)
class Shop:
    """A project folder with its warehouse."""

    home: Path

    @classmethod
    def make(cls, home: Path, alone: bool = False) -> Shop:
        (home / "jobs").mkdir(parents=True)
        (home / "conf" / "base").mkdir(parents=True)
        (home / "conf" / "local").mkdir()
        (home / "jobs" / "toy.py").write_text(_JOB.replace("ALONE", str(alone)), "utf-8")
        return cls(home)

    @property
    def warehouse(self) -> str:
        return str(self.home / "wh")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SHOPBATCH_HOME": str(self.home), "SHOPBATCH_WAREHOUSE": self.warehouse}

    def command(self, how: str, *options: str) -> list[str]:
        return [sys.executable, "-m", "shopbatch", "run", "toy", f"how={how}", *options]

    def run(self, how: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(how, *options), env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def newest(self) -> dict[str, Any]:
        return history.newest(self.warehouse)[0]

    def folder(self) -> Path:
        newest = self.newest()
        return Path(self.warehouse, "_runs", newest["job"], newest["run_id"])
