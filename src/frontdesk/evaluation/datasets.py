"""Datasets and their cases: every edit is a version, and each version can be read and run for ever."""

from collections.abc import Sequence
from uuid import UUID

from frontdesk.agent_config import get_agent
from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid
from frontdesk.core.json import dumps, loads
from frontdesk.evaluation import files
from frontdesk.evaluation.case_schemas import (
    MOST_CASES,
    CaseBody,
    CasePublic,
    DatasetChange,
    DatasetPublic,
    FilePublic,
)
from frontdesk.evaluation.errors import DatasetExists, NoSuchCase, NoSuchDataset
from frontdesk.observability import audit

GOLDEN = "golden"
_DATASET = """
SELECT d.*, (SELECT count(*) FROM eval_case c WHERE c.dataset_id = d.id
    AND c.until_version IS NULL) AS cases FROM eval_dataset d
"""
_OF_VERSION = """
SELECT * FROM eval_case WHERE dataset_id = $1 AND since_version <= $2
    AND (until_version IS NULL OR until_version > $2) ORDER BY name
"""


async def create_dataset(
    session: Session, agent_id: UUID, name: str, *, user_id: UUID | None = None
) -> DatasetPublic:
    """Begin a dataset of an agent; raises `NoSuchAgent`, `DatasetExists`."""
    await get_agent(session, agent_id)
    made = await session.sql.fetchval(
        "INSERT INTO eval_dataset (id, agent_id, name, version) VALUES ($1, $2, $3, 1) "
        "ON CONFLICT DO NOTHING RETURNING id",
        ids.new(),
        agent_id,
        name,
    )
    if made is None:
        raise DatasetExists(f"The agent has a dataset called {name}.")
    await audit(session, "eval_dataset.created", "eval_dataset", made, user_id=user_id)
    return await get_dataset(session, made)


async def list_datasets(session: Session, agent_id: UUID) -> list[DatasetPublic]:
    """An agent's datasets by name; raises `NoSuchAgent`."""
    await get_agent(session, agent_id)
    rows = await session.sql.fetch(f"{_DATASET} WHERE d.agent_id = $1 ORDER BY d.name", agent_id)
    return [DatasetPublic.model_validate(dict(row)) for row in rows]


async def get_dataset(session: Session, dataset_id: UUID) -> DatasetPublic:
    """One dataset; raises `NoSuchDataset`."""
    row = await session.sql.fetchrow(f"{_DATASET} WHERE d.id = $1", dataset_id)
    if row is None:
        raise NoSuchDataset(f"There is no dataset {dataset_id}.")
    return DatasetPublic.model_validate(dict(row))


async def golden_of(session: Session, agent_id: UUID, name: str = GOLDEN) -> DatasetPublic:
    """The dataset of an agent under a name, begun when there is none; raises `NoSuchAgent`."""
    for dataset in await list_datasets(session, agent_id):
        if dataset.name == name:
            return dataset
    return await create_dataset(session, agent_id, name)


async def list_cases(
    session: Session, dataset_id: UUID, version: int | None = None
) -> list[CasePublic]:
    """The cases of a version by name, by default the present one's; raises `NoSuchDataset`."""
    dataset = await get_dataset(session, dataset_id)
    if version is not None and version > dataset.version:
        raise NoSuchDataset(f"It has {dataset.version} versions.")
    rows = await session.sql.fetch(_OF_VERSION, dataset_id, version or dataset.version)
    return [CasePublic.model_validate({**row, "body": loads(row["body"])}) for row in rows]


