"""What must be true of the tables at any moment, as SQL: the promises of docs/reliability.md, proven.

Each statement lists what breaks its rule, so an empty answer is the proof. All are read in one
snapshot, so work that goes on meanwhile can't make a rule look broken. Tables of the contexts above
are read by name: the rules are about what they hold together, which none of them sees alone.
"""

from dataclasses import dataclass

from frontdesk.core.db import Connection, take_time
from frontdesk.core.ids import NIL
from frontdesk.observability.overdue import OVERDUE

# Longer than any lease, pause or wait of ours: what is older has been forgotten, or nobody works.
OLDER_THAN_MINUTES = 10
EXAMPLES = 5


@dataclass(frozen=True)
class Invariant:
    """A rule in words and the statement that lists what breaks it.

    The statement gives `tenant_id` (the nil id where there is none) and `what`, and may use the
    seconds after which work counts as forgotten as `$1`.
    """

    name: str
    words: str
    broken: str


@dataclass(frozen=True)
class InvariantResult:
    """Whether a rule holds: how often it is broken, and a few examples."""

    name: str
    words: str
    broken: int
    examples: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing breaks it."""
        return self.broken == 0


_ACTORS = ("contact", "agent", "human_agent", "system")
# The words that columns of the message path's tables may hold; Postgres does not check them there
# (`core.tables.text_enum`).
WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("conversation", "status"): ("ACTIVE", "WITH_HUMAN", "CLOSED"),
    ("conversation", "closed_by"): _ACTORS,
    ("conversation", "priority"): ("low", "normal", "high", "urgent"),
    ("message", "direction"): ("in", "out"),
    ("message", "author"): _ACTORS,
    ("turn", "outcome"): ("replied", "handoff", "ignored", "refused"),
    ("turn", "by"): _ACTORS,
    ("timer", "kind"): ("follow_up", "auto_close", "snooze"),
    ("timer", "cause"): _ACTORS,
    ("survey", "closed_by"): _ACTORS,
    ("survey", "handled_by"): _ACTORS,
    ("answer_rating", "by"): _ACTORS,
    ("outbound", "origin"): ("agent", "human_agent", "system", "bridge"),
    ("outbound", "state"): (
        "pending", "sending", "unknown", "sent", "failed", "cancelled", "needs_attention"
    ),
    ("outbound", "delivery"): ("sent", "delivered", "read", "played", "failed"),
}  # fmt: skip

INVARIANTS = (
    Invariant(
        "one_outcome",
        "Every message of a contact has exactly one outcome: one turn, or a reason why it wants "
        "none, or it is open still, due or with a person.",
        """
        SELECT m.tenant_id, format('message %s of conversation %s: %s turns, ignored: %s, open: %s',
            m.id, m.conversation_id, count(t.id), coalesce(m.ignored_reason, 'no'),
            m.seq > k.handled_seq AND (k.status = 'WITH_HUMAN'
                                       OR k.status = 'ACTIVE' AND k.due_at IS NOT NULL)) AS what
        FROM message m
        JOIN conversation k ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id
        LEFT JOIN turn t ON t.tenant_id = m.tenant_id AND t.conversation_id = m.conversation_id
            AND m.seq BETWEEN t.from_seq AND t.to_seq
        WHERE m.direction = 'in'
        GROUP BY m.tenant_id, m.id, k.tenant_id, k.id
        HAVING count(t.id) + (m.ignored_reason IS NOT NULL)::int
            + coalesce(m.seq > k.handled_seq AND (k.status = 'WITH_HUMAN'
                       OR k.status = 'ACTIVE' AND k.due_at IS NOT NULL), false)::int <> 1
        """,
    ),
    Invariant(
        "turns_cover_what_is_handled",
        "The turns of a conversation cover its messages from the first to the last handled one.",
        """
        SELECT k.tenant_id, format('conversation %s: handled up to %s of %s, turns cover %s up to '
            '%s', k.id, k.handled_seq, k.inbound_seq, coalesce(sum(t.to_seq - t.from_seq + 1), 0),
            coalesce(max(t.to_seq), 0)) AS what
        FROM conversation k
        LEFT JOIN turn t ON t.tenant_id = k.tenant_id AND t.conversation_id = k.id
        GROUP BY k.tenant_id, k.id
        HAVING coalesce(sum(t.to_seq - t.from_seq + 1), 0) <> k.handled_seq
            OR coalesce(max(t.to_seq), 0) <> k.handled_seq OR k.handled_seq > k.inbound_seq
        """,
    ),
    Invariant(
        "turns_without_gaps",
        "Each turn begins with the message after the one the turn before it ended with.",
        """
        SELECT tenant_id, format('conversation %s: a turn of %s to %s follows %s',
            conversation_id, from_seq, to_seq, before) AS what
        FROM (SELECT *, lag(to_seq, 1, 0) OVER (PARTITION BY tenant_id, conversation_id
                                                ORDER BY from_seq, to_seq) AS before FROM turn) t
        WHERE from_seq <> before + 1 OR to_seq < from_seq
        """,
    ),
    Invariant(
        "replied_was_sent",
        "Every turn that says it replied has a message that was to go out.",
        """
        SELECT t.tenant_id, format('turn %s of conversation %s', t.id, t.conversation_id) AS what
        FROM turn t WHERE t.outcome = 'replied' AND NOT EXISTS (
            SELECT 1 FROM outbound o WHERE o.tenant_id = t.tenant_id AND o.turn_id = t.id)
        """,
    ),
    Invariant(
        "sent_once",
        "A message that was sent was tried, and is one message at WhatsApp: no two share its id.",
        """
        SELECT tenant_id, format('message %s was sent and never tried', id) AS what
        FROM outbound WHERE state = 'sent' AND attempt = 0
        UNION ALL
        SELECT tenant_id, format('%s messages are %s at WhatsApp', count(*), wamid)
        FROM outbound WHERE wamid IS NOT NULL GROUP BY tenant_id, channel_id, wamid
        HAVING count(*) > 1
        """,
    ),
    Invariant(
        "nothing_forgotten",
        "Nothing that is due has waited longer than the given minutes, and no send has been of "
        "unknown outcome so long without needing a person.",
        " UNION ALL ".join(
            [
                # A send of unknown outcome is looked at every few seconds for a quarter of an hour.
                "SELECT tenant_id, format('outbound %s: unknown since %s', id, sending_since) "
                "AS what FROM outbound WHERE state = 'unknown' "
                "AND sending_since < now() - interval '15 minutes' - make_interval(secs => $1)",
                *(
                    f"SELECT {due.tenant}, format('{due.table} %s: due since %s', {due.key}, due_at) "  # noqa: S608  # Ours.
                    f"FROM {due.table} WHERE {due.unfinished} "
                    "AND due_at < now() - make_interval(secs => $1)"
                    for due in OVERDUE
                ),
            ]
        ),
    ),
    Invariant(
        "waiting_has_an_owner",
        "Every conversation that people have has an open handoff, which says whose it is, and no "
        "conversation that they do not have has one.",
        """
        SELECT k.tenant_id, format('conversation %s is %s; open handoffs: %s', k.id, k.status,
            count(h.id)) AS what
        FROM conversation k
        LEFT JOIN handoff h ON h.tenant_id = k.tenant_id AND h.conversation_id = k.id
            AND h.state <> 'ended'
        GROUP BY k.tenant_id, k.id
        HAVING count(h.id) <> (k.status = 'WITH_HUMAN')::int
            OR bool_or(h.assigned_user_id IS DISTINCT FROM k.assigned_user_id AND h.id IS NOT NULL)
        """,
    ),
    Invariant(
        "places_are_counted",
        "Each human agent has as many places taken as conversations assigned to them.",
        """
        SELECT a.tenant_id, format('user %s: %s places taken, %s conversations', a.user_id,
            a.open_conversations, count(h.id)) AS what
        FROM availability a
        LEFT JOIN handoff h ON h.tenant_id = a.tenant_id AND h.assigned_user_id = a.user_id
            AND h.state = 'assigned'
        GROUP BY a.tenant_id, a.user_id
        HAVING count(h.id) <> a.open_conversations
        """,
    ),
    Invariant(
        "nothing_put_off_for_ever",
        "Nothing has been unfinished for a day and the given minutes, however often it was tried: a "
        "message that can't be sent is given up when its window closes.",
        " UNION ALL ".join(
            f"SELECT {due.tenant} AS tenant_id, "  # noqa: S608  # Ours.
            f"format('{due.table} %s: unfinished since %s', {due.key}, {due.since}) AS what "
            f"FROM {due.table} WHERE {due.unfinished} "
            f"AND {due.since} < now() - interval '1 day' - make_interval(secs => $1)"
            for due in OVERDUE
        ),
    ),
    Invariant(
        "webhooks_are_received",
        "No raw webhook is neither received nor dead longer than the given minutes after it came.",
        f"""
        SELECT '{NIL}'::uuid AS tenant_id, format('webhook %s: pending since %s, attempts %s, '
            'waits %s', id, received_at, attempts, waits) AS what
        FROM webhook_event WHERE state = 'pending'
            AND received_at < now() - make_interval(secs => $1)
        """,  # noqa: S608  # A constant of ours.
    ),
    Invariant(
        "feed_has_no_gaps",
        "The feed of each tenant holds every number from its oldest event to its counter.",
        """
        SELECT coalesce(c.tenant_id, e.tenant_id) AS tenant_id, format(
            'the counter is %s; %s events from %s to %s', c.n, e.held, e.first, e.last) AS what
        FROM feed_counter c FULL JOIN (
            SELECT tenant_id, count(*) AS held, min(seq) AS first, max(seq) AS last
            FROM feed_event GROUP BY tenant_id) e ON e.tenant_id = c.tenant_id
        WHERE e.held <> e.last - e.first + 1 OR e.last IS DISTINCT FROM c.n AND e.held > 0
        """,
    ),
    Invariant(
        "states_are_known",
        "States, kinds and authors on the message path are words that the code knows.",
        " UNION ALL ".join(
            f"SELECT tenant_id, format('%s rows of {table}: {column} is %s', count(*), \"{column}\") "  # noqa: S608  # Ours.
            f"AS what FROM {table} WHERE \"{column}\" <> ALL('{{{','.join(words)}}}') "
            f'GROUP BY tenant_id, "{column}"'
            for (table, column), words in WORDS.items()
        ),
    ),
)


async def check_invariants(
    connection: Connection, *, older_than_minutes: float = OLDER_THAN_MINUTES
) -> list[InvariantResult]:
    """Look whether each rule holds, over all tenants and without changing anything.

    Args:
        connection: one that sees all tenants, as `db.system()` gives it; outside a transaction.
        older_than_minutes: what has waited for longer counts as forgotten.
    """
    results = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await take_time(connection)  # On years of messages a check takes longer than a request may.
        for invariant in INVARIANTS:
            row = await connection.fetchrow(_counted(invariant), older_than_minutes * 60)
            assert row is not None
            results.append(
                InvariantResult(
                    invariant.name, invariant.words, row["broken"], tuple(row["examples"])
                )
            )
    return results


def _counted(invariant: Invariant) -> str:
    """The statement that counts what is broken and tells the first few; it always uses `$1`."""
    return (
        f"WITH broken AS MATERIALIZED ({invariant.broken}) "  # noqa: S608  # Ours.
        "SELECT count(*) AS broken, coalesce((array_agg(CASE WHEN tenant_id = "
        f"'{NIL}'::uuid THEN '' ELSE 'tenant ' || tenant_id || ': ' END || what))"
        f"[:{EXAMPLES}], '{{}}') AS examples FROM broken WHERE $1::float8 IS NOT NULL"
    )
