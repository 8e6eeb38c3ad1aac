"""Loads the Jinja templates of the HTML pages. All values are escaped, and an undefined name is an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from shopbatch.core.controls import escape_controls
from shopbatch.runs import formats


def without_controls(value: Any) -> Any:
    """Escape control and direction characters in a text that a template prints; other values stay unchanged."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else escape_controls(value)


@cache
def template(path: str) -> Template:
    """Load a template by its path inside the package, such as `runs/page.html.j2`, with the filters of `formats`."""
    environment = Environment(
        loader=PackageLoader("shopbatch", ""),
        autoescape=True,
        finalize=without_controls,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": formats.count,
        "language": formats.language,
        "number": formats.number,
        "percent": formats.percent,
        "seconds": formats.seconds,
        "when": formats.when,
        "words": formats.words,
    }
    return environment.get_template(path)
