"""Declares the tables of the jobs `translate_products` and `translate_replies`.

- `product_texts`, `reply_texts`: each text with the brands and glossary terms that a translation must respect
- `product_translations`, `reply_translations`: the translations
- `product_translations_rejects`, `reply_translations_rejects`: texts that no translation engine could process
"""

from dataclasses import replace

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import TEXT_LIST, Column, Nobody, Person, Table, View

TEXT_KINDS = ("title", "description", "headline", "copy", "bullet", "meta", "ad_title", "ad_text", "reply")
STATUSES = ("translated", "same", "source")
WRITERS = ("masked", "whole", "none")
_LANGUAGE = Column("source_language", pa.string(), "ISO 639-1 code of the text; null: not recognised.")
_TARGET = Column("target_language", pa.string(), "ISO 639-1 code of the translation.", nullable=False)
_KIND = Column("kind", pa.string(), "What the text is.", nullable=False, one_of=TEXT_KINDS)
_RUN = Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True)
_BRANDS = Column("brands", TEXT_LIST, "Names that a translation keeps; null if none are known.")
_GLOSSARY = Column(
    "glossary",
    pa.string(),
    "JSON: by language of the translation, the terms of the glossary that the text holds, each with [translation, "
    "forbidden]; null: none.",
)
_MEANING_OF_STATUS = (
    "translated: `translation` passed all checks; same: the text stands as it is, because it is in that language "
    "already or holds nothing to translate; source: no translation passed, so the text has to be shown as it is."
)
_SAID = (
    Column("translation", pa.string(), "The translation; null where `status` is source.", free_text=True),
    Column("status", pa.string(), _MEANING_OF_STATUS, nullable=False, one_of=STATUSES),
    Column(
        "faults",
        TEXT_LIST,
        "Why no translation passed: number, negation, missing, ...; empty if one did.",
        nullable=False,
    ),
    Column(
        "likeness", pa.float32(), "Cosine of the vectors of text and translation, -1 to 1; null without an encoder."
    ),
    Column(
        "writer",
        pa.string(),
        "masked: the engine saw marks for what stays as it is; whole: it saw the whole text; none: no engine.",
        nullable=False,
        one_of=WRITERS,
    ),
    Column("tokens_out", pa.int32(), "Tokens of the translation."),
    *provenance(
        "the text, its language, brands and terms", "the text of the engine", "it was translated", "translated it"
    ),
)


def _text(about: str) -> Column:
    return Column("text", pa.string(), about, nullable=False, free_text=True)


_NOBODY = Nobody("Texts describe goods.")
PRODUCT_TEXTS = Table(
    name="product_texts",
    meaning="One row per text of a product, of its copy or of an ad, with what a translation must keep. Written by "
    "translate_products.",
    key=("text_id",),
    person=_NOBODY,
    columns=(
        Column("text_id", pa.string(), "Kind, name and place of the text, joined by colons.", nullable=False),
        Column("item_id", pa.string(), "The product (products.product_id), or the ad (ads.ad_id).", nullable=False),
        _KIND,
        _LANGUAGE,
        _text("The text as its table holds it."),
        _BRANDS,
        _GLOSSARY,
        _RUN,
    ),
    job="translate_products",
    view=View(("kind", "source_language", "text")),
)
PRODUCT_TRANSLATIONS = Table(
    name="product_translations",
    meaning="One row per text of a product and language: its translation, if one passed all checks. Published by "
    "translate_products.",
    key=("text_id", "target_language"),
    person=_NOBODY,
    partition_by=("target_language",),
    columns=(
        Column("text_id", pa.string(), "The text (product_texts.text_id).", nullable=False),
        _TARGET,
        Column("item_id", pa.string(), "The product (products.product_id), or the ad (ads.ad_id).", nullable=False),
        _KIND,
        _LANGUAGE,
        _text("The text that was translated."),
        *_SAID,
    ),
    job="translate_products",
    view=View(("kind", "status", "translation", "text")),
)
PRODUCT_TRANSLATIONS_REJECTS = rejects_of(
    PRODUCT_TRANSLATIONS,
    "One row per text of a product that no engine could read, with its reason. Published by translate_products.",
    "empty, too_long, no_pair, engine_error",
    {"target_language": "ISO 639-1 code of the translation that is missing."},
)
_USER = Column("user_id", pa.string(), "Who the reply is for (users.user_id); null where unknown.", personal=True)
_TICKET = Column("ticket_id", pa.string(), "The ticket (tickets.ticket_id).", nullable=False, personal=True)
REPLY_TEXTS = Table(
    name="reply_texts",
    meaning="One row per reply to a ticket, with what a translation must keep. Written by translate_replies.",
    key=("ticket_id",),
    person=Person(user="user_id"),
    columns=(_TICKET, _USER, _KIND, _LANGUAGE, _text("The reply as it was written."), _BRANDS, _GLOSSARY, _RUN),
    job="translate_replies",
    view=View(("source_language", "text")),
)
REPLY_TRANSLATIONS = Table(
    name="reply_translations",
    meaning="One row per reply and language: its translation, if one passed. Published by translate_replies.",
    key=("ticket_id", "target_language"),
    person=Person(user="user_id", hashes=("content_hash",)),
    partition_by=("target_language",),
    columns=(_TICKET, _TARGET, _USER, _KIND, _LANGUAGE, _text("The reply that was translated."), *_SAID),
    job="translate_replies",
    view=View(("status", "translation", "text")),
)
REPLY_TRANSLATIONS_REJECTS = replace(
    rejects_of(
        REPLY_TRANSLATIONS,
        "One row per reply that no engine could read, with its reason. Published by translate_replies.",
        "empty, too_long, no_pair, engine_error",
        {"target_language": "ISO 639-1 code of the translation that is missing."},
    ),
    person=Nobody("It names tickets by their numbers, and neither who wrote nor what."),
)
