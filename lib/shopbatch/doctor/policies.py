"""Finds intents that the policies name but the model of intents does not know, so that no ticket ever matches them."""

from __future__ import annotations

from pathlib import Path

from shopbatch.core.config import JobConfig
from shopbatch.doctor.findings import Finding, warning

TABLE, MODEL = "policies", "intents"


def judge_policies(root: str, settings: JobConfig) -> list[Finding]:
    """Return a warning finding if the policies name intents that the job's intent model cannot predict.

    The list has at most one finding. It is empty if the job reads no policies, or if the table or the model is missing.

    Args:
        root: The warehouse's folder or URI.
        settings: Configuration of the job, which names the model and the tables.
    """
    reference = settings.required_models().get(MODEL)
    if reference is None or TABLE not in settings.required_tables():
        return []
    from shopbatch.capabilities.support.answers.unmatched import sentence, unmatched
    from shopbatch.capabilities.support.intents import IntentModel
    from shopbatch.models.folder import ModelError, local
    from shopbatch.models.registry import resolve
    from shopbatch.warehouse.store import Store

    policies = Store(root).find(TABLE)
    try:
        known = IntentModel.load(Path(local(resolve(f"{root}/_models", reference).path))).intents
    except ModelError:  # another check reports that the model is missing
        return []
    if policies is None:
        return []
    named = [name for names in policies.read([MODEL])[MODEL].to_pylist() for name in names or ()]
    missed = unmatched(named, known)
    why = "their tickets are handed over as no_policy"
    do = "rename them in the policies, or train the model on examples of them: shopbatch run train_intents"
    return [warning(TABLE, sentence(missed), why, do)] if missed else []
