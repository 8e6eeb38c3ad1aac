"""translate_replies as a user runs it: replies are translated, and a user's erasure takes them along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from shopbatch.cli.main import main
from shopbatch.tables.ticket_answers import TICKET_ANSWERS
from shopbatch.warehouse.store import Store
from tests.capabilities.copywriting import writer
from tests.capabilities.translation import dictionary
from tests.jobs.command_line import run_job

pytestmark = pytest.mark.usefixtures("ray_local")
LINES = {
    "Hello, your order ⟦0⟧ is on its way.": "Hola, su pedido ⟦0⟧ está en camino.",
    "We cannot find your order.": "No encontramos su pedido.",
}


def answer(ticket: str, reply: str | None, user: str) -> dict[str, Any]:
    return {
        "ticket_id": ticket, "user_id": user, "language": "en", "intents": [], "decision": "draft", "reason": "unsure",
        "reply": reply, "problems": [], "claims": [], "content_hash": "", "recipe": "", "run_id": "", "scored_at": 0,
    }  # fmt: skip


def test_replies_are_translated_and_erased_with_their_user(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [
        ("t1", "Hello, your order #A-77 is on its way.", "u1"),
        ("t2", "We cannot find your order.", "u2"),
        ("t3", None, "u3"),
    ]
    writer.put(store, [answer(*row) for row in replies], TICKET_ANSWERS)
    engine = dictionary.install(tmp_path / "engine", LINES)
    settings = ["encoder_model=null", "workers=1", "gates.drift=1", *engine]
    code, report, _ = run_job(store, "translate_replies", *settings)
    rows = {row["ticket_id"]: row for row in pl.read_delta(store.uri("reply_translations")).to_dicts()}
    assert (code, report["outcome"], set(rows)) == (0, "published", {"t1", "t2"})
    assert rows["t1"]["translation"] == "Hola, su pedido #A-77 está en camino." and rows["t1"]["user_id"] == "u1"
    assert rows["t2"]["status"] == "translated"
    (tmp_path / "users.txt").write_text("u1\n", "utf-8")
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    assert main(["erase", "--users", str(tmp_path / "users.txt")]) == 0
    for table in ("reply_texts", "reply_translations"):
        assert pl.read_delta(store.uri(table))["ticket_id"].to_list() == ["t2"]
    raw = b"".join(
        path.read_bytes() for path in Path(store.root).rglob("*") if path.is_file() and "_runs" not in path.parts
    )
    assert b"A-77 est" not in raw
