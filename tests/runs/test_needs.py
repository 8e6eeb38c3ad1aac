"""A run is refused before its session starts if a model that it will load is missing, and is told what makes one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shopbatch.core import config, sessions
from shopbatch.core.config import JobConfig
from shopbatch.core.errors import UserError
from shopbatch.models import registry
from shopbatch.runs import declaration
from shopbatch.runs.job import Call, Job, perform
from shopbatch.runs.needs import check_models, makes_model
from shopbatch.warehouse.store import Store


class Needy(JobConfig):
    """Needs a model, whatever it is."""

    model: str = "uplift@live"

    def required_models(self) -> dict[str, str]:
        return {"model": self.model}


def settings_of(name: str, store: Store) -> JobConfig:
    return config.load(declaration.find(name).config, name, "local", [f"platform.warehouse={store.root}"])


@pytest.mark.parametrize("session", ["ray", "late ray", "spark"])
def test_no_session_starts_without_the_model(store: Store, monkeypatch: pytest.MonkeyPatch, session: str) -> None:
    def start(*_: object) -> None:
        raise AssertionError("a session was started")

    for name in ("ray_session", "late_ray_session", "spark_session"):
        monkeypatch.setattr(sessions, name, start)

    def build(folder: Path) -> None:
        (folder / "a.json").write_text("{}", "utf-8")

    needy = Job("needy", Needy, lambda *_: None, session=session)  # type: ignore[arg-type]
    settings = config.validate(Needy, {"platform": {"warehouse": store.root}})
    ended = perform(needy, settings, Call(quiet=True))
    assert ended.code == 2 and "no live model 'uplift'" in ended.report.message
    assert ended.report.message.endswith("`shopbatch run train_uplift` trains one")
    registry.publish(f"{store.root}/_models", "uplift", build, live=True)
    assert perform(needy, settings, Call(quiet=True)).code != 2, "the model is there"


def test_every_job_that_needs_a_model_of_the_registry_names_who_makes_it(store: Store) -> None:
    needy: dict[str, tuple[JobConfig, list[str]]] = {}
    for name in declaration.names():
        settings = settings_of(name, store)
        references = [r for r in settings.required_models().values() if r.endswith("@live")]
        needy |= {name: (settings, references)} if references else {}
    assert {"answer_tickets", "analyse_reviews", "plan_campaigns", "recommend_products", "score_users"} <= set(needy)
    for settings, references in needy.values():
        for reference in references:
            (maker,) = re.findall(r"`shopbatch run (\w+)` trains", makes_model(reference))
            assert maker in declaration.names()
        with pytest.raises(UserError, match=r"no live model .*; `shopbatch"):
            check_models(settings, store)
