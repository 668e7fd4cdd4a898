"""Models that fail, hang, or answer what is no answer."""

from collections.abc import Awaitable, Callable, Sequence

from faults.scenario import LATER, Broken, Scenario
from faults.site import Site
from frontdesk.simulator import ModelFault, ModelFaultKind

# A call without an answer is given up soon, where the length of that wait proves nothing.
_SOON = {"LLM__ATTEMPT_TIMEOUT_SECONDS": "4"}
_TEN_MINUTES = 600.0
# A breaker lets a call try after 30 s, and a burst is put off for up to 32 s at a time.
_BREAKERS_CLOSE_SECONDS = 110.0
_FILLER = "and so it goes on"  # What the simulator's endless answers are made of.


def _a_share(
    *faults: ModelFault, each: float, only: str | None = None
) -> Callable[[Site], Awaitable[None]]:
    async def play(site: Site) -> None:
        """The first calls and a share of the others, or of one provider's, meet the faults.

        What opens breakers is left to one provider: the site's clock can't move theirs.
        """
        plan = site.simulator.model.faults
        for fault in faults:
            plan.next(fault, 2, only=only)
            plan.share(fault, each, only=only)
        await site.chat()
        await site.drain()
        _happened(site, faults)
        await _see_no_call_is_free(site)

    return play


def _happened(site: Site, faults: Sequence[ModelFault]) -> None:
    missing = set(faults) - set(site.simulator.model.faults.met)
    if missing:
        raise Broken(f"no model call met {', '.join(sorted(map(str, missing)))}")


async def _see_no_call_is_free(site: Site) -> None:
    """An answer costs tokens, whether or not the provider said how many."""
    free = await site.sql(
        "SELECT 1 FROM llm_call WHERE outcome IN ('ok', 'garbage') "
        "AND (coalesce(input_tokens, 0) = 0 OR output_tokens = 0 AND response <> '' "
        "OR cost_usd = 0)"
    )
    if free:
        raise Broken(f"{len(free)} answers of models were booked as free")


async def _first_is_down(site: Site) -> None:
    """The first model refuses everything with 503: the second answers, the breaker spares us."""
    plan = site.simulator.model.faults
    plan.share(ModelFault(ModelFaultKind.STATUS, http_status=503), 1.0, only="groq")
    await site.chat(contacts=24)
    await site.drain()
    asked = [request.provider for request in site.simulator.model.requests]
    if asked.count("groq") >= asked.count("openai"):
        raise Broken(f"the first model was asked {asked.count('groq')} times, though it is down")


async def _all_down_for_long(site: Site) -> None:
    """Nothing answers for ten minutes. Who wrote early has a person; who wrote last, an answer."""
    plan = site.simulator.model.faults
    plan.share(ModelFault(ModelFaultKind.STATUS, http_status=503), 1.0)
    early = await site.chat(contacts=6, bursts=1)
    await site.until(lambda: plan.taken, 20, "no model was asked")
    await site.until(lambda: site.clock.skip(_TEN_MINUTES), 20, "rows stay locked")
    await site.until(lambda: _with_people(site, len(early)), 60, "no person got it")
    for phone in early:
        site.say(phone, "Hello? Is anybody there?")
    last = [site.phone() for _ in range(4)]
    for phone in last:
        site.say(phone)
    plan.clear()
    # Not `drain`, which would not wait: breakers go by a clock that can't be moved.
    await site.until(
        lambda: all(phone.replies for phone in last),
        _BREAKERS_CLOSE_SECONDS,
        "models are back, and the last to write were not answered",
    )
    await site.drain()
    told = [len(phone.replies) for phone in early]
    if told != [1] * len(early):
        raise Broken(f"contacts were told {told} times that a person takes over")
    reasons = {row["reason"] for row in await site.sql("SELECT reason FROM handoff")}
    if reasons != {"model_down"}:
        raise Broken(f"people were told {', '.join(sorted(reasons))}")


