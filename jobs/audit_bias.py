"""counterfactual sentences, user_profiles, user_daily -> shifts by term, forecasts by group -> bias_audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.config import AuditBiasConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: AuditBiasConfig, store: Store, report: Report) -> None:
    """Audit the live sentiment model and, by group of users, the forecasts in `user_profiles`; publish `bias_audit`."""
    from shopbatch.capabilities.profiles.calibration import audit_outlook
    from shopbatch.capabilities.sentiment.bias.run import audit_sentiment, look, publish_audit

    before = look(config, store, report)
    if before is None:
        return
    rows = audit_sentiment(config, store, report)
    rows += audit_outlook(store, report, config.least_users) if config.outlook else []
    publish_audit(store, report, rows, before)


JOB = Job("audit_bias", AuditBiasConfig, run, alone=True, next="show bias_audit")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
