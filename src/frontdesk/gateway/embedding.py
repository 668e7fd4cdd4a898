"""Vectors of texts: by the local model, or by a provider's through the same door as all calls."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from frontdesk.core.resources import Resources
from frontdesk.gateway.local_model import LOCAL_MODEL, LocalModel, is_installed
from frontdesk.gateway.personal import ALL_KINDS, Masking
from frontdesk.gateway.schemas import CompletionRequest
from frontdesk.gateway.service import complete
from frontdesk.gateway.tenant_models import TenantModelsBook

EMBEDDING = "embedding"
# What one call may hold; providers take more, and memory here is for more than this.
MOST_TEXTS = 64
_DEADLINE_SECONDS = 30.0
# A question waits for it; without an answer it is searched by its words.
_QUESTION_DEADLINE_SECONDS = 4.0


async def embedding_model(resources: Resources, tenant_id: UUID) -> str | None:
    """The model whose vectors a tenant's knowledge is found by; None: by words only.

    The first of the tenant's route `embedding`, else of the deployment's, else the local one where
    it is installed. Vectors of two models can't be compared, so no other takes over.
    """
    tenant = await resources.keep(TenantModelsBook).get(tenant_id)
    llm = resources.settings.llm
    of_tenant = tenant.routes.get(EMBEDDING)
    models = of_tenant.models if of_tenant else llm.routes.get(EMBEDDING, ())
    if models:
        return models[0]
    return LOCAL_MODEL if llm.local_embeddings and is_installed() else None


async def embed(
    resources: Resources,
    tenant_id: UUID,
    texts: Sequence[str],
    *,
    model: str,
    for_question: bool = False,
    agent_id: UUID | None = None,
    conversation_id: UUID | None = None,
    contact_id: UUID | None = None,
    masking: Masking = ALL_KINDS,
) -> list[list[float]]:
    """A vector for each of at most `MOST_TEXTS` texts, all of one length.

    Args:
        for_question: they are questions, to be compared with texts that may answer them.
        conversation_id, contact_id: where they were asked, and by whom.
        masking: what is known of who asked. All kinds are masked whatever it says, since the texts
            of nobody in particular that questions are compared with have them masked, too.

    Raises:
        ModelsUnavailable, PromptRejected, BudgetReached, Unavailable: as `complete`; never of the
            local model.
    """
    if model == LOCAL_MODEL:
        local = resources.keep(LocalModel)
        if for_question:
            return _numbers(await asyncio.to_thread(local.questions, texts))
        # Two threads do it in little more than half the time.
        half = (len(texts) + 1) // 2
        parts = [part for part in (texts[:half], texts[half:]) if part]
        done = await asyncio.gather(*(asyncio.to_thread(local.passages, part) for part in parts))
        return [vector for rows in done for vector in _numbers(rows)]
    completion = await complete(
        resources,
        CompletionRequest(
            tenant_id=tenant_id,
            feature=EMBEDDING,
            messages=tuple({"role": "user", "content": text} for text in texts),
            models=(model,),
            embeds=True,
            deadline_seconds=_QUESTION_DEADLINE_SECONDS if for_question else _DEADLINE_SECONDS,
            agent_id=agent_id,
            conversation_id=conversation_id,
            contact_id=contact_id,
            masking=replace(masking, kinds=ALL_KINDS.kinds),
        ),
    )
    return [list(vector) for vector in completion.vectors]


def _numbers(rows: object) -> list[list[float]]:
    numbers: list[list[float]] = rows.tolist()  # type: ignore[attr-defined]  # A matrix of numpy's.
    return numbers
