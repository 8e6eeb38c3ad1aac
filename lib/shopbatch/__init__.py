"""shopbatch: distributed batch jobs that put large language models to work for online shops.

Python programs use `run`, `table` and `score` (see `shopbatch.api`). Each of these names is imported when it is first
used, so that `import shopbatch` stays fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shopbatch.api import TableView, run, score, table
    from shopbatch.core.errors import GateRefused, Stopped, UserError
    from shopbatch.runs.report import Report

__version__ = "0.1.0"
__all__ = ["GateRefused", "Report", "Stopped", "TableView", "UserError", "run", "score", "table"]
_HOMES = dict.fromkeys(("Report", "TableView", "run", "score", "table"), "shopbatch.api") | dict.fromkeys(
    ("GateRefused", "Stopped", "UserError"), "shopbatch.core.errors"
)


def __getattr__(name: str) -> Any:
    """Import a public name, such as `run`, from its module at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'shopbatch' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
