"""Wishes that need no model: to talk to a person, and to be left alone; in the usual languages.

WhatsApp Business Messaging Policy: automation must offer a prompt and clear way to a person, and
honour every request to stop. Tenants can add words, never take these away.
"""

import re

from frontdesk.core.text import folded

_PERSON = {
    "en": (
        r"(talk|speak|chat|connect me|put me through|transfer me) (to|with) "
        r"(a |an |some ?|the |your )?(real |actual |live )?(person|human|someone|agent|"
        r"representative|operator|manager|colleague|somebody)",
        r"(real|live) (person|human|agent)",
        r"human (agent|please|being)",
        r"customer service (agent|rep\w*)",
    ),
    "es": (
        r"(hablar|habla\w*|chatear|comunica\w*|pasa\w*) con (una? )?(persona|humano|agente|alguien|"
        r"asesor\w*|operador\w*|encargad\w*)",
        r"(persona|humano|agente) real",
    ),
    "pt": (
        r"(falar|conversar|fala\w*) com (uma? )?(pessoa|humano|atendente|alguem|agente|gerente)",
        r"(pessoa|atendente|humano) real",
    ),
    "it": (
        r"(parlare|parla\w*|chattare) con (una? |un')?(persona|umano|operatore|operatrice|"
        r"qualcuno|responsabile)",
        r"persona reale",
    ),
    "de": (
        r"mit (einem|einer|nem|'nem) (echten |richtigen )?(menschen|person|mitarbeiter\w*|"
        r"kolleg\w*|berater\w*) (sprechen|reden|schreiben|chatten)",
        r"(echten|richtigen) menschen",
    ),
    "fr": (
        r"(parler|parle\w*|discuter) (a|avec) (une? )?(personne|humain|agent|conseiller\w*|"
        r"quelqu ?un|responsable)",
        r"(vraie personne|etre humain)",
    ),
    "ar": (
        r"(اتكلم|أتكلم|اتحدث|أتحدث|التحدث|الكلام|احكي|التواصل) (مع|الى|إلى) "
        r"(شخص|انسان|إنسان|موظف|احد|أحد|مسؤول)",
        r"(شخص|انسان) حقيقي",
        r"خدمة العملاء",
    ),
    "hi": (
        r"(इंसान|व्यक्ति|एजेंट|आदमी|किसी) से बात",
        r"(insaan|insan|agent|kisi) se baat",
    ),
}
_STOP = frozenset(
    [
        "stop",
        "stop all",
        "unsubscribe",
        "opt out",
        "optout",
        "cancel messages",
        "baja",
        "darse de baja",
        "parar",
        "cancelar suscripcion",
        "sair",
        "descadastrar",
        "basta",
        "cancellami",
        "disiscriviti",
        "abmelden",
        "stopp",
        "desabonner",
        "arreter",
        "desinscrire",
        "الغاء الاشتراك",
        "إلغاء الاشتراك",
        "توقف",
        "बंद करो",
        "band karo",
    ]
)
_ASKS = re.compile(r"\b(?:" + "|".join(p for patterns in _PERSON.values() for p in patterns) + r")")
# A whole message that is nothing but one of these words asks for a person too.
_PERSON_ALONE = frozenset(
    [
        "agent",
        "human",
        "operator",
        "representative",
        "persona",
        "humano",
        "agente",
        "asesor",
        "atendente",
        "operatore",
        "umano",
        "mensch",
        "mitarbeiter",
        "conseiller",
        "humain",
        "موظف",
        "إنسان",
        "انسان",
        "एजेंट",
    ]
)


def asks_for_person(text: str) -> bool:
    """Whether somebody plainly asks to talk to a person."""
    said = plain(text)
    return said in _PERSON_ALONE or _ASKS.search(said) is not None


def asks_to_stop(text: str) -> bool:
    """Whether a whole message is a request for no more messages."""
    return plain(text) in _STOP


def plain(text: str) -> str:
    """Lower case, Latin accents folded, punctuation and runs of white space gone."""
    return " ".join(re.sub(r"[^\w\s']", " ", folded(text)).split())
