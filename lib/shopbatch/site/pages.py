"""Renders the HTML pages of the site by Jinja templates.

Jinja escapes every value. The pages have no scripts and load nothing from elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from shopbatch.runs import formats
from shopbatch.runs.templates import without_controls
from shopbatch.site import lineage
from shopbatch.site.lineage import Node
from shopbatch.site.records import Run, Site

_TONES = {"published": "good", "nothing to do": "good", "refused": "bad", "failed": "bad"}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def render(site: Site, folder: Path) -> dict[str, str]:
    """Render all pages of the site.

    Args:
        site: The content.
        folder: The folder in which the pages will be. Run reports are linked by relative paths if it is inside the
            warehouse, and not linked otherwise.

    Returns:
        {file name: HTML}.
    """
    environment = Environment(
        loader=PackageLoader("shopbatch.site"),
        autoescape=True,
        finalize=without_controls,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bytes": _bytes,
        "count": formats.count,
        "measure": _measure,
        "seconds": formats.seconds,
        "took": _took,
        "tone": lambda outcome: _TONES.get(outcome, "neutral"),
        "when": formats.when,
        "words": formats.words,
        "page": _page,
    }
    environment.globals |= {
        "site": site,
        "box_width": lineage.WIDTH,
        "report": _report_links(site, folder),
        "runs": sorted((run for job in site.jobs for run in job.runs), key=_newest_first, reverse=True),
        "pages": {("job", job.name) for job in site.jobs} | {("table", table.name) for table in site.tables},
    }
    return {name: environment.get_template(template).render(**values) for name, template, values in _pages(site)}


def _pages(site: Site) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (file name, template, variables of the template) for each page."""
    there = _there(site)
    yield "index.html", "index.html.j2", {"picture": lineage.draw(site.jobs, there)}
    yield "runs.html", "runs.html.j2", {}
    yield "models.html", "models.html.j2", {}
    for job in site.jobs:
        yield _page(job.name, "job"), "job.html.j2", {"job": job, "picture": _around(site, there, ("job", job.name))}
    for table in site.tables:
        about: Node = ("table", table.name)
        values = {"table": table, "jobs": lineage.neighbours(site.jobs, table.name)}
        yield _page(table.name, "table"), "table.html.j2", {**values, "picture": _around(site, there, about)}


def _around(site: Site, there: set[Node], about: Node) -> lineage.Picture:
    return lineage.draw(site.jobs, there, about)


def _there(site: Site) -> set[Node]:
    there: set[Node] = {("table", table.name) for table in site.tables if table.versions}
    there |= {("model", model.name) for model in site.models}
    return there | {("job", job.name) for job in site.jobs if job.runs}


def _report_links(site: Site, folder: Path) -> Callable[[Run], str]:
    """Return the function that gives the relative link to a run's report.html, or "" if there is none to link."""
    root = None if site.local is None else Path(site.local).resolve()
    inside = root is not None and folder.resolve().is_relative_to(root)

    def link(run: Run) -> str:
        if root is None or not inside or not (root / run.page).is_file():
            return ""
        return quote(Path(os.path.relpath(root / run.page, folder.resolve())).as_posix())

    return link


def _newest_first(run: Run) -> tuple[str, str]:
    return run.run_id, run.job


def _page(name: str, kind: str) -> str:
    """Return the link to the page about a job, table or model ("table-reviews.html", "models.html#sentiment")."""
    return f"models.html#{name}" if kind == "model" else f"{kind}-{name}.html"


def _bytes(size: int | None) -> str:
    """Format a number of bytes for people (118000 -> "118 kB"); a dash for None."""
    if size is None:
        return "–"
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{formats.number(value)} {_UNITS[unit]}"


def _took(run: Run) -> str:
    """Format the time from start to end of a run for people."""
    return formats.seconds(formats.took({"started_at": run.started, "ended_at": run.ended}))


def _measure(measure: Mapping[str, Any]) -> str:
    """Format a metric of a model as "value (low to high)", without the brackets if it has no interval."""
    low, high = measure.get("low"), measure.get("high")
    interval = "" if low is None or high is None else f" ({formats.number(low)} to {formats.number(high)})"
    return formats.number(measure["value"]) + interval
