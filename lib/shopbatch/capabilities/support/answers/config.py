"""Settings of the job `answer_tickets` (`conf/*/answer_tickets.yaml`). Imports nothing heavy."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shopbatch.core.config import Strict
from shopbatch.engines.configs import WITHOUT_MODEL, EngineConfig, GenerateConfig, OpenVinoConfig, Sampling
from shopbatch.inference.config import InferenceConfig

TEMPLATE, EXTRACT, MODEL = "template", "extract", "model"  # values of ticket_answers.writer
INTENTS = "intents@live"


class TemplateReply(Strict):
    """Writes replies by a template that quotes all sentences of the policy's section.

    The order's facts and calculated dates are added around the quotation.
    """

    kind: Literal["template"] = "template"
    """Writes replies by a template that quotes the whole section of the policy."""
    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, as a part of the recipe."""
        return {"kind": self.kind}


class ExtractReply(Strict):
    """Writes replies by the template, but quotes fewer sentences of the policy's section.

    It quotes the sentences that share words with the question, and all sentences that state a condition.
    """

    kind: Literal["extract"] = "extract"
    """Writes replies by a template that quotes only the sentences related to the question, and all conditions."""
    light: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Return the fields that can change a result, as a part of the recipe."""
        return {"kind": self.kind}


ReplyConfig = Annotated[TemplateReply | ExtractReply | GenerateConfig, Field(discriminator="kind")]


class AnswerTicketsConfig(InferenceConfig):
    """Settings of the job `answer_tickets` (`conf/*/answer_tickets.yaml`)."""

    engine: EngineConfig = OpenVinoConfig(max_tokens=128)
    """Engine that encodes questions as vectors for the model of intents."""
    intents: str = INTENTS
    """Model that recognises the intents of questions: `name@live`, `name@digest`, or a folder. `train_intents` trains
    it."""
    max_bytes: int = Field(default=20_000, ge=1)
    """Largest subject or text of a ticket in bytes of UTF-8. A ticket with a longer one is rejected as too_long."""
    most_questions: int = Field(default=4, ge=1)
    """Largest number of questions in a ticket that is answered or drafted. A ticket with more is left to a person."""
    as_of: dt.date | None = None
    """Date of all replies (YYYY-MM-DD): it decides which policies are in force and which deadlines have passed. null:
    the date of each ticket."""
    timezone: str = "UTC"
    """Time zone of the shop, such as Asia/Shanghai, by which times become the dates in replies and deadlines."""
    holidays: tuple[dt.date, ...] = ()
    """Dates (YYYY-MM-DD) that do not count as business days, in addition to Saturdays and Sundays."""
    fallback_language: str = "en"
    """Language of the policies that are shown to the agent if the ticket's own language has none for it. Such a ticket
    is left to a person."""
    reply: ReplyConfig = TemplateReply()
    """Writer of the replies: `template`, `extract`, or an engine that generates text."""
    reply_model: str = "support-replies@live"
    """Model that generates replies: `name@live`, `name@digest`, or a folder. Engines that load no model ignore it."""
    prompts: str = "conf/prompts/answer.{language}.md"
    """Path of the files with the generator's instructions; {language} stands for a code of `prompt_languages`."""
    prompt_languages: tuple[str, ...] = ("en", "zh")
    """Languages of the tickets for which replies are generated; each needs its file of `prompts`. Other tickets get the
    template's reply."""
    sampling: Sampling = Sampling(max_new_tokens=200)
    """Sampling settings of the generator, such as the maximum number of tokens."""
    send_generated: bool = False
    """Whether a generated reply may be sent without a person reading it. false: such a reply is always a draft, because
    the checks find only four of five planted errors."""
    call_rows: int = Field(default=64, ge=1)
    """Number of prompts in one call of the generator."""
    draft_confidence: float = Field(default=0.5, ge=0, le=1)
    """Least probability of an intent (0 to 1) for a draft, if the model of intents has no measured thresholds because
    it was trained with too few labelled tickets and other questions of people."""
    least_confidence: float = Field(default=0.3, ge=0, le=1)
    """Least probability of an intent for a draft, whatever the model's thresholds are. Below it, a person writes the
    reply."""
    person_intents: tuple[str, ...] = ("data_deletion",)
    """Intents that are never answered without a person; the reply is only a draft."""
    thread_messages: int = Field(default=3, ge=1)
    """Number of the message in a thread from which a person answers. 3: the third message and all later ones. 1: every
    ticket."""

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
        """Return True if an engine generates the replies."""
        return not isinstance(self.reply, TemplateReply | ExtractReply)

    @property
    def loads_reply_model(self) -> bool:
        """Return True if the engine of the replies loads a model's weights on this machine."""
        return self.generates and self.reply.kind not in WITHOUT_MODEL

    def required_tables(self) -> tuple[str, ...]:
        """Return the tables that must exist for a run: `tickets` and `policies`."""
        return ("tickets", "policies")

    def optional_tables(self) -> tuple[str, ...]:
        """Return the tables that a run reads if they exist: `orders` and `order_lines`."""
        return ("orders", "order_lines")

    def required_models(self) -> dict[str, str]:
        """Return the models that must be registered, as config key -> reference.

        The fake engine has a model of intents of its own, so that it needs none.
        """
        needed = {} if self.engine.kind == "fake" and self.intents == INTENTS else {"intents": self.intents}
        return needed | ({"reply_model": self.reply_model} if self.loads_reply_model else {})
