"""Due work of the gateway: calls that programs have asked for."""

from frontdesk.core.work import Due
from frontdesk.gateway import chat

CHAT = Due(
    kind=chat.CHAT,
    list_ids=chat.list_due_chats,
    handle=chat.handle_chat,
    at_once=50,
)
