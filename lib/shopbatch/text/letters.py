r"""The character class LATIN for regular expressions: Latin letters, also with accents.

Patterns use it to require that no letter is beside a number or code. A word boundary `\b` does not work where Chinese
follows Latin: there is none behind the M of M码. The class a-z does not work either: it would find an M alone in
Mädchen.
"""

from __future__ import annotations

LATIN = "A-Za-zÀ-ÖØ-öø-ɏ\u1e00-\u1eff\u0300-\u036f"  # without × and ÷; with the accents that stand behind their letter
