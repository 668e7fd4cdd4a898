"""Errors of learning."""

from frontdesk.core.errors import Conflict, NotFound


class NoSuchLearntArticle(NotFound):
    """There is no such proposed article in this tenant."""

    code, title = "no_such_learnt_article", "There is no such proposed article"


class ArticleReviewed(Conflict):
    """Somebody has approved or rejected this article."""

    code, title = "article_reviewed", "This article has been reviewed"
