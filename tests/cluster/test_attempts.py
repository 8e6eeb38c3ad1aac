"""Attempts at a run key without a cluster: where their records are, when the work is done, what is refused early."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopbatch.cli import main as cli
from shopbatch.cluster.attempts import Attempt, Place, done, latest, wait
from shopbatch.cluster.jobs import ClusterJob
from shopbatch.cluster.submit import Request
from shopbatch.runs.run_key import write_record

KEY = "score_reviews-20261122-0123456789ab"


class Cluster:
    """A cluster that remembers one attempt, which was submitted with another warehouse."""

    def __init__(self, warehouse: str) -> None:
        self.warehouse = warehouse

    def info(self, name: str) -> ClusterJob | None:
        metadata = {"warehouse": self.warehouse}
        return ClusterJob(name, "SUCCEEDED", metadata=metadata) if name.endswith("-a1") else None


def test_a_run_with_another_warehouse_is_followed_there(tmp_path: Path) -> None:
    """`status`, `logs` and `cancel` get only the key."""
    other = str(tmp_path / "other")
    write_record(other, KEY, 1, '{"exit_code": 0, "outcome": "published", "rows": {}}')
    place = Place(str(tmp_path / "warehouse"), Cluster(other))  # type: ignore[arg-type]
    attempt = latest(place, KEY)
    assert attempt is not None and attempt.number == 1 and done(attempt)
    assert done(wait(place, Attempt(KEY, 1)))


def test_a_run_that_left_work_is_not_done() -> None:
    ended = {"exit_code": 0, "outcome": "published", "rows": {"pending": 0}}
    assert done(Attempt(KEY, 1, ended)) and done(Attempt(KEY, 1, ended | {"rows": {}}))
    for left in ({"outcome": "incomplete"}, {"rows": {"pending": 3}}, {"exit_code": 3}):
        assert not done(Attempt(KEY, 1, ended | left))


def test_a_request_resolves_to_key_and_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", str(tmp_path / "warehouse"))
    request = Request("describe_products", "prod", ("attempts=2",), date="2026-11-22", rerun="r1")
    key, settings = request.resolve()
    assert str(key).startswith("describe_products-20261122-r1-") and settings.attempts == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("engine.kind=fkae",), "engine.kind: expected 'openvino', 'torch', 'fake' (got 'fkae')"),
        (("--date", "tomorrow"), "--date 'tomorrow'"),
        (("nonsense=1",), "unknown key 'nonsense'"),
        (
            ("platform.spark.conf.api_token=hf_0123456789abcdefghijk",),
            "a secret may not be on a command line",
        ),
    ],
)
def test_mistakes_are_found_before_the_cluster_is_asked(
    words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cluster is configured here, which would be another mistake."""
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    assert cli.main(["submit", "score_reviews", "--env", "prod", "engine.kind=fake", *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and "hf_0123456789" not in error
