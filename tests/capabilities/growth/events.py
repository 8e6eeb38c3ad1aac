"""Referral events for tests: written by hand, or drawn at random with every fault that the rules are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.tables.referral_events import REFERRAL_EVENTS
from shopbatch.tables.users import USERS
from shopbatch.warehouse.store import Store

START = datetime(2026, 1, 5, tzinfo=UTC)


def event(kind: str, inviter: str | None, invitee: str | None, day: float, **more: Any) -> dict[str, Any]:
    """One event; its id is made of what it says unless it is given."""
    row = {"kind": kind, "inviter_id": inviter, "invitee_id": invitee, "at": START + timedelta(days=day)}
    row |= {"event_id": f"{kind}-{inviter}-{invitee}-{day}", "channel": "email", "source": "test"}
    return row | {"ingested_at": row["at"]} | more


def drawn(seed: int, users: int) -> list[dict[str, Any]]:
    """Joins and invitations at random: few moments, so that many are equal; also oneself, circles and repeated rows."""
    draw, rows = np.random.default_rng(seed), []
    names = [f"u{n}" for n in range(users)]
    for name in names:
        if draw.random() < 0.85:
            inviter = None if draw.random() < 0.25 else str(draw.choice(names))
            row = event(
                "joined", inviter, name, float(draw.integers(0, 6)), channel=str(draw.choice(["email", "link"]))
            )
            rows.append(row)
            if draw.random() < 0.1:
                later = row["ingested_at"] + timedelta(days=30)
                rows.append(row | {"ingested_at": later, "inviter_id": str(draw.choice(names))})
            if draw.random() < 0.1:
                rows.append(event("joined", str(draw.choice(names)), name, float(draw.integers(0, 6))))
        for _ in range(int(draw.integers(0, 3))):
            day = float(draw.integers(0, 6))
            rows.append(event("invited", str(draw.choice(names)), name, day, channel=None if day == 3 else "social"))
    rows += [event("joined", "u1", None, 1.0), event("joined", None, "late", 99.0), event("bought", None, "u1", 5.0)]
    # of two rows that say the same of one event but for their id, either may count: keep one
    return list({(r["event_id"], r["ingested_at"]): r for r in rows}.values())


def put(store: Store, rows: list[dict[str, Any]]) -> None:
    """Replace referral_events."""
    schema = REFERRAL_EVENTS.schema()
    data = pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema)
    half = data.num_rows // 2
    parts = [data.slice(0, half), data.slice(half)] if half else [data]
    written = [store.write_file(REFERRAL_EVENTS, part, f"test-{id(data)}", n) for n, part in enumerate(parts)]
    store.commit(REFERRAL_EVENTS, written, "replace", "test")


def put_users(store: Store, consents: dict[str, bool | None]) -> None:
    """Replace users; each with a consent to e-mail."""
    schema = USERS.schema()
    rows = [{"user_id": user, "email_consent": given, "source": "test"} for user, given in consents.items()]
    data = pa.Table.from_pylist([{n: row.get(n) for n in schema.names} for row in rows], schema)
    store.commit(USERS, [store.write_file(USERS, data, f"test-{id(data)}", 0)], "replace", "test")
