from datetime import UTC, datetime
from uuid import uuid4

from frontdesk.knowledge import Chunk, Fit, Found, Relevance, assemble, stand_alone


def chunk(title, text, day=1, source_id=None):
    read_at = datetime(2026, 11, day, tzinfo=UTC)
    return Chunk(uuid4(), source_id or uuid4(), title, "", text, 1.0, read_at=read_at)


def found(*chunks):
    return Found(chunks, Relevance(Fit.FITS))


def words(text):
    return len(text.split())


def test_a_prompt_holds_the_best_pieces_that_fit_each_once_and_says_what_it_left_out():
    best = chunk("Shipping", "We ship every order within two working days of your payment.")
    twin = chunk("Delivery", "We ship every order within two working days of your payment.")
    long = chunk("Catalogue", "lamp " * 100)
    short = chunk("Hours", "Open from nine.")
    context = assemble(found(best, twin, long, short), most_tokens=40, count=words)
    assert context.chunks == (best, short)
    assert context.omitted == ("Catalogue",)
    assert context.text.startswith("## Shipping\nWe ship")
    assert context.text.endswith("(Left out for want of room: Catalogue.)")


def test_of_two_sources_that_disagree_the_older_says_that_the_other_is_newer():
    old = chunk("Old page", "You can return your order within 14 days for a full refund.", day=1)
    new = chunk("Handbook", "You can return your order within 30 days for a full refund.", day=9)
    first, second = assemble(found(old, new), count=words).chunks
    assert first.text.endswith("(“Handbook”, of 2026-11-09, is newer and says otherwise.)")
    assert second == new
    # Two sections of one document speak of two things.
    same = old.source_id
    sections = [old, chunk("B", new.text, day=9, source_id=same)]
    assert assemble(found(*sections), count=words).chunks == tuple(sections)


def test_a_short_question_is_looked_up_with_the_one_before():
    asked = ["Do you ship lamps to Spain?", "ok"]
    assert stand_alone("And to Portugal?", asked) == "Do you ship lamps to Spain?\nAnd to Portugal?"
    assert stand_alone("And to Portugal?", []) == "And to Portugal?"
    whole = "How long do I have to send an unused lamp back?"
    assert stand_alone(whole, asked) == whole
    assert stand_alone("🦊", asked) == "🦊"
