"""Due work of the gateway: calls that programs have asked for, and whether models answer."""

from frontdesk.core.settings import Settings
from frontdesk.core.work import Due
from frontdesk.gateway import chat
from frontdesk.gateway.model_checks import model_checks

CHAT = Due(
    kind=chat.CHAT,
    list_ids=chat.list_due_chats,
    handle=chat.handle_chat,
    at_once=50,
)


def gateway_work(settings: Settings) -> tuple[Due, ...]:
    """The gateway's kinds of due work."""
    return (CHAT, *model_checks(settings))
