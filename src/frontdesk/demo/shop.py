"""The demo's shop: its people, its agent, what the agent knows. Words only; `seed.py` puts them in."""

from dataclasses import dataclass
from typing import Any

TENANT, AGENT = "Lumen & Oak", "Olive"
DOMAIN = "lumen-oak.example"


@dataclass(frozen=True)
class Login:
    """Somebody who works at the shop."""

    name: str
    email: str
    role: str
    presence: str | None = None
    """`online`, `away`, or None for who takes no conversations."""
    max_conversations: int = 3


ADMIN = Login("Nora Lindt", f"nora@{DOMAIN}", "ADMIN")
HUMAN_AGENTS = (
    Login("Ana Torres", f"ana@{DOMAIN}", "HUMAN_AGENT", "online"),
    Login("Ben Okafor", f"ben@{DOMAIN}", "HUMAN_AGENT", "online"),
    # Away, so that some conversations wait in the queue for her to come online.
    Login("Chiara Russo", f"chiara@{DOMAIN}", "HUMAN_AGENT", "away"),
)
LOGINS = (ADMIN, *HUMAN_AGENTS)

_OPEN = [{"start": "09:00", "end": "18:00"}]
CONFIG: dict[str, Any] = {
    "company_name": TENANT,
    "persona": (
        f"You are Olive, the assistant of {TENANT}, a small shop for handmade lamps of wood and "
        "glass. You know every lamp in the shop and like to be asked."
    ),
    "brand_voice": "Warm, clear and brief. One emoji at most, and none in bad news.",
    "languages": ["en", "es", "de", "it", "pt", "fr"],
    "instructions": (
        "Answer from the facts alone. Never promise refunds, dates or discounts that they do not "
        "name; a colleague decides about those."
    ),
    "confidence_threshold": 0.4,
    "sentiment_threshold": -0.6,
    "escalation_keywords": [
        {"words": ["lawyer", "anwalt", "abogado", "avvocato"], "reason": "speaks of a lawyer"}
    ],
    "business_hours": {
        "time_zone": "Europe/Berlin",
        "week": dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), _OPEN)
        | {"saturday": [{"start": "10:00", "end": "16:00"}]},
    },
    "follow_up_minutes": 120,
    "follow_up_text": "Did that answer your question? Just write if there is anything else.",
    "auto_close_minutes": 24 * 60,
}

# (title, text). The scripted model quotes these; in other languages than English a contact is
# answered from the facts that are written in theirs.
FACTS: tuple[tuple[str, str], ...] = (
    (
        "Shipping",
        "We ship every order within one working day. Delivery takes 2 to 4 working days in the EU "
        "and 5 to 8 elsewhere. Shipping costs 4.90 EUR, and nothing above 80 EUR.",
    ),
    (
        "Returns and refunds",
        "You can return anything within 30 days of delivery, unused and in its box. Returns are "
        "free: the label is in your account. The refund is paid back within 5 working days after "
        "the parcel has reached us.",
    ),
    (
        "Opening hours",
        "Our shop is open Monday to Friday from 9:00 to 18:00 and Saturday from 10:00 to 16:00. "
        "On Sunday it is closed.",
    ),
    (
        "Warranty",
        "Every lamp has a warranty of 3 years on wood, glass and wiring. Send us a photo of the "
        "damage and we repair or replace the lamp. Bulbs are not part of the warranty.",
    ),
    (
        "Payment",
        "You can pay by credit card, PayPal, Apple Pay, Google Pay, SEPA transfer or in three "
        "instalments with Klarna.",
    ),
    (
        "Sizes",
        "The table lamp Alba is 38 cm high and weighs 1.4 kg. The floor lamp Roble is 152 cm high. "
        "The pendant Onda measures 45 cm across and hangs on a cable of 150 cm.",
    ),
    (
        "Gift wrapping",
        "Gift wrapping costs 3.50 EUR per lamp: linen paper, a ribbon and a card with your own "
        "words. Choose it in the basket.",
    ),
    (
        "Contact",
        f"Write to us here on WhatsApp at any hour, or by email to hello@{DOMAIN}. By telephone "
        "we can be reached at +1 555 0100 200 during opening hours.",
    ),
    (
        "Discount codes",
        "The code WELCOME10 takes 10 % off a first order. Codes can't be combined, and they are "
        "entered in the basket before you pay.",
    ),
    (
        "Store address",
        "You find our store at Lindenstrasse 14 in 10969 Berlin, two minutes on foot from the "
        "underground station Kochstrasse. There is a lift and a place for bicycles.",
    ),
    (
        "Bulbs and energy",
        "All lamps take an E27 bulb; a warm LED of 6 watts comes with every lamp. It uses about "
        "9 kWh a year at four hours a day.",
    ),
    (
        "Envíos y devoluciones",
        "El envío a toda Europa tarda de 2 a 4 días laborables y cuesta 4,90 EUR; es gratis a "
        "partir de 80 EUR. Las devoluciones son gratuitas durante 30 días.",
    ),
    (
        "Horario de la tienda",
        "La tienda abre de lunes a viernes de 9:00 a 18:00 y los sábados de 10:00 a 16:00. Los "
        "domingos está cerrada.",
    ),
    (
        "Versand und Rückgabe",
        "Der Versand innerhalb der EU dauert 2 bis 4 Werktage und kostet 4,90 EUR, ab 80 EUR ist "
        "er frei. Die Rückgabe ist innerhalb von 30 Tagen kostenlos.",
    ),
    (
        "Öffnungszeiten des Ladens",
        "Der Laden ist von Montag bis Freitag von 9:00 bis 18:00 Uhr geöffnet und am Samstag von "
        "10:00 bis 16:00 Uhr. Am Sonntag ist er geschlossen.",
    ),
    (
        "Spedizione e resi",
        "La spedizione in tutta Europa richiede da 2 a 4 giorni lavorativi e costa 4,90 EUR; è "
        "gratuita sopra gli 80 EUR. I resi sono gratuiti entro 30 giorni.",
    ),
    (
        "Orari del negozio",
        "Il negozio è aperto dal lunedì al venerdì dalle 9:00 alle 18:00 e il sabato dalle 10:00 "
        "alle 16:00. La domenica è chiuso.",
    ),
    (
        "Entrega e devoluções",
        "A entrega em toda a Europa demora de 2 a 4 dias úteis e custa 4,90 EUR; é grátis acima de "
        "80 EUR. As devoluções são gratuitas durante 30 dias.",
    ),
    (
        "Formas de pagamento",
        "Você pode pagar com cartão de crédito, PayPal, Apple Pay, transferência ou em três "
        "parcelas com a Klarna.",
    ),
    (
        "Livraison et retours",
        "La livraison dans toute l'Europe prend de 2 à 4 jours ouvrés et coûte 4,90 EUR ; elle est "
        "gratuite à partir de 80 EUR. Les retours sont gratuits pendant 30 jours.",
    ),
    (
        "Horaires du magasin",
        "Le magasin est ouvert du lundi au vendredi de 9h00 à 18h00 et le samedi de 10h00 à 16h00. "
        "Il est fermé le dimanche.",
    ),
)
