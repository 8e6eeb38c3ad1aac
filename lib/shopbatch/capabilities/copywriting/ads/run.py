"""Runs the job write_ads: joins products, offers and segment names, then writes and publishes the ads."""

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
    """A gate that refuses tables in which a segment would get the same text in two ads.

    Attributes:
        ads: The ad_id of each ad that repeats a text of another ad; set when the gate is called.
    """

    def __init__(self) -> None:
        self.ads: frozenset[str] = frozenset()

    def __call__(self, uris: Sequence[str], live: Snapshot | None) -> Sequence[Gate]:
        """Judge a candidate table before it is published.

        Args:
            uris: Its data files.
            live: The live table; not used.

        Returns:
            One gate, whose value is the number of repeated texts and whose limit is 0.
        """
        schema = ADS.file_schema()
        wanted = schema.remove_metadata()
        tables = [files.read(uri, wanted) for uri in uris]
        rows = pl.concat([pl.DataFrame(t.select(["ad_id", "segment", "variants", "writer"])) for t in tables])
        texts = rows.explode("variants").with_columns(text=pl.col("variants").struct.field("text").str.to_lowercase())
        # planned texts first, so that of two equal texts the generated one counts as the repetition
        texts = texts.sort(pl.col("writer") != "plan", "ad_id")
        again = texts.filter(~pl.struct("segment", "text").is_first_distinct())
        self.ads = frozenset(again["ad_id"].to_list())
        passed = not self.ads
        detail = "" if passed else "shopbatch show ads_rejects; another wording needs another name of the product"
        return [Gate(_GATE, float(again.height), 0.0, passed, detail)]


def ad_spec(config: WriteAdsConfig, store: Store, report: Report) -> Spec:
    """Build the inference job that writes ads, and record its model in the report.

    Args:
        config: Settings of write_ads.
        store: The warehouse, which has the model.
        report: The run's report.

    Raises:
        ModelError: The model is missing or damaged.
        UserError: A prompt file is missing.
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
    """Return the only inference job of write_ads, which writes all languages, as a list.

    Args:
        config: Settings of write_ads.
        store: The warehouse.
        report: The run's report.
    """
    return [ad_spec(config, store, report)]


def write_ads(config: WriteAdsConfig, store: Store, report: Report) -> None:
    """Write ads for new and changed products and offers, and publish them; the entry point of the job.

    If another run updates the joined tables at the same time, the report's outcome is "superseded" and no ad is
    written.

    Args:
        config: Settings of write_ads.
        store: The warehouse.
        report: The run's report, which is filled in.

    Raises:
        UserError: A table or a prompt file is missing.
        ModelError: The model is missing or damaged.
        GateRefused, Stopped: As `inference.run.run_inference`.
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
    """Compute and publish the ads; if generated texts repeat each other, publish planned ones in their place.

    The gate `_Twice` finds the repetitions and refuses the first run. The second run takes generated texts from the
    memo and passes, because planned ads never repeat a text.
    """
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
