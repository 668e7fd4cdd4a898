"""What contacts are told while the business is closed, and for how long that is so."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from frontdesk.agent_config.config import AgentConfig, WhenClosed
from frontdesk.agent_config.hours import is_open, opens_at
from frontdesk.agent_config.notices import WEEKDAYS

# Further off than this, the day of the week does not say which day it is.
_A_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Absence:
    """A time in which the business is closed, and what contacts who need a person are told."""

    opens_at: datetime | None
    text: str

    def told_as(self, conversation_id: UUID) -> str:
        """The key under which one conversation is told of this absence, and no second time."""
        until = "never" if self.opens_at is None else self.opens_at.isoformat()
        return f"closed:{conversation_id}:{until}"


def absence_at(config: AgentConfig, at: datetime, language: str) -> Absence | None:
    """The absence that holds at this moment; None while the business is open, or has no hours."""
    hours = config.business_hours
    if hours is None or is_open(hours, at):
        return None
    notices = {
        WhenClosed.QUEUE: config.closed_notice,
        WhenClosed.CALLBACK: config.callback_notice,
        WhenClosed.MESSAGE: config.come_back_notice,
    }
    text = config.notice_in(notices[config.when_closed], language)
    opens = opens_at(hours, at)
    if opens is not None:
        said = config.notice_in(config.opening_notice, language)
        text = f"{text} {said.replace('{opens}', _in_words(opens, at, language))}"
    return Absence(opens, text)


def _in_words(opens: datetime, now: datetime, language: str) -> str:
    day = WEEKDAYS.get(language, WEEKDAYS["en"]).split()[opens.weekday()]
    if opens - now > _A_WEEK:
        day = f"{day} ({opens:%Y-%m-%d})"
    return f"{day}, {opens:%H:%M}"
