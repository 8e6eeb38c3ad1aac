"""Declares the tables that `write_ads` writes: `ad_wordings`, `ads_with_facts`, `ads` and `ads_rejects`.

- `ad_wordings`: which variant of the text (its number, the "wording") the ads of each product, language and channel
  have, so that no text occurs twice
- `ads_with_facts`: the facts and the offer that an ad may state, one row per segment, channel and product
- `ads`: the finished texts, each in several variants
- `ads_rejects`: the segments, channels and products without an ad, with the reason
"""

import pyarrow as pa

from shopbatch.tables.published import provenance, rejects_of
from shopbatch.tables.schema import Column, Nobody, Table, View

AD_CHANNELS = ("email_subject", "push", "sms", "social", "banner")
AD_WRITERS = ("plan", "model", "repaired")
_NOBODY = Nobody("An ad is of a segment and a product; of a segment it knows the name alone.")
VARIANT = pa.struct(
    [
        ("variant_id", pa.string()),
        ("title", pa.string()),
        ("text", pa.string()),
        ("length", pa.int32()),
        ("encoding", pa.string()),
        ("parts", pa.int32()),
    ]
)
_PRODUCT = Column("product_id", pa.string(), "The product (products.product_id).", nullable=False)
_CHANNEL = Column("channel", pa.string(), "The channel.", nullable=False, one_of=AD_CHANNELS)
_LANGUAGE = Column("language", pa.string(), "ISO 639-1 code of the texts.", nullable=False)
_OFFER = Column("offer_id", pa.string(), "The offer (offers.offer_id) that holds on the day; null: none.")
_VALID = Column("valid_until", pa.date32(), "Last day on which the offer holds throughout; null: no offer, or no end.")
_RUN = Column("run_id", pa.string(), "The run that wrote the row.", nullable=False, machinery=True)
_AD = (
    Column(
        "ad_id",
        pa.string(),
        "The ad: segment, channel, language and product, joined by colons.",
        nullable=False,
    ),
    Column("segment", pa.string(), "The segment of users that it is for.", nullable=False),
    _PRODUCT,
    _CHANNEL,
    _LANGUAGE,
    Column("market", pa.string(), "ISO 3166-1 code of the country whose rules hold for it.", nullable=False),
    Column("occasion", pa.string(), "What the segment's name says of the tone: welcome, thanks, ...", nullable=False),
)

AD_WORDINGS = Table(
    name="ad_wordings",
    meaning="One row per product, language and channel: which wording its ads have, and for which facts. Written by "
    "write_ads, so that no text comes twice.",
    key=("product_id", "language", "channel"),
    person=_NOBODY,
    columns=(
        _PRODUCT,
        _LANGUAGE,
        _CHANNEL,
        Column("name", pa.string(), "The product's name as the channel has room for it; null: it has none."),
        Column("facts_hash", pa.string(), "Hash of what the ads state: facts, offer, name.", nullable=False),
        Column("wording", pa.int32(), "Number of the wording, from 0; null: every wording of this name is taken."),
        Column("live", pa.bool_(), "Whether the product is still advertised.", nullable=False),
        _RUN,
    ),
    job="write_ads",
)
ADS_WITH_FACTS = Table(
    name="ads_with_facts",
    meaning="One row per segment, channel and product: what an ad may state. Written by write_ads.",
    key=("ad_id",),
    person=_NOBODY,
    columns=(
        *_AD,
        Column("name", pa.string(), "The product's name as the channel has room for it; null: it has none."),
        Column("wording", pa.int32(), "Number of the wording; null: every wording of this name is taken."),
        Column("facts", pa.string(), "JSON: the product's attributes.", nullable=False, free_text=True),
        Column("offer", pa.string(), "JSON: the offer that holds on the day; null: none.", free_text=True),
        _OFFER,
        _VALID,
        _RUN,
    ),
    job="write_ads",
)
ADS = Table(
    name="ads",
    meaning="One row per segment, channel and product: its ad in several variants. Published by write_ads.",
    key=("ad_id",),
    person=_NOBODY,
    columns=(
        *_AD,
        Column(
            "variants",
            pa.list_(VARIANT),
            "The texts, each with a name of its own for A/B tests: title (null where the channel has none), text, its "
            "length in the channel's unit, and of an SMS the encoding (GSM-7, UCS-2) and the parts it is sent in.",
            nullable=False,
        ),
        _OFFER,
        _VALID,
        Column("writer", pa.string(), "Who wrote the texts.", nullable=False, one_of=AD_WRITERS),
        Column("tokens_out", pa.int32(), "Tokens that a model generated for it; 0 without a model."),
        *provenance("what the ad may state", "the text of a model (engine, prompt, ...)", "it was computed"),
    ),
    job="write_ads",
    view=View(("channel", "segment", "variants", "valid_until")),
)
ADS_REJECTS = rejects_of(
    ADS,
    "One row per segment, channel and product without an ad, with its reason. Published by write_ads.",
    "no_short_name, banned_superlative, ungrounded_price",
)
