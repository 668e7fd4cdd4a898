"""How a channel is, in words: what it says itself, what Meta said when asked, what Meta reported.

A pure decision over a snapshot. Each finding has a stable code, one sentence, what to do, and since when.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import select

from frontdesk.core.db import Session
from frontdesk.core.errors import NotFound
from frontdesk.messaging.graph_errors import classify_code
from frontdesk.messaging.incoming_items import Severity
from frontdesk.messaging.models import Channel, ChannelStatus, PausedBy
from frontdesk.messaging.schemas import ChannelHealth, Finding, HealthState

# How long news stands that nothing takes back; what is worse stands until it is taken back.
_NEWS = timedelta(days=30)
_SHORT_NEWS = timedelta(days=7)
_SHORT_TOPICS = frozenset({"pin", "error"})
_SOON = timedelta(days=14)
_URGENT = timedelta(days=3)
_OLD_LOOK = timedelta(days=2)

_RENEW = (
    "Give a new token (PUT /api/v1/channels/{channel_id}/access-token), or run the signup again."
)
_MANAGER = "Look into WhatsApp Manager."
# What to do about an event that worries, by its topic.
_EVENT_REMEDIES: Mapping[str, str] = {
    "alert": _MANAGER,
    "ban": "Ask for a review in WhatsApp Manager before the account is closed.",
    "connection": "If it does not mend itself, run the signup again.",
    "error": "If it happens again, tell whoever runs this deployment.",
    "limits": _MANAGER,
    "name": "Choose another display name in WhatsApp Manager.",
    "payment": "Check the payment method in Meta's Billing Hub.",
    "pin": "If it was nobody of yours, set a new two-step PIN in WhatsApp Manager at once.",
    "quality": "Find out why contacts block or report the number, and write to fewer of them.",
    "restriction": "Answers to contacts may go on; start no conversations. Ask for a review in "
    "WhatsApp Manager.",
    "review": "Read the reason in WhatsApp Manager and ask for another review.",
    "template_category": "Mind the price of the other category, or ask for a review of the template.",
    "template_quality": "Improve the template, or send it to fewer contacts.",
    "template_status": "Mend the template in WhatsApp Manager; until then it can't be sent.",
    "violation": "Read WhatsApp's policies, stop what broke them, and ask for a review.",
}
_HEALTHY = "The number sends, and nothing is wrong."
# Connecting anew is the answer to these; what was before it is history.
_ENDED_BY_CONNECTING = frozenset({"connection"})


@dataclass(frozen=True)
class Snapshot:
    """What is known of a channel."""

    status: ChannelStatus
    status_reason: str | None
    status_since: datetime
    paused_by: PausedBy | None
    failure_code: str | None
    claimed_at: datetime | None
    token_expires_at: datetime | None
    token_checked_at: datetime | None
    alive_at: datetime | None
    reading: Mapping[str, Any] | None
    checked_at: datetime | None
    check_error: str | None
    created_at: datetime


@dataclass(frozen=True)
class Report:
    """The newest thing Meta reported of a topic."""

    topic: str
    severity: Severity
    words: str
    said_at: datetime
    until: datetime | None


async def channel_health(session: Session, channel_id: UUID, *, now: datetime) -> ChannelHealth:
    """How a channel is; raises `NotFound`."""
    row = (await session.exec(select(Channel).where(Channel.id == channel_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such channel.")
    rows = await session.sql.fetch(
        "SELECT DISTINCT ON (topic) topic, severity, words, said_at, until FROM account_event "
        "WHERE channel_id = $1 AND topic IS NOT NULL ORDER BY topic, said_at DESC, id DESC",
        channel_id,
    )
    snapshot = Snapshot(**{name: getattr(row, name) for name in Snapshot.__dataclass_fields__})
    findings = diagnose(snapshot, [Report(**report) for report in rows], now)
    state = state_of(snapshot, findings)
    return ChannelHealth(
        channel_id=channel_id,
        state=state,
        sentence=_HEALTHY if state is HealthState.HEALTHY else findings[0].sentence,
        findings=findings,
        checked_at=row.checked_at,
    )


def state_of(channel: Snapshot, findings: Sequence[Finding]) -> HealthState:
    """The state in one word: what its status says, or whether anything worries."""
    if channel.status is not ChannelStatus.CONNECTED:
        return HealthState(channel.status.lower())
    worries = any(finding.severity != "info" for finding in findings)
    return HealthState.ATTENTION if worries else HealthState.HEALTHY


def diagnose(channel: Snapshot, reports: Sequence[Report], now: datetime) -> list[Finding]:
    """All there is to say about a channel, worst first."""
    found = [*_status(channel), *_token(channel, now)]
    if channel.status in (ChannelStatus.CONNECTED, ChannelStatus.PAUSED):
        found += [*_reading(channel), *_contact(channel, now)]
    found += _reported(channel, reports, now)
    order = {"critical": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _status(channel: Snapshot) -> Iterator[Finding]:
    since, reason = channel.status_since, channel.status_reason
    if channel.status is ChannelStatus.CONNECTING:
        words = f"The number is being connected. {reason or ''}".strip()
        yield _finding("connecting", "info", words, None, since)
    elif channel.status is ChannelStatus.FAILED:
        yield _finding(
            channel.failure_code or "connecting_failed",
            "critical",
            f"Connecting the number failed: {reason}",
            "Then connect again (POST /api/v1/channels/{channel_id}/reconnect).",
            since,
        )
    elif channel.status is ChannelStatus.DISCONNECTED:
        words = f"The number is disconnected: {reason or 'no reason was given'}"
        again = "Connect it again (POST /api/v1/channels/{channel_id}/reconnect) to go on."
        yield _finding("disconnected", "critical", words, again, since)
    elif channel.status is ChannelStatus.PAUSED:
        by_admin = channel.paused_by is PausedBy.ADMIN
        whose = "An admin paused the number" if by_admin else "WhatsApp lets nothing pass"
        what = "" if by_admin else "Mend the cause, then "
        yield _finding(
            "paused_by_admin" if by_admin else "paused_by_whatsapp",
            "warning" if by_admin else "critical",
            f"{whose}: {reason or 'no reason was given'}",
            f"{what}resume (POST /api/v1/channels/{{channel_id}}/resume)."
            if what
            else "Resume (POST /api/v1/channels/{channel_id}/resume) when it shall send again.",
            since,
        )


def _token(channel: Snapshot, now: datetime) -> Iterator[Finding]:
    if channel.status in (ChannelStatus.DISCONNECTED, ChannelStatus.FAILED):
        return
    ends = channel.token_expires_at
    if ends is None:
        if channel.token_checked_at is None and channel.status is not ChannelStatus.CONNECTING:
            yield _finding(
                "token_end_unknown",
                "info",
                "Nobody could ask Meta when the access token ends.",
                "Set WHATSAPP__APP_ID; it is asked for within a day.",
                channel.claimed_at,
            )
    elif ends <= now:
        words = f"The access token ended on {ends:%Y-%m-%d %H:%M} UTC; nothing can be sent."
        yield _finding("token_ended", "critical", words, _RENEW, ends)
    elif ends - now <= _SOON:
        days = (ends - now).days
        words = f"The access token ends in {_days(days)}, on {ends:%Y-%m-%d %H:%M} UTC."
        severity: Severity = "critical" if ends - now <= _URGENT else "warning"
        yield _finding("token_ends_soon", severity, words, _RENEW, ends - _SOON)


_QUALITIES: Mapping[str, tuple[Severity, str]] = {
    "YELLOW": ("warning", "medium"),
    "RED": ("critical", "low"),
}
_NUMBER_STATES: Mapping[str, tuple[Severity, str]] = {
    "BANNED": ("critical", "WhatsApp has banned the number."),
    "DISCONNECTED": ("critical", "The number is not registered with WhatsApp any more."),
    "FLAGGED": ("warning", "WhatsApp has flagged the number: contacts complain about it."),
    "MIGRATED": ("critical", "The number has moved to another provider."),
    "OFFLINE": ("warning", "WhatsApp says that the number is offline."),
    "PENDING": ("warning", "WhatsApp has not finished setting the number up."),
    "RATE_LIMITED": ("warning", "The number has reached its limit of conversations for now."),
    "RESTRICTED": ("warning", "The number has reached its limit, or WhatsApp restricted it."),
}


def _reading(channel: Snapshot) -> Iterator[Finding]:
    """What Meta said when it was last asked (WhatsApp Cloud API: onboarding, read back)."""
    said, at = channel.reading or {}, channel.checked_at
    quality = _QUALITIES.get(str(said.get("quality_rating")))
    if quality is not None:
        words = f"Contacts block or report the number: its quality is {quality[1]}."
        yield _finding("quality_low", quality[0], words, _EVENT_REMEDIES["quality"], at)
    state = _NUMBER_STATES.get(str(said.get("status")))
    if state is not None:
        code = f"number_{str(said['status']).lower()}"
        yield _finding(code, state[0], state[1], _MANAGER, at)
    name = str(said.get("name_status", ""))
    if name in ("DECLINED", "EXPIRED", "REJECTED", "PENDING_REVIEW"):
        waiting = name == "PENDING_REVIEW"
        words = (
            "WhatsApp reviews the display name."
            if waiting
            else "WhatsApp refused the display name; the number may be limited."
        )
        remedy = None if waiting else _EVENT_REMEDIES["name"]
        yield _finding(f"name_{name.lower()}", "info" if waiting else "warning", words, remedy, at)
    limit = str(said.get("whatsapp_business_manager_messaging_limit") or "")
    if limit:
        amount = limit.removeprefix("TIER_").lower().replace("k", ",000")
        words = (
            f"Conversations the business may start within 24 hours: {amount}. "
            "Answers to contacts do not count."
        )
        yield _finding("messaging_limit", "info", words, None, at)
    throughput = said.get("throughput")
    level = throughput.get("level") if isinstance(throughput, dict) else None
    if level and level != "STANDARD":
        words = f"The throughput of the number is {str(level).lower().replace('_', ' ')}."
        yield _finding("throughput", "info", words, None, at)
    yield from _sending(said.get("health_status"), at)


def _sending(health: Any, at: datetime | None) -> Iterator[Finding]:
    """What keeps the number, its account, its business or our app from sending."""
    entities = health.get("entities") if isinstance(health, dict) else None
    for entity in entities if isinstance(entities, list) else ():
        can = entity.get("can_send_message") if isinstance(entity, dict) else None
        if can not in ("LIMITED", "BLOCKED"):
            continue
        kind = str(entity.get("entity_type", "")).lower()
        errors = entity.get("errors")
        problems = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
        whose = {"phone_number": "number", "waba": "account"}.get(kind, kind.replace("_", " "))
        how = "may send nothing" if can == "BLOCKED" else "may send only a part"
        why = " ".join(_why(problem) for problem in problems[:3])
        todo = " ".join(str(p["possible_solution"]) for p in problems if p.get("possible_solution"))
        yield _finding(
            f"{kind}_{can.lower()}",
            "critical" if can == "BLOCKED" else "warning",
            f"WhatsApp says that the {whose} {how}. {why}".strip(),
            todo[:500] or _MANAGER,
            at,
        )


def _why(problem: Mapping[str, Any]) -> str:
    code = problem.get("error_code")
    told = problem.get("error_description")
    return str(told)[:300] if told else classify_code(code if isinstance(code, int) else None).words


def _contact(channel: Snapshot, now: datetime) -> Iterator[Finding]:
    """Whether Meta and we hear each other."""
    if channel.check_error is not None:
        words = f"The last look at the number did not succeed: {channel.check_error}"
        yield _finding("check_failed", "warning", words, None, channel.checked_at)
    elif channel.checked_at is not None and now - channel.checked_at > _OLD_LOOK:
        yield _finding(
            "not_checked",
            "warning",
            "Nobody has looked at the number for two days.",
            "Tell whoever runs this deployment: its workers may be down.",
            channel.checked_at,
        )
    if channel.alive_at is None:
        yield _finding(
            "never_heard",
            "info",
            "Nothing has come from WhatsApp for this number yet.",
            "Write to the number from a phone. If nothing comes, check the callback URL and the "
            "fields of the Meta app (docs/running.md).",
            channel.claimed_at,
        )


def _reported(channel: Snapshot, reports: Sequence[Report], now: datetime) -> Iterator[Finding]:
    """The newest report of each topic, while it stands."""
    for report in reports:
        code = report.topic.partition(":")[0]
        age = now - report.said_at
        if code in _ENDED_BY_CONNECTING and (
            channel.claimed_at is None or report.said_at <= channel.claimed_at
        ):
            continue
        if report.until is not None and report.until <= now:
            continue
        if age > (_SHORT_NEWS if code in _SHORT_TOPICS else _NEWS) and (
            report.severity == "info" or code in _SHORT_TOPICS or code == "violation"
        ):
            continue
        remedy = None if report.severity == "info" else _EVENT_REMEDIES.get(code, _MANAGER)
        yield _finding(f"reported_{code}", report.severity, report.words, remedy, report.said_at)


def _finding(
    code: str, severity: Severity, sentence: str, what_to_do: str | None, since: datetime | None
) -> Finding:
    return Finding(
        code=code, severity=severity, sentence=sentence, what_to_do=what_to_do, since=since
    )


def _days(days: int) -> str:
    return {0: "less than a day", 1: "a day"}.get(days, f"{days} days")
