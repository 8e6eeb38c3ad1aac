"""A real browser: whether pages fit the width of a desk and of a telephone, and raise no error."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
marks = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium, chromium-browser or google-chrome on PATH"),
]
WIDTHS = (1280, 500)
# what a test must notice: a box that is wider than a telephone, and a script that the page's policy forbids
_BROKEN = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<body><div style="width: 700px">wide</div><script>alert(1)</script>"""
# The frames have the widths to test. What is wider than its frame, and is not inside a box that scrolls, is named.
_MEASURE = """
addEventListener('load', () => {
  const out = [...document.querySelectorAll('iframe')].map((frame) => {
    const page = frame.contentDocument, width = frame.clientWidth;
    const scrolls = (e) => ['auto', 'scroll'].includes(frame.contentWindow.getComputedStyle(e).overflowX);
    const boxed = (e) => e.parentElement && (scrolls(e.parentElement) || boxed(e.parentElement));
    const wide = [...page.body.querySelectorAll('*')]
      .filter((e) => e.getBoundingClientRect().right > width + 1 && !boxed(e));
    const names = wide.map((e) => e.tagName + '.' + (e.getAttribute('class') || ''));
    const all = page.documentElement.scrollWidth;
    return `${frame.name} ${width}: ${all <= width && !wide.length ? 'fits' : all + ' wide ' + names}`;
  });
  document.title = out.join('; ');
});
"""


def look_at(folder: Path, pages: Iterable[str]) -> tuple[set[str], list[str]]:
    """Look at pages at each of WIDTHS.

    Args:
        folder: Where they are; some files are written beside them.
        pages: Their file names, without `.html`.

    Returns:
        What does not fit its window, as "page width: what sticks out", and the errors that pages raised.
    """
    (folder / "broken.html").write_text(_BROKEN, "utf-8")
    names = [*pages, "broken"]
    frames = "".join(
        f'<iframe name="{name}" src="{name}.html" style="border: 0; width: {width}px; height: 900px"></iframe>'
        for name in names
        for width in WIDTHS
    )
    (folder / "all.html").write_text(f"<!doctype html><body>{frames}<script>{_MEASURE}</script>", "utf-8")
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
    )
    command = [CHROMIUM, *options, f"--user-data-dir={folder}/profile", "--dump-dom", f"file://{folder}/all.html"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    title = html.unescape(re.findall(r"<title>(.*?)</title>", done.stdout)[0])
    measured = dict(part.rsplit(": ", 1) for part in title.split("; "))
    assert measured.pop("broken 500").endswith("wide DIV.")
    assert len(measured) == len(names) * len(WIDTHS) - 1, measured
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert any("broken.html" in line for line in errors), "or errors would not be noticed"
    wide = {f"{page}: {what}" for page, what in measured.items() if what != "fits"}
    return wide, [line for line in errors if "broken.html" not in line]
