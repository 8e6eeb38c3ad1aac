"""The sample's policies: they state the invented shop's numbers and no others, for every intent, with conditions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shopbatch.sample import dialog_words
from shopbatch.sample.shop_policies import FOLDER, policies

CONDITIONS = {
    "en": re.compile(r"\b(if|unless|only|except|but|must)\b", re.I),
    "zh": re.compile("如果|除非|只|除.*外|但|必须|才|要是"),
}


def sections(language: str) -> list[dict[str, Any]]:
    return [row for row in policies().to_pylist() if row["language"] == language]


@pytest.mark.parametrize("language", dialog_words.LANGUAGES)
def test_they_state_the_numbers_of_the_shop_and_no_others(language: str) -> None:
    known, stated = dialog_words.policies(language), set()
    for row in sections(language):
        for value in row["values"]:
            assert re.findall(r"\d+(?:\.\d+)?", value["text"]) == [known[value["role"]]], value
            stated.add(value["role"])
        left = list(row["text"])
        for value in row["values"]:
            left[value["start"] : value["end"]] = "_" * (value["end"] - value["start"])
        assert not re.search(r"\d", "".join(left)), f"{row['title']}: a number without a role"
    assert stated == known.keys()


@pytest.mark.parametrize("language", dialog_words.LANGUAGES)
def test_each_intent_has_a_section_with_values(language: str) -> None:
    answered = [intent for row in sections(language) if row["values"] for intent in row["intents"]]
    assert sorted(answered) == sorted(dialog_words.intents(language)) and len(answered) == 35
    conditional = [row for row in sections(language) if CONDITIONS[language].search(row["text"])]
    assert len(conditional) >= 20


def test_both_languages_promise_the_same_kinds_of_thing() -> None:
    roles = [
        {tuple(row["intents"]): {value["role"] for value in row["values"]} for row in sections(language)}
        for language in dialog_words.LANGUAGES
    ]
    assert roles[0] == roles[1]


def test_places_are_those_of_the_files() -> None:
    for row in policies().to_pylist():
        text = (FOLDER / row["source_file"]).read_bytes().decode()
        assert text[row["start"] : row["end"]] == row["text"]
