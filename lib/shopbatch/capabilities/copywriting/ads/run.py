"""Products, offers and names of segments -> ads: what the job write_ads does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from shopbatch.capabilities.copywriting.ads.ad import Frame
from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.capabilities.copywriting.ads.joining import join_facts
from shopbatch.capabilities.copywriting.ads.prompt import AdPrompt
from shopbatch.capabilities.copywriting.ads.report import add_figures
from shopbatch.capabilities.copywriting.ads.rules import Judge
from shopbatch.capabilities.copywriting.ads.stage import AdStage
from shopbatch.capabilities.copywriting.config import PlanConfig
from shopbatch.core.config import read_text
from shopbatch.core.errors import GateRefused
from shopbatch.engines.factory import prepare_generator
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.ads import ADS, ADS_REJECTS, ADS_WITH_FACTS
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.publish import Superseded
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

JOB = "write_ads"
_GATE = "texts that a segment would get twice"


class _Twice:
    """A gate: two ads of a segment have no text in common. It keeps the names of the ads that repeat another one's."""

    def __init__(self) -> None:
        self.ads: frozenset[str] = frozenset()

    def __call__(self, uris: Sequence[str], live: Snapshot | None) -> Sequence[Gate]:
        """Judge a candidate."""
        schema = ADS.file_schema()
        wanted = schema.remove_metadata()
        tables = [files.read(uri, wanted) for uri in uris]
        rows = pl.concat([pl.DataFrame(t.select(["ad_id", "segment", "variants", "writer"])) for t in tables])
        texts = rows.explode("variants").with_columns(text=pl.col("variants").struct.field("text").str.to_lowercase())
        # a planned text goes first: it is a generated one that gives way
        texts = texts.sort(pl.col("writer") != "plan", "ad_id")
        again = texts.filter(~pl.struct("segment", "text").is_first_distinct())
        self.ads = frozenset(again["ad_id"].to_list())
        passed = not self.ads
        detail = "" if passed else "shopbatch show ads_rejects; another wording needs another name of the product"
        return [Gate(_GATE, float(again.height), 0.0, passed, detail)]


def ad_spec(config: WriteAdsConfig, store: Store, report: Report) -> Spec:
    """The inference job that writes ads.

    Raises:
        ModelError: The model is missing or damaged.
        UserError: A prompt's file is missing.
    """
    planned = isinstance(config.engine, PlanConfig)
    texts = {} if planned else {x: read_text(config.prompts.replace("{language}", x)) for x in config.languages}
    path, models = "", dict[str, str]()
    if config.loads_model:
        model = registry.base(f"{store.root}/_models", config.model)
        path, models = model.path, {"writer": model.digest}
    report.models.update(models)
    frame = Frame(config.shop, config.opt_out)
    stage = AdStage(
        engine=config.engine,
        judge_of=Judge(config.variants, frame, config.allowed, texts),
        prompt=AdPrompt(texts, config.variants, frame),
        sampling=(config.sampling, config.retry_temperature),
        guided=config.guided,
        model=path,
        models=models,
        call_rows=config.call_rows,
        repair=config.repair,
        plan_from=config.attempts if config.fallback else 0,
    )
    return Spec(JOB, ADS_WITH_FACTS, stage, ADS, ADS_REJECTS)


def ad_specs(config: WriteAdsConfig, store: Store, report: Report) -> list[Spec]:
    """The inference jobs that write_ads is made of: one."""
    return [ad_spec(config, store, report)]


def write_ads(config: WriteAdsConfig, store: Store, report: Report) -> None:
    """Write the ads of new and changed products and offers, and publish them.

    Raises:
        UserError: A table, a model or a prompt is missing.
        GateRefused, Stopped: As `run_inference`.
    """
    report.unit = "ads"
    report.engine = EngineUse(config.engine.kind)
    if isinstance(config.engine, PlanConfig):
        config = config.model_copy(update={"attempts": 1})  # another attempt would give the same texts
    spec = ad_spec(config, store, report)
    stage = spec.stage
    if isinstance(stage, AdStage) and not isinstance(config.engine, PlanConfig):
        prepare_generator(config.engine, stage.model or None)
    try:
        undone = join_facts(config, store, report)
    except Superseded as error:
        report.outcome, report.message = "superseded", str(error)
        return
    _infer(spec, config, store, report)
    report.message = "; ".join(filter(None, [undone, report.message]))
    live = find_live(spec, store)
    if live is not None:
        with report.stage("figures"):
            add_figures(config, store, report, live)


def _infer(spec: Spec, config: WriteAdsConfig, store: Store, report: Report) -> None:
    """Compute and publish. Texts of a generator that come twice give way to planned ones, which never do."""
    twice, spent = _Twice(), dict[str, float]()
    try:
        run_inference(replace(spec, gates=twice), config, store, report, spent)
    except GateRefused:
        stage = spec.stage
        alone = Counter(gate.name for gate in report.gates if not gate.passed)
        if not isinstance(stage, AdStage) or isinstance(config.engine, PlanConfig) or set(alone) != {_GATE}:
            raise
        report.metrics["repeated"] = {"ads": len(twice.ads)}
        report.gates.clear()
        again = replace(stage, planned=twice.ads)
        run_inference(replace(spec, stage=again, gates=_Twice()), config, store, report, spent)
