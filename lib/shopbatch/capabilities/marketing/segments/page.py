"""Write the report of `segment_users` and its HTML page, which shows the segments and how users moved between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shopbatch.capabilities.marketing.days import Daily
from shopbatch.capabilities.marketing.segments.figures import NEW, Day, read_day
from shopbatch.capabilities.marketing.segments.scheme import Scheme
from shopbatch.runs.report import Figure, run_folder
from shopbatch.runs.templates import template
from shopbatch.warehouse import files
from shopbatch.warehouse.store import Snapshot

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAGE = "segments.html"
WIDTH, HEIGHT, GAP, BAR = 900.0, 520.0, 15.0, 14.0  # pixels: size of the picture, gap between bars, width of a bar
_LABEL = 150.0  # pixels for the names at each side
_SHOWN = 4  # differences listed for each segment


@dataclass(frozen=True)
class Bar:
    """A bar of the flow picture, which stands for a segment on the earlier day (left) or now (right).

    Attributes:
        name: The segment, or "new" for users who were not there on the earlier day.
        users: Number of users; the height is proportional to it.
        x: Left edge in pixels.
        y: Top edge in pixels.
        height: Height in pixels.
        color: Number of a colour of the page's palette, 0 to 5.
    """

    name: str
    users: int
    x: float
    y: float
    height: float
    color: int


@dataclass(frozen=True)
class Ribbon:
    """A ribbon of the flow picture: the users who went from one segment to another, drawn between two bars.

    Attributes:
        path: SVG path of the outline.
        users: Number of users.
        before: Segment on the earlier day, or "new".
        now: Segment now.
        color: Number of a colour of the page's palette, 0 to 5.
        moved: True if the users changed their segment; False for new users and for those who stayed.
    """

    path: str
    users: int
    before: str
    now: str
    color: int
    moved: bool


def fill_report(spark: SparkSession, daily: Daily, shown: Snapshot, profiles: Snapshot, scheme: Scheme) -> None:
    """Write the HTML page beside the run's report, and fill the report's highlights and figures.

    Args:
        spark: The session.
        daily: The access to the table `user_segments`, with the report of the run.
        shown: The published day of `user_segments`.
        profiles: The same day of `user_profiles`.
        scheme: The rules.
    """
    report, day = daily.report, read_day(spark, shown, profiles, scheme)
    moved, known = day.moved
    report.highlights |= {"users": f"{day.users:,}", "segments": f"{len(day.parts)}"}
    if known:
        report.highlights["changed the segment"] = f"{moved:,} of {known:,} ({moved / known:.1%})"
    report.highlights["clusters"] = f"{len(day.clusters)}" if day.clusters else "none that are stable"
    sizes = {"users": [part.users for part in day.parts]}
    names = [part.name for part in day.parts]
    report.figures += [
        Figure("bars", "Users by segment", {"groups": names, "series": sizes}),
        Figure("table", "What each segment brings, and how it differs", _table(day), _CAPTION),
    ]
    if known and moved:
        report.figures.append(Figure("table", "Who moved", _moves(day)))
    folder = run_folder(daily.store.root, report.job, report.run_id)
    files.write_bytes(f"{folder}/{PAGE}", render(day, str(shown.files[0].partition["as_of"]), report.run_id).encode())
    report.links["Segments and flows"] = PAGE


_CAPTION = "Differences are means of the segment minus means of all others, in standard deviations of all users."


def _table(day: Day) -> dict[str, list[object]]:
    rows: list[object] = [
        [
            part.name,
            f"{part.users:,}",
            f"{part.money:,.0f}",
            ", ".join(f"{name} {value:+.1f}" for name, value in list(part.different.items())[:_SHOWN]),
        ]
        for part in day.parts
    ]
    return {"columns": ["segment", "users", "money, 30 days", "what is different"], "rows": rows}


def _moves(day: Day) -> dict[str, list[object]]:
    moved = [(n, a, b) for (a, b), n in day.flows.items() if a not in (NEW, b)]
    rows: list[object] = [[a, b, f"{n:,}"] for n, a, b in sorted(moved, key=lambda m: (-m[0], m[1], m[2]))[:20]]
    return {"columns": ["from", "to", "users"], "rows": rows}


def render(day: Day, as_of: str, run_id: str) -> str:
    """Return the page as HTML text.

    Args:
        day: Sizes, sales and changes of the day's segments.
        as_of: The published day as text (2017-07-01).
        run_id: The run that published it.
    """
    bars, ribbons = picture(day)
    moved, known = day.moved
    money = sum(part.money for part in day.parts)
    return template("capabilities/marketing/segments/page.html.j2").render(
        day=day,
        as_of=as_of,
        run_id=run_id,
        moved=moved,
        known=known,
        money=money,
        bars=bars,
        ribbons=ribbons,
        width=WIDTH,
        height=HEIGHT + GAP * 12,
        bar=BAR,
        shown=_SHOWN,
    )


def picture(day: Day) -> tuple[list[Bar], list[Ribbon]]:
    """Lay out the flow picture: bars for segments before and now, and a ribbon for the users of each flow.

    Returns:
        Bars and ribbons; two empty lists if there is no earlier day.
    """
    order = [part.name for part in day.parts]
    left = [name for name in [*order, *sorted({a for a, _ in day.flows} - {*order, NEW}), NEW]]
    flows = {key: n for key, n in day.flows.items() if n}
    if not any(a != NEW for a, _ in flows):
        return [], []
    scale = HEIGHT / max(1, sum(flows.values()))
    sides = (
        ([(n, sum(u for (a, _), u in flows.items() if a == n)) for n in left], _LABEL),
        ([(n, sum(u for (_, b), u in flows.items() if b == n)) for n in order], WIDTH - _LABEL - BAR),
    )
    bars, places = list[Bar](), list[dict[str, float]]()
    for counted, x in sides:
        y, tops = 0.0, dict[str, float]()
        for name, users in counted:
            if users:
                bars.append(Bar(name or "new", users, x, y, users * scale, _color(name, order)))
                tops[name], y = y, y + users * scale + GAP
        places.append(tops)
    ribbons, (out, into) = list[Ribbon](), places
    for a in left:
        for b in order:
            if users := flows.get((a, b), 0):
                high = users * scale
                path = _path(_LABEL + BAR, out[a], WIDTH - _LABEL - BAR, into[b], high)
                ribbons.append(Ribbon(path, users, a or "new", b, _color(b, order), a not in (b, NEW)))
                out[a], into[b] = out[a] + high, into[b] + high
    return bars, ribbons


def _color(name: str, order: list[str]) -> int:
    return order.index(name) % 6 if name in order else 1


def _path(x0: float, y0: float, x1: float, y1: float, high: float) -> str:
    middle = (x0 + x1) / 2
    there = f"M{x0:.1f},{y0:.1f} C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {x1:.1f},{y1:.1f}"
    low0, low1 = y0 + high, y1 + high
    back = f"L{x1:.1f},{low1:.1f} C{middle:.1f},{low1:.1f} {middle:.1f},{low0:.1f} {x0:.1f},{low0:.1f}"
    return f"{there} {back} Z"
