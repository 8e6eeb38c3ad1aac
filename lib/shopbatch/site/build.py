"""Writes the HTML site of a warehouse into a folder, for `shopbatch docs`."""

from __future__ import annotations

import os
from pathlib import Path

from shopbatch.core.errors import UserError
from shopbatch.site.gather import gather
from shopbatch.site.pages import render
from shopbatch.warehouse.store import Store

FOLDER = "_site"  # folder of the site in a local warehouse; no table can have this name
_MARK = '<meta name="generator" content="shopbatch docs">'


def build_site(store: Store, env: str, output: str | None) -> Path:
    """Write the HTML site of a warehouse. The same warehouse gives the same bytes.

    Args:
        store: The warehouse.
        env: The environment whose configurations determine what the jobs read.
        output: The folder; None: `<warehouse>/_site`. Pages of an earlier site in it are replaced.

    Returns:
        The path of the first page, `index.html`.

    Raises:
        UserError: There is no warehouse, it is an object store and `output` is None, or the folder cannot be written or
            holds other files.
    """
    is_remote = "://" in store.root
    if is_remote and output is None:
        raise UserError(f"warehouse {store.root.partition('?')[0]} is no folder: add --output FOLDER")
    if not is_remote and not Path(store.root).is_dir():
        raise UserError(f"no warehouse {store.root}; fill one with `shopbatch sample` or `shopbatch load`")
    folder = Path(os.path.expanduser(output)) if output is not None else Path(store.root) / FOLDER
    _check_folder(folder)
    pages = render(gather(store, env), folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob("*.html"):
            if stale.name not in pages:
                stale.unlink()
        for name, text in pages.items():
            (folder / name).write_text(text, "utf-8")
    except PermissionError as error:
        raise UserError(f"folder {folder}: cannot write there ({error.strerror}); name another one, --output") from None
    return folder / "index.html"


def _check_folder(folder: Path) -> None:
    """Raise UserError if the folder holds anything that is not a site made by `shopbatch docs`."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder for the site, --output")
    if folder.is_dir() and any(folder.iterdir()):
        index = folder / "index.html"
        if not index.is_file() or _MARK not in index.read_text("utf-8", errors="replace"):
            raise UserError(f"folder {folder} holds other files; name a new or empty folder for the site, --output")
