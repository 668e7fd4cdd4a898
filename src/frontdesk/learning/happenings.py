"""What learning tells the feed; all of it is for admins."""

from typing import ClassVar
from uuid import UUID

from frontdesk.feed import FeedPayload
from frontdesk.learning.models import LearntFrom


class ArticleProposed(FeedPayload):
    """An article was made from conversations, for somebody to look at."""

    kind: ClassVar[str] = "learning.article_proposed"

    article_id: UUID
    agent_id: UUID
    learnt_from: LearntFrom
