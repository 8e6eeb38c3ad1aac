"""Reads the words of the sample's orders and tickets (data/ticket_phrases.yaml), and its examples of intents.

The examples are in data/intent_examples_en.yaml and data/intent_examples_zh.yaml.
"""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

from shopbatch.sample.dialog_words import LANGUAGES
from shopbatch.tables.tickets import INTENT_EXAMPLES
from shopbatch.text.word_files import WordFile, read_words

EXAMPLES_NOTE = "written one by one by AI assistants, apart from the templates of dialogs; nobody asked them"

_ByLanguage = dict[str, tuple[str, ...]]


class TicketPhrases(WordFile):
    """The content of ticket_phrases.yaml: what tickets contain besides the dialogs' questions.

    The file explains the fields.
    """

    orders: tuple[str, ...]
    also: _ByLanguage
    subjects: _ByLanguage
    contacts: _ByLanguage
    follow_ups: _ByLanguage
    person: _ByLanguage
    out_of_scope: _ByLanguage
    urgent: dict[str, _ByLanguage]
    injections: _ByLanguage
    others: _ByLanguage
    carriers: _ByLanguage
    channels: tuple[str, ...]


class _Examples(WordFile):
    questions: dict[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def ticket_phrases() -> TicketPhrases:
    """Return the content of ticket_phrases.yaml, read once per process."""
    return read_words(TicketPhrases, "shopbatch.sample", "data/ticket_phrases.yaml")


@lru_cache(maxsize=1)
def intent_examples() -> pa.Table:
    """Return questions written by hand with their intents, as rows of `intent_examples`."""
    listed = {
        language: read_words(_Examples, "shopbatch.sample", f"data/intent_examples_{language}.yaml").questions
        for language in LANGUAGES
    }
    rows = [
        (f"e-{language}-{intent}-{number}", text, intent, language)
        for language, intents in listed.items()
        for intent, texts in intents.items()
        for number, text in enumerate(texts, 1)
    ]
    columns = zip(("example_id", "text", "intent", "language"), zip(*rows, strict=True), strict=True)
    constants = {"origin": pa.repeat("person", len(rows)), "source": pa.repeat("sample", len(rows))}
    return INTENT_EXAMPLES.fill(len(rows), **{name: pa.array(column) for name, column in columns}, **constants)
