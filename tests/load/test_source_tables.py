"""Loads of tables whose key has several columns, one of them a moment, and of those with values of a few words."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shopbatch.core.errors import UserError
from shopbatch.load import load_file
from shopbatch.load.options import Options
from shopbatch.warehouse.store import Store


def rows(store: Store, name: str) -> list[tuple[Any, ...]]:
    table = store.snapshot(name).read()
    return [tuple(r.values())[:-1] for r in table.to_pylist()]  # all but where it came from


def refused(store: Store, name: str) -> list[tuple[int, str, str]]:
    rejects = store.snapshot(f"{name}_load_rejects").read().to_pylist()
    return sorted((r["source_row"], r["column"], r["reason"]) for r in rejects)


def at(*moment: int) -> dt.datetime:
    return dt.datetime(*moment, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]


def test_campaigns(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "sent.csv"
    path.write_text(
        "Campaign ID,User ID,campaign type,starts at,ends at\n"
        "1,7,Type A,2024-01-01,2024-02-01\n1,8,,,\n1,7,Type A,2024-01-01,2024-02-01\n"
        ",9,Type A,2024-01-01,2024-02-01\n2, ,Type A,2024-01-01,2024-02-01\n2,9,Type A,soon,2024-02-01\n"
    )
    report = load_file(store, "campaigns", path)
    assert (report.rows_loaded, report.rows_rejected, report.duplicate_keys) == (4, 2, 1)
    assert rows(store, "campaigns")[3] == ("2", "9", "Type A", None, at(2024, 2, 1))
    assert rows(store, "campaigns")[:2] == [
        ("1", "7", "Type A", at(2024, 1, 1), at(2024, 2, 1)),
        ("1", "8", None, None, None),
    ]
    assert refused(store, "campaigns") == [
        (4, "campaign_id", "no_key"),
        (5, "user_id", "no_key"),
        (6, "starts_at", "not_a_timestamp"),
    ]
    assert load_file(store, "campaigns", path).already


def test_coupons(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "coupons.jsonl"
    path.write_text(
        '{"campaign_id": 1, "coupon_id": 10000085207, "product_id": "p"}\n'
        '{"campaign_id": 1, "coupon_id": 10000085207, "product_id": "q"}\n'
        '{"campaign_id": 1, "coupon_id": null, "product_id": "q"}\n{"campaign_id": 1, "product_id": ["q"]}\n'
    )
    report = load_file(store, "coupons", path)
    assert (report.rows_loaded, report.rows_rejected, report.duplicate_keys) == (2, 2, 0)
    assert rows(store, "coupons") == [("1", "10000085207", "p"), ("1", "10000085207", "q")]
    assert refused(store, "coupons") == [
        (3, "coupon_id", "no_key"),
        (4, "coupon_id", "no_key"),
        (4, "product_id", "nested"),
    ]


REDEEMED = (
    "user_id,campaign_id,coupon_id,redeemed_at\n"
    "7,1,c,2024-01-05\n7,1,c,2024-01-05T00:00:00Z\n7,1,c,2024-01-06\n7,1,c,\n7,1,c,never\n7,1,c,10000-01-01\n"
)


def test_redemptions_whose_key_holds_a_moment(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "used.csv"
    path.write_text(REDEEMED)
    report = load_file(store, "redemptions", path, Options(max_rejects=0.5))
    assert (report.rows_loaded, report.rows_rejected) == (3, 3)
    assert report.duplicate_keys == 1  # one moment, written in two ways
    assert [r[-1] for r in rows(store, "redemptions")] == [at(2024, 1, 5), at(2024, 1, 5), at(2024, 1, 6)]
    assert refused(store, "redemptions") == [
        (4, "redeemed_at", "no_key"),
        (5, "redeemed_at", "no_key"),
        (6, "redeemed_at", "not_a_timestamp"),
    ]


def test_moments_of_other_units_make_the_same_keys(store: Store, tmp_path: Path) -> None:
    days = [dt.date(2024, 1, 5), None, dt.date(2024, 1, 5)]
    names = {name: ["7"] * 3 for name in ("user_id", "campaign_id", "coupon_id")}
    for kind in (pa.date32(), pa.timestamp("ns"), pa.timestamp("s", "Europe/Berlin"), pa.null()):
        values = pa.array([None] * 3) if kind == pa.null() else pa.array(days, pa.date32()).cast(pa.timestamp("s"))
        moments = values.cast(pa.date32()) if kind == pa.date32() else values.cast(kind)
        pq.write_table(pa.table({**names, "redeemed_at": moments}), tmp_path / "used.parquet")
        if kind == pa.null():
            with pytest.raises(UserError, match=r"3 of 3 rows do not fit .* 3 redeemed_at: no_key"):
                load_file(store, "redemptions", tmp_path / "used.parquet", mode="replace")
        else:
            report = load_file(store, "redemptions", tmp_path / "used.parquet", mode="replace")
            assert (report.rows_loaded, report.rows_rejected, report.duplicate_keys) == (2, 1, 1)
            assert [r[-1] for r in rows(store, "redemptions")] == [at(2024, 1, 5)] * 2


def test_a_part_of_the_key_must_not_be_missing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "used.csv"
    path.write_text("user_id,campaign_id,redemption date\n7,1,2024-01-05\n")
    with pytest.raises(UserError, match=r"needs the column\(s\) coupon_id, redeemed_at"):
        load_file(store, "redemptions", path)


def test_events(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "clicks.jsonl"
    path.write_text(
        '{"event_id": 1, "user_id": 7, "event_type": "view", "product_id": 5, "event_time": "2024-01-05T10:00:00Z"}\n'
        '{"event_id": 1, "user_id": 7, "event_type": "view", "product_id": 5, "event_time": "2024-01-05T10:00:00Z", '
        '"ingested_at": "2024-01-06"}\n'
        '{"event_id": 2, "event_type": "search"}\n{"event_id": 3, "event_type": "jump"}\n{"event_type": "view"}\n'
        '{"event_id": 4, "event_type": "cart", "event_time": 1704448800}\n'
    )
    report = load_file(store, "events", path)
    assert (report.rows_loaded, report.rows_rejected, report.duplicate_keys) == (4, 2, 1)
    names = ("event_id", "user_id", "event_type", "product_id", "event_time", "ingested_at")
    assert [tuple(r[n] for n in names) for r in store.snapshot("events").read().to_pylist()] == [
        ("1", "7", "view", "5", at(2024, 1, 5, 10), None),
        ("1", "7", "view", "5", at(2024, 1, 5, 10), at(2024, 1, 6)),
        ("2", None, "search", None, None, None),
        ("4", None, "cart", None, at(2024, 1, 5, 10), None),
    ]
    assert refused(store, "events") == [(4, "event_type", "not_allowed"), (5, "event_id", "no_key")]


def test_support_dialogs(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(
        "Question,Reply,language,created at\n"
        "How long?,Three days.,en,2024-01-05\nHow long?,,en,\n"
        "多久？,三天。,zh,\n  ,Three days.,en,\nWhen?,Soon.,en,then\n"
    )
    report = load_file(store, "support_dialogs", path)
    assert (report.rows_loaded, report.rows_rejected, report.makes_key) == (3, 2, True)
    dialogs = store.snapshot("support_dialogs").read().to_pylist()
    assert [(r["question"], r["reply"], r["language"], r["created_at"], r["user_id"]) for r in dialogs] == [
        ("How long?", "Three days.", "en", at(2024, 1, 5), None),
        ("多久？", "三天。", "zh", None, None),
        ("When?", "Soon.", "en", None, None),
    ]
    assert len({r["dialog_id"] for r in dialogs}) == 3
    assert refused(store, "support_dialogs") == [
        (2, "reply", "no_value"),
        (4, "question", "no_value"),
        (5, "created_at", "not_a_timestamp"),
    ]
    path.write_text("question\nHow long?\n")
    with pytest.raises(UserError, match=r"needs the column\(s\) reply"):
        load_file(store, "support_dialogs", path)


@pytest.mark.slow
def test_a_generated_shop_can_be_loaded_into_another(store: Store, tmp_path: Path) -> None:
    from shopbatch.sample import fill_generated

    source = Store(str(tmp_path / "source"))
    fill_generated(source, 500, 1)
    for name in ("campaigns", "coupons", "redemptions", "events", "transactions"):
        report = load_file(store, name, Path(source.root) / name)
        assert report.rows_rejected == 0
        assert rows(store, name) == rows(source, name)


def test_referral_events(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "referrals.csv"
    path.write_text(
        "id,referrer_id,referee_id,via,status,created_at,device_id\n"
        "1,7,8,whatsapp,invite sent,2024-01-01 10:00,d1\n2,7,8,,Signed up,2024-01-02,d2\n"
        "3,,9,search,registered,2024-01-03,\n4,7,8,,clicked,2024-01-03,\n5,7,,,joined,2024-01-03,\n"
    )
    with pytest.raises(UserError, match="referrer_id"):
        load_file(store, "referral_events", path)
    report = load_file(store, "referral_events", path, Options(auto=True, max_rejects=0.5))
    assert (report.rows_loaded, report.rows_rejected) == (4, 1)
    loaded = store.snapshot("referral_events").read().to_pylist()
    said = [(r["event_id"], r["inviter_id"], r["invitee_id"], r["kind"], r["device_hash"]) for r in loaded]
    assert said == [
        ("1", "7", "8", "invited", "d1"), ("2", "7", "8", "joined", "d2"), ("3", None, "9", "joined", None),
        ("5", "7", None, "joined", None),
    ]  # fmt: skip
    assert refused(store, "referral_events")[0][:2] == (4, "kind")
