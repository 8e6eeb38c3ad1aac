"""The bench of the forecasts runs on a file of its own, at its smallest size."""

from __future__ import annotations

import importlib.util
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.capabilities.marketing.users import drawn

pytestmark = pytest.mark.slow

BENCH = Path(__file__).resolve().parents[3] / "bench" / "propensity.py"


def test_the_bench_prints_every_forecast_with_intervals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("bench_propensity", BENCH)
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    days = drawn(1, 300, 545, (0.005, 0.02), stop=0.1)
    start = int(days.day.min())
    lines = ["customer_id date number_of_cds dollar_value"]
    for user, day, money in zip(days.user, days.day, days.money, strict=True):
        when = date(1997, 1, 1) + timedelta(days=int(day) - start)
        lines.append(f" {user:05d} {when:%Y%m%d}  1  {money:.2f}")
    path = tmp_path / "master.txt"
    path.write_text("\n".join(lines))
    bench.main(["--cdnow", str(path), "--transactions", "", "--dates", "1", "--rounds", "10"])
    out = capsys.readouterr().out
    assert "Complete Journey" not in out and "CDNOW: 1 dates" in out
    for kind in ("table", "repeat", "linear", "boosting"):
        assert re.search(rf"^{kind} +AUC 0\.\d+, over BG/NBD [+-]\d\.\d+ \[", out, re.M)
    assert "chosen for bought: " in out and "chosen for spent: " in out and "lapse: users" in out
