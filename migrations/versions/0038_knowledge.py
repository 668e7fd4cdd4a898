"""Knowledge from files and sites, by stages; chunks with a language, stems and vectors.

The words of all chunks are computed anew, which reads each of them once.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_STATES = "queued", "reading", "splitting", "embedding", "ready", "failed", "deleting"
_TEXT = "frontdesk_unaccent(heading || ' ' || text)"


def _source_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column(
            "kind",
            sa.Enum(
                "text",
                "file",
                "url",
                name="sourcekind",
                native_enum=False,
                create_constraint=False,
                length=40,
            ),
            server_default="text",
            nullable=False,
        ),
        sa.Column("embedder", sa.Text(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column("depth", sa.Integer(), server_default="0", nullable=False),
        sa.Column("most_pages", sa.Integer(), server_default="1", nullable=False),
        sa.Column("refetch_hours", sa.Integer(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
    )


# USD per million tokens, as published by the provider.
_PRICES = (
    ("openai/text-embedding-3-small", "0.02"),
    ("openai/text-embedding-3-large", "0.13"),
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in _source_columns():
        op.add_column("knowledge_source", column)
    op.create_check_constraint(
        op.f("ck_knowledge_source_sourcekind"),
        "knowledge_source",
        "kind IN ('text', 'file', 'url')",
    )
    _states(_STATES)
    op.create_foreign_key(
        op.f("fk_knowledge_source_tenant_id_site_id"),
        "knowledge_source",
        "knowledge_source",
        ["tenant_id", "site_id"],
        ["tenant_id", "id"],
        ondelete="CASCADE",
    )
    op.create_unique_constraint(
        op.f("uq_knowledge_source_tenant_id_site_id_url"),
        "knowledge_source",
        ["tenant_id", "site_id", "url"],
    )
    op.drop_index("ix_knowledge_chunk_words", "knowledge_chunk")
    op.drop_column("knowledge_chunk", "words")
    op.add_column("knowledge_chunk", sa.Column("language", sa.Text(), nullable=True))
    op.add_column(
        "knowledge_chunk",
        sa.Column("stemmer", postgresql.REGCONFIG(), server_default="simple", nullable=False),
    )
    op.add_column(
        "knowledge_chunk",
        sa.Column(
            "words",
            postgresql.TSVECTOR(),
            sa.Computed(
                f"to_tsvector('simple', {_TEXT}) || to_tsvector(stemmer, {_TEXT})", persisted=True
            ),
            nullable=True,
        ),
    )
    op.execute("ALTER TABLE knowledge_chunk ADD COLUMN embedding halfvec, ADD COLUMN embedder text")
    _position(deferred=True)
    op.execute(
        "CREATE INDEX ix_knowledge_chunk_words ON knowledge_chunk "
        "USING gin ((words || array_to_tsvector(ARRAY[agent_id::text])))"
    )
    for dimensions in (384, 1536):
        op.execute(
            f"CREATE INDEX ix_knowledge_chunk_near_{dimensions} ON knowledge_chunk USING hnsw "
            f"((embedding::halfvec({dimensions})) halfvec_cosine_ops) "
            f"WHERE vector_dims(embedding) = {dimensions}"
        )
    for model, usd in _PRICES:
        op.execute(
            "INSERT INTO price (model, effective_from, input_usd_per_million, "
            "cached_input_usd_per_million, output_usd_per_million, source) VALUES "
            f"('{model}', '2026-01-01', {usd}, {usd}, 0, 'provider price list, embeddings')"
        )


def downgrade() -> None:
    op.execute("DELETE FROM price WHERE source = 'provider price list, embeddings'")
    op.execute("DELETE FROM knowledge_source WHERE kind <> 'text'")
    op.execute("UPDATE knowledge_source SET state = 'queued' WHERE state <> ALL('{ready,failed}')")
    for dimensions in (384, 1536):
        op.drop_index(f"ix_knowledge_chunk_near_{dimensions}", "knowledge_chunk")
    op.drop_index("ix_knowledge_chunk_words", "knowledge_chunk")
    for name in ("words", "language", "stemmer", "embedding", "embedder"):
        op.drop_column("knowledge_chunk", name)
    op.add_column(
        "knowledge_chunk",
        sa.Column(
            "words",
            postgresql.TSVECTOR(),
            sa.Computed(f"to_tsvector('simple', {_TEXT})", persisted=True),
            nullable=True,
        ),
    )
    op.create_index(
        "ix_knowledge_chunk_words", "knowledge_chunk", ["words"], postgresql_using="gin"
    )
    _position(deferred=False)
    _states(("queued", "ready", "failed"))
    for column in _source_columns():
        op.drop_column("knowledge_source", column.name)


def _states(states: tuple[str, ...]) -> None:
    op.drop_constraint(op.f("ck_knowledge_source_sourcestate"), "knowledge_source")
    listed = ", ".join(f"'{state}'" for state in states)
    op.create_check_constraint(
        op.f("ck_knowledge_source_sourcestate"), "knowledge_source", f"state IN ({listed})"
    )


def _position(*, deferred: bool) -> None:
    name = op.f("uq_knowledge_chunk_tenant_id_source_id_position")
    op.drop_constraint(name, "knowledge_chunk")
    op.create_unique_constraint(
        name,
        "knowledge_chunk",
        ["tenant_id", "source_id", "position"],
        deferrable=deferred or None,
        initially="DEFERRED" if deferred else None,
    )