async def _with_people(site: Site, count: int) -> bool:
    rows = await site.sql("SELECT 1 FROM conversation WHERE status = 'WITH_HUMAN'")
    return len(rows) == count


async def _endless(site: Site) -> None:
    """Half of the drafts have 40,000 characters."""
    plan = site.simulator.model.faults
    plan.share(ModelFault(ModelFaultKind.LONG), 0.5, only="reply")
    await site.chat()
    await site.drain()
    endless = [text for text in site.simulator.whatsapp.sent if _FILLER in text]
    if endless:
        raise Broken(f"{len(endless)} pieces of an endless answer were sent")


SCENARIOS = (
    Scenario(
        name="model-429",
        point="a model answers 429 with Retry-After",
        left="–",
        follows="asked again after that time, or the next model",
        outcome="once",
        play=_a_share(
            ModelFault(ModelFaultKind.STATUS, http_status=429, retry_after_seconds=0.5),
            each=0.3,
            only="groq",
        ),
    ),
    Scenario(
        name="model-5xx",
        point="a model answers 500, or the connection is cut",
        left="–",
        follows="asked again, then the next model",
        outcome="once",
        play=_a_share(
            ModelFault(ModelFaultKind.STATUS),
            ModelFault(ModelFaultKind.DROP),
            each=0.15,
            only="groq",
        ),
    ),
    Scenario(
        name="model-hangs",
        point="a model hangs",
        left="–",
        follows="given up after 20 s, then the next model",
        outcome="once, late",
        play=_a_share(ModelFault(ModelFaultKind.HANG), each=0.2, only="groq"),
        settings=_SOON,
    ),
    Scenario(
        name="model-drips",
        point="a model sends its answer a byte at a time",
        left="–",
        follows="the same: the time is for the whole answer",
        outcome="once, late",
        play=_a_share(ModelFault(ModelFaultKind.DRIP), each=0.2, only="groq"),
        settings=_SOON,
    ),
    Scenario(
        name="model-sends-html",
        point="a model answers 200 with a page of HTML",
        left="–",
        follows="asked again, then the next model",
        outcome="once",
        play=_a_share(ModelFault(ModelFaultKind.HTML), each=0.3, only="groq"),
    ),
    Scenario(
        name="model-says-nothing",
        point="a model answers without choices, or without content",
        left="–",
        follows="asked again with what was wrong, then the next model",
        outcome="once",
        play=_a_share(
            ModelFault(ModelFaultKind.EMPTY_CHOICES),
            ModelFault(ModelFaultKind.NULL_CONTENT),
            each=0.12,
        ),
    ),
    Scenario(
        name="model-talks-nonsense",
        point="a model answers with cut JSON, or with another schema",
        left="–",
        follows="the same",
        outcome="once",
        play=_a_share(
            ModelFault(ModelFaultKind.INVALID_JSON),
            ModelFault(ModelFaultKind.WRONG_SCHEMA),
            each=0.12,
        ),
    ),
    Scenario(
        name="model-tells-no-usage",
        point="a model does not say what it used",
        left="–",
        follows="tokens are counted here, and marked as such",
        outcome="once",
        play=_a_share(ModelFault(ModelFaultKind.NO_USAGE), each=0.5),
    ),
    Scenario(
        name="model-answers-endlessly",
        point="a model answers with 40,000 characters",
        left="–",
        follows="asked once for a shorter one; then a person",
        outcome="once, or a person",
        play=_endless,
        ends=("a person has it, guard", LATER),
    ),
    Scenario(
        name="first-model-is-down",
        point="the first model is down",
        left="–",
        follows="the second answers; after five failures the first is spared for 30 s at a time",
        outcome="once",
        play=_first_is_down,
    ),
    Scenario(
        name="all-models-are-down",
        point="no model can be reached for ten minutes",
        left="the burst, put off with growing pauses",
        follows="after 60 s a person gets it and the contact is told, once; the rest when one is back",
        outcome="once, late, or a person",
        play=_all_down_for_long,
        ends=("a person has it, model_down", LATER),
    ),
)
