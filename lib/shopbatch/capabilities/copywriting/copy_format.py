"""What product copy is: its parts, the JSON schema that a model writes it in, and its parser."""

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
    """One product's copy."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    headline: str = Field(min_length=1)
    description: str = Field(min_length=1)
    bullets: tuple[str, ...] = Field(min_length=2, max_length=MOST_BULLETS)
    meta: str | None = None  # what search engines show

    @property
    def body(self) -> str:
        """Description and bullets, one part per line."""
        return "\n".join([self.description, *self.bullets])

    @property
    def text(self) -> str:
        """The whole copy, one part per line."""
        return "\n".join([self.headline, self.body, *([self.meta] if self.meta else [])])


def parse(text: str) -> Copy | None:
    """The parsed copy, or None if the text holds no JSON object with exactly the keys and types of Copy.

    Two faults are repaired: text around the object is cut off, and an end that is missing after the last whole bullet
    is added.
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
