"""The mask linter refuses what would silently spoil a model."""

import dataclasses

import numpy as np
import pytest

from shopbatch.capabilities.language_model.masks import Expected, lint
from shopbatch.core.errors import UserError
from shopbatch.training.packing import Document

WORDS = ["<end>", "<user>", "<bot>", "where", "is", "it", "on", "its", "way", "now"]
END = 0


def decode(ids: list[int]) -> str:  # type: ignore[type-arg]
    return " ".join(WORDS[i] for i in ids)


IDS = np.array([1, 3, 4, 5, 2, 6, 7, 8, 0], np.int32)
GOOD = Document(IDS, np.arange(9) >= 5)
WANTED = Expected("<user> where is it <bot>", "on its way", (9, END))


def test_a_right_mask_is_shown() -> None:
    assert lint([GOOD], [WANTED], decode) == [
        {"not trained": "<user> where is it <bot>", "trained": "on its way <end>"}
    ]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (dataclasses.replace(GOOD, trained=np.zeros(9, bool)), "no token would be trained"),
        (dataclasses.replace(GOOD, trained=np.arange(9) >= 4), "not the answer but other text"),
        (dataclasses.replace(GOOD, trained=np.isin(np.arange(9), [1, 5, 6, 7, 8])), "a token of the prompt"),
        (Document(IDS[:8], np.arange(8) >= 5), "the answer's end would not be trained"),
        (Document(IDS[[0, 1, 2, 3, 4, 5, 6, 8]], np.arange(8) >= 5), "a truncated answer"),
        (dataclasses.replace(GOOD, trained=np.arange(9) >= 6), "a truncated answer"),
        (dataclasses.replace(GOOD, trained=np.ones(9, bool)), "not the answer but other text"),
    ],
    ids=["nothing", "one of the prompt", "apart in the prompt", "no end", "cut in the middle", "begins late", "all"],
)
def test_a_wrong_mask_is_refused_and_the_example_is_named(document: Document, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        lint([GOOD, document], [WANTED, WANTED], decode)
    assert "example 1" in str(refused.value) and "\n" not in str(refused.value)
