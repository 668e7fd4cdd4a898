"""Learning: articles proposed from what people answered and from what was asked in vain; a person
approves them."""

from frontdesk.learning.happenings import ArticleProposed
from frontdesk.learning.privacy import HOLDINGS

__all__ = ["HOLDINGS", "ArticleProposed"]
