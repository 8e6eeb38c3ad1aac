"""The configuration of `answer_tickets`. Imports nothing heavy."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig, GenerateConfig, OpenVinoConfig, Sampling
from shopbatch.inference.config import InferenceConfig

TEMPLATE, EXTRACT, MODEL = "template", "extract", "model"  # who writes a reply
INTENTS = "intents@live"


class TemplateReply(Strict):
    """Quotes all sentences of the policy's section, with the order's facts and reckoned dates around them."""

    kind: Literal["template"] = "template"
    """The writer: the template."""
    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind}


class ExtractReply(Strict):
    """Quotes the sentences of the section that share words with the question, and all that state a condition."""

    kind: Literal["extract"] = "extract"
    """The writer: the template, with fewer sentences."""
    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, to be part of the recipe."""
        return {"kind": self.kind}


ReplyConfig = Annotated[TemplateReply | ExtractReply | GenerateConfig, Field(discriminator="kind")]


class AnswerTicketsConfig(InferenceConfig):
    """Configuration of the job answer_tickets."""

    engine: EngineConfig = OpenVinoConfig(max_tokens=128)
    """What turns questions into vectors for the intents' model."""
    intents: str = INTENTS
    """Model of intents: `name@live`, `name@digest`, or a folder. `train_intents` trains it."""
    max_bytes: int = Field(default=20_000, ge=1)
    """A ticket with more text is rejected as too_long."""
    most_questions: int = Field(default=4, ge=1)
    """A ticket with more questions is left to a person."""
    as_of: dt.date | None = None
    """Day as of which all replies speak (YYYY-MM-DD). null: each ticket's own day."""
    timezone: str = "UTC"
    """Time zone of the shop's days, such as Asia/Shanghai. Dates in replies and deadlines are days there."""
    holidays: tuple[dt.date, ...] = ()
    """Days (YYYY-MM-DD) that are no business days, besides Saturdays and Sundays."""
    fallback_language: str = "en"
    """Language of the policies that a person gets to see for a ticket in a language without any. Such a ticket is not
    answered."""
    reply: ReplyConfig = TemplateReply()
    """What writes the replies: `template`, `extract`, or an engine that generates text."""
    reply_model: str = "support-replies@live"
    """Model that writes replies: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    prompts: str = "conf/prompts/answer.{language}.md"
    """File that holds the instruction for a language; {language} stands for the code."""
    prompt_languages: tuple[str, ...] = ("en", "zh")
    """Languages that a generator writes; each needs its file of `prompts`."""
    sampling: Sampling = Sampling(max_new_tokens=200)
    """How a generator's answers are drawn."""
    send_generated: bool = False
    """Whether what an engine wrote may be an answer that nobody reads before it is sent. The checks find four of five
    planted errors, so that such a reply is a draft for a person by default."""
    call_rows: int = Field(default=64, ge=1)
    """Number of prompts in one call of the generator."""
    draft_confidence: float = Field(default=0.5, ge=0, le=1)
    """Least probability of an intent for a draft, if the model of intents was trained without labelled tickets."""
    least_confidence: float = Field(default=0.3, ge=0, le=1)
    """Least probability of an intent for a draft, whatever the bounds of the model are: below it, a person writes."""
    person_intents: tuple[str, ...] = ("data_deletion",)
    """Intents that always go to a person, who may use the reply as a draft."""
    thread_messages: int = Field(default=3, ge=1)
    """From this message of a thread on, a person answers."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no time zone: write one of the IANA list, such as Asia/Shanghai") from None
        return value

    @property
    def generates(self) -> bool:
        """Whether an engine writes the replies."""
        return not isinstance(self.reply, TemplateReply | ExtractReply)

    @property
    def loads_reply_model(self) -> bool:
        """Whether the engine of the replies loads a model's weights on this machine."""
        return self.generates and self.reply.kind not in WITHOUT_MODEL

    def required_tables(self) -> tuple[str, ...]:
        """The tables that a run reads."""
        return ("tickets", "policies")

    def optional_tables(self) -> tuple[str, ...]:
        """The orders and what they hold, which replies may speak of."""
        return ("orders", "order_lines")

    def required_models(self) -> dict[str, str]:
        """Return the models that must be registered; the fake engine has one of its own."""
        needed = {} if self.engine.kind == "fake" and self.intents == INTENTS else {"intents": self.intents}
        return needed | ({"reply_model": self.reply_model} if self.loads_reply_model else {})
