"""What crosses HTTP about cases from production."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.evaluation.case_schemas import CaseBody
from frontdesk.evaluation.models import Origin, ProposalState


class ProposalPublic(PublicSchema):
    """A case made from a conversation: masked, with what people wrote or disliked as labelled examples."""

    id: UUID
    agent_id: UUID
    conversation_id: UUID | None
    origin: Origin
    body: CaseBody
    state: ProposalState
    reviewed_by: UUID | None
    reviewed_at: datetime | None
    created_at: datetime


class ProposalAccept(Schema):
    """Where a proposed case goes, and what it is to be there."""

    dataset_id: UUID | None = Field(None, description="Left out, the dataset called `golden`.")
    case: CaseBody | None = Field(None, description="Put in its place; left out, as proposed.")


class CollectionPublic(PublicSchema):
    """That cases are proposed from an agent's conversations."""

    agent_id: UUID
    due_at: datetime | None = Field(description="When it is looked next; each day from then on.")
    through_at: datetime | None = Field(description="What has happened since is new.")
