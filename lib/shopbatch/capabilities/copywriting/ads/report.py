"""Adds the figures of write_ads to its run report: counts, text lengths, reject reasons and examples.

`run.py` calls it after publishing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from shopbatch.capabilities.copywriting.ads.channels import Channel, channels
from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.ads import AD_WORDINGS, ADS_REJECTS, ADS_WITH_FACTS
from shopbatch.text.lengths import columns, cut_to_columns
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

_EACH = 4  # example ads per channel and language
_MEASURED = 20_000  # maximum number of ads for the statistics of lengths
_BINS = 20


def add_figures(config: WriteAdsConfig, store: Store, report: Report, live: Snapshot) -> None:
    """Add the figures and metrics about the published ads to the report; nothing if there are no ads.

    Args:
        config: Settings of write_ads.
        store: The warehouse.
        report: The run's report, which is extended.
        live: The published table `ads`.
    """
    ads = pl.DataFrame(live.read(["ad_id", "segment", "channel", "language", "variants", "offer_id", "writer"]))
    if ads.is_empty():
        return
    with_offer = ads["offer_id"].is_not_null().sum()
    by = pl.DataFrame(store.snapshot(ADS_WITH_FACTS.name).read(["product_id"]))
    report.highlights = {
        "ads": f"{ads.height:,}",
        "texts": f"{int(ads['variants'].list.len().sum()):,}",
        "products": f"{by['product_id'].n_unique():,}",
        "with an offer": f"{with_offer:,}",
    }
    report.metrics["ads"] = {
        "ads": ads.height,
        "with_offer": int(with_offer),
        "by_writer": {row["writer"]: row["len"] for row in ads.group_by("writer").len().sort("writer").to_dicts()},
    }
    wordings = pl.DataFrame(store.snapshot(AD_WORDINGS.name).read(["name", "wording", "live"]))
    left_out = wordings.filter(pl.col("live") & pl.col("name").is_not_null() & pl.col("wording").is_null()).height
    report.metrics["ads"]["no_other_wording"] = left_out
    if left_out:
        report.highlights["left out: no other wording"] = f"{left_out:,} products and channels"
    report.figures += [_counts(ads), _lengths(ads), *_reasons(store), _examples(ads)]
    shown = _shown(ads, channels()["email_subject"])
    if shown is not None:
        report.metrics["ads"]["subjects_shown_whole"] = shown


def _counts(ads: pl.DataFrame) -> Figure:
    """Return a bar chart: the number of ads by segment and channel."""
    counts = ads.group_by("segment", "channel").len()
    segments = sorted(ads["segment"].unique().to_list())
    cells = {(row["segment"], row["channel"]): row["len"] for row in counts.to_dicts()}
    names = [name for name in channels() if any(channel == name for _, channel in cells)]
    series = {name: [cells.get((segment, name), 0) for segment in segments] for name in names}
    return Figure("bars", "Ads by segment and channel", {"groups": segments, "series": series})


def _lengths(ads: pl.DataFrame) -> Figure:
    """Return histograms of the text lengths by channel and language, up to the channel's limit."""
    panels = {}
    for (name, language), rows in ads.group_by("channel", "language", maintain_order=True):
        texts = rows.head(_MEASURED)["variants"].explode().struct.unnest()
        channel = channels()[str(name)]
        most = _most(channel, texts)
        counts = texts["length"].hist(bins=[most * n / _BINS for n in range(_BINS + 1)], include_breakpoint=False)
        panels[f"{name}, {language} (of {most})"] = {"low": 0, "high": most, "counts": counts["count"].to_list()}
    caption = "Columns of the text; of an SMS its septets, or its UTF-16 units in Chinese."
    return Figure("histograms", "Length of the texts", {"panels": dict(sorted(panels.items()))}, caption)


def _most(channel: Channel, texts: pl.DataFrame) -> int:
    """Return the maximum length of a channel's text.

    For SMS it is 160 (septets) if at least one of the texts is in GSM-7, else 70 (UTF-16 units).
    """
    if channel.unit != "sms":
        return channel.text
    return 160 if (texts["encoding"] == "GSM-7").any() else 70


def _reasons(store: Store) -> list[Figure]:
    """Return a table of the reject reasons with their numbers of rows; [] if there are no rejects."""
    rejects = store.find(ADS_REJECTS.name)
    if rejects is None or not rejects.rows:
        return []
    counts = pl.DataFrame(rejects.read(["reason"])).group_by("reason").len().sort("len", "reason", descending=True)
    rows: list[list[Any]] = [[row["reason"], row["len"]] for row in counts.to_dicts()]
    return [Figure("table", "Why there is no ad", {"columns": ["reason", "rows"], "rows": rows})]


def _examples(ads: pl.DataFrame) -> Figure:
    """Return a table of `_EACH` ads per channel and language, spread evenly over the table."""
    rows = []
    for (name, language), part in sorted(ads.group_by("channel", "language"), key=lambda item: str(item[0])):
        step = max(1, part.height // _EACH)
        for row in part.sort("ad_id").gather_every(step).head(_EACH).to_dicts():
            rows.append([f"{name}, {language}", row["segment"], *_both(row["variants"])])
    return Figure("table", "Some ads", {"columns": ["channel", "segment", "variant a", "variant b"], "rows": rows})


def _both(variants: Sequence[dict[str, Any]]) -> list[str]:
    """Return the first two variants as texts with their titles; "" for a missing one."""
    texts = [f"{v['title']}\n{v['text']}" if v["title"] else v["text"] for v in variants[:2]]
    return [*texts, *[""] * (2 - len(texts))]


def _shown(ads: pl.DataFrame, channel: Channel) -> float | None:
    """Return the share (0 to 1) of e-mail subjects that a small display shows in full.

    None if there are no subjects, or if the channel has no such limit.
    """
    subjects = ads.filter(pl.col("channel") == "email_subject").head(_MEASURED)
    if subjects.is_empty() or not channel.shown:
        return None
    texts = subjects["variants"].explode().struct.field("text").to_list()
    whole = sum(columns(text) == columns(cut_to_columns(text, channel.shown)) for text in texts)
    return round(whole / len(texts), 4)
