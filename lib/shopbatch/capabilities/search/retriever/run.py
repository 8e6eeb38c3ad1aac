"""Runs the job `finetune_retriever`: trains the search encoder, and publishes it if the search is better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from shopbatch.capabilities.search.config import EmbedProductsConfig
from shopbatch.capabilities.search.encoder import SearchEncoder, encoder_of, encoder_with
from shopbatch.capabilities.search.index import SearchIndex
from shopbatch.capabilities.search.index_files import lease
from shopbatch.capabilities.search.live import LiveIndex, live_index
from shopbatch.capabilities.search.quality.queries import JudgedQuery, read_judgements
from shopbatch.capabilities.search.quality.to_judge import FILE
from shopbatch.capabilities.search.retriever.config import FinetuneRetrieverConfig
from shopbatch.capabilities.search.retriever.documents import Encode
from shopbatch.capabilities.search.retriever.judge import (
    CANDIDATE,
    Judgement,
    Searches,
    candidate_index,
    contents_of,
    judged,
    useful,
)
from shopbatch.capabilities.search.retriever.pairs import (
    Examples,
    Groups,
    clicked_queries,
    digest_of_products,
    judged_by_clicks,
    numbered,
)
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.engines.factory import prepare as prepare_engine
from shopbatch.inference.config import InferenceConfig
from shopbatch.models import erasure, registry
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.registry import Model
from shopbatch.runs.report import EngineUse, Report, run_folder
from shopbatch.tables import TABLES
from shopbatch.tables.events import EVENTS
from shopbatch.tables.product_embeddings import PRODUCT_EMBEDDINGS
from shopbatch.tables.products import PRODUCTS
from shopbatch.tables.search_judgements import SEARCH_JUDGEMENTS
from shopbatch.training import blocks, runs
from shopbatch.training.blocks import Pack
from shopbatch.training.config import identity
from shopbatch.training.encoder_files import trained_objective, write_encoder
from shopbatch.training.plans import ContrastPlan
from shopbatch.training.worker import Run
from shopbatch.training.workers import check_devices
from shopbatch.warehouse import files
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

VERSION = 1  # of examples, training and judging; after a change the next run trains again
NAME = "search-encoder"
_JUDGED = ("query", "product_id", "grade")
_VAL = 1000  # validation queries (one product each) that choose the best weights; few, to be quick


def finetune_retriever(config: FinetuneRetrieverConfig, store: Store, report: Report) -> None:
    """Run the job: train the encoder, judge the search with it, and publish it if the search is better.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.

    Raises:
        UserError: There is no index, or there are too few judgements to train on.
        GateRefused: The search with the trained encoder is not better, or there are too few judgements to tell.
        Stopped: As in `workers.train`.
    """
    check_devices(config.workers, config.platform)
    shop = Shop.of(config, store)
    report.unit = "queries"
    report.tables |= {name: {"read": version} for name, version in shop.versions.items()}
    report.models = {"base": shop.base.digest}
    if runs.already_live(shop.models, NAME, shop.origin(config), report):
        return
    with lease(store.root, report.run_id, shop.live.manifest.key):
        Retriever(config, store, report, shop).run()


@dataclass(frozen=True)
class Shop:
    """The tables, models and index that a run reads, with pinned versions.

    Attributes:
        models: The root folder of the registry.
        live: The published index.
        products: The snapshot of `products`.
        embeddings: The snapshot of `product_embeddings`.
        judgements: The snapshot of the judgements.
        events: The snapshot of `events`; None if clicks are not used, or there are no events.
        clicks: The snapshot of `search_judgements`; None if it is not trained on.
        base: The encoder to start from.
        contents: The content hash of each product of the index, [products].
        index: The published index, opened without its lists of vectors (IVF), so that every search is exact.
    """

    models: str
    live: LiveIndex
    products: Snapshot
    embeddings: Snapshot
    judgements: Snapshot
    events: Snapshot | None
    clicks: Snapshot | None
    base: Model
    contents: list[str]
    index: SearchIndex

    @classmethod
    def of(cls, config: FinetuneRetrieverConfig, store: Store) -> Shop:
        """Find and pin everything that a run reads.

        Args:
            config: Settings of the job.
            store: The warehouse.

        Raises:
            UserError: There is no index, it was not made from the present products, or its vectors are of the fake
                engine.
        """
        live = live_index(store)
        if not live.manifest.encoder.reference:
            raise UserError("the search index is of the fake engine, whose vectors nothing can be trained to")
        judgements = store.require(TABLES[config.judgements], _JUDGED, optional=("language", "source"))
        embeddings, products = store.snapshot(PRODUCT_EMBEDDINGS.name), store.snapshot(PRODUCTS.name)
        if embeddings.metadata.get("source", {}).get("version") != products.version:
            raise UserError(
                f"products has version {products.version} and the search index is of an older one, so that not all of "
                "its vectors could be computed: make the index again with `shopbatch run embed_products`"
            )
        models = f"{store.root}/_models"
        events = store.find(EVENTS.name) if config.pairs.clicks else None
        clicks = store.require(SEARCH_JUDGEMENTS, _JUDGED) if config.pairs.judged_clicks else None
        contents = contents_of(embeddings.read(["product_id", "content_hash"]))
        base = registry.base(models, config.base)
        index = live.open()
        index = replace(index, dense=replace(index.dense, lists=None))  # encoders are compared by exact search
        return cls(models, live, products, embeddings, judgements, events, clicks, base, contents, index)

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the tables that are read, by name."""
        read = (self.judgements, self.products, self.embeddings, self.events, self.clicks)
        return {snapshot.name: snapshot.version for snapshot in read if snapshot is not None}

    def origin(self, config: FinetuneRetrieverConfig) -> str:
        """Return a digest of everything that the trained encoder depends on.

        The live encoder is not part of it, because the trained one is only compared with it.

        Args:
            config: Settings of the job.
        """
        manifest = self.live.manifest
        return digest(
            {
                "version": VERSION,
                "base": self.base.digest,
                "engine": dict(manifest.encoder.engine),
                "config": [*identity(config.pairs, config.encoder, config.loop), list(config.sources)],
                "judgements": [self.judgements.table_id, self.judgements.version],
                "events": _named(self.events),
                "clicks": _named(self.clicks),
                "products": digest_of_products(self.index, self.contents),
                "lexical": manifest.lexical.model_dump(mode="json"),
            }
        )


