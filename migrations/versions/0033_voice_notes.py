"""Bursts that wait for a file; voice notes that are written down, and what that costs."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# USD a second, from LiteLLM's map of prices. Such calls are counted in seconds, where chat is
# counted in tokens.
_RATES = {
    "groq/whisper-large-v3-turbo": "0.00001111",
    "groq/whisper-large-v3": "0.00003083",
    "openai/whisper-1": "0.0001",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in ("is_awaited", "wants_words"):
        op.add_column(
            "media",
            sa.Column(column, sa.Boolean(), server_default=sa.text("false"), nullable=False),
        )
    op.add_column("conversation", sa.Column("awaits_until", sa.DateTime(timezone=True)))
    for model, usd in _RATES.items():
        op.execute(
            sa.text(
                "INSERT INTO price (model, effective_from, input_usd_per_million, "
                "output_usd_per_million, source) VALUES (:model, '2026-01-01', "
                "CAST(:usd AS numeric) * 1000000, 0, 'provider price list, by the second') "
                "ON CONFLICT DO NOTHING"
            ).bindparams(model=model, usd=usd)
        )


def downgrade() -> None:
    op.execute("DELETE FROM price WHERE source = 'provider price list, by the second'")
    op.drop_column("conversation", "awaits_until")
    for column in ("wants_words", "is_awaited"):
        op.drop_column("media", column)
