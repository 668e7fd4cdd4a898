"""Gateway: the only door to models. One prompt in, one usable, recorded and priced answer out."""

from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.errors import ModelsUnavailable, PromptRejected
from frontdesk.gateway.litellm_adapter import warm
from frontdesk.gateway.schemas import Completion, CompletionRequest
from frontdesk.gateway.service import close, complete
from frontdesk.gateway.tokens import count_message_tokens, count_tokens, estimate_tokens

__all__ = [
    "Completion",
    "CompletionRequest",
    "ModelsUnavailable",
    "Outcome",
    "PromptRejected",
    "close",
    "complete",
    "count_message_tokens",
    "count_tokens",
    "estimate_tokens",
    "warm",
]
