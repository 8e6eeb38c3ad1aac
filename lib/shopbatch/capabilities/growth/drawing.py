"""Compute the coordinates of two pictures on the growth page: the forecast as a fan, the largest cascade as a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH, FAN_HEIGHT, ROW = 720.0, 220.0, 9.0
_LEFT, _BOTTOM = 40.0, 24.0
_TALLEST = 900.0


def fan(history: np.ndarray, mean: np.ndarray, ends: np.ndarray) -> dict[str, Any]:
    """Return the fan chart of the forecast: SVG point lists and axis ticks for the page's template.

    Args:
        history: Joins on each of the last days [days].
        mean: Expected joins on each coming day [ahead].
        ends: Quantiles of the joins on each coming day: 2.5, 10, 90 and 97.5 % [4, ahead].
    """
    past = np.arange(len(history)) - len(history)
    ahead = np.arange(len(mean))
    top = max(float(history.max(initial=1.0)), float(ends.max(initial=1.0))) * 1.05
    span = len(history) + len(mean)

    def point(day: float, value: float) -> str:
        x = _LEFT + (day + len(history) + 0.5) / span * (WIDTH - _LEFT)
        return f"{x:.1f},{FAN_HEIGHT - _BOTTOM - value / top * (FAN_HEIGHT - _BOTTOM - 6):.1f}"

    def line(days: np.ndarray, values: np.ndarray) -> str:
        return " ".join(point(d, v) for d, v in zip(days, values, strict=True))

    def band(low: np.ndarray, high: np.ndarray) -> str:
        return f"{line(ahead, high)} {line(ahead[::-1], low[::-1])}"

    ticks = [value for value in np.linspace(0, top / 1.05, 5)]
    return {
        "width": WIDTH,
        "height": FAN_HEIGHT,
        "wide": band(ends[0], ends[3]),
        "narrow": band(ends[1], ends[2]),
        "mean": line(ahead, mean),
        "history": line(past, history),
        "now": point(-0.5, 0).split(",")[0],
        "ticks": [(f"{v:,.0f}", point(0, v).split(",")[1]) for v in ticks],
    }


@dataclass(frozen=True)
class Node:
    """A user in the picture of a cascade, with positions in pixels. No field identifies the user.

    Attributes:
        x: Horizontal position: the time of the join.
        y: Vertical position.
        from_x: Horizontal position of the inviter; the own one for a root.
        from_y: Vertical position of the inviter; the own one for a root.
        channel: Index of the channel by which the user came; it gives the colour.
        is_root: True if no inviter is in the picture.
    """

    x: float
    y: float
    from_x: float
    from_y: float
    channel: int
    is_root: bool


def tree(rows: Sequence[Mapping[str, Any]], channels: Sequence[str]) -> dict[str, Any]:
    """Lay out a cascade as a tree: time runs from left to right, and invited users follow below their inviter.

    Args:
        rows: Its users with user_id, inviter_id, joined_at and channel, inviters before those whom they brought.
        channels: The channels; a user's position in them gives the colour.

    Returns:
        Values for the page's template: width, height, nodes, and days (between the first and the last join).
    """
    known = {row["user_id"] for row in rows}
    below: dict[str, list[Mapping[str, Any]]] = {}
    roots = []
    for row in rows:
        if row["inviter_id"] in known:
            below.setdefault(row["inviter_id"], []).append(row)
        else:
            roots.append(row)
    times = [row["joined_at"].timestamp() for row in rows if row["joined_at"] is not None]
    first, last = min(times, default=0.0), max(times, default=1.0)
    height = min(ROW, _TALLEST / max(len(rows), 1))
    nodes: list[Node] = []
    waiting: list[tuple[Mapping[str, Any], Node | None]] = [(row, None) for row in reversed(roots)]
    while waiting:
        row, above = waiting.pop()
        moment = row["joined_at"].timestamp() if row["joined_at"] is not None else first
        x = 8 + (moment - first) / max(last - first, 1.0) * (WIDTH - 16)
        y = 8 + len(nodes) * height
        channel = channels.index(row["channel"]) if row["channel"] in channels else len(channels)
        node = Node(x, y, above.x if above else x, above.y if above else y, channel, above is None)
        nodes.append(node)
        waiting += [(child, node) for child in reversed(below.get(row["user_id"], []))]
    return {"width": WIDTH, "height": 16 + len(nodes) * height, "nodes": nodes, "days": (last - first) / 86_400}
