"""The invented shop's policies as it would publish them: Markdown files in English and Chinese (data/policies).

They state the numbers of data/dialog_policies.yaml and no others; a test holds the two equal.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from shopbatch.load.policies import read_folder, tabulate

FOLDER = Path(__file__).with_name("data") / "policies"
NOTE = "the invented shop's promises, 35 intents, each in English and Chinese; the files can be copied and changed"


@lru_cache(maxsize=1)
def policies() -> pa.Table:
    """Return the policies, as `shopbatch load policies` makes them of the files."""
    return tabulate(read_folder(FOLDER)[0])
