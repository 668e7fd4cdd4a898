"""The configuration of an agent: everything a tenant may set, with its limits and defaults."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from frontdesk.agent_config.escalation_rules import EscalationRule, OutOfHours
from frontdesk.agent_config.hours import BusinessHours
from frontdesk.agent_config.notices import (
    AWAY_NOTICE,
    CALLBACK_NOTICE,
    CLOSED_NOTICE,
    COME_BACK_NOTICE,
    HANDOFF_NOTICE,
    OPENING_NOTICE,
    QUEUE_NOTICE,
    REFUSAL_NOTICE,
    STILL_THERE_NOTICE,
    SURVEY_BUTTONS,
    SURVEY_QUESTION,
    WAIT_NOTICE,
)
from frontdesk.agent_config.tools import Host, Tools
from frontdesk.agent_config.values import Language, Text, Word
from frontdesk.gateway import Pii

MINUTES_OF_WINDOW = 24 * 60


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


Model = Annotated[
    Text, StringConstraints(pattern=r"^[a-z0-9_]+/[A-Za-z0-9._:/-]+$", max_length=120)
]
# WhatsApp Cloud API: a text message has at most 4,096 characters.
Message = Annotated[Text, StringConstraints(min_length=1, max_length=1_000)]
Notices = Annotated[dict[Language, Message], Field(max_length=60)]


class EscalationKeywords(BaseModel):
    """Words that send a conversation to a person at once, and what they are a sign of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)] = Field(
        description="Words or phrases, in every language contacts use.",
        examples=[["refund", "reembolso"]],
    )
    reason: Annotated[Text, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Shown to the human agent.", examples=["wants money back"]
    )


class WhenClosed(StrEnum):
    """What becomes of a conversation that needs a person out of business hours."""

    QUEUE = "queue"
    """It waits for the people who come in the morning."""
    CALLBACK = "callback"
    """The same, tagged `callback`: the contact is asked for a number and a time."""
    MESSAGE = "message"
    """Nobody gets it: the contact is told when the business opens."""