async def put_cases(
    session: Session,
    dataset_id: UUID,
    cases: Sequence[CaseBody],
    *,
    replace: bool = False,
    user_id: UUID | None = None,
    conversation_id: UUID | None = None,
) -> DatasetChange:
    """Add cases, or put them in place of those of the same name, as one new version.

    What is the same already stays as it is; when all of it is, no version is made.

    Args:
        replace: drop what is not among them.
        conversation_id: what they were made from; they are erased with it.

    Raises:
        NoSuchDataset: there is none.
        Invalid: a name comes twice, or there would be too many.
    """
    names = [case.name for case in cases]
    if len(set(names)) < len(names):
        raise Invalid("Each case needs a name of its own.")
    version = await _lock(session, dataset_id)
    present = {case.name: case for case in await list_cases(session, dataset_id)}
    new = [case for case in cases if case.name not in present]
    changed = [c for c in cases if c.name in present and present[c.name].body != c]
    dropped = [name for name in present if replace and name not in names]
    if len(present) + len(new) - len(dropped) > MOST_CASES:
        raise Invalid(f"A dataset has {MOST_CASES} cases at most.")
    if not (new or changed or dropped):
        return DatasetChange(version=version, added=0, changed=0, dropped=0)
    await _end(session, dataset_id, version + 1, [*dropped, *(case.name for case in changed)])
    await session.sql.executemany(
        "INSERT INTO eval_case (id, dataset_id, name, body, since_version, conversation_id) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [
            (
                ids.new(),
                dataset_id,
                case.name,
                dumps(case),
                version + 1,
                conversation_id
                or (present[case.name].conversation_id if case in changed else None),
            )
            for case in (*new, *changed)
        ],
    )
    change = DatasetChange(
        version=version + 1, added=len(new), changed=len(changed), dropped=len(dropped)
    )
    await _edited(session, dataset_id, change, user_id)
    return change


async def drop_case(
    session: Session, dataset_id: UUID, case_id: UUID, *, user_id: UUID | None
) -> DatasetChange:
    """Leave a case out of the versions to come; raises `NoSuchDataset`, `NoSuchCase`."""
    version = await _lock(session, dataset_id)
    names = [case.name for case in await list_cases(session, dataset_id) if case.id == case_id]
    if not names:
        raise NoSuchCase
    await _end(session, dataset_id, version + 1, names)
    change = DatasetChange(version=version + 1, added=0, changed=0, dropped=1)
    await _edited(session, dataset_id, change, user_id)
    return change


async def put_file(
    session: Session,
    dataset_id: UUID,
    form: files.Format,
    content: str,
    *,
    replace: bool = False,
    user_id: UUID | None = None,
) -> DatasetChange:
    """Read cases from a file into a dataset; raises `NoSuchDataset`, `FileInvalid`, `Invalid`."""
    cases = files.read_cases(form, content)
    return await put_cases(session, dataset_id, cases, replace=replace, user_id=user_id)


async def get_file(
    session: Session, dataset_id: UUID, form: files.Format, version: int | None = None
) -> FilePublic:
    """A version of a dataset as a file; raises `NoSuchDataset`."""
    cases = await list_cases(session, dataset_id, version)
    number = version or (await get_dataset(session, dataset_id)).version
    content = files.write_cases(form, [case.body for case in cases])
    return FilePublic(format=form, version=number, content=content)


async def _lock(session: Session, dataset_id: UUID) -> int:
    """The present version; the lock orders edits."""
    version: int | None = await session.sql.fetchval(
        "SELECT version FROM eval_dataset WHERE id = $1 FOR UPDATE", dataset_id
    )
    if version is None:
        raise NoSuchDataset(f"There is no dataset {dataset_id}.")
    return version


async def _end(session: Session, dataset_id: UUID, version: int, names: Sequence[str]) -> None:
    await session.sql.execute(
        "UPDATE eval_case SET until_version = $2 WHERE dataset_id = $1 AND until_version IS NULL "
        "AND name = ANY($3::text[])",
        dataset_id,
        version,
        names,
    )


async def _edited(
    session: Session, dataset_id: UUID, change: DatasetChange, user_id: UUID | None
) -> None:
    await session.sql.execute(
        "UPDATE eval_dataset SET version = $2 WHERE id = $1", dataset_id, change.version
    )
    action = "eval_dataset.edited"
    details = change.model_dump()
    await audit(session, action, "eval_dataset", dataset_id, user_id=user_id, details=details)
