"""Compare two tables of profiles: money, counts and names exactly, ratios to 1e-9."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from shopbatch.tables.user_profiles import FEATURES

NAMES = tuple(f.name for f in FEATURES)


def differences(got: pa.Table, expected: pa.Table, names: Sequence[str] = NAMES) -> dict[str, list[object]]:
    """For each feature that differs: the number of users, and (user, value got, value expected) of the first three."""
    got, expected = got.sort_by("user_id"), expected.sort_by("user_id")
    users = got["user_id"].to_pylist()
    if users != expected["user_id"].to_pylist():
        odd = sorted(set(users) ^ set(expected["user_id"].to_pylist()))
        return {"user_id": [len(users), expected.num_rows, odd[:5]]}
    different: dict[str, list[object]] = {}
    for name in names:
        one, other = got[name], expected[name]
        if one.type != other.type:
            different[name] = [str(one.type), str(other.type)]
            continue
        if pa.types.is_floating(one.type):
            a, b = (np.array([np.nan if v is None else v for v in c.to_pylist()], float) for c in (one, other))
            wrong = (np.isnan(a) != np.isnan(b)) | (np.abs(a - b) > 1e-9 * np.maximum(1.0, np.abs(b)))
        else:
            wrong = np.array([x != y for x, y in zip(one.to_pylist(), other.to_pylist(), strict=True)], bool)
        if wrong.any():
            places = np.flatnonzero(wrong)[:3]
            different[name] = [
                int(wrong.sum()),
                *((users[i], one[int(i)].as_py(), other[int(i)].as_py()) for i in places),
            ]
    return different
