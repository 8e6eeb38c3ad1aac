"""The picture of lineage: which job reads and writes which table and model, laid out from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Literal

from shopbatch.site.records import Job

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 172, 30, 44, 12, 8
_SWEEPS = 4  # over the columns, to untangle the arrows
_LETTERS = 22  # of a name that fit into a box

Kind = Literal["table", "job", "model", "way"]  # a way is where an arrow passes a column
Node = tuple[Kind, str]


@dataclass(frozen=True)
class Box:
    """One box of the picture: its corner, what it stands for, and whether that exists or has run."""

    kind: Kind
    name: str
    label: str
    x: int
    y: int
    is_there: bool


@dataclass(frozen=True)
class Picture:
    """A picture of `width` x `height` pixels; an arrow is the path of an SVG curve."""

    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[str]


def draw(jobs: Iterable[Job], there: set[Node], about: Node | None = None) -> Picture:
    """Draw the jobs and what they read and write.

    Args:
        jobs: The jobs.
        there: The tables and models that exist and the jobs that have run; the others are dashed.
        about: Only the arrows that begin or end here, and those of its neighbouring jobs; None: all.
    """
    edges = _edges(jobs)
    if about is not None:
        near = {about, *(node for edge in edges if about in edge for node in edge if node[0] == "job")}
        edges = [edge for edge in edges if edge[0] in near or edge[1] in near]
    ways = _ways(edges)
    places = _places([step for way in ways for step in pairwise(way)])
    corners = {n: (MARGIN + x * (WIDTH + GAP_X), MARGIN + int(y * (HEIGHT + GAP_Y))) for n, (x, y) in places.items()}
    boxes = [Box(*n, _short(n[1]), x, y, n in there) for n, (x, y) in corners.items() if n[0] != "way"]
    return Picture(
        max((x + WIDTH + MARGIN for x, _ in corners.values()), default=0),
        max((y + HEIGHT + MARGIN for _, y in corners.values()), default=0),
        boxes,
        [_arrow([corners[node] for node in way]) for way in ways],
    )


def _edges(jobs: Iterable[Job]) -> list[tuple[Node, Node]]:
    """All arrows, sorted. What a job both reads and writes is its result (it continues its own tables)."""
    edges: set[tuple[Node, Node]] = set()
    for job in jobs:
        node: Node = ("job", job.name)
        inputs: list[Node] = [("table", t) for t in job.reads - job.writes] + [
            ("model", m) for m in job.loads - job.makes
        ]
        outputs: list[Node] = [("table", t) for t in job.writes] + [("model", m) for m in job.makes]
        edges |= {(each, node) for each in inputs} | {(node, each) for each in outputs}
    return sorted(edges)


def _ways(edges: Sequence[tuple[Node, Node]]) -> list[list[Node]]:
    """The nodes that each arrow visits: a place of its own in every column between its ends, so that it hits no box."""
    depth = _depths(_without_circles(edges))
    return [
        [start, *(("way", f"{level} {start} {end}") for level in range(depth[start] + 1, depth[end])), end]
        for start, end in edges
    ]


def _places(steps: Sequence[tuple[Node, Node]]) -> dict[Node, tuple[int, float]]:
    """Column and row of each node: right of all that leads to it, and in height near what it is connected with."""
    depth = _depths(_without_circles(steps))
    columns = [sorted(node for node in depth if depth[node] == level) for level in sorted(set(depth.values()))]
    linked: dict[Node, list[Node]] = {node: [] for node in depth}
    for start, end in steps:
        linked[start].append(end)
        linked[end].append(start)
    for _ in range(_SWEEPS):
        for column in columns:
            rows = {node: row for each in columns for row, node in enumerate(each)}
            column.sort(key=lambda node: (sum(rows[n] for n in linked[node]) / len(linked[node]), node))
    tallest = max(map(len, columns), default=0)
    return {
        node: (x, (tallest - len(column)) / 2 + y) for x, column in enumerate(columns) for y, node in enumerate(column)
    }


def _without_circles(edges: Sequence[tuple[Node, Node]]) -> list[tuple[Node, Node]]:
    """The edges without those that lead back to a node from which a walk, in sorted order, has come."""
    after: dict[Node, list[Node]] = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)
    kept: list[tuple[Node, Node]] = []
    done: set[Node] = set()

    def walk(node: Node, path: frozenset[Node]) -> None:
        for end in after.get(node, ()):
            if end not in path:
                kept.append((node, end))
                if end not in done:
                    walk(end, path | {end})
        done.add(node)

    for node in sorted(after):
        if node not in done:
            walk(node, frozenset({node}))
    return kept


def _depths(edges: Sequence[tuple[Node, Node]]) -> dict[Node, int]:
    """The length of the longest way that leads to each node; where none does, one less than what it leads to."""
    sorter: TopologicalSorter[Node] = TopologicalSorter()
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for start, end in edges:
        sorter.add(end, start)
        before.setdefault(end, []).append(start)
        after.setdefault(start, []).append(end)
    depth: dict[Node, int] = {}
    for node in sorter.static_order():
        depth[node] = max((depth[each] + 1 for each in before.get(node, ())), default=0)
    return {n: d if n in before else min(depth[each] for each in after[n]) - 1 for n, d in depth.items()}


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"


def _arrow(corners: Sequence[tuple[int, int]]) -> str:
    """The path from the right side of the first box to the left side of the last one."""
    points = [(x + side, y + HEIGHT // 2) for x, y in corners for side in (0, WIDTH)][1:-1]
    path = f"M{points[0][0]},{points[0][1]}"
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = abs(x2 - x1) // 2 if x2 > x1 else GAP_X
        path += f" C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
    return path


def neighbours(jobs: Iterable[Job], table: str) -> Mapping[str, list[str]]:
    """The jobs that write and that read a table, sorted."""
    known = list(jobs)
    return {
        "written by": sorted(job.name for job in known if table in job.writes),
        "read by": sorted(job.name for job in known if table in job.reads - job.writes),
    }
