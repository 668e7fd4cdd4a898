"""Words by agent, and each source's vocabulary: a search costs what its own agent knows.

The vocabularies and the index are made anew, which reads each chunk's words twice. With very many
chunks, make the function and the index beforehand, the latter with `CREATE INDEX CONCURRENTLY` under the
same name; what is there already is left alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "CREATE OR REPLACE FUNCTION frontdesk_own_words(uuid, tsvector) RETURNS tsvector "
        "LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$ "
        "SELECT array_to_tsvector(array_agg(right($1::text, 12) || word)) "
        # Postgres allows 2,046 bytes a word.
        "FROM unnest(tsvector_to_array($2)) AS word WHERE octet_length(word) <= 2034 $$"
    )
    op.execute(
        "CREATE INDEX IF NOT EXISTS ix_knowledge_chunk_own_words ON knowledge_chunk "
        "USING gin (frontdesk_own_words(agent_id, words))"
    )
    for column in ("vocabulary", "codes"):
        op.add_column(
            "knowledge_source", sa.Column(column, postgresql.ARRAY(sa.Text()), nullable=True)
        )
    op.execute(
        "UPDATE knowledge_source s SET (vocabulary, codes) = ("
        "SELECT array_agg(word) FILTER (WHERE word !~ '[0-9]'), "
        "array_agg(word) FILTER (WHERE word ~ '[0-9]') FROM ("
        "SELECT DISTINCT word FROM knowledge_chunk c, unnest(tsvector_to_array(words)) AS word "
        "WHERE c.tenant_id = s.tenant_id AND c.source_id = s.id AND length(word) > 1) AS each)"
    )
    op.drop_index("ix_knowledge_chunk_words", "knowledge_chunk")


def downgrade() -> None:
    op.execute(
        "CREATE INDEX ix_knowledge_chunk_words ON knowledge_chunk "
        "USING gin ((words || array_to_tsvector(ARRAY[agent_id::text])))"
    )
    for column in ("vocabulary", "codes"):
        op.drop_column("knowledge_source", column)
    op.drop_index("ix_knowledge_chunk_own_words", "knowledge_chunk")
    op.execute("DROP FUNCTION frontdesk_own_words(uuid, tsvector)")
