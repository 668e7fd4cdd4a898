"""Search over contacts, messages and notes.

The indexes are built while nobody writes. With millions of messages, make them beforehand with
`CREATE INDEX CONCURRENTLY` under the same names; what is there already is left alone.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_WORDS = (
    "(to_tsvector('simple', frontdesk_unaccent(text)) || array_to_tsvector(ARRAY[tenant_id::text]))"
)
_INDEXES = {
    "ix_message_search": f"message USING gin ({_WORDS}) WITH (gin_pending_list_limit = 256) "
    "WHERE text <> ''",
    "ix_note_search": f"note USING gin ({_WORDS})",
    "ix_contact_search": "contact USING gin (frontdesk_unaccent(lower(name)) "
    "gin_trgm_ops, frontdesk_unaccent(lower(username)) gin_trgm_ops)",
    "ix_contact_alias_search": "contact_alias USING gin (value gin_trgm_ops) WHERE kind = 'wa_id'",
    "ix_contact_alias_contact": "contact_alias (tenant_id, contact_id)",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for name, what in _INDEXES.items():
        op.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {what}")


def downgrade() -> None:
    for name in _INDEXES:
        op.execute(f"DROP INDEX {name}")
