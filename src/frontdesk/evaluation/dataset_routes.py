"""HTTP of datasets and their cases."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from frontdesk.agent_config import NoSuchAgent
from frontdesk.core.api import AdminOnly, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden
from frontdesk.evaluation import datasets
from frontdesk.evaluation.case_schemas import (
    CasePublic,
    CasesPut,
    DatasetChange,
    DatasetCreate,
    DatasetPublic,
    FilePublic,
    FilePut,
)
from frontdesk.evaluation.errors import DatasetExists, FileInvalid, NoSuchCase, NoSuchDataset

router = Router(prefix="/api/v1", tags=["evaluation"])
OfVersion = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="Of the dataset; left out, the present one."),
]


@router.get(
    "/agents/{agent_id}/eval-datasets",
    summary="List datasets",
    responses=problems(Forbidden, NoSuchAgent),
)
async def list_eval_datasets(
    agent_id: UUID, who: AdminOnly, session: TenantSession
) -> list[DatasetPublic]:
    """The sets of cases that an agent's changes are judged by."""
    return await datasets.list_datasets(session, agent_id)


@router.post(
    "/agents/{agent_id}/eval-datasets",
    status_code=201,
    summary="Begin a dataset",
    responses=problems(Forbidden, NoSuchAgent, DatasetExists),
)
async def create_eval_dataset(
    agent_id: UUID, body: DatasetCreate, who: AdminOnly, session: TenantSession
) -> DatasetPublic:
    """A dataset without cases; `golden` is the one that runs play when none is named."""
    return await datasets.create_dataset(session, agent_id, body.name, user_id=who.user_id)


@router.get(
    "/eval-datasets/{dataset_id}/cases",
    summary="List cases",
    responses=problems(Forbidden, NoSuchDataset),
)
async def list_eval_cases(
    dataset_id: UUID, who: AdminOnly, session: TenantSession, at: OfVersion = None
) -> list[CasePublic]:
    """All cases of a version of the dataset, by name."""
    return await datasets.list_cases(session, dataset_id, at)


@router.post(
    "/eval-datasets/{dataset_id}/cases",
    summary="Add or change cases",
    responses=problems(Forbidden, NoSuchDataset),
)
async def put_eval_cases(
    dataset_id: UUID, body: CasesPut, who: AdminOnly, session: TenantSession
) -> DatasetChange:
    """Cases go in place of those of the same name; together they make one new version."""
    return await datasets.put_cases(
        session, dataset_id, body.cases, replace=body.replace, user_id=who.user_id
    )


@router.delete(
    "/eval-datasets/{dataset_id}/cases/{case_id}",
    summary="Drop a case",
    responses=problems(Forbidden, NoSuchDataset, NoSuchCase),
)
async def drop_eval_case(
    dataset_id: UUID, case_id: UUID, who: AdminOnly, session: TenantSession
) -> DatasetChange:
    """Leave a case out of the versions to come; those before keep it."""
    return await datasets.drop_case(session, dataset_id, case_id, user_id=who.user_id)


@router.get(
    "/eval-datasets/{dataset_id}/file",
    summary="Export a dataset",
    responses=problems(Forbidden, NoSuchDataset),
)
async def export_eval_dataset(
    dataset_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    form: Annotated[Literal["jsonl", "yaml"], Query(alias="format")] = "jsonl",
    at: OfVersion = None,
) -> FilePublic:
    """A version of the dataset as a file for a repository."""
    return await datasets.get_file(session, dataset_id, form, at)


@router.put(
    "/eval-datasets/{dataset_id}/file",
    summary="Import a dataset",
    responses=problems(Forbidden, NoSuchDataset, FileInvalid),
)
async def import_eval_dataset(
    dataset_id: UUID, body: FilePut, who: AdminOnly, session: TenantSession
) -> DatasetChange:
    """Read cases from a file, all of them or, when one is wrong, none."""
    return await datasets.put_file(
        session, dataset_id, body.format, body.content, replace=body.replace, user_id=who.user_id
    )
