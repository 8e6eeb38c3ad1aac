"""The invented shop's policies as a shop would publish them: Markdown files in English and Chinese (data/policies).

They state the numbers of data/dialog_policies.yaml and no others; a test checks that the numbers agree.
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
    """Return the policies as rows of `policies`, read from the files like `shopbatch load policies` does."""
    return tabulate(read_folder(FOLDER)[0])
