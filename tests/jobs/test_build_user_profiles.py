"""The whole job on the real sample: every feature of every user equals the SQL definition, some are checked by hand."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from shopbatch import sample
from shopbatch.runs import job
from shopbatch.warehouse.store import Store
from tests.capabilities.profiles import by_hand
from tests.capabilities.profiles.compare import differences
from tests.capabilities.profiles.shop import expected_profiles, profiles

DAYS = (date(2017, 7, 1), date(2018, 1, 1))


@pytest.mark.timeout(900)
def test_all_features_of_all_users_on_the_real_data(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(str(tmp_path / "warehouse"))
    sample.fill_real(store)
    where = [f"platform.warehouse={store.root}", "gates.drift=1"]
    assert job.main("build_user_profiles", [f"restate={DAYS[0]}", f"as_of={DAYS[1]}", *where]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["outcome"] == "published" and report["rows"]["read"] == 1_469_307
    for day in DAYS:
        assert differences(profiles(store, day), expected_profiles(store, day)) == {}
    household = next(r for r in profiles(store, by_hand.AS_OF).to_pylist() if r["user_id"] == by_hand.USER_ID)
    assert len(by_hand.BY_HAND) >= 20
    for name, value in by_hand.BY_HAND.items():
        assert household[name] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), name
    assert job.main("build_user_profiles", [f"as_of={DAYS[1]}", *where]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["outcome"] == "nothing to do"
    page = (Path(store.root) / "_runs" / "build_user_profiles" / report["run_id"] / "report.html").read_text("utf-8")
    assert "Users by segment" in page and "money reconciles" in page
