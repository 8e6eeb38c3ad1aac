"""The format of product copy: its parts, the JSON schema for generators, and the parser of their answers."""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_BULLETS = 6
SCHEMA = json.dumps({
    "type": "object",
    "properties": {
        "headline": {"type": "string"},
        "description": {"type": "string"},
        "bullets": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": MOST_BULLETS},
        "meta": {"type": "string"},
    },
    "required": ["headline", "description", "bullets"],
    "additionalProperties": False,
})  # fmt: skip


class Copy(BaseModel):
    """The copy of one product.

    Attributes:
        headline: The title of the product page.
        description: The running text.
        bullets: Two to six short points.
        meta: Description for search engines; None if there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    headline: str = Field(min_length=1)
    description: str = Field(min_length=1)
    bullets: tuple[str, ...] = Field(min_length=2, max_length=MOST_BULLETS)
    meta: str | None = None  # description for search engines

    @property
    def body(self) -> str:
        """Return description and bullets, one part per line."""
        return "\n".join([self.description, *self.bullets])

    @property
    def text(self) -> str:
        """Return the whole copy, one part per line: headline, description, bullets, meta description."""
        return "\n".join([self.headline, self.body, *([self.meta] if self.meta else [])])


def parse(text: str) -> Copy | None:
    """Parse a generator's answer into copy; None if it holds no JSON object with exactly the keys and types of Copy.

    Two faults are repaired: text before and after the object is cut off, and a missing end is added if the answer
    breaks off after a bullet.
    """
    start = text.find("{")
    if start < 0:
        return None
    body = text[start:]
    for candidate in (body, body[: body.rfind("}") + 1], re.sub(r"\"\s*,?\s*$", '"', body.rstrip()) + "]}"):
        try:
            parsed, _ = json.JSONDecoder(strict=False).raw_decode(candidate)
            if isinstance(parsed, dict) and isinstance(parsed.get("bullets"), list):
                parsed["bullets"] = tuple(parsed["bullets"])
            copy = Copy.model_validate(parsed)
        except (ValueError, ValidationError, RecursionError):
            continue
        return Copy(
            headline=copy.headline.strip(),
            description=copy.description.strip(),
            bullets=tuple(b.strip() for b in copy.bullets),
            meta=(copy.meta or "").strip() or None,
        )
    return None
