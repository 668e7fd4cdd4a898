"""Invites, the e-mails that carry links, password resets, and second factors."""

import sqlalchemy as sa
from alembic import op

from frontdesk.core.policies import CURRENT_TENANT, reserve_for_system, seal_tenant_table
from frontdesk.core.settings import APP_ROLE

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

OPEN = sa.text("accepted_at IS NULL AND revoked_at IS NULL")
ALIVE = sa.text("dead_at IS NULL")
KINDS = ("invite", "reset", "password_changed", "second_factor_on", "second_factor_off")


def upgrade() -> None:
    op.add_column(
        "tenant",
        sa.Column("mfa_required", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_table(
        "invite",
        sa.Column("tenant_id", sa.Uuid(), server_default=sa.text(CURRENT_TENANT), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        _moment("created_at", default="now()"),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", _enum("role", "ADMIN", "HUMAN_AGENT"), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column(
            "delivery",
            _enum("delivery", "queued", "sent", "failed"),
            server_default="queued",
            nullable=False,
        ),
        _moment("expires_at"),
        _moment("accepted_at", nullable=True),
        _moment("revoked_at", nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_invite_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_invite"),
    )
    op.create_index(
        "uq_invite_open", "invite", ["tenant_id", "email"], unique=True, postgresql_where=OPEN
    )
    op.create_index("ix_invite_token", "invite", ["token_hash"])
    op.create_table(
        "outgoing_mail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("mailkind", *KINDS), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        _moment("due_at", default="now()"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        _moment("dead_at", nullable=True),
        _moment("created_at", default="now()"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_mail"),
    )
    op.create_index("ix_outgoing_mail_due", "outgoing_mail", ["due_at"], postgresql_where=ALIVE)
    op.create_table(
        "password_reset",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        _moment("expires_at"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_password_reset_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_password_reset"),
        sa.UniqueConstraint("token_hash", name="uq_password_reset_token_hash"),
    )
    op.create_table(
        "totp_factor",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("secret_sealed", sa.Text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), server_default="0", nullable=False),
        _moment("confirmed_at", nullable=True),
        _moment("created_at", default="now()"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_totp_factor_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_factor"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["totp_factor.user_id"],
            name="fk_recovery_code_user_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_code"),
    )
    statements = seal_tenant_table("invite")
    for table in ("outgoing_mail", "password_reset", "totp_factor", "recovery_code"):
        statements += reserve_for_system(table)
    # An e-mail is asked for in the tenant's transaction, and seen by nobody but who sends it.
    statements.append(f"GRANT INSERT ON outgoing_mail TO {APP_ROLE}")
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    for table in ("recovery_code", "totp_factor", "password_reset", "outgoing_mail", "invite"):
        op.drop_table(table)
    op.drop_column("tenant", "mfa_required")


def _moment(name: str, *, default: str | None = None, nullable: bool = False) -> sa.Column:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text(default) if default else None,
        nullable=nullable,
    )


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
