"""Renders chat templates, which are untrusted Jinja programs from the model's author, in a sandbox with a work limit.

The sandbox is Jinja's immutable one, as in transformers, and the template sees the same variables. In addition,
everything that a template computes costs units: characters, elements of lists (several units each), rounds of loops
(many units each). A template that uses up its units is refused. The limit counts work, not time, so the outcome does
not depend on the machine. Filters and methods that no chat template needs and that produce much output from little
input (`center`, `format`, `lipsum`) are removed.
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

_UNITS = 4_000_000  # work limit; _UNITS_PER_CHARACTER is added for each character of the messages
_UNITS_PER_CHARACTER = 64
_UNITS_PER_ELEMENT, _UNITS_PER_ROUND = 8, 64  # units for a list's element and a loop's round, by their time
_WIDEST = 64  # maximum number of spaces of an indentation
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
    """Render a chat template and return its text.

    Args:
        source: The template.
        variables: The template's variables as in transformers: messages, tools, add_generation_prompt, special tokens,
            ...

    Raises:
        ModelError: The template cannot be compiled, violates the sandbox, refuses its messages, or exceeds the work
            limit.
    """
    try:
        template = _compiled(source)
        template.environment.left = _UNITS + _UNITS_PER_CHARACTER * len(str(variables.get("messages")))  # type: ignore[attr-defined]
        return template.render(**variables)
    except _FAILURES as error:
        raise ModelError(f"the chat template refuses the messages: {one_line(error, 200)}") from None


def check(source: str, what: str) -> None:
    """Refuse a chat template that is malformed or hostile, by rendering it for one short message.

    A template that merely refuses this message passes.

    Args:
        source: The template.
        what: Name of the template in an error message.

    Raises:
        ModelError: The template cannot be compiled, violates the sandbox, or exceeds the work limit.
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
    """Compile a chat template in a new sandbox (`_Bounded`); the last 8 compiled templates are cached."""
    return _Bounded().from_string(source)


class _Endless(TemplateRuntimeError):
    """A template exceeded its work limit."""


_HOSTILE = (_Endless, SecurityError, TemplateSyntaxError, RecursionError, MemoryError, SyntaxError)


class _Bounded(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with a work limit: everything that a template computes is subtracted from `left`, in units.

    A unit is about the work for one character.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        self.left = _UNITS
        # pass_context keeps Jinja from computing constants while it compiles the template
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
        """Subtract units from the work limit, or raise `_Endless` if too few are left.

        Returns:
            "", because a template may write the result.
        """
        self.left -= units
        if self.left < 0:
            raise _Endless("it computes more than a chat template needs")
        return ""

    def weigh(self, value: Any) -> Any:
        """Subtract the cost of all characters and nested elements of a value from the work limit; return the value."""
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
        """Subtract the cost of copying a value, as a slice may do, from the work limit; return the value."""
        self.spend(len(value) if isinstance(value, Sized) else 1)
        return value

    def counted(self, value: Any) -> Any:
        """Subtract the cost of the elements that a loop iterates over from the work limit; return the value."""
        self.spend(_UNITS_PER_ELEMENT * len(value) if isinstance(value, Sized) else 1)
        return value

    def joined(self, *parts: Any) -> str:
        """Concatenate values as text, as Jinja's operator `~` does, within the work limit."""
        return "".join(str(self.weigh(part)) for part in parts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute +, *, ** or % within the work limit; formatting text with % is refused.

        The cost is subtracted before the result is computed.
        """
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
        """Return True if a template may use an attribute; of a text only the methods that chat templates need."""
        return attr in _METHODS if isinstance(obj, str) else super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """Disable Jinja's special treatment of `str.format`, which `is_safe_attribute` refuses anyway."""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function or method for the template, and subtract the cost of its result from the work limit."""
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
        """Parse a template, and insert calls into its syntax tree that subtract its work from the limit."""
        tree: nodes.Template = _Counting(self).visit(super()._parse(source, name, filename))
        return tree

    def _replace(self, text: Any, old: str, new: str, count: int | None = None) -> str:
        """The filter and method `replace` within the work limit: replace `old` by `new`, at most `count` times."""
        text = str(text)
        self.spend(len(text) + text.count(old) * len(new))
        return str(text.replace(old, new, -1 if count is None else count))

    def _join(self, value: Any, d: str = "", attribute: str | int | None = None) -> str:
        """The filter and method `join` within the work limit: join values, or an attribute of each, with `d`."""
        parts = list(value)
        if attribute is not None:
            parts = [self.getitem(part, attribute) for part in parts]
        self.weigh(parts)
        self.spend(len(d) * len(parts))
        return str(d).join(map(str, parts))

    def _indent(self, text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        """The filter `indent` within the work limit, by at most 64 spaces."""
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
        """The filter `tojson`: return a value as JSON text, indented by at most 64 spaces a level."""
        indent = indent if indent is None else min(int(indent), _WIDEST)
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Counting(NodeTransformer):
    """A rewriter of a template's syntax tree, which inserts calls that subtract work from the limit of `_Bounded`.

    Such calls are added to each round of a loop, call of a macro, literal list, comparison, slice and `~`.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment

    def _call(self, name: str, node: nodes.Node, arguments: list[nodes.Node]) -> nodes.Call:
        """Return a syntax node that calls the method `name` of the `_Bounded` environment with these arguments."""
        call = nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)
        call.set_lineno(node.lineno)
        call.set_environment(self.environment)
        return call

    def _body(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        """Make each round of a loop, or each call of a macro, subtract its cost from the work limit."""
        self.generic_visit(node)
        cost = _UNITS_PER_ROUND + sum(len(text.data) for text in node.find_all(nodes.TemplateData))
        node.body = [nodes.ExprStmt(self._call("spend", node, [nodes.Const(cost)]), lineno=node.lineno), *node.body]
        return node

    visit_Macro = visit_CallBlock = _body

    def visit_For(self, node: nodes.For) -> nodes.Node:
        """Make each round of a loop, and the value that it iterates over, count against the work limit."""
        self._body(node)
        node.iter = self._call("counted", node, [node.iter])
        return node

    def _literal(self, node: nodes.Literal) -> nodes.Node:
        """Make a literal list, dict or tuple count against the work limit, unless it is the target of an assignment."""
        self.generic_visit(node)
        is_target = isinstance(node, nodes.Tuple) and node.ctx != "load"
        return node if is_target else self._call("weigh", node, [node])

    visit_List = visit_Dict = visit_Tuple = _literal

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        """Make the operands of a comparison count against the work limit."""
        self.generic_visit(node)
        node.expr = self._call("weigh", node, [node.expr])
        for operand in node.ops:
            operand.expr = self._call("weigh", node, [operand.expr])
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        """Make a value that is sliced count against the work limit."""
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):
            node.node = self._call("copied", node, [node.node])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        """Replace the operator `~` by `_Bounded.joined`."""
        self.generic_visit(node)
        return self._call("joined", node, list(node.nodes))


class _Generation(Extension):
    """The block `{% generation %}`, which marks the assistant's answers for transformers.

    Here only its content is rendered.
    """

    tags = {"generation"}  # noqa: RUF012  as in Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the block and return its content as a scope."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _counted(environment: _Bounded, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a Jinja filter or test so that its arguments and its result count against the work limit."""

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
    """Raise TemplateError with a message; templates call it as `raise_exception` to refuse messages."""
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    """Return the current local time in a strftime format; templates call it as `strftime_now`."""
    return datetime.now().strftime(form[:100])
