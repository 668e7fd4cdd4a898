"""Errors of escalation."""

from frontdesk.core.errors import Conflict, Forbidden, Invalid, NotFound, NothingYet


class AlreadyTaken(Conflict):
    """A colleague has the conversation."""

    code, title = "already_taken", "A colleague has this conversation"


class NotTakenOver(Conflict):
    """The AI has the conversation: take it over first."""

    code, title = "not_taken_over", "Take the conversation over first"


class NoRoom(Conflict):
    """The colleague is away, or has as many conversations as they take."""

    code, title = "no_room", "The colleague takes no more conversations now"


class ColleagueAnswered(Conflict):
    """A colleague has answered since the newest message you have seen: read it, or send `anyway`."""

    code, title = "colleague_answered", "A colleague has answered meanwhile"


class NeverHandedOver(NothingYet):
    """People never had the conversation."""

    code, title = "never_handed_over", "This conversation was never handed over"


class NotYours(Forbidden):
    """Only the human agent who has the conversation, or an admin, may do this."""

    code, title = "not_yours", "Another human agent has this conversation"


class NoSuchSuggestion(NotFound):
    """There is no such suggestion, or it is a colleague's."""

    code, title = "no_such_suggestion", "There is no such suggestion"


class NoSuchDraft(NotFound):
    """No suggestion or packet of this conversation that is ready and could be sent has this id."""

    code, title = "no_such_draft", "There is no such draft in this conversation"


class NoSuchTeam(NotFound):
    """The tenant has no such team."""

    code, title = "no_such_team", "There is no such team"


class TeamNameTaken(Conflict):
    """Another team of the tenant has this name."""

    code, title = "team_name_taken", "There is a team of this name"


class KeyReused(Conflict):
    """The idempotency key was used for another message."""

    code, title = "idempotency_key_reused", "The idempotency key was used for something else"


class TemplateNotSendable(Conflict):
    """The template can't be sent from here now; the message says why, and `part` what of it."""

    code, title = "template_not_sendable", "The template can't be sent"


class TemplateUnfit(Invalid):
    """The values are not the template's: the message names those that are missing or unknown."""

    code, title = "template_parameters", "The values do not fit the template"


class OptedOut(Conflict):
    """The contact wants no messages that the business starts."""

    code, title = "opted_out", "The contact wants no such messages"
