"""reviews, an encoder -> smaller vocabulary, 8 bits, new head -> models `compressed-encoder`, `sentiment`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.compress.config import CompressEncoderConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: CompressEncoderConfig, store: Store, report: Report) -> None:
    """Compress an encoder, and register it with a new head if accuracy holds; skip if nothing has changed."""
    from shopbatch.capabilities.sentiment.compress.run import compress

    compress(config, store, report)


JOB = Job(
    "compress_encoder", CompressEncoderConfig, run, alone=True, makes=("compressed-encoder",), next="run score_reviews"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
