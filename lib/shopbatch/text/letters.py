"""Latin letters with their accents, as a class of `re`: what a pattern must not find beside a number or a code.

A word boundary will not do where Chinese stands beside Latin: there is none behind the M of M码. The letters from a to
z alone will not do either: the M of Mädchen is no word of its own.
"""

from __future__ import annotations

LATIN = "A-Za-zÀ-ÖØ-öø-ɏ\u1e00-\u1eff\u0300-\u036f"  # without × and ÷; with the accents that stand behind their letter
