"""Writes the generated pages of docs/: `python -m shopbatch.cli.reference FOLDER`, called by `make docs`.

The settings of jobs come from their configuration classes, columns from `shopbatch.tables`, commands from their help.
On the page of a job, only the part below the comment MARK is generated; the part above is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import click
import yaml

from shopbatch.cli.main import COMMANDS, PROGRAM, shopbatch
from shopbatch.core import config
from shopbatch.core.config import JobConfig, Platform
from shopbatch.core.config_keys import Key, as_yaml, describe
from shopbatch.runs import declaration
from shopbatch.tables import SOURCES, TABLES, Table

MARK = "<!-- What follows is written by `make docs` from the code: do not edit it here. -->"
_NOTE = "*Written by `make docs` from the code. A test compares it with this page, so do not edit it here.*"
_WIDTH = 100  # width of a command's help, in characters


def pages(docs: Path) -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each page that is generated, or that has a generated part.

    Args:
        docs: The folder docs/; the part of a job's page that was written by hand is read from it.
    """
    for name in declaration.names():
        path = docs / "jobs" / f"{name}.md"
        by_hand = path.read_text("utf-8").partition(MARK)[0] if path.is_file() else f"# {name}\n\n"
        yield path, by_hand + MARK + "\n\n" + _job(name)
    yield docs / "reference" / "commands.md", _commands()
    yield docs / "reference" / "tables.md", _tables()
    yield docs / "reference" / "platform.md", _platform()
    yield docs / "reference" / "report.md", _report()


def _job(name: str) -> str:
    """Return the generated part of a job's page: its inputs, outputs and settings."""
    job = declaration.find(name)
    settings: JobConfig = config.load(job.config, name, "local", [])
    reads = [(_table_link(table), TABLES[table].meaning) for table in settings.required_tables()]
    reads += [(_table_link(table), f"{TABLES[table].meaning} Optional.") for table in settings.optional_tables()]
    loads = [(f"model `{reference}`", f"The setting `{key}`.") for key, reference in settings.required_models().items()]
    writes = [t for t in TABLES.values() if t.job == name]
    parts = ["## Inputs", _markdown(("input", "what it is"), [*reads, *loads])]
    if writes:
        outputs = [(_table_link(t.name), ", ".join(f"`{k}`" for k in t.key), t.meaning) for t in writes]
        parts += ["## Outputs", _markdown(("table", "key", "what a row is"), outputs)]
    keys = [key for key in describe(job.config) if key.path.partition(".")[0] != "platform"]
    parts += [
        "## Settings",
        f"Set one on the command line, `shopbatch run {name} key.path=value`, or in `conf/`. Where the job runs is set "
        "by [`platform`](../reference/platform.md). A default with * is that of "
        f"`conf/base/{name}.yaml`.",
        _settings(keys, _shipped(name)),
    ]
    return "\n\n".join(parts) + "\n"


def _shipped(name: str) -> dict[str, Any]:
    """Return the values that conf/base/<job>.yaml sets, by path (`engine.kind`)."""
    tree = yaml.safe_load((config.root() / "conf" / "base" / f"{name}.yaml").read_text("utf-8")) or {}
    return dict(_flat(tree, ""))


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) for every key of a nested mapping, blocks included."""
    for key, value in tree.items():
        yield f"{prefix}{key}", value
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


def _settings(keys: Iterable[Key], shipped: Mapping[str, Any]) -> str:
    """Return a Markdown table of configuration keys with type, default and meaning.

    Args:
        keys: The keys.
        shipped: Values of conf/base by path; they replace the default and are marked by *.
    """
    rows = []
    for key in keys:
        default = f"`{key.default}`" if key.default else ""
        if key.path in shipped and key.type != "block":
            default = f"`{as_yaml(shipped[key.path])}` *"
        condition = f" Only for {key.only_for}." if key.only_for else ""
        rows.append((f"`{key.path}`", key.type.replace(" | ", " or "), default, key.meaning + condition))
    return _markdown(("key", "type", "default", "meaning"), rows)


def _platform() -> str:
    """Return the page of the platform settings, docs/reference/platform.md."""
    keys = [key._replace(path=f"platform.{key.path}") for key in describe(Platform)]
    return (
        f"# Where a job runs\n\n{_NOTE}\n\nThese keys stand in `conf/<env>/platform.yaml`.\n\n{_settings(keys, {})}\n"
    )


def _commands() -> str:
    """Return the page with the help texts of all commands, docs/reference/commands.md."""
    parts = [f"# Commands\n\n{_NOTE}\n\n[Exit codes](report.md#exit-codes) are the same for all of them."]
    context = click.Context(shopbatch, info_name=PROGRAM, terminal_width=_WIDTH, max_content_width=_WIDTH)
    for name in COMMANDS:
        command = shopbatch.get_command(context, name)
        assert command is not None
        with click.Context(command, parent=context, info_name=name, terminal_width=_WIDTH) as inner:
            parts.append(f"## {PROGRAM} {name}\n\n```text\n{command.get_help(inner)}\n```")
    return "\n\n".join(parts) + "\n"


def _tables() -> str:
    """Return the page with all tables and columns, docs/reference/tables.md."""
    parts = [f"# Tables\n\n{_NOTE}\n\n`shopbatch tables TABLE` and `shopbatch docs` show the same."]
    for title, tables in (
        ("Source tables", [TABLES[name] for name in SOURCES]),
        ("Published tables", [table for name, table in TABLES.items() if name not in SOURCES]),
    ):
        parts += [f"## {title}", *(_table(table) for table in tables)]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    """Return the section of one table: its meaning, its writer and its columns."""
    writer = f" Written by [{table.job}](../jobs/{table.job}.md)." if table.job else ""
    writer = f" Written by {table.filled_by}." if table.command else writer
    rows = [
        (
            f"`{c.name}`{' (key)' if c.name in table.key else ''}",
            f"`{c.type}`",
            c.meaning + ("" if c.nullable else " Never null."),
        )
        for c in table.columns
    ]
    return f"### {table.name}\n\n{_cell(table.meaning)}{writer}\n\n{_markdown(('column', 'type', 'meaning'), rows)}"


def _report() -> str:
    """Return the page of exit codes and report fields, docs/reference/report.md, from reference.yaml."""
    text = (resources.files("shopbatch.cli") / "reference.yaml").read_text("utf-8")
    words = yaml.safe_load(text)
    codes = [(f"**{code}**", *cells) for code, cells in words["exit_codes"].items()]
    fields = [(f"`{name}`", meaning) for name, meaning in words["report"].items()]
    return "\n\n".join(
        (
            f"# Exit codes and report.json\n\n{_NOTE}",
            "## Exit codes",
            _markdown(("code", "name", "meaning", "what to do"), codes),
            "## report.json",
            "Every run leaves `<warehouse>/_runs/<job>/<run_id>/report.json` and a page, `report.html`, beside it. If "
            "standard output is a pipe, its last line is the report as one line of JSON.",
            _markdown(("field", "meaning"), fields) + "\n",
        )
    )


def _table_link(name: str) -> str:
    """Return a Markdown link from a job's page to the section of a table."""
    return f"[`{name}`](../reference/tables.md#{name})"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table.

    Args:
        head: Names of the columns.
        rows: Texts of the cells.
    """
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table: one line, `|` escaped, and `<` escaped outside of code."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else part.replace("<", "&lt;") for number, part in enumerate(parts))


if __name__ == "__main__":
    for target, written in pages(Path(sys.argv[1])):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(written, "utf-8")
