"""Every crash point of the code is one that a test uses."""

from __future__ import annotations

import re
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
