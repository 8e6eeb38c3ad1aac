"""support_dialogs, intent_examples, labelled tickets -> a calibrated classifier of intents -> model `intents`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.support.config_intents import TrainIntentsConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TrainIntentsConfig, store: Store, report: Report) -> None:
    """Train, evaluate and publish the intent model; skip if the live one was made from the same data and settings."""
    from shopbatch.capabilities.support.train.run import train_intents

    train_intents(config, store, report)


JOB = Job("train_intents", TrainIntentsConfig, run, alone=True, makes=("intents",), next="models")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
