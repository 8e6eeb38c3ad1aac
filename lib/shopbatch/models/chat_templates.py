"""Renders chat templates, which are programs of whoever made the model: in a sandbox, and with an end.

The sandbox is Jinja's immutable one, as in transformers, and the template sees the same names. In addition everything
that it computes is counted in units: characters, elements of lists (several each), rounds of loops (many each). A
template that uses up its units is refused, so the answer does not depend on the machine. Filters and methods that no
chat template needs, and that write much from little (`center`, `format`, `lipsum`), are not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sized
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any

from jinja2 import Environment, Template, TemplateError, TemplateRuntimeError, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from shopbatch.core.errors import one_line
from shopbatch.models.errors import ModelError

_UNITS = 4_000_000  # and _UNITS_PER_CHARACTER for each character of the messages
_UNITS_PER_CHARACTER = 64
_UNITS_PER_ELEMENT, _UNITS_PER_ROUND = 8, 64  # of a list, and of a loop: about as much time as characters
_WIDEST = 64  # spaces of an indentation
_FILTERS = ("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "int",
            "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace",
            "reverse", "safe", "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper",
            "indent", "tojson")  # fmt: skip
_METHODS = ("strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "partition", "rpartition", "startswith",
            "endswith", "replace", "join", "upper", "lower", "title", "capitalize", "find", "rfind", "index", "count",
            "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower", "removeprefix", "removesuffix",
            )  # fmt: skip
_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
    SyntaxError,
)  # fmt: skip  what Jinja and the code that it compiles raise


def render(source: str, **variables: Any) -> str:
    """Render a chat template.

    Args:
        source: The template.
        variables: What transformers gives it: messages, tools, add_generation_prompt, special tokens, ...

    Raises:
        ModelError: It cannot be compiled, leaves the sandbox, refuses its messages, or computes without end.
    """
    try:
        template = _compiled(source)
        template.environment.left = _UNITS + _UNITS_PER_CHARACTER * len(str(variables.get("messages")))  # type: ignore[attr-defined]
        return template.render(**variables)
    except _FAILURES as error:
        raise ModelError(f"the chat template refuses the messages: {one_line(error, 200)}") from None


def check(source: str, what: str) -> None:
    """Render a chat template for a first message, as a check. That it refuses this message does not matter.

    Args:
        source: The template.
        what: What an error calls it.

    Raises:
        ModelError: It cannot be compiled, leaves the sandbox, or computes without end.
    """
    try:
        template = _compiled(source)
        template.environment.left = _UNITS  # type: ignore[attr-defined]
        message = {"role": "user", "content": "Hi"}
        template.render(messages=[message], tools=None, documents=None, add_generation_prompt=True)
    except _HOSTILE as error:
        raise ModelError(f"{what}: its chat template is refused: {one_line(error, 200)}") from None
    except _FAILURES:
        return


@lru_cache(maxsize=8)
def _compiled(source: str) -> Template:
    return _Bounded().from_string(source)


class _Endless(TemplateRuntimeError):
    """The template computes more than a chat template needs."""


_HOSTILE = (_Endless, SecurityError, TemplateSyntaxError, RecursionError, MemoryError, SyntaxError)


class _Bounded(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with units for what a template computes."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        self.left = _UNITS
        # with the context as an argument, constants are not computed while the template is compiled
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            finalize=pass_context(lambda _, value: self.weigh(value)),
            optimized=False,
        )
        own = {"tojson": self._tojson, "join": self._join, "indent": self._indent, "replace": self._replace}
        self.filters = {name: _counted(self, own.get(name, self.filters[name])) for name in _FILTERS}
        tests: dict[str, Any] = self.tests
        self.tests |= {name: _counted(self, tests[name]) for name in ("in", "eq", "==", "equalto", "ne", "!=")}
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace")}
        self.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}

    def spend(self, units: int) -> str:
        """Count units. Returns nothing to write."""
        self.left -= units
        if self.left < 0:
            raise _Endless("it computes more than a chat template needs")
        return ""

    def weigh(self, value: Any) -> Any:
        """Count the characters and elements of a value, and return it."""
        waiting = [value]
        while waiting:
            node = waiting.pop()
            self.spend(_UNITS_PER_ELEMENT + (len(node) if isinstance(node, str) else 0))
            if isinstance(node, Mapping):
                waiting += [*node.keys(), *node.values()]
            elif isinstance(node, list | tuple):
                waiting += node
        return value

    def copied(self, value: Any) -> Any:
        """Count what a slice may copy of a value, and return it."""
        self.spend(len(value) if isinstance(value, Sized) else 1)
        return value

    def counted(self, value: Any) -> Any:
        """Count the elements of what a loop runs over, and return it."""
        self.spend(_UNITS_PER_ELEMENT * len(value) if isinstance(value, Sized) else 1)
        return value

    def joined(self, *parts: Any) -> str:
        """Join texts, as `~` does."""
        return "".join(str(self.weigh(part)) for part in parts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute a sum, a product, a power or a remainder, unless the result is larger than what is left."""
        if operator == "%" and isinstance(left, str):
            raise TemplateRuntimeError("it formats with %, which no chat template needs")
        if operator == "+":
            self.spend(sum(len(side) for side in (left, right) if isinstance(side, str | list | tuple)))
        elif operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int):
                    self.spend(len(one) * max(0, other))
            self.spend(sum(side.bit_length() for side in (left, right) if isinstance(side, int)))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            self.spend(left.bit_length() * abs(right))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use an attribute: of texts only what chat templates need."""
        return attr in _METHODS if isinstance(obj, str) else super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Give no method `format`: `is_safe_attribute` decides."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function or method, and count what it returns."""
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, str) and name == "replace":
            return __self._replace(owner, *args, **kwargs)
        if isinstance(owner, str) and name == "join":
            return __self._join(args[0], owner)
        if isinstance(owner, str | list | tuple):
            __self.weigh(owner)
        result = super().call(__context, __obj, *args, **kwargs)
        if owner is not __self and isinstance(result, str | list | tuple | dict):
            __self.weigh(result)
        return result

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counting(self).visit(super()._parse(source, name, filename))
        return tree

    def _replace(self, text: Any, old: str, new: str, count: int | None = None) -> str:
        text = str(text)
        self.spend(len(text) + text.count(old) * len(new))
        return str(text.replace(old, new, -1 if count is None else count))

    def _join(self, value: Any, d: str = "", attribute: str | int | None = None) -> str:
        parts = list(value)
        if attribute is not None:
            parts = [self.getitem(part, attribute) for part in parts]
        self.weigh(parts)
        self.spend(len(d) * len(parts))
        return str(d).join(map(str, parts))

    def _indent(self, text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        indentation = width if isinstance(width, str) else " " * min(width, _WIDEST)
        lines = str(text).splitlines()
        self.spend(len(lines) * len(indentation))
        rest = [indentation + line if line or blank else line for line in lines[1:]]
        return "\n".join([(indentation if first else "") + (lines[0] if lines else ""), *rest])

    def _tojson(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        indent = indent if indent is None else min(int(indent), _WIDEST)
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Counting(NodeTransformer):
    """Adds the counting to a template: to each round of a loop, each call of a macro, each list that is written."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def _call(self, name: str, node: nodes.Node, arguments: list[nodes.Node]) -> nodes.Call:
        call = nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)
        call.set_lineno(node.lineno)
        call.set_environment(self.environment)
        return call

    def _body(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        cost = _UNITS_PER_ROUND + sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        node.body = [nodes.ExprStmt(self._call("spend", node, [nodes.Const(cost)]), lineno=node.lineno), *node.body]
        return node

    visit_Macro = visit_CallBlock = _body

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self._body(node)
        node.iter = self._call("counted", node, [node.iter])
        return node

    def _literal(self, node: nodes.Literal) -> nodes.Node:
        self.generic_visit(node)
        is_target = isinstance(node, nodes.Tuple) and node.ctx != "load"
        return node if is_target else self._call("weigh", node, [node])

    visit_List = visit_Dict = visit_Tuple = _literal

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self._call("weigh", node, [node.expr])
        for operand in node.ops:
            operand.expr = self._call("weigh", node, [operand.expr])
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self._call("copied", node, [node.node])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self._call("joined", node, list(node.nodes))


class _Generation(Extension):
    """`{% generation %}`, with which transformers finds the answers of an assistant: here just what is inside."""

    tags = {"generation"}  # noqa: RUF012  as in Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _counted(environment: _Bounded, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that counts the elements of what it is given, and all of what it returns."""

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        sizes = [len(a) for a in args if isinstance(a, str | list | tuple | dict | range)]
        environment.spend(_UNITS_PER_ROUND + _UNITS_PER_ELEMENT * sum(sizes))
        weighty = function.__name__ in ("_tojson", "do_string", "soft_str", "escape", "do_title", "do_trim")
        if weighty:
            for value in args:
                environment.weigh(value)
        result = function(*args, **kwargs)
        return result if weighty else environment.weigh(result)

    return counted


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form[:100])
