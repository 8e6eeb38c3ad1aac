"""The entry point of the job `answer_tickets`: intents of tickets, then facts, then decisions and replies."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from shopbatch.capabilities.support.answers.config import INTENTS, AnswerTicketsConfig, ExtractReply, TemplateReply
from shopbatch.capabilities.support.answers.deciding import Rules
from shopbatch.capabilities.support.answers.generated import Prompts
from shopbatch.capabilities.support.answers.joining import join_facts
from shopbatch.capabilities.support.answers.question_stage import IntentSource, QuestionStage, intent_model
from shopbatch.capabilities.support.answers.report import add_figures
from shopbatch.capabilities.support.answers.stage import AnswerStage
from shopbatch.capabilities.support.answers.unmatched import sentence, unmatched
from shopbatch.capabilities.support.intents import IntentModel
from shopbatch.capabilities.support.thresholds import Thresholds
from shopbatch.core.config import read_text
from shopbatch.core.crash_points import crash_point
from shopbatch.core.errors import UserError
from shopbatch.engines.factory import prepare, prepare_generator
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models import registry
from shopbatch.models.folder import local
from shopbatch.runs.report import EngineUse, Report, Rows
from shopbatch.tables.policies import POLICIES
from shopbatch.tables.ticket_answers import (
    TICKET_ANSWERS,
    TICKET_ANSWERS_REJECTS,
    TICKET_INTENTS,
    TICKET_INTENTS_REJECTS,
    TICKETS_WITH_FACTS,
)
from shopbatch.tables.tickets import TICKETS
from shopbatch.warehouse.publish import Superseded
from shopbatch.warehouse.store import Store

JOB = "answer_tickets"
NO_THRESHOLDS = "no labelled tickets or questions: no threshold is known, so nothing is answered without a person"


def question_spec(config: AnswerTicketsConfig, store: Store, report: Report) -> tuple[Spec, Thresholds]:
    """Return the first inference job, which recognises the tickets' intents, and the thresholds of its model.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which gets the models' digests.

    Raises:
        UserError: There is no model of intents.
        ModelError: The model of intents or its encoder is missing or damaged.
    """
    source, thresholds = _intents(config, store, report)
    stage = QuestionStage(config.engine, source, config.max_bytes)
    spec = Spec(JOB, TICKETS, stage, TICKET_INTENTS, TICKET_INTENTS_REJECTS, step="intents")
    return spec, thresholds


def _intents(config: AnswerTicketsConfig, store: Store, report: Report) -> tuple[IntentSource, Thresholds]:
    """Find the model of intents, its encoder and its thresholds; the fake engine has a model of its own."""
    root, fake = f"{store.root}/_models", config.engine.kind == "fake"
    if fake and config.intents == INTENTS:
        model = IntentModel.fake(dim=getattr(config.engine, "dim", 8))
        return IntentSource("", model.identity, "", "fake", ""), model.thresholds
    try:
        live = registry.resolve(root, config.intents)
    except registry.NoLiveModel as error:
        raise UserError(f"{error}; train one: shopbatch run train_intents") from None
    model = IntentModel.load(Path(local(live.path)))
    report.models["intents"] = live.digest
    if fake:
        return IntentSource(live.path, model.identity, "", "fake", model.prefix), model.thresholds
    encoder = registry.find(root, model.encoder)
    report.models["encoder"] = encoder.digest
    source = IntentSource(live.path, model.identity, encoder.path, encoder.digest, model.prefix)
    return source, model.thresholds


def answer_spec(config: AnswerTicketsConfig, store: Store, report: Report, thresholds: Thresholds) -> Spec:
    """Return the second inference job, which decides on tickets and writes replies.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which gets the models' digests.
        thresholds: Thresholds of the model of intents.

    Raises:
        ModelError: The model of the replies is missing or damaged.
        UserError: A prompt's file is missing.
    """
    path, models, prompts = "", dict[str, str](), Prompts()
    if config.generates:
        texts = {code: read_text(config.prompts.replace("{language}", code)) for code in config.prompt_languages}
        prompts = Prompts(texts)
    if config.loads_reply_model:
        model = registry.resolve(f"{store.root}/_models", config.reply_model)
        path, models = model.path, {"generator": model.digest}
        report.models |= models
    stage = AnswerStage(
        reply=config.reply,
        rules=Rules(
            thresholds,
            config.draft_confidence,
            config.least_confidence,
            config.person_intents,
            config.thread_messages,
            config.most_questions,
            config.send_generated,
        ),
        model=path,
        models=models,
        prompts=prompts,
        sampling=config.sampling,
        call_rows=config.call_rows,
    )
    return Spec(JOB, TICKETS_WITH_FACTS, stage, TICKET_ANSWERS, TICKET_ANSWERS_REJECTS)


def trial_specs(config: AnswerTicketsConfig, store: Store, report: Report) -> list[Spec]:
    """Return one inference job with all steps, with which `shopbatch try` answers a few tickets in its own process.

    Raises what `question_spec` and `answer_spec` raise.
    """
    from shopbatch.capabilities.support.answers.trial import TrialStage

    asking, thresholds = question_spec(config, store, report)
    answering = answer_spec(config, store, report, thresholds)
    if not isinstance(asking.stage, QuestionStage) or not isinstance(answering.stage, AnswerStage):
        raise TypeError("the steps of answer_tickets have stages of their own")
    stage = TrialStage(asking.stage, answering.stage, config, store)
    return [Spec(JOB, TICKETS, stage, TICKET_ANSWERS, TICKET_ANSWERS_REJECTS)]


def answer_tickets(config: AnswerTicketsConfig, store: Store, report: Report) -> None:
    """Recognise the intents of new tickets, join them with facts, and publish decisions and replies.

    Args:
        config: Settings of the job.
        store: The warehouse.
        report: The report of the run, which is filled in.

    Raises:
        UserError: A table or a model is missing.
        GateRefused, Stopped: As `run_inference` raises them.
    """
    report.unit = "tickets"
    asking, thresholds = question_spec(config, store, report)
    answering = answer_spec(config, store, report, thresholds)
    stage = asking.stage
    if isinstance(stage, QuestionStage):
        prepare(stage.engine, stage.source.encoder or None)
    if not isinstance(config.reply, TemplateReply | ExtractReply) and isinstance(answering.stage, AnswerStage):
        prepare_generator(config.reply, answering.stage.model or None)
    spent: dict[str, float] = {}
    first = Report(job=report.job, run_id=report.run_id, env=report.env, config=report.config)
    first.engine = EngineUse(config.engine.kind)
    try:
        run_inference(asking, config, store, first, spent)
    finally:
        _merge(report, first)
    known = find_live(asking, store)
    if known is None or first.outcome == "incomplete":
        return
    crash_point("intents_published")
    try:
        undone = join_facts(config, store, report, known)
    except Superseded as error:
        report.outcome, report.message = "superseded", str(error)
        return
    run_inference(answering, config, store, report, spent)
    report.samples.clear()  # instead, `add_figures` shows replies that name no order
    _add_rows(report, first)
    report.message = "; ".join(filter(None, [undone, first.message, report.message]))
    if first.outcome == "published" and report.outcome == "nothing to do":
        report.outcome = "published"
    measured = Rules(thresholds).measured
    if not measured:
        report.message = "; ".join(filter(None, [report.message, NO_THRESHOLDS]))
    if unknown := unmatched_intents(stage, store):
        report.metrics["intents of policies that the model does not know"] = unknown
        report.message = "; ".join(filter(None, [report.message, sentence(unknown)]))
    with report.stage("figures"):
        add_figures(store, report, measured)


def unmatched_intents(stage: object, store: Store) -> dict[str, list[str]]:
    """Return the intents that policies name but the model does not know, each with similar intents that it knows.

    Args:
        stage: The first stage of the job, which loads the model; for any other stage the result is {}.
        store: The warehouse with the policies; without policies the result is {}.
    """
    policies = store.find(POLICIES.name)
    if policies is None or not isinstance(stage, QuestionStage):
        return {}
    source = stage.source
    known = intent_model(source.model, source.identity, IntentModel.fake().dim).intents
    named = (name for names in policies.read(["intents"])["intents"].to_pylist() for name in names or ())
    return unmatched(named, known)


def _merge(report: Report, first: Report) -> None:
    """Enter the results of the first step (intents) into the report."""
    report.stages |= {f"intents: {name}": stage for name, stage in first.stages.items()}
    report.tables |= first.tables
    report.gates += first.gates
    report.rejects = dict(first.rejects)
    report.rows, report.outcome, report.message = replace(first.rows), first.outcome, first.message
    report.recipe, report.engine = first.recipe, first.engine
    report.metrics["intents"] = {"rows": asdict(first.rows), **first.metrics}


def _add_rows(report: Report, first: Report) -> None:
    """Add the first step's counts to the report, so that it counts all tickets, including rejected ones."""
    last, known = report.rows, first.rows
    report.rows = Rows(
        read=known.read,
        distinct=last.distinct,
        reused=last.reused,
        computed=last.computed,
        rejected=(known.rejected or 0) + (last.rejected or 0),
        pending=(known.pending or 0) + (last.pending or 0),
        published=last.published,
        kept=last.kept,
    )
    for reason, rows in first.rejects.items():
        report.rejects[reason] = report.rejects.get(reason, 0) + rows
    report.gates = [*first.gates, *report.gates]
    if report.engine is not None and first.engine is not None:
        report.metrics["intents"]["engine"] = asdict(first.engine)
