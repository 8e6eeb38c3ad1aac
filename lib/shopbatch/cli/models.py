"""The command `shopbatch models`: lists the published models, or those that were trained on a given row."""

from __future__ import annotations

import click

from shopbatch.cli.options import environment, open_store
from shopbatch.cli.printing import print_block
from shopbatch.core.controls import one_printable_line


@click.command()
@click.option(
    "--trained-on", nargs=2, metavar="TABLE KEY", help="Only models trained on this row, such as reviews w-17."
)
@environment()
def models(trained_on: tuple[str, str] | None, env: str) -> None:
    """List the published models, or those trained on a row."""
    from shopbatch.models import erasure

    store = open_store(env)
    if trained_on is None:
        listed = erasure.list_models(store)
        if not listed:
            print("no models yet: `shopbatch init` registers the one that ships; train_sentiment_head trains one")
    else:
        from shopbatch.capabilities.sentiment.stage import review_text  # loads an engine's libraries

        answer = erasure.trained_on(store, *trained_on, {"reviews": review_text})
        print(one_printable_line(answer.sentence))
        listed = answer.models
    users = _users(env)
    for model in listed:
        name, _, version = str(model["model"]).partition("@")
        used = [f"{job} ({key}={ref})" for job, key, ref in users if _means(ref, name, version, bool(model["live"]))]
        print_block(
            f"{model['model']}{'  live' if model['live'] else ''}",
            {
                "made": str(model["created"] or "").replace("T", " ")[:16],
                "quality": model["metric"],
                "built on": model["base"],
                "licence": model["licence"],
                "used by": ", ".join(used) or "no job, as configured",
            },
        )


def _users(env: str) -> list[tuple[str, str, str]]:
    """Return the models that the jobs load as configured at present: (job, configuration key, model reference)."""
    from shopbatch.core import config
    from shopbatch.runs.declaration import find, names

    loaded = {name: config.load(find(name).config, name, env, []) for name in names()}
    return [(name, key, ref) for name, settings in loaded.items() for key, ref in settings.required_models().items()]


def _means(reference: str, name: str, version: str, live: bool) -> bool:
    """Return True if a reference means this version of a model.

    Args:
        reference: `name`, `name@live`, or `name@` with the beginning of a digest.
        name: The model's name.
        version: The model's digest or the beginning of it.
        live: Whether this version is the live one.
    """
    named, _, wanted = reference.partition("@")
    if named != name:
        return False
    return live if wanted in ("", "live") else wanted.startswith(version) or version.startswith(wanted)
