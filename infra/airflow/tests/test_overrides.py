"""Test that every form of the operator's `overrides` reaches the command line as the DAG's author meant it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from shop import DAGS, run

pytestmark = pytest.mark.timeout(900)

# stands in for `shopbatch`: it records its arguments and reports a finished run
COMMAND = """#!{python}
import json, sys
with open({told!r}, "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
names = ("run_id", "attempt", "outcome", "rows", "tables")
print(json.dumps({{"run_key": "key", **dict.fromkeys(names, 0)}}))
"""
FORMS = """
import sys
from datetime import datetime
from airflow.sdk import DAG, task
from shopbatch_operator import ShopbatchOperator

def forms(name, native, **overrides):
    with DAG(name, schedule=None, start_date=datetime(2017, 1, 1), render_template_as_native_obj=native,
             params={"rows": 30}) as dag:
        @task
        def one(): return "limit=7"
        @task
        def several(): return ["limit=8", "retry_rejects=true"]
        given = overrides | {"task_word": one(), "task_list": several(), "task_in_list": ["flush_rows=4", one()]}
        for form, value in given.items():
            ShopbatchOperator(task_id=form, job=form, overrides=value)
    return dag

texts = forms("texts", False, word="limit=5", template="limit={{ params.rows }}", listed=("a.b=1", "c={{ ds }}"),
              none=[])
natives = forms("natives", True, listed=["limit={{ params.rows }}", "{{ params.rows }}"],
                number="{{ params.rows * 2 }}", evaluated="{{ ['limit=' ~ params.rows, 'flush_rows=4'] }}")
if __name__ == "__main__":
    for wrong in (None, b"limit=5", {"limit": 5}, [{"limit": 5}]):
        try:
            ShopbatchOperator(task_id="wrong", job="wrong", overrides=wrong)
        except TypeError as error:
            assert "key.path=value" in str(error)
        else:
            raise SystemExit(f"{wrong} was taken")
    states = [str(dag.test(logical_date=datetime.fromisoformat("2017-07-01T00:00:00+00:00")).state)
              for dag in (texts, natives)]
    print(states)
"""


def test_each_form_of_overrides_is_the_words_that_were_meant(airflow_env: dict[str, str], tmp_path: Path) -> None:
    """Run two DAGs with strings, lists, templates and task outputs as `overrides`, and compare the command lines."""
    told, command, dags = tmp_path / "told", tmp_path / "command", tmp_path / "dags"
    command.write_text(COMMAND.format(python=sys.executable, told=str(told)), "utf-8")
    command.chmod(0o755)
    dags.mkdir()
    (dags / "forms.py").write_text(FORMS, "utf-8")
    shutil.copy(DAGS / "shopbatch_operator.py", dags)
    env = {**airflow_env, "SHOPBATCH_COMMAND": str(command), "AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
    done = run([sys.executable, str(dags / "forms.py")], env)
    assert done.returncode == 0 and "success', 'success" in done.stdout, (done.stdout + done.stderr)[-3000:]
    submitted = [words for line in told.read_text("utf-8").splitlines() if (words := json.loads(line))[0] == "submit"]
    assert all(words[2] == "--env" and words[4] == "--date" for words in submitted)
    assert sorted([words[1], *words[6:]] for words in submitted) == sorted(
        [
            ["word", "limit=5"],
            ["template", "limit=30"],
            ["listed", "a.b=1", "c=2017-07-01"],
            ["none"],
            ["listed", "limit=30", "30"],
            ["number", "60"],
            ["evaluated", "limit=30", "flush_rows=4"],
            *[["task_word", "limit=7"]] * 2,
            *[["task_list", "limit=8", "retry_rejects=true"]] * 2,
            *[["task_in_list", "flush_rows=4", "limit=7"]] * 2,
        ]
    )
