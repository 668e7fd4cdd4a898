"""What every table shares: naming, the tenant column, references inside a tenant, enums as text."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from frontdesk.core import ids

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

CURRENT_TENANT = sa.text("nullif(current_setting('app.tenant_id', true), '')::uuid")
NOW = sa.text("now()")
Json = JSONB(none_as_null=True)
Timestamp = sa.DateTime(timezone=True)
Usd = sa.Numeric(18, 9)


class TenantTable(SQLModel):
    """A row of one tenant: its primary key begins with `tenant_id`, which the transaction gives."""

    tenant_id: UUID = Field(
        default=None, primary_key=True, sa_column_kwargs={"server_default": CURRENT_TENANT}
    )


class TenantRow(TenantTable):
    """A row of one tenant with an id of its own and the time it was made."""

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


def refers(*columns: str, to: str, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    """A reference inside one tenant: `refers("agent_id", to="agent")`.

    Foreign keys bypass row-level security, so each carries the tenant and can't reach another's.
    """
    key = ("id",) if len(columns) == 1 else columns
    return sa.ForeignKeyConstraint(
        ["tenant_id", *columns],
        [f"{to}.tenant_id", *(f"{to}.{name}" for name in key)],
        ondelete=on_delete,
    )


def of_tenant() -> sa.ForeignKeyConstraint:
    """The reference of a top-level row to its tenant."""
    return sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"])


def text_enum(values: type[StrEnum], *, checked: bool = True) -> Any:
    """A text column that holds one of the enum's values.

    Args:
        checked: by Postgres, with a constraint. It reads the constraint anew for every statement
            that writes, so the tables of the message path do without; that they hold nothing else is
            one of the invariants (`frontdesk invariants`).
    """
    return sa.Enum(
        values,
        native_enum=False,
        create_constraint=checked,
        values_callable=lambda kind: [item.value for item in kind],
        name=values.__name__.lower(),
        length=40,
    )
