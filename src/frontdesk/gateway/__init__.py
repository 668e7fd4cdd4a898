"""Gateway: the only door to models. One prompt in, one usable, recorded and priced answer out."""

from frontdesk.billing import BudgetReached
from frontdesk.gateway.attempts import Outcome, Picture, Sound, ToolCall
from frontdesk.gateway.embedding import EMBEDDING, MOST_TEXTS, embed, embedding_model
from frontdesk.gateway.errors import ModelsNeedRun, ModelsUnavailable, PromptRejected
from frontdesk.gateway.events import ReplyModelsChanging
from frontdesk.gateway.local_model import LOCAL_MODEL, LocalModel
from frontdesk.gateway.masking import has_placeholder, mask_texts, with_stand_ins
from frontdesk.gateway.model_checks import (
    ModelTrial,
    check_models,
    has_key,
    list_models,
    try_model,
)
from frontdesk.gateway.personal import ALL_KINDS, Masking, Pii
from frontdesk.gateway.privacy import HOLDINGS
from frontdesk.gateway.providers import list_providers
from frontdesk.gateway.schemas import Completion, CompletionRequest, Estimate, Standing
from frontdesk.gateway.service import (
    close,
    complete,
    estimate,
    finish_records,
    list_standings,
    warm,
)
from frontdesk.gateway.tenant_models import (
    DESCRIPTION,
    FILE_FEATURES,
    TRANSCRIPTION,
    file_models,
)
from frontdesk.gateway.tokens import (
    CUT_TOKENS,
    TOKENS_PER_MESSAGE,
    count_message_tokens,
    count_tokens,
    cut_to_tokens,
    estimate_tokens,
)

__all__ = [
    "ALL_KINDS",
    "CUT_TOKENS",
    "DESCRIPTION",
    "EMBEDDING",
    "FILE_FEATURES",
    "HOLDINGS",
    "LOCAL_MODEL",
    "MOST_TEXTS",
    "TOKENS_PER_MESSAGE",
    "TRANSCRIPTION",
    "BudgetReached",
    "Completion",
    "CompletionRequest",
    "Estimate",
    "LocalModel",
    "Masking",
    "ModelTrial",
    "ModelsNeedRun",
    "ModelsUnavailable",
    "Outcome",
    "Picture",
    "Pii",
    "PromptRejected",
    "ReplyModelsChanging",
    "Sound",
    "Standing",
    "ToolCall",
    "check_models",
    "close",
    "complete",
    "count_message_tokens",
    "count_tokens",
    "cut_to_tokens",
    "embed",
    "embedding_model",
    "estimate",
    "estimate_tokens",
    "file_models",
    "finish_records",
    "has_key",
    "has_placeholder",
    "list_models",
    "list_providers",
    "list_standings",
    "mask_texts",
    "try_model",
    "warm",
    "with_stand_ins",
]
