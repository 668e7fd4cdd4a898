"""Alembic's environment: one database, as the role that owns the tables."""

import asyncio

import asyncpg
import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import frontdesk.agent_config.models
import frontdesk.billing.book_models
import frontdesk.billing.models
import frontdesk.billing.stripe.models
import frontdesk.conversation.commitment_models
import frontdesk.conversation.models
import frontdesk.escalation.models
import frontdesk.evaluation.models
import frontdesk.feed.models
import frontdesk.gateway.chat_models
import frontdesk.gateway.models
import frontdesk.identity.models
import frontdesk.identity.onboarding_models
import frontdesk.knowledge.models
import frontdesk.learning.models
import frontdesk.messaging.models
import frontdesk.observability.models
import frontdesk.privacy.models
import frontdesk.prompts.models  # noqa: F401  # Importing a models module registers its tables.
from frontdesk.core.settings import load_database_settings


def _migrate(connection: sa.Connection) -> None:
    # One at a time, whoever starts it; a blocked DDL gives up instead of queueing every other query
    # behind it. Both end with the connection.
    connection.execute(sa.text("SET lock_timeout = '3s'"))
    connection.execute(sa.text("SELECT pg_advisory_lock(7261)"))
    connection.commit()
    # What one migration locks is free again before the next begins.
    context.configure(
        connection=connection, target_metadata=SQLModel.metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    url = context.config.attributes.get("dsn") or load_database_settings().migrator_dsn
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())
