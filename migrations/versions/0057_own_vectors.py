"""Pieces that may have got the vector of the piece before them are embedded again.

Where something was masked, what explains the placeholders went along as one more text, so each piece of
that call got its neighbour's vector. The record of a call does not say which pieces were in it, so all are
taken that its agent had by then of its model. They are found by their words meanwhile. Reads every
record of a call once.
"""

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

# In one statement, as both tables are read as they were.
EMBED_AGAIN = """
WITH shifted AS (
    -- A call's id is younger than those of all that went into it. Questions failed, and kept nothing.
    SELECT tenant_id, agent_id, model_asked, max(id::text COLLATE "C")::uuid AS last_id
    FROM llm_call
    WHERE feature = 'embedding' AND outcome = 'ok' AND conversation_id IS NULL
    AND masking ->> 'result' = 'masked'
    -- The explanation stood first; of a call whose texts have been erased nobody knows any more.
    AND coalesce(messages -> 0 ->> 'role', 'system') = 'system'
    GROUP BY tenant_id, agent_id, model_asked
), piece AS (
    UPDATE knowledge_chunk c SET embedder = NULL FROM shifted s
    WHERE c.tenant_id = s.tenant_id AND c.agent_id = s.agent_id
    AND c.embedder = s.model_asked AND c.id < s.last_id
    RETURNING c.tenant_id, c.source_id
)
-- Any that is not ready is on its way to be embedded, or has no pieces. In an hour, since a worker of
-- the release before would do it wrong again.
UPDATE knowledge_source k SET state = 'embedding', attempts = 0, due_at = now() + interval '1 hour'
FROM (SELECT DISTINCT tenant_id, source_id FROM piece) AS p
WHERE k.tenant_id = p.tenant_id AND k.id = p.source_id AND k.state = 'ready'
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(EMBED_AGAIN)


def downgrade() -> None:
    """What was embedded again stays."""
