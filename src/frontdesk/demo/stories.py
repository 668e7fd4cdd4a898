"""Thirty conversations, as what contacts and human agents do. Data only; `traffic.py` plays them.

What becomes of each is up to the desk: the state named beside a story is what its agent, with the
scripted model, makes of it; a real model may decide otherwise, and the story goes on all the same.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Say:
    """The contact writes, at once if it is several messages, and waits for what comes of it."""

    texts: tuple[str, ...]

    def __init__(self, *texts: str) -> None:
        object.__setattr__(self, "texts", texts)


@dataclass(frozen=True)
class Show:
    """The contact sends a picture or a voice message."""

    what: Literal["image", "audio"]
    caption: str | None = None


@dataclass(frozen=True)
class Act:
    """A human agent acts: whoever has the conversation, else Ana. `{me}` is their first name."""

    what: Literal["take-over", "reply", "release", "close"]
    text: str = ""


Step = Say | Show | Act


@dataclass(frozen=True)
class Story:
    """One contact and what happens with them."""

    number: str
    name: str
    steps: tuple[Step, ...]
    stays: bool = False
    """It stays with people, or waits for them: played last, when the others' places are free."""
    number_hidden: bool = False


# The agent answers, in six languages.
_ANSWERED = (
    Story("14155550101", "Grace Miller", (Say("Hi! How long does shipping take?"),)),
    Story("447700900102", "Oliver Hughes", (Say("When are you open on Saturday?"),)),
    Story("34600110103", "Lucía Fernández", (Say("Hola, ¿cuánto tarda el envío?"),)),
    Story("4915550000104", "Jonas Weber", (Say("Wie lange habe ich für die Rückgabe Zeit?"),)),
    Story("393330000105", "Giulia Conti", (Say("Quali sono gli orari del negozio?"),)),
    Story("5511955550106", "Rafael Souza", (Say("Quais são as formas de pagamento?"),)),
    Story("33600000107", "Camille Laurent", (Say("Combien coûte la livraison ?"),)),
    Story(
        "14155550108",
        "Emily Chen",
        (Say("Hello", "it is for my sister's birthday", "do you offer gift wrapping?"),),
    ),
    Story(
        "14155550109",
        "Marcus Reed",
        (
            Say("Is there a warranty on the wiring?"),
            Say("And how can I pay?"),
        ),
    ),
    Story("31600000110", "Sanne de Vries", (Say("What size is the table lamp Alba?"),)),
    Story(
        "14155550111",
        "Robin",
        (Say("Where is your store? What is the address?"),),
        number_hidden=True,
    ),
)
# The agent answers, and then nobody has to.
_SETTLED = (
    Story("14155550112", "Hannah Brooks", (Say("Do you have a discount code?"), Say("Thank you!"))),
    Story(
        "4915550000113",
        "Lena Vogt",
        (Say("Wann ist der Laden geöffnet?"), Say("Vielen Dank!")),
    ),
    Story(
        "14155550114",
        "Peter Novak",
        (Say("Which bulb does the lamp take?"), Say("Great, that's all. Bye!")),
    ),
)
# Nobody answers, and that is right.
_SILENT = (
    Story(
        "12025550115",
        "Crypto Gains",
        (Say("Guaranteed profit! Double your money with bitcoin, click here http://win.top"),),
    ),
    Story("14155550116", "Daniel Kim", (Say("How much is shipping?"), Say("STOP"))),
)
# People came, helped, and went.
_RESOLVED = (
    Story(
        "447700900117",
        "Sophie Turner",
        (
            Say("My lamp arrived broken and nobody answers. This is unacceptable, I am furious!"),
            Act("take-over"),
            Act("reply", "I am so sorry, Sophie. A new lamp leaves our workshop tomorrow morning."),
            Say("OK, that helps. Thank you."),
            Act("close", "replacement sent"),
        ),
    ),
    Story(
        "34600110118",
        "Javier Morales",
        (
            Say("Quiero hablar con una persona, por favor"),
            Act("take-over"),
            Act("reply", "Hola Javier, soy {me}. ¿En qué puedo ayudarte?"),
            Say("Quería cambiar la dirección de mi pedido 1042"),
            Act("reply", "Hecho: el pedido 1042 va ahora a la dirección nueva."),
            Act("close", "address changed"),
        ),
    ),
    Story(
        "14155550119",
        "Aisha Khan",
        (
            Say("Can you engrave a name into the wooden foot of Roble?"),
            Act("take-over"),
            Act("reply", "We can! Up to 20 letters, 12 EUR, three more days. Shall I note it?"),
            Say("Not now, I will think about it"),
            Act("close", "informed about engraving"),
        ),
    ),
    Story(
        "14155550120",
        "Tom Baker",
        (
            Say("How long does shipping take to Canada?"),
            Act("take-over"),
            Act("reply", "Hi Tom, {me} here: to Canada it is rather 8 days at the moment."),
            Act("release"),
            Say("Good. And what are your opening hours?"),
        ),
    ),
    Story(
        "393330000121",
        "Marco Ricci",
        (
            Say("Vorrei parlare con un operatore"),
            Act("take-over"),
            Act("reply", "Buongiorno Marco, sono {me}. Come posso aiutarti?"),
            Act("release"),
            Say("Quanti giorni richiede la spedizione?"),
        ),
    ),
)
# Somebody has them now. Ana and Ben take three each; what comes after waits in the queue.
_WITH_PEOPLE = (
    Story(
        "14155550127",
        "Kate Wilson",
        (Show("image", "Is this damage covered by warranty?"), Act("take-over")),
        stays=True,
    ),
    Story(
        "14155550122",
        "Victoria Stone",
        (
            Say("I want my refund NOW. Three weeks and nothing, this is ridiculous!"),
            Act(
                "reply", "I see your return arrived on Monday. The refund goes out today, promised."
            ),
        ),
        stays=True,
    ),
    Story(
        "4915550000123",
        "Felix Braun",
        (
            Say("Ich möchte mit einem Menschen sprechen"),
            Act("reply", "Guten Tag Herr Braun, hier ist {me}. Worum geht es?"),
            Say("Die Lampe Onda flackert seit gestern"),
        ),
        stays=True,
    ),
    Story(
        "34600110124",
        "Marta Gil",
        (
            Say("Esto es una vergüenza, el paquete no ha llegado y estoy harta"),
            Act("reply", "Lo siento mucho, Marta. Estoy localizando tu paquete ahora mismo."),
        ),
        stays=True,
    ),
    Story(
        "14155550125",
        "Noah Patel",
        (Say("Do you rent out lamps for a film set in Prague?"),),
        stays=True,
    ),
    Story("5511955550126", "Beatriz Lima", (Show("audio"),), stays=True),
    Story(
        "33600000128",
        "Luc Moreau",
        (Say("C'est inadmissible, je suis furieux, ma lampe est cassée !"),),
        stays=True,
    ),
    Story("5511955550129", "Paulo Dias", (Say("Quero falar com uma pessoa"),), stays=True),
    Story("14155550130", "Ivy Chan", (Show("image"),), stays=True),
)

STORIES: tuple[Story, ...] = (*_ANSWERED, *_SETTLED, *_SILENT, *_RESOLVED, *_WITH_PEOPLE)
