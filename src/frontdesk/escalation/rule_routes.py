"""HTTP of trying rules out, before they are saved."""

from uuid import UUID

from frontdesk.agent_config import NoSuchAgent
from frontdesk.conversation import NoSuchConversation
from frontdesk.core.api import AdminOnly, Now, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.escalation import backtest, trying
from frontdesk.escalation.rule_schemas import (
    BacktestCreate,
    BacktestPublic,
    RuleReplay,
    RuleTest,
    RuleTestPublic,
)

router = Router(prefix="/api/v1", tags=["agents"])


@router.post(
    "/agents/{agent_id}/rules/test",
    summary="Ask the rules about a message",
    responses=problems(Forbidden, NoSuchAgent),
)
async def try_agent_rules(
    agent_id: UUID, body: RuleTest, who: AdminOnly, session: TenantSession, now: Now
) -> RuleTestPublic:
    """Which rule hands a pasted message over and why, and which came close.

    No model is asked, and nothing changes.
    """
    return await trying.try_on_message(session, agent_id, body, now=now)


@router.post(
    "/conversations/{conversation_id}/rules/test",
    summary="Ask the rules about a conversation",
    responses=problems(Forbidden, NoSuchConversation),
)
async def try_rules_on_conversation(
    conversation_id: UUID, who: AdminOnly, session: TenantSession, body: RuleReplay | None = None
) -> RuleTestPublic:
    """The same for each of a conversation's last turns, with the mood and confidence recorded then."""
    return await trying.try_on_conversation(session, conversation_id, body.config if body else None)


@router.post(
    "/agents/{agent_id}/rule-backtests",
    status_code=202,
    summary="Try rules on past conversations",
    responses=problems(Forbidden, NoSuchAgent),
)
async def start_rule_backtest(
    agent_id: UUID, body: BacktestCreate, who: AdminOnly, session: TenantSession
) -> BacktestPublic:
    """What a configuration that is not saved yet would have handed over of what really came in.

    A worker does it: read the backtest until its state is `done` or `failed`.
    """
    return await backtest.start_backtest(session, agent_id, body, user_id=who.user_id)


@router.get(
    "/rule-backtests/{backtest_id}",
    summary="Read a backtest",
    responses=problems(Forbidden, NotFound),
)
async def get_rule_backtest(
    backtest_id: UUID, who: AdminOnly, session: TenantSession
) -> BacktestPublic:
    """How many handovers more or fewer a day, what that means for your people, and examples."""
    return await backtest.get_backtest(session, backtest_id)
