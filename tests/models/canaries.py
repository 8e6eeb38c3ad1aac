"""Secrets and personal data that are planted, and the check that the registry holds none of them."""

from __future__ import annotations

from pathlib import Path

SECRET, KEY, EMAIL = "hunter2secret", "sk-canaryabcdefghijk", "jane.doe@example.com"
PHONE, CARD, MOBILE = "+1 555 234 5678", "4111 1111 1111 1111", "13812345678"
CANARIES = (SECRET, KEY, EMAIL, PHONE, CARD, MOBILE)
TEXT = f"my mail is {EMAIL}, my phone {PHONE}, my card {CARD}, and token={SECRET} or {KEY}"


def assert_clean(root: str) -> None:
    """No canary is in any name or byte under a folder."""
    paths = list(Path(root).rglob("*"))
    assert paths
    for path in paths:
        held = str(path.relative_to(root)).encode() + (path.read_bytes() if path.is_file() else b"")
        parts = [*CANARIES, *(c.replace(" ", "") for c in CANARIES), KEY.removeprefix("sk-")]
        assert not [c for c in parts if c.encode() in held], path
