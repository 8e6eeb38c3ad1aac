"""support_dialogs (or any texts) -> tokens, packed; a language model trained on N workers -> model, if it is better."""

from shopbatch.capabilities.language_model.train import Config, finetune
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Train, compare with the base and the live model on held-out texts, and publish with the engine's export."""
    finetune(config, store, report)


JOB = Job("finetune_llm", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
