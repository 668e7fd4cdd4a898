"""Why an agent would not answer now, in words: its configuration, and all that an answer needs beside it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from frontdesk import gateway, knowledge
from frontdesk.agent_config import Complaint, complaints_about, get_agent
from frontdesk.core import ids
from frontdesk.core.resources import Resources
from frontdesk.escalation import is_anybody_online
from frontdesk.gateway import CompletionRequest, Outcome, Standing
from frontdesk.messaging import ChannelPublic, ChannelStatus, list_channels
from frontdesk.pipeline.schemas import AgentHealthPublic, ComplaintPublic

# The model calls that no answer comes without.
_FEATURES = ("triage", "reply")
_OBSTACLES = {
    Outcome.CONFIGURATION: "model_not_configured",
    Outcome.BREAKER_OPEN: "model_failing",
    Outcome.OVER_BUDGET: "budget_spent",
}


@dataclass(frozen=True)
class Surroundings:
    """What an agent needs beside its configuration. `models` has a list for each kind of call."""

    channels: Sequence[ChannelPublic]
    models: Sequence[Sequence[Standing]]
    knows_anything: bool
    anybody_online: bool


async def check_health(
    resources: Resources, tenant_id: UUID, agent_id: UUID, *, now: datetime
) -> AgentHealthPublic:
    """Why an agent would not answer a message that came now, or not well. Changes nothing.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    async with resources.db.transaction(tenant_id) as session:
        agent = await get_agent(session, agent_id)
        channels = [item for item in await list_channels(session) if item.agent_id == agent_id]
        knows_anything = await knowledge.knows_anything(session, agent_id)
        anybody_online = await is_anybody_online(session)
    models = [
        await gateway.list_standings(
            resources,
            CompletionRequest(
                tenant_id=tenant_id,
                feature=feature,
                # The shortest there could be: what this does not fit, nothing fits.
                messages=(),
                max_output_tokens=agent.config.max_output_tokens if feature == "reply" else None,
                models=agent.config.models,
                # A contact and a conversation that have cost nothing yet.
                conversation_id=ids.NIL,
                contact_id=ids.NIL,
            ),
        )
        for feature in _FEATURES
    ]
    around = Surroundings(channels, models, knows_anything, anybody_online)
    found = [
        *complaints_about(agent.config, enabled=agent.enabled, now=now),
        *complaints_around(around),
    ]
    found.sort(key=lambda complaint: not complaint.stops_answers)
    return AgentHealthPublic(
        answers=not any(complaint.stops_answers for complaint in found),
        complaints=[ComplaintPublic.model_validate(complaint) for complaint in found],
    )


def complaints_around(around: Surroundings) -> list[Complaint]:
    """What is wrong with the surroundings of an agent."""
    found = [*_channels(around.channels), *_models(around.models)]
    if not around.knows_anything:
        words = "It has no knowledge to answer from, only its instructions."
        found.append(Complaint("no_knowledge", words))
    if not around.anybody_online:
        words = "No human agent is online: who is passed on to a person has to wait."
        found.append(Complaint("nobody_online", words))
    return found


def _channels(channels: Sequence[ChannelPublic]) -> Iterator[Complaint]:
    if not channels:
        yield Complaint("no_channel", "It has no number, so nothing reaches it.", True)
    sends = any(channel.status is ChannelStatus.CONNECTED for channel in channels)
    for channel in channels:
        # One that is gone is nobody's worry once another sends.
        if channel.status is ChannelStatus.PAUSED or not sends:
            status = channel.status.lower()
            reason = channel.status_reason or "no reason was given"
            words = f"The number “{channel.name}” is {status}: {reason.rstrip('.')}."
            yield Complaint(f"channel_{status}", words, not sends)


def _models(by_feature: Iterable[Sequence[Standing]]) -> list[Complaint]:
    """The obstacles of each model in question, once; they stop answers where no model is left."""
    stops: dict[tuple[str, str], bool] = {}
    for standings in by_feature:
        usual = [item for item in standings if not item.is_cheaper]
        is_dear = any(item.obstacle is Outcome.OVER_BUDGET for item in usual)
        # As in the gateway: cheaper ones take over only from what a budget is too small for.
        asked = standings if is_dear else usual
        none_left = all(item.obstacle for item in asked)
        for item in asked:
            if item.obstacle is not None:
                words = f"{item.model} is not asked: {item.words.rstrip('.')}."
                key = (_OBSTACLES[item.obstacle], words)
                stops[key] = stops.get(key, False) or none_left
    return [Complaint(code, words, stop) for (code, words), stop in stops.items()]
