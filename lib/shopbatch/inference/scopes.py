"""Runs an inference job that publishes several partitions, such as languages: one inference run each, one report.

If a gate refuses one partition, the others are still published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from shopbatch.core.errors import GateRefused
from shopbatch.inference.config import InferenceConfig
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store

_OUTCOMES = ("refused", "stopped", "failed", "superseded", "incomplete", "published", "nothing to do")  # worst first


@dataclass
class Scopes:
    """One run of a job over all its partitions.

    Attributes:
        specs: The inference job of each partition, by the partition's name.
        config: Settings of the job.
        store: The warehouse.
        report: The report of the whole run; `run` merges the reports of the partitions into it.
        spent: How much of each cap of the budget is used so far, see `run_inference`.
        reports: A report for each partition that was begun.
        refused: For each partition that a gate refused, "NAME: MESSAGE OF THE GATE".
    """

    specs: Mapping[str, Spec]
    config: InferenceConfig
    store: Store
    report: Report
    spent: dict[str, float] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Run one partition after the other, and merge their reports. Raises the errors of `run_inference`.

        A gate that refuses a partition raises no error here; its message is added to `refused`. Partitions with the
        same recipe share their results, and `limit` is the limit of all these partitions together.
        """
        config, recipes = self.config, set[str]()
        try:
            for name, spec in self.specs.items():
                is_new = spec.recipe not in recipes
                recipes.add(spec.recipe)
                self._run(name, spec, config if is_new or config.limit is None else _without_more(config))
        finally:
            self._merge()

    def _run(self, name: str, spec: Spec, config: InferenceConfig) -> None:
        """Run one partition with a report of its own. If a gate refuses it, keep the message and return."""
        whole = self.report
        own_report = Report(job=whole.job, run_id=whole.run_id, env=whole.env, config=whole.config)
        self.reports.append(own_report)
        try:
            run_inference(spec, config, self.store, own_report, self.spent)
        except GateRefused as error:
            own_report.outcome = "refused"
            self.refused.append(f"{name}: {error}")

    def _merge(self) -> None:
        """Merge the partitions' reports into one.

        Counts are added up; stages, gates and metrics get the partition's name as prefix, unless there is only one.
        """
        report, single = self.report, len(self.specs) == 1
        for name in (f.name for f in fields(report.rows)):
            counts = [getattr(r.rows, name) for r in self.reports if getattr(r.rows, name) is not None]
            setattr(report.rows, name, sum(counts) if counts else None)
        for scope, own_report in zip(self.specs, self.reports, strict=False):  # a run that stops has fewer reports
            _add(report, own_report, "" if single else f"{scope}: ")
        report.recipe = _recipes(self.specs)
        report.outcome = min((r.outcome for r in self.reports), key=_OUTCOMES.index)
        report.message = "; ".join(r.message for r in self.reports if r.message)


def _without_more(config: InferenceConfig) -> InferenceConfig:
    return config.model_copy(update={"limit": 0})


def _recipes(specs: Mapping[str, Spec]) -> str:
    """Return the recipe if all partitions have the same one; else "NAME:RECIPE NAME:RECIPE ..."."""
    recipes: Sequence[str] = [spec.recipe for spec in specs.values()]
    if len(set(recipes)) == 1:
        return recipes[0]
    return " ".join(f"{name}:{recipe}" for name, recipe in zip(specs, recipes, strict=True))


def _add(report: Report, own_report: Report, prefix: str) -> None:
    report.stages |= {prefix + n: s for n, s in own_report.stages.items()}
    report.gates += [replace(g, name=prefix + g.name) for g in own_report.gates]
    report.metrics |= {prefix + n: v for n, v in own_report.metrics.items()}
    report.samples += own_report.samples
    report.tables |= own_report.tables
    for reason, rows in own_report.rejects.items():
        report.rejects[reason] = report.rejects.get(reason, 0) + rows
    if own_report.engine is not None and report.engine is not None:
        report.engine.calls += own_report.engine.calls
        report.engine.tokens_in += own_report.engine.tokens_in
        report.engine.tokens_out += own_report.engine.tokens_out
