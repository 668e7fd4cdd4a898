"""Subjects that most agents know nothing of: what a question is compared with, to tell what nothing
answers.

How near the best piece is says little by itself, since a model's vectors all lie close together. A
question about the weather is nearer to a sentence about the weather than to anything that a shop has
written; that is what these sentences are for.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import structlog

from frontdesk import gateway
from frontdesk.core.resources import Resources
from frontdesk.knowledge.errors import NOT_EMBEDDED
from frontdesk.knowledge.relevance import Vector, unit

log = structlog.get_logger(__name__)

# Plain sentences of many trades and of daily talk, as many as one call embeds. None is about orders,
# deliveries, prices or returns, which nearly every business writes about.
SENTENCES = (
    "The weather forecast for tomorrow says rain in the north and sunshine in the south.",
    "The football team won the match by two goals last night.",
    "The party won the election with a majority in parliament.",
    "Boil the pasta, fry the bacon, and mix it with egg and cheese.",
    "The capital of the country lies on a river and has two million people.",
    "See a doctor if the pain or the fever lasts for more than three days.",
    "The dentist checks your teeth and cleans them twice a year.",
    "Our hotel has forty rooms, breakfast is served from seven to ten.",
    "We rent cars, bicycles and scooters by the hour or by the day.",
    "The train leaves every hour from platform two.",
    "Flights can be rebooked up to one day before departure.",
    "Insurance pays for damage by fire, theft and water.",
    "Your bank account has no monthly fee; transfers are free.",
    "We repair cars of all makes and change tyres.",
    "We sell mobile phones, tablets and laptops with or without a contract.",
    "Refrigerators, washing machines and coffee machines are delivered to your kitchen.",
    "Sofas, chairs, tables, carpets and curtains in many fabrics and colours.",
    "Shoes, dresses and jackets in sizes S to XXL.",
    "Fresh fruit, vegetables, bread and milk every day.",
    "Dogs and cats need a vaccination once a year.",
    "Dogs must be kept on a lead; animals are not allowed inside.",
    "The gym is open all night and offers yoga courses.",
    "Learn a language, to cook or to paint in evening courses.",
    "The film starts at eight; tickets are sold online.",
    "The singer released a new album this summer.",
    "How to write a function in Python that sorts a list.",
    "The square root of sixteen is four.",
    "The war ended in 1945 and the treaty was signed a year later.",
    "Shares fell on the stock exchange; the euro rose against the dollar.",
    "Solar panels and heat pumps are installed by our fitters.",
    "The air conditioner has to be serviced every year.",
    "The internet connection is down; restart the router. Free wifi is available.",
    "The smart speaker understands voice commands and controls your home.",
    "The company was founded by two brothers; its managing director is an engineer.",
    "Customers collect points with every purchase and get rewards.",
    "Taxes have to be declared by the end of May.",
    "A lawyer advises you on tenancy, divorce and inheritance.",
    "Apply with your CV; we are looking for people in sales.",
    "The software update fixes errors and needs a restart.",
    "I love you; good night and sweet dreams.",
    "Tell me a joke about a rabbit.",
    "The recipe needs flour, sugar and three eggs.",
    "The holiday flat is near the beach and sleeps four.",
    "The school is closed in summer; children enrol in September.",
    "The museum shows paintings of three centuries.",
    "Plants should be watered twice a week and need sun.",
    "The planet has two moons and takes a year to circle the sun.",
    "Medicine must be kept from children; take one tablet a day.",
    "The passport is valid for ten years and is issued by the town hall.",
    "Parents get child benefit and parental leave from the state.",
    "The plumber repairs leaking taps and blocked drains.",
    "The restaurant has a table for four at eight; the menu changes every week.",
    "Pizza, burgers and sushi are delivered hot to your door.",
    "Toys and games for children from three years.",
    "Bouquets of roses and tulips, arranged by our florists.",
    "Rings, watches and necklaces of gold and silver.",
    "The hairdresser cuts and colours hair by appointment.",
    "Books, newspapers and magazines can be borrowed for a month.",
    "Basketball, tennis and swimming are popular sports.",
    "The prime minister met the president to talk about peace.",
    "The mobile plan has unlimited calls and ten gigabytes of data.",
    "Mountains, lakes and beaches attract many tourists.",
    "The moon landing took place in 1969.",
    "The guitar has six strings and is tuned by ear.",
)

# So long after a failure no question waits for the next try.
_LET_BE_SECONDS = 60


class ForeignSubjects:
    """The sentences' vectors by each model that is in use: `resources.keep(ForeignSubjects)`."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._made: dict[str, asyncio.Task[Sequence[Vector]]] = {}
        self._not_before: dict[str, float] = {}

    async def of(self, tenant_id: UUID, model: str) -> Sequence[Vector]:
        """What a model makes of the sentences, in their order, of length 1; none while it can't be asked.

        Made once a process. Of a provider's model the tenant that is first pays: a thousandth of a
        cent. After a failure it is let be for a minute.
        """
        if time.monotonic() < self._not_before.get(model, 0.0):
            return ()
        task = self._made.get(model)
        if task is None:
            task = asyncio.create_task(self._make(tenant_id, model))
            self._made[model] = task
        try:
            return await asyncio.shield(task)
        except Exception as error:
            if self._made.get(model) is task:
                del self._made[model]
                self._not_before[model] = time.monotonic() + _LET_BE_SECONDS
            if not isinstance(error, NOT_EMBEDDED):
                raise
            log.warning("foreign_subjects_not_embedded", error=type(error).__name__)
            return ()

    async def _make(self, tenant_id: UUID, model: str) -> Sequence[Vector]:
        made = await gateway.embed(self._resources, tenant_id, SENTENCES, model=model)
        return [unit(vector) for vector in made]
