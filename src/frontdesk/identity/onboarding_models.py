"""Tables of getting in: invites, the e-mails that carry links, resets, and second factors."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.core import ids
from frontdesk.core.callers import Role
from frontdesk.core.tables import NOW, TenantRow, Timestamp, of_tenant, text_enum


class Delivery(StrEnum):
    """How far the e-mail of an invite has come."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class Invite(TenantRow, table=True):
    """Someone an admin asked in. It is found by its link before the tenant is known."""

    __table_args__ = (
        of_tenant(),
        sa.Index(
            "uq_invite_open",
            "tenant_id",
            "email",
            unique=True,
            postgresql_where=sa.text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
        sa.Index("ix_invite_token", "token_hash"),
    )

    email: str = Field(sa_type=sa.Text)
    role: Role = Field(sa_type=text_enum(Role))
    invited_by: UUID
    # None until its e-mail goes out: the link is made with the e-mail and kept nowhere.
    token_hash: str | None = Field(default=None, sa_type=sa.Text)
    delivery: Delivery = Field(
        default=Delivery.QUEUED,
        sa_type=text_enum(Delivery),
        sa_column_kwargs={"server_default": "queued"},
    )
    expires_at: datetime = Field(sa_type=Timestamp)
    accepted_at: datetime | None = Field(default=None, sa_type=Timestamp)
    revoked_at: datetime | None = Field(default=None, sa_type=Timestamp)


class MailKind(StrEnum):
    """What an e-mail is about."""

    INVITE = "invite"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # No secret.
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"


class OutgoingMail(SQLModel, table=True):
    """An e-mail to write and send: due work. It holds no text, which is written when it goes out."""

    __tablename__ = "outgoing_mail"
    __table_args__ = (
        sa.Index("ix_outgoing_mail_due", "due_at", postgresql_where=sa.text("dead_at IS NULL")),
    )

    id: UUID = Field(default_factory=ids.new, primary_key=True)
    kind: MailKind = Field(sa_type=text_enum(MailKind))
    address: str = Field(sa_type=sa.Text)
    # The invite it is about.
    subject_id: UUID | None = None
    due_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    dead_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class PasswordReset(SQLModel, table=True):
    """The one reset link of a user that works; using it deletes the row."""

    __tablename__ = "password_reset"
    __table_args__ = (sa.ForeignKeyConstraint(["user_id"], ["app_user.id"]),)

    user_id: UUID = Field(primary_key=True)
    token_hash: str = Field(sa_type=sa.Text, unique=True)
    expires_at: datetime = Field(sa_type=Timestamp)


class TotpFactor(SQLModel, table=True):
    """A user's authenticator app. It counts once a code of it has been shown."""

    __tablename__ = "totp_factor"
    __table_args__ = (sa.ForeignKeyConstraint(["user_id"], ["app_user.id"]),)

    user_id: UUID = Field(primary_key=True)
    secret_sealed: str = Field(sa_type=sa.Text)
    # The 30 seconds of the newest code that was used: that one and older ones are spent.
    last_step: int = Field(
        default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": "0"}
    )
    confirmed_at: datetime | None = Field(default=None, sa_type=Timestamp)
    created_at: datetime = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": NOW}, nullable=False
    )


class RecoveryCode(SQLModel, table=True):
    """A code for whoever lost the authenticator app; using it deletes the row."""

    __tablename__ = "recovery_code"
    __table_args__ = (
        sa.ForeignKeyConstraint(["user_id"], ["totp_factor.user_id"], ondelete="CASCADE"),
    )

    user_id: UUID = Field(primary_key=True)
    code_hash: str = Field(sa_type=sa.Text, primary_key=True)