class FollowUp(BaseModel):
    """One more reminder in the silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after_minutes: int = Field(
        ge=1, lt=MINUTES_OF_WINDOW, description="Since the reminder before.", examples=[120]
    )
    text: Message = Field(examples=["I am still here if you need me."])


class NamedTemplate(BaseModel):
    """A template of the number's account. Each of its places for values is filled with the contact's
    name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9_]{1,512}$", examples=["new_conversation"])
    language: str = Field("en", pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$")


class AgentConfig(BaseModel):
    """What an agent is like. A saved configuration is a version and never changes again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    company_name: Annotated[Text, StringConstraints(min_length=1, max_length=120)] = Field(
        description="What the business calls itself.", examples=["Lumen & Oak"]
    )
    persona: Annotated[Text, StringConstraints(max_length=2_000)] = Field(
        "You are a friendly, attentive support assistant.",
        description="Who the agent is, in sentences to it.",
    )
    brand_voice: Annotated[Text, StringConstraints(max_length=2_000)] = Field(
        "Warm, clear and brief.", description="How the business sounds."
    )
    languages: Annotated[
        tuple[Language, ...], AfterValidator(_unique), Field(min_length=1, max_length=30)
    ] = Field(
        ("en",), description="Languages it answers in, ISO 639; the first is used when in doubt."
    )
    instructions: Annotated[Text, StringConstraints(max_length=8_000)] = Field(
        "", description="Anything else it has to know or do."
    )
    greeting: Message | None = Field(None, description="How it greets a new contact.")

    models: (
        Annotated[tuple[Model, ...], AfterValidator(_unique), Field(min_length=1, max_length=5)]
        | None
    ) = Field(
        None,
        description="Models tried in turn, as `provider/model`; without them the deployment's.",
        examples=[["groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"]],
    )
    temperature: float = Field(0.3, ge=0, le=2)
    max_output_tokens: int = Field(800, ge=100, le=4_000)
    context_tokens: int = Field(
        8_192,
        ge=6_000,
        le=128_000,
        description="Tokens a model may read and write for one answer. What of a conversation has "
        "no place in them is summarised.",
    )

    masked: Annotated[tuple[Pii, ...], AfterValidator(_unique)] = Field(
        tuple(Pii),
        description="Personal data that models see placeholders of; none switches masking off. The "
        "contact reads the answer with the data in it, and what your own instructions and knowledge "
        "say is not masked.",
        examples=[["email", "phone", "card"]],
    )

    rewrites_questions: bool = Field(
        False,
        description="On: a question that leans on what was said before (“and to Portugal?”) is "
        "written out by a cheap model before it is looked up (route `rewrite`). Off: it is looked up "
        "together with the contact's question before.",
    )
    reranks_knowledge: bool = Field(
        False,
        description="On: a cheap model puts the pieces of knowledge that were found into order "
        "(route `rerank`).",
    )

    hears_voice_notes: bool = Field(
        False,
        description="Voice notes are written down before the agent answers; needs a route for "
        "`transcription`. Without, they go to people.",
    )
    sees_pictures: bool = Field(
        False,
        description="Pictures are described by a model that sees before the agent answers; needs a "
        "route for `description`. What is personal in a picture can't be masked for that model. "
        "Without, the agent knows only that there is a picture.",
    )
    answers_enabled: bool = Field(
        True, description="Off: the agent answers nobody and everything goes to people."
    )
    shadow: bool = Field(
        False,
        description="On: the agent reads along and proposes answers to your people, who have every "
        "conversation; it sends nothing, calls none of your services but what reads, and tells "
        "contacts nothing.",
    )
    confidence_threshold: float = Field(
        0.4, ge=0, le=1, description="An answer it is less sure of goes to a person."
    )
    sentiment_threshold: float = Field(
        -0.6, ge=-1, le=1, description="A mood as bad as this goes to a person; -1 is furious."
    )
    escalation_keywords: Annotated[tuple[EscalationKeywords, ...], Field(max_length=50)] = ()
    escalation_rules: Annotated[tuple[EscalationRule, ...], Field(max_length=100)] = Field(
        (),
        description="When people take over, and who of them: asked in this order, and before the "
        "built-in rules (a wish for a person, the keywords and thresholds above). Each is asked as "
        "soon as all it looks at is known; the first that holds wins.",
    )
    stop_words: Annotated[tuple[Word, ...], Field(max_length=100)] = Field(
        (), description="More ways in which contacts ask to be left alone."
    )
    handoff_notice: Notices = Field(
        HANDOFF_NOTICE,
        description="Sent when a person takes over, by language; yours replace the built-in ones.",
    )
    away_notice: Notices = Field(
        AWAY_NOTICE, description="The same when no human agent is there to take over."
    )

    queue_notice: Notices = Field(
        QUEUE_NOTICE,
        description="Added when everybody who is there is busy; `{position}` is the place in the "
        "queue.",
    )
    wait_notice: Notices = Field(
        WAIT_NOTICE,
        description="Added to it when enough conversations have ended to tell; `{minutes}` is about "
        "how long it takes.",
    )

    asks_while_waiting: bool = Field(
        False,
        description="On: whoever has to wait for a person is asked, in the same message, for what that "
        "person will need and is not known yet. What they answer is theirs to read with the handoff.",
    )

    link_hosts: Annotated[tuple[Host, ...], Field(max_length=50)] | None = Field(
        None,
        description="Where links and mail addresses in answers may lead: these hosts and what is below "
        "them; one with a port, on that port only. Left out, to whatever stands in the knowledge or "
        "comes from a tool.",
        examples=[["shop.example"]],
    )

    tools: Tools = Field(
        Tools(), description="What it may do besides answering; by default nothing."
    )

    refusal_notice: Notices = Field(
        REFUSAL_NOTICE,
        description="Said once a day at most to who insults or gives the agent orders of their own.",
    )

    bridge_enabled: bool = Field(
        False,
        description="On: whoever is given one of its conversations, and has registered a phone, may "
        "answer from their own WhatsApp through your number.",
    )
    bridge_template: NamedTemplate | None = Field(
        None,
        description="Sent to a human agent who has not written to your number for 24 hours, as "
        "nothing else reaches them; without it they are reached once they write.",
    )

    business_hours: BusinessHours | None = Field(
        None, description="When people are there; without it the agent does not speak of hours."
    )
    when_closed: WhenClosed = Field(
        WhenClosed.QUEUE,
        description="What becomes of a conversation that needs a person outside business hours: "
        "`queue`: it waits for the morning. `callback`: the same, tagged `callback`, and the contact "
        "is asked for a number. `message`: nobody gets it, the contact is asked to write again when "
        "you are open.",
    )
    answers_when_closed: bool = Field(
        True, description="Off: outside business hours everything goes the way of `when_closed`."
    )
    overdue_after_minutes: int | None = Field(
        None,
        ge=1,
        le=7 * MINUTES_OF_WINDOW,
        description="So long may its contacts wait for an answer, of the agent or of people, before "
        "people are told; null: as the assignment policy says.",
    )
    closed_notice: Notices = Field(
        CLOSED_NOTICE,
        description="Said outside business hours when a person is needed and none is online; once "
        "in a conversation until the business opens.",
    )
    callback_notice: Notices = Field(
        CALLBACK_NOTICE, description="The same with `when_closed` at `callback`."
    )
    come_back_notice: Notices = Field(
        COME_BACK_NOTICE,
        description="The same with `when_closed` at `message`; it asks to write again, as nobody gets it.",
    )
    opening_notice: Notices = Field(
        OPENING_NOTICE, description="Added to each of these; `{opens}` is the day and the time."
    )
    follow_up_minutes: int | None = Field(
        None,
        ge=1,
        lt=MINUTES_OF_WINDOW,
        description="Silence after an answer before the contact is reminded; inside the 24-hour "
        "window.",
    )
    follow_up_text: Message | None = None
    more_follow_ups: Annotated[tuple[FollowUp, ...], Field(max_length=2)] = Field(
        (), description="A second and a third reminder. A message, a person or the close ends them."
    )
    auto_close_minutes: int | None = Field(
        MINUTES_OF_WINDOW,
        ge=5,
        le=30 * MINUTES_OF_WINDOW,
        description="Silence after which the conversation is closed; null never closes it.",
    )
    close_check: bool = Field(
        True,
        description="Before silence closes a conversation, a cheap model looks whether it is "
        "settled, the contact should be asked once more, or a person is needed.",
    )
    still_there_notice: Notices = Field(
        STILL_THERE_NOTICE, description="What is asked then, unless there is a `follow_up_text`."
    )
    close_text: Message | None = Field(None, description="Sent when it closes by silence.")
    recall_minutes: int | None = Field(
        MINUTES_OF_WINDOW,
        ge=1,
        le=30 * MINUTES_OF_WINDOW,
        description="Whoever writes again so soon after the close is answered with the conversation "
        "before in mind; null: every conversation begins anew.",
    )
    survey_enabled: bool = Field(
        False,
        description="After the close contacts are asked how it was, with three buttons.",
    )
    survey_template: NamedTemplate | None = Field(
        None,
        description="Asks once the 24-hour window has closed: it needs three quick replies, the best "
        "first. Without it nobody is asked then. WhatsApp bills a template.",
    )
    survey_after_minutes: int = Field(
        0, ge=0, lt=MINUTES_OF_WINDOW, description="So long after the close."
    )
    survey_every_days: int = Field(
        7, ge=0, le=366, description="Nobody is asked more often than that; 0: each time."
    )
    survey_question: Notices = Field(SURVEY_QUESTION, description="What they are asked.")
    max_reply_characters: int = Field(
        1_000, ge=100, le=4_000, description="The longest answer; one message on WhatsApp."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.follow_up_minutes is None) != (self.follow_up_text is None):
            raise ValueError("follow_up_minutes and follow_up_text go together")
        if self.more_follow_ups and self.follow_up_minutes is None:
            raise ValueError("more_follow_ups come after a first one: set follow_up_minutes")
        last = sum(each.after_minutes for each in self.follow_ups)
        if last >= MINUTES_OF_WINDOW:
            raise ValueError("the last follow-up must come inside the 24-hour window")
        if self.follow_ups and self.auto_close_minutes and last >= self.auto_close_minutes:
            raise ValueError("the follow-up must come before the conversation is closed")
        needs_hours = self.when_closed is not WhenClosed.QUEUE or not self.answers_when_closed
        if needs_hours and self.business_hours is None:
            raise ValueError("when_closed and answers_when_closed need business_hours")
        looks_at_hours = any(
            isinstance(condition, OutOfHours)
            for rule in self.escalation_rules
            for condition in rule.when
        )
        if looks_at_hours and self.business_hours is None:
            raise ValueError("a rule for outside business hours needs business_hours")
        return self

    @property
    def follow_ups(self) -> tuple[FollowUp, ...]:
        """All reminders, each with the time since the one before."""
        if self.follow_up_minutes is None or self.follow_up_text is None:
            return ()
        first = FollowUp(after_minutes=self.follow_up_minutes, text=self.follow_up_text)
        return (first, *self.more_follow_ups)

    def survey_titles(self, language: str) -> list[str]:
        """The buttons under the question how it was, the best first."""
        wanted = (language, self.languages[0], "en")
        found = next(SURVEY_BUTTONS[each] for each in wanted if each in SURVEY_BUTTONS)
        return found.split("|")

    def perceives(self, kind: str) -> bool:
        """Whether files of this kind, `audio` or `image`, are put into words before an answer."""
        return self.hears_voice_notes if kind == "audio" else self.sees_pictures

    def notice_in(self, notices: dict[str, str], language: str) -> str:
        """The notice in a contact's language, else in the agent's first, else in English."""
        built_in = {
            id(self.away_notice): AWAY_NOTICE,
            id(self.refusal_notice): REFUSAL_NOTICE,
            id(self.queue_notice): QUEUE_NOTICE,
            id(self.wait_notice): WAIT_NOTICE,
            id(self.closed_notice): CLOSED_NOTICE,
            id(self.callback_notice): CALLBACK_NOTICE,
            id(self.come_back_notice): COME_BACK_NOTICE,
            id(self.opening_notice): OPENING_NOTICE,
            id(self.still_there_notice): STILL_THERE_NOTICE,
            id(self.survey_question): SURVEY_QUESTION,
        }.get(id(notices), HANDOFF_NOTICE)
        for wanted in (language, self.languages[0], "en"):
            if text := notices.get(wanted) or built_in.get(wanted):
                return text
        return built_in["en"]
