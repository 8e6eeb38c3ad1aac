"""reviews with a label or stars -> an encoder and its head trained end to end -> model `sentiment`, if it is better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.config import FinetuneEncoderConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: FinetuneEncoderConfig, store: Store, report: Report) -> None:
    """Train encoder and head; publish them if they beat the frozen encoder and the live model on held-out reviews."""
    from shopbatch.capabilities.sentiment.train_encoder import finetune

    finetune(config, store, report)


JOB = Job(
    "finetune_encoder", FinetuneEncoderConfig, run, alone=True, makes=("sentiment-encoder",), next="run score_reviews"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