def _named(snapshot: Snapshot | None) -> list[str | int] | None:
    return None if snapshot is None else [snapshot.table_id, snapshot.version]


@dataclass
class Retriever:
    """One run of the job.

    Attributes:
        config: Settings of the job.
        store: The warehouse.
        report: The run's report; it is filled in.
        shop: The data that the run reads.
    """

    config: FinetuneRetrieverConfig
    store: Store
    report: Report
    shop: Shop

    def run(self) -> None:
        """Train, judge and publish; raises what `finetune_retriever` raises."""
        config, report, shop = self.config, self.report, self.shop
        engine = encoder_of(shop.live.manifest.encoder, self.store.root).engine
        report.engine = EngineUse(engine.kind)
        encoder = self._encoder(shop.base, engine)
        groups = self.groups()
        examples = Examples(shop.index, config.pairs, config.loop.seed)
        with report.stage("examples") as stage:
            plan, pack = self._data(examples, groups, encoder)
            stage.rows = pack.documents()
        run = self._run(plan, pack)
        with report.stage("train") as stage:
            state = runs.train(run, report, self.store, config.platform.watchdog_seconds)
            stage.rows = int(state["tokens"])
        with report.stage("export"):
            candidate = self._export(run, int(state["best_step"]))
        report.models["candidate"] = candidate.digest
        judgement = self._judge(groups, self._encoder(candidate, engine))
        report.gates += judgement.gates
        if judgement.sheet[1] and judgement.word == "cannot tell":
            files.write_bytes(f"{run_folder(self.store.root, report.job, report.run_id)}/{FILE}", judgement.sheet[0])
            report.links = {"Products to judge, as a CSV file": FILE}
        can_tell = judgement.word != "cannot tell"
        runs.refuse(shop.models, candidate, [g for g in judgement.gates if can_tell or g.name.startswith("judged")])
        self._publish(candidate, groups)
        runs.delete_checkpoints(run)

    def groups(self) -> Groups:
        """Read the judged queries and split them by their use.

        Raises:
            UserError: There are too few pairs of a query and a useful product to train on, or no judged query with
                which to choose the best checkpoint.
        """
        config, index = self.config, self.shop.index
        with self.report.stage("judgements") as stage:
            rows = self.shop.judgements.read(["query", "product_id", "grade", "language", "source"])
            queries, counts = read_judgements(rows, index, config.sources)
            events = self.shop.events
            clicked = clicked_queries(events, index, config.pairs.least_visits) if events is not None else []
            clicked += judged_by_clicks(self.shop.clicks, index) if self.shop.clicks is not None else []
            groups = Groups.of(queries, clicked)
            stage.rows = len(queries)
        trained = self._trained(groups)
        pairs = sum(int((query.judged.gains >= config.pairs.grade).sum()) for query in trained)
        self.report.metrics["judgements"] = counts | {
            "queries trained on": len(trained),
            "queries that choose": useful(groups.val),
            "queries of the test half": useful(groups.test),
            "queries from clicks": len(clicked),
            "queries left out, like one that judges": groups.alike,
            "pairs to train on": pairs,
        }
        if pairs < config.least_pairs or not useful(groups.val):
            raise UserError(
                f"{pairs:,} pairs of a query and a useful product can be trained on, fewer than least_pairs="
                f"{config.least_pairs}, or no judged query is left to choose: load more judgements"
            )
        return groups

    def _trained(self, groups: Groups) -> list[JudgedQuery]:
        """Return the queries that have at least one training example."""
        return [query for query in groups.train if (query.judged.gains >= self.config.pairs.grade).any()]

    def _encoder(self, model: Model, engine: Any) -> SearchEncoder:
        """Make a search encoder of a model, as `embed_products` would if it were configured with the model."""
        asked = EmbedProductsConfig(engine=engine, encoder=model.reference)
        return encoder_with(asked, model)

    def _data(self, examples: Examples, groups: Groups, encoder: SearchEncoder) -> tuple[ContrastPlan, Pack]:
        """Return the training plan and the packed blocks of examples; existing blocks are reused.

        Raises:
            UserError: `loop.block_tokens` is too small for the longest example.
        """
        config, base = self.config, self.shop.base
        longest = int(getattr(encoder.engine, "max_tokens", 128))
        encode = Encode(base.path, encoder.used.query_prefix, encoder.passage_prefix, longest)
        if config.loop.block_tokens < encode.longest(config.pairs.hard):
            raise UserError(
                f"loop.block_tokens={config.loop.block_tokens} is less than the {encode.longest(config.pairs.hard)} "
                f"tokens that an example with pairs.hard={config.pairs.hard} can have: set a greater one"
            )
        queries = [*groups.train, *groups.val]
        numbers = numbered(queries)
        parts = {"train": examples.table(numbers, groups.train), "val": examples.table(numbers, groups.val[:_VAL], 1)}
        about = {"version": VERSION, "base": base.digest, "query": encode.query, "passage": encode.passage}
        about["max_tokens"] = longest
        pack = blocks.prepare(self.store, parts, about, encode, config.loop.block_tokens, config.loop.seed)
        options = config.encoder.model_dump(exclude={"mix"})
        spec = EncoderSpec.load(local(base.path))
        plan = ContrastPlan(base.path, spec, examples.useful(numbers, queries), len(examples.texts), **options)
        return plan, pack

    def _run(self, plan: ContrastPlan, pack: Pack) -> Run:
        config = self.config
        key = digest(
            {
                "version": VERSION,
                "base": self.shop.base.digest,
                "pack": pack.name,
                "useful": plan.useful.tobytes().hex(),
                "config": identity(config.encoder, config.loop),
            }
        )
        return Run(
            plan, pack, config.loop, config.workers, f"{self.store.root}/_training/finetune_retriever/{key}", key
        )

    def _export(self, run: Run, best_step: int) -> Model:
        """Write the trained encoder into the registry, as a candidate that is not live.

        Args:
            run: The training run.
            best_step: The step of the best checkpoint.
        """
        base = self.shop.base
        spec = EncoderSpec.load(local(base.path))
        objective = trained_objective(run, best_step, self.config.encoder.mix)

        def build(folder: Path) -> None:
            write_encoder(folder, objective, base.path, spec)

        about = {"base": base.reference, "licence": base.manifest.get("licence", "unknown"), "candidate": True}
        return registry.publish(self.shop.models, NAME, build, live=False, **about)

    def _judge(self, groups: Groups, encoder: SearchEncoder) -> Judgement:
        config, shop, report = self.config, self.shop, self.report
        prepare_engine(encoder.engine, encoder.path)
        workers = InferenceConfig(platform=config.platform, workers=config.embedders, wait=config.wait)
        with report.stage("products") as stage:
            index = candidate_index(shop.index, shop.contents, encoder, self.store, report, workers)
            stage.rows = len(shop.contents)
        with report.stage("judge") as stage:
            rival = encoder_of(shop.live.manifest.encoder, self.store.root)
            prepare_engine(rival.engine, rival.path)
            live = Searches.of(shop.index, rival, groups, config)
            trained = live.with_encoder(index, encoder)
            stage.rows = len(live.test.queries)
            return judged(config, shop.live.manifest, live, trained, report)

    def _publish(self, candidate: Model, groups: Groups) -> None:
        """Make the candidate the live encoder of the registry.

        The model records what it was trained on, for erasure requests and for `evaluate_search`.
        """
        report, shop = self.report, self.shop
        texts = pa.array([query.text for query in self._trained(groups)], pa.string())
        about = {
            "trained_on": shop.judgements.name,
            "metrics": {"search": {"ndcg@10": report.metrics["search"]["methods"][CANDIDATE]["ndcg_10"]}},
            "origin": shop.origin(self.config),
            "base": shop.base.reference,
            **erasure.record(self.store, erasure.text_names(texts)),
            "config": report.config,
            "tables": shop.versions,
            "licence": f"derived from {shop.base.name} ({shop.base.manifest.get('licence', 'unknown licence')})",
        }
        model = registry.describe(shop.models, candidate, **about)
        registry.point(shop.models, model)
        report.models[NAME] = model.digest
        report.outcome = "published"
