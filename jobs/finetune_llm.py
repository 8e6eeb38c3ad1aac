"""support_dialogs or any texts -> blocks of tokens -> language model trained on N workers -> a model, if better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.language_model.config import FinetuneLlmConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: FinetuneLlmConfig, store: Store, report: Report) -> None:
    """Train a language model, and publish it if it beats the base model and the live model on held-out texts.

    It is published together with its export for OpenVINO.
    """
    from shopbatch.capabilities.language_model.train import finetune

    finetune(config, store, report)


JOB = Job("finetune_llm", FinetuneLlmConfig, run, alone=True, makes=("product-copy", "support-replies"), next="models")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
