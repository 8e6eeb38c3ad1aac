"""A stage made from one Python function, for jobs that need neither a model nor an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.inference.stage import BaseStage


class SimpleStage(BaseStage):
    """A stage that calls `function` on batches of rows and publishes the columns that it returns.

    Example:
        SimpleStage(content=("title",), outputs=pa.schema([("words", pa.int32())]), function=count_words)
    """

    def __init__(
        self,
        content: tuple[str, ...],
        outputs: pa.Schema,
        function: Callable[[pa.Table], pa.Table],
        version: int = 1,
        passthrough_columns: tuple[str, ...] = (),
        drift_columns: tuple[str, str] | None = None,
    ) -> None:
        """Declare the stage.

        Args:
            content: Source columns that the function reads.
            outputs: Names and types of the columns that the function returns.
            function: Gets a table of n rows with the content columns, and returns a table with the `outputs` of the
                same n rows, in order. It must be defined at the top level of a module, so that workers can import it.
            version: Raise it whenever the function can return something else: all rows are then computed again.
            passthrough_columns: Source columns that are copied into the published row.
            drift_columns: Published columns (group, label) whose shares the drift gate watches; None: no drift gate.

        Raises:
            TypeError: `function` is a lambda, is defined inside another function, or has no name.
        """
        name = getattr(function, "__name__", "")
        if not name or name == "<lambda>" or "<locals>" in function.__qualname__:
            raise TypeError(f"function: expected a function of a module, with a name, not {function!r}")
        self.content, self.outputs, self.function, self.version = content, outputs, function, version
        self._passthrough_columns, self._drift_columns = passthrough_columns, drift_columns

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """The source columns that were declared for copying into the published row."""
        return self._passthrough_columns

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """The declared columns (group, label) of the drift gate; None: no drift gate."""
        return self._drift_columns

    def recipe(self) -> Mapping[str, Any]:
        """Return the function's name and version: a change of either computes all rows again."""
        return {"stage": self.function.__name__, "version": self.version}

    def open(self) -> _Caller:
        """Return a scorer that calls the function. No model is loaded."""
        return _Caller(self.function)


class _Caller:
    """The scorer of a `SimpleStage`: calls the function once with all rows that it is given."""

    def __init__(self, function: Callable[[pa.Table], pa.Table]) -> None:
        self.function = function

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        return self.function(content).append_column("tokens", pa.array(np.zeros(content.num_rows, np.int32)))
