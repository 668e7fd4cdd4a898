"""Due work of the pipeline: raw webhooks, bursts, messages to be sent, replays, previews, suggestions."""

from frontdesk import agent_config, conversation, escalation, messaging, observability
from frontdesk.core.settings import Settings
from frontdesk.core.work import Due
from frontdesk.pipeline.answer import answer
from frontdesk.pipeline.deliver import deliver
from frontdesk.pipeline.drilling import finish_drill
from frontdesk.pipeline.preview import preview
from frontdesk.pipeline.receive import list_due, receive
from frontdesk.pipeline.replay import replay
from frontdesk.pipeline.suggest import suggest

# At once in a process; webhooks are taken in batches, so one at a time keeps them in order.
RECEIVES_AT_ONCE = 1
SENDS_AT_ONCE = 100
# Somebody looks on, but contacts come first.
REPLAYS_AT_ONCE = PREVIEWS_AT_ONCE = SUGGESTIONS_AT_ONCE = 4


def pipeline_work(settings: Settings) -> tuple[Due, ...]:
    """The pipeline's kinds of due work."""
    return (
        Due(
            kind=messaging.WEBHOOK_EVENT,
            list_ids=list_due,
            handle=receive,
            at_once=RECEIVES_AT_ONCE,
            carries_trace=True,
        ),
        Due(
            kind=conversation.CONVERSATION,
            list_ids=conversation.list_due,
            handle=answer,
            at_once=settings.worker.conversations_at_once,
            tenant_at_once=settings.worker.tenant_conversations_at_once,
            carries_trace=True,
        ),
        Due(
            kind=messaging.OUTBOUND,
            list_ids=messaging.list_due,
            handle=deliver,
            at_once=SENDS_AT_ONCE,
            carries_trace=True,
        ),
        Due(
            kind=observability.DRILL,
            list_ids=observability.list_due_drills,
            handle=finish_drill,
            at_once=4,
        ),
        Due(
            kind=observability.REPLAY,
            list_ids=observability.list_due_replays,
            handle=replay,
            at_once=REPLAYS_AT_ONCE,
        ),
        Due(
            kind=agent_config.PREVIEW,
            list_ids=agent_config.list_due_previews,
            handle=preview,
            at_once=PREVIEWS_AT_ONCE,
        ),
        Due(
            kind=escalation.SUGGESTION,
            list_ids=escalation.list_due_suggestions,
            handle=suggest,
            at_once=SUGGESTIONS_AT_ONCE,
        ),
    )
