"""docs/features.md describes the features as they are declared, and so does the schema of the Delta table."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from shopbatch.capabilities.profiles.catalogue import markdown
from shopbatch.tables.user_profiles import FEATURES, SEGMENTS, USER_PROFILES

DOC = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_the_catalogue_is_up_to_date_with_the_declarations() -> None:
    assert DOC.read_text("utf-8") == markdown(), "stale: run `make docs`"


def test_the_command_prints_it_without_spark() -> None:
    code = "import runpy, sys; runpy.run_module('shopbatch.capabilities.profiles.catalogue', run_name='__main__'); "
    code += "assert not {'pyspark', 'ray', 'polars'} & set(sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.decode() == markdown()


def test_every_feature_and_segment_is_in_it_once() -> None:
    tables = markdown().partition("## The features")[2]
    assert re.findall(r"^\| `(\w+)` \|", tables, re.M) == [f.name for f in FEATURES]
    assert {line.count(" | ") for line in tables.splitlines() if line.startswith("| `")} == {5}
    segments = markdown().partition("## How segments")[2].partition("##")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", segments, re.M)) == sorted(SEGMENTS)


def test_the_meaning_reaches_the_delta_schema() -> None:
    schema = USER_PROFILES.schema()
    for feature in FEATURES:
        comment = schema.field(feature.name).metadata[b"comment"].decode()
        assert all(word in comment for word in (feature.meaning, feature.unit, feature.window, feature.null))
