"""products, offers, names of segments -> ads by channel whose claims are backed -> ads, ads_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.copywriting.ads.config import WriteAdsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: WriteAdsConfig, store: Store, report: Report) -> None:
    """Write ads for new and changed products and offers, and publish those that pass the checks."""
    from shopbatch.capabilities.copywriting.ads.run import write_ads

    write_ads(config, store, report)


_SPECS = later("shopbatch.capabilities.copywriting.ads.run:ad_specs")
JOB = Job("write_ads", WriteAdsConfig, run, session="late ray", specs=_SPECS, text="facts", next="show ads")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
