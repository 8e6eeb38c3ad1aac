"""The command `shopbatch init`: makes a project folder for a shop, and a warehouse with the models that ship."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from shopbatch.cli.options import describe_warehouse, open_store
from shopbatch.core.errors import UserError

ENV = "local"
_FILES = {
    f"conf/{ENV}/platform.yaml": """\
# Where jobs run with --env local, the default; conf/<env>/platform.yaml makes another environment.
# The package brings the jobs and their configuration along. A key in conf/base/<job>.yaml here overrides it;
# `shopbatch run JOB --help` lists the keys.
warehouse: .warehouse
""",
    ".gitignore": ".warehouse/\n",
}
_RULE = (
    "conf/<env>/platform.yaml names the warehouse of --env (default: local); SHOPBATCH_WAREHOUSE takes precedence over "
    "it, and platform.warehouse=... over both."
)


@click.command()
@click.argument("folder", required=False, help="The project folder (default: the current one).")
@click.option("--models-from", metavar="WAREHOUSE", help="Also copy the live models of this warehouse.")
def init(folder: str | None, models_from: str | None) -> None:
    """Make a project folder, and a warehouse with the models that ship.

    If SHOPBATCH_WAREHOUSE is set and no FOLDER is named, only that warehouse is made. What is there already stays.
    """
    source = models_from if models_from is None or "://" in models_from else str(Path(models_from).absolute())
    home = Path(folder or ".")
    if folder is not None or not os.environ.get("SHOPBATCH_WAREHOUSE"):
        _make_project(home)
    with contextlib.chdir(home):
        print(f"warehouse: {describe_warehouse(ENV)}\n  {_RULE}")
        _fill_registry(source)
    print("next:" + (f"\n  cd {folder}" if folder is not None and home.resolve() != Path.cwd() else ""))
    print("  shopbatch load reviews FILE      your own reviews; or `shopbatch sample --rows 3000`: public ones")
    print("  shopbatch run score_reviews")


def _make_project(home: Path) -> None:
    """Write the files of a new project folder that do not exist yet, and print which were made."""
    for name, text in _FILES.items():
        path = home / name
        if path.exists():
            print(f"{path}: is there already")
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); name another folder") from None
        print(f"{path}: made")


def _fill_registry(source: str | None) -> None:
    """Fill the model registry of the new warehouse, and print its live models.

    The live models of another warehouse (`source`) are copied first, then the models that ship with shopbatch are
    registered. A shipped model becomes live only if no model of its name is live yet.

    Args:
        source: Folder or URI of the other warehouse; None to copy no models.
    """
    from shopbatch.capabilities.sentiment import model as sentiment
    from shopbatch.models import erasure, registry
    from shopbatch.warehouse.store import Store

    store = open_store(ENV)
    store.check_writable()
    models = f"{store.root}/_models"
    before = {registry.reference(manifest) for manifest, live in registry.listed(models) if live}
    if source is not None:
        other = Store(source)
        if not any(True for _ in registry.listed(f"{other.root}/_models")):
            raise UserError(f"--models-from {source}: no models there; name a warehouse, which holds a folder _models")
        erasure.copy_key(store, other)
        registry.copy_live(models, f"{other.root}/_models")
    sentiment.ensure_live(models)
    sentiment.prepare(models)
    for manifest, live in registry.listed(models):
        if live:
            name = registry.reference(manifest)
            print(f"model: {name} {'is there already' if name in before else 'registered'}")
