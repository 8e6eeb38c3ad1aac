"""Lays out the lineage graph of the site: which job reads and writes which table and model, from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Literal

from shopbatch.site.records import Job

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 172, 30, 44, 12, 8
_SWEEPS = 4  # passes over the columns that reorder boxes, so that fewer arrows cross
_LETTERS = 22  # most characters of a name that fit into a box

Kind = Literal["table", "job", "model", "way"]  # way: a placeholder where an arrow passes a column
Node = tuple[Kind, str]


@dataclass(frozen=True)
class Box:
    """One box of the lineage graph, of `WIDTH` x `HEIGHT` pixels.

    Attributes:
        kind: "table", "job" or "model".
        name: Name of the table, job or model.
        label: The name, shortened to fit.
        x, y: Upper left corner in pixels.
        is_there: True if the table or model exists or the job has run; other boxes are dashed.
    """

    kind: Kind
    name: str
    label: str
    x: int
    y: int
    is_there: bool


@dataclass(frozen=True)
class Picture:
    """A laid-out lineage graph, which a template renders as SVG.

    Attributes:
        width, height: Size in pixels.
        boxes: The boxes.
        arrows: The arrows, each as path data of an SVG curve.
    """

    width: int
    height: int
    boxes: Sequence[Box]
    arrows: Sequence[str]


def draw(jobs: Iterable[Job], there: set[Node], about: Node | None = None) -> Picture:
    """Lay out the graph of the jobs with the tables and models that they read and write.

    Args:
        jobs: The jobs.
        there: The tables and models that exist and the jobs that have run; others are drawn dashed.
        about: Node to which the graph is limited: its own arrows and those of its neighbouring jobs. None: the whole
            graph.
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
    """Return all arrows (from, to), sorted.

    A table or model that a job both reads and writes counts as its output alone, because the job continues its own
    result.
    """
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
    """Return the route of each arrow as a list of nodes, so that no arrow crosses a box.

    In every column between its ends, an arrow gets a placeholder node ("way"), for which space is reserved.
    """
    depth = _depths(_without_circles(edges))
    return [
        [start, *(("way", f"{level} {start} {end}") for level in range(depth[start] + 1, depth[end])), end]
        for start, end in edges
    ]


def _places(steps: Sequence[tuple[Node, Node]]) -> dict[Node, tuple[int, float]]:
    """Return {node: (column, row)} of a layered layout.

    A node is right of all nodes that lead to it; in height it is near the nodes that it is connected with.
    """
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
    """Return the edges without those that close a cycle in a depth-first walk in sorted order."""
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
    """Return {node: column} for edges without cycles.

    The column is the length of the longest path to the node. A node without predecessors stands directly left of the
    first node that it leads to.
    """
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
    """Return the SVG path data of a curve through these boxes and placeholders, given their upper left corners.

    It begins at the right side of the first box and ends at the left side of the last box.
    """
    points = [(x + side, y + HEIGHT // 2) for x, y in corners for side in (0, WIDTH)][1:-1]
    path = f"M{points[0][0]},{points[0][1]}"
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = abs(x2 - x1) // 2 if x2 > x1 else GAP_X
        path += f" C{x1 + bend},{y1} {x2 - bend},{y2} {x2},{y2}"
    return path


def neighbours(jobs: Iterable[Job], table: str) -> Mapping[str, list[str]]:
    """Return {"written by": jobs, "read by": jobs} of a table, with sorted names of jobs."""
    known = list(jobs)
    return {
        "written by": sorted(job.name for job in known if table in job.writes),
        "read by": sorted(job.name for job in known if table in job.reads - job.writes),
    }
