"""A stage made from one function: for jobs that need neither a model nor an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.inference.stage import BaseStage


class SimpleStage(BaseStage):
    """Runs `function` on batches of rows; its result is what is published.

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
            outputs: Names and types of the columns that it returns.
            function: Content of n rows -> outputs of the same n rows, in order. A function of a module, so that
                workers can import it.
            version: Raise it whenever the function can return something else: all rows are then computed again.
            passthrough_columns: Source columns that the published row takes over.
            drift_columns: Published columns (group, label) whose shares are watched; None: no drift gate.

        Raises:
            TypeError: `function` has no name of its own, for example because it is a lambda.
        """
        name = getattr(function, "__name__", "")
        if not name or name == "<lambda>" or "<locals>" in function.__qualname__:
            raise TypeError(f"function: expected a function of a module, with a name, not {function!r}")
        self.content, self.outputs, self.function, self.version = content, outputs, function, version
        self._passthrough_columns, self._drift_columns = passthrough_columns, drift_columns

    @property
    def passthrough_columns(self) -> tuple[str, ...]:
        """As declared."""
        return self._passthrough_columns

    @property
    def drift_columns(self) -> tuple[str, str] | None:
        """As declared."""
        return self._drift_columns

    def recipe(self) -> Mapping[str, Any]:
        """The function's name and version."""
        return {"stage": self.function.__name__, "version": self.version}

    def open(self) -> _Caller:
        """Nothing is loaded."""
        return _Caller(self.function)


class _Caller:
    """Calls the function on all rows at once."""

    def __init__(self, function: Callable[[pa.Table], pa.Table]) -> None:
        self.function = function

    def plan(self, content: pa.Table) -> list[np.ndarray]:
        return [np.arange(content.num_rows)] if content.num_rows else []

    def run(self, content: pa.Table, attempts: np.ndarray) -> pa.Table:
        return self.function(content).append_column("tokens", pa.array(np.zeros(content.num_rows, np.int32)))
