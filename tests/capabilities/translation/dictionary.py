"""A small program in the place of Apertium: it translates whole lines by a list, and does wrong what it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

_PROGRAM = """#!{python}
import json, sys, time
from pathlib import Path
folder = Path(sys.argv[sys.argv.index("-d") + 1])
lines = json.loads((folder / "lines.json").read_text("utf-8"))
with (folder / "calls").open("a") as calls:
    print(len(sys.argv), sys.argv[-1], file=calls)
for line in sys.stdin.read().split("\\n"):
    said = lines.get(line, line)
    if said == "HANG":
        time.sleep(600)
    if said == "FLOOD":
        while True:
            print("x" * 65536)
    if said == "FAIL":
        print("broken pair", file=sys.stderr)
        sys.exit(7)
    if said == "EAT":
        sys.exit(0)
    print(said)
"""


def install(folder: Path, lines: Mapping[str, str], pair: str = "eng-spa") -> list[str]:
    """Write the program and its pair of languages.

    Args:
        folder: Where to.
        lines: Lines and their translations; HANG, FLOOD, FAIL and EAT (it ends, and writes no more) are faults.
        pair: Name of the pair's mode.

    Returns:
        The overrides of a job that translates with it.
    """
    (folder / "modes").mkdir(parents=True, exist_ok=True)
    program = folder / "apertium"
    program.write_text(_PROGRAM.format(python=sys.executable), "utf-8")
    program.chmod(0o755)
    words = json.dumps(dict(lines), ensure_ascii=False)
    (folder / "lines.json").write_text(words, "utf-8")
    (folder / "modes" / f"{pair}.mode").write_text(f"by lines '{folder / 'lines.json'}'", "utf-8")
    return ["engine.kind=apertium", f"engine.program={program}", f"engine.data={folder}"]


def calls(folder: Path) -> int:
    """How often the program was called."""
    path = folder / "calls"
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0
