"""The command `shopbatch config`: lists the keys of a job's configuration with meaning, current value and source."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import click

from shopbatch.cli.options import environment
from shopbatch.core.config_values import DEFAULT, Setting, select, settings
from shopbatch.runs.command import complete_jobs
from shopbatch.runs.declaration import find


def _complete_keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the job's configuration keys that begin with `incomplete`, for shell completion."""
    from shopbatch.core import config

    keys = config.describe(find(context.params["job"]).config)
    return [key.path for key in keys if key.path.startswith(incomplete)]


@click.command()
@click.argument("job", shell_complete=complete_jobs, help="The job.")
@click.argument("words", nargs=-1, metavar="[KEY] [key.path=value]...", shell_complete=_complete_keys)
@click.option("--with", "overlay", metavar="FILE", help="A YAML file that takes precedence over conf/.")
@click.option("--changed", is_flag=True, help="Only the keys whose value is not the default.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON per key.")
@environment()
def config(job: str, words: Sequence[str], overlay: str | None, changed: bool, as_json: bool, env: str) -> None:
    """List the keys of a job's configuration, their values and where these come from.

    Each key is shown with its meaning, its type and its default. KEY is a key or a block, such as gates or
    gates.reject_share. With overrides, the list shows what they would do.
    """
    declared = find(job)
    listed = settings(declared.config, job, env, [word for word in words if "=" in word], overlay)
    names = [word for word in words if "=" not in word]
    if names:
        listed = [setting for name in names for setting in select(listed, name)]
    if changed:
        listed = [setting for setting in listed if setting.source not in ("", DEFAULT)]
    for number, setting in enumerate(listed):
        if as_json:
            print(json.dumps({**setting.key._asdict(), "value": setting.value, "source": setting.source}))
        else:
            print(*(("",) if number else ()), *_lines(setting), sep="\n")


def _lines(setting: Setting) -> list[str]:
    """Return the lines that describe a key to a person: its value, meaning, type and default."""
    key = setting.key
    now = f"(only for {key.only_for})" if setting.value is None and key.only_for else setting.value
    lines = [f"{key.path} = {now if now is not None else '(of each item)'}"]
    if setting.source:
        lines[0] += "" if setting.source == DEFAULT else f"    from {setting.source}"
    meaning = textwrap.wrap(key.meaning, 74)
    default = "required" if key.default is None else f"default {key.default}"
    only = f"; only for {key.only_for}" if key.only_for and setting.value is not None else ""
    return [*lines, *(f"    {line}" for line in [*meaning, *textwrap.wrap(f"{key.type}; {default}{only}", 74)])]
