"""Finds intents that policies name and the model of intents does not know: no ticket meets such a policy."""

from __future__ import annotations

from pathlib import Path

from shopbatch.core.config import JobConfig
from shopbatch.doctor.findings import Finding, warning

TABLE, MODEL = "policies", "intents"


def judge_policies(root: str, settings: JobConfig) -> list[Finding]:
    """Compare the intents of the policies with those of the model that a job uses.

    Args:
        root: The warehouse.
        settings: The job's. Of a job that reads no policies, or without a table or a model, there is nothing to say.
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
    except ModelError:  # a finding of its own says so
        return []
    if policies is None:
        return []
    named = [name for names in policies.read([MODEL])[MODEL].to_pylist() for name in names or ()]
    missed = unmatched(named, known)
    why = "their tickets are handed over as no_policy"
    do = "rename them in the policies, or train the model on examples of them: shopbatch run train_intents"
    return [warning(TABLE, sentence(missed), why, do)] if missed else []
