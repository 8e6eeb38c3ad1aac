"""Models are compared on the documents that fit into a block of both, however few these are."""

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.capabilities.language_model.config import FinetuneLlmConfig
from shopbatch.capabilities.language_model.evaluate import Losses
from shopbatch.capabilities.language_model.judge import CANDIDATE, Judged, gates, quality
from shopbatch.core.errors import UserError

TEST = pa.table({"group": ["en", "en", "zh", "zh"]})


def judged(*rows: int) -> Judged:
    return Judged(Losses(np.full(len(rows), 8.0), np.full(len(rows), 4), np.array(rows)), None)


def test_a_language_of_which_no_document_fits_has_no_figures() -> None:
    numbers = quality({CANDIDATE: judged(0, 1, 2), "base": judged(0, 1)}, TEST, seed=1)
    assert set(numbers[CANDIDATE]) == {"all", "en", "zh", "fall against base"} and set(numbers["base"]) == {"all", "en"}
    assert numbers["base"]["all"] == {"documents": 2, "loss": 2.0, "perplexity": 7.3891}


def test_models_without_a_common_document_are_refused_in_one_line(config: FinetuneLlmConfig) -> None:
    with pytest.raises(UserError, match=r"no test document fits .*loop\.block_tokens"):
        gates(config, {CANDIDATE: judged(2, 3), "base": judged(0, 1)}, TEST, "base")
    assert "fall against base" not in quality({CANDIDATE: judged(2, 3), "base": judged(0, 1)}, TEST, seed=1)[CANDIDATE]


@pytest.fixture
def config() -> FinetuneLlmConfig:
    source = {"table": "support_dialogs", "prompt": "question", "answer": "reply"}
    return FinetuneLlmConfig.model_validate({"name": "n", "source": source, "base": "b"})
