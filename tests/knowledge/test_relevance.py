"""Whether a search has found an answer, or only the best of nothing."""

import pytest
from tests.knowledge.test_knowledge import fill
from tests.knowledge.test_meaning import agent_id  # noqa: F401  # A fixture.

from frontdesk.knowledge import Fit, look_up
from frontdesk.knowledge.relevance import Evidence, Rival, decide, nearest_rival

NEAR = Rival("Football", best=0.8, foreign=0.7, spread=0.1)
CLOSE = Rival("Football", best=0.8, foreign=0.79, spread=0.1)
NEARER = Rival("Football", best=0.8, foreign=0.9, spread=0.1)


@pytest.mark.parametrize(
    ("evidence", "fit"),
    [
        (Evidence(pieces=0), Fit.NONE),
        (Evidence(pieces=0, rival=NEAR), Fit.NONE),
        (Evidence(pieces=1), Fit.FITS),
        (Evidence(pieces=1, rival=NEAR), Fit.FITS),
        (Evidence(pieces=1, rival=CLOSE), Fit.FITS),
        (Evidence(pieces=1, rival=NEARER), Fit.NONE),
        (Evidence(pieces=1, rival=NEARER, agrees=True), Fit.NONE),
        (Evidence(pieces=1, rival=NEARER, has_code=True), Fit.FITS),
    ],
)
def test_what_is_given_is_nearer_to_the_question_than_foreign_subjects(evidence, fit):
    assert decide(evidence).fit is fit


def test_the_reasons_name_the_foreign_subject_and_how_near_it_is():
    (told,) = decide(Evidence(pieces=1, rival=NEARER)).reasons
    assert "0.800" in told
    assert "“Football”" in told
    assert "-1.0 deviations" in told


def test_a_subject_that_the_best_pieces_are_about_is_not_foreign_to_the_agent():
    subjects = ("teeth", "weather")
    teeth, weather = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    asked = (0.9, 0.43, 0.0)
    dentist = [(0.8, 0.6, 0.0)]
    shop = [(0.0, 1.0, 0.0)]
    rival = nearest_rival(asked, shop, subjects, (teeth, weather))
    assert rival is not None
    assert (rival.subject, rival.margin < 0) == ("teeth", True)
    rival = nearest_rival(asked, dentist, subjects, ((0.81, 0.59, 0.0), weather))
    assert rival is not None
    assert (rival.subject, rival.margin > 0) == ("weather", True)
    assert nearest_rival(asked, [], subjects, (teeth, weather)) is None
    assert nearest_rival(asked, shop, (), ()) is None


async def test_a_question_about_the_weather_is_given_nothing_and_the_reason_is_kept(
    shop,
    agent_id,  # noqa: F811  # The fixture.
):
    await fill(shop, agent_id)
    asked = "What does the weather forecast for tomorrow say, rain or sunshine in the north?"
    found = await look_up(shop.resources, shop.id, agent_id, asked)
    assert (found.chunks, found.relevance.fit) == ((), Fit.NONE)
    assert "foreign subject" in found.relevance.reasons[-1]
    found = await look_up(shop.resources, shop.id, agent_id, "guarantee on defects of a lamp")
    assert found.chunks[0].title == "Warranty"
    assert found.relevance.fit is not Fit.NONE
