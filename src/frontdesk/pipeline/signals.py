"""What a burst shows by its words alone, for nothing: abuse, spam, and attempts to give the model orders.

Rules for the usual languages, on texts as `plain` makes them. They are sure of little on purpose: what
they do not see is seen by the model that sorts messages, and no answer rests on them alone.
"""

import re
from dataclasses import dataclass
from typing import Any

from frontdesk.pipeline.plain import plain

# A score from here on is refused; from the lower one on the turn goes without tools.
SURE_INJECTION = 0.9
SUSPECT_INJECTION = 0.5

_WORD = re.compile(r"[\w\u0900-\u097f']+")
_LEET = str.maketrans("013457@$", "oieastas")
_HAS_LETTER = re.compile(r"[^\W\d_]")
_LINK = re.compile(
    r"https?://|www\.|\bbit\.ly|\bt\.me/|\bwa\.me/|\b[\w-]+\.(?:com|net|io|xyz|ru|top|biz|info|club)\b"
)


def _listed(*lines: str) -> frozenset[str]:
    return frozenset(plain(word) for line in lines for word in line.split())


_INSULTS = _listed(
    "idiot idiots stupid moron morons fuck fucking fucker bitch bitches asshole assholes shit",
    "bastard dickhead cunt",
    "idiota idiotas imbecil imbeciles estupido estupida estupidos mierda puta putas cabron cabrones",
    "pendejo gilipollas",
    "burro merda caralho porra otario otarios desgracado babaca",
    "stronzo stronzi cretino cretini vaffanculo coglione coglioni scemo scemi",
    "arschloch arschlocher idioten scheisse scheiss wichser hurensohn dummkopf vollidiot vollidioten fotze",
    "connard connards salaud salauds merde encule encules pute abruti abrutis debile",
    "حمار غبي اغبياء حقير كلب كلاب تافه",
    "कुत्ता कुत्ते कमीना कमीने हरामी बेवकूफ गधा गधे चूतिया harami kamina chutiya bewakoof",
)  # fmt: skip
# What stands around an insult that has no wish behind it.
_FILLERS = _listed(
    "you u are r ur your a an the so such is of what all go to hell off yourself damn bloody really",
    "and just",
    "eres sois son es un una unos unas que tan hijo hija de la el todos vete al tu y ustedes",
    "voce voces e sao um uma seu seus filho da do tudo vai se",
    "sei siete un una che sono tutti tu voi di",
    "du bist ihr seid sie sind ein eine so ihr alle und verdammter verdammte blodes blode",
    "tu es vous etes un une bande de espece sale gros et va te",
    "انت أنت انتم أنتم يا كلكم ابن ال",
    "तुम तू आप हो है हैं सब लोग साले tum tu ho sab sale",
)
_PROMOTIONS = tuple(
    f" {plain(phrase)} "
    for line in (
        "crypto|bitcoin|forex|guaranteed profit|double your money|earn money|free money|passive income|"
        "casino|you won|you have won|lottery|claim your prize|click here|limited offer|"
        "investment opportunity|airdrop|loan approved|seo services|buy followers|work from home|make money",
        "criptomonedas|gana dinero|ganar dinero|has ganado|inversion garantizada|haz clic|premio|loteria",
        "criptomoedas|ganhe dinheiro|voce ganhou|investimento garantido|clique aqui|renda extra",
        "guadagna soldi|hai vinto|investimento garantito|clicca qui|lotteria",
        "geld verdienen|sie haben gewonnen|du hast gewonnen|garantierter gewinn|hier klicken|lotterie",
        "gagnez de l'argent|vous avez gagne|placement garanti|cliquez ici|loterie",
        "اربح|بيتكوين|اضغط هنا|استثمار مضمون|لقد ربحت",
        "लॉटरी|पैसे कमाएं|बिटकॉइन|यहाँ क्लिक करें|आपने जीता",
    )
    for phrase in line.split("|")
)
# Orders to a model, and how sure each is one. A wish to forget a message of one's own is none.
_ORDERS = tuple(
    (weight, re.compile(pattern))
    for weight, pattern in (
        (1.0, r"<\|[^<>]{1,40}\|>|\[/?inst\]|<</?sys>>|\{\{.{0,60}\}\}"),
        (1.0, r"(?:ignore|disregard|forget|override|bypass)\s*(?:\w+\s*){0,3}(?:instructions?"
              r"|rules|system\s*prompt|guidelines|directives)"),
        (0.9, r"(?:print|show|reveal|repeat|output|display|tell me|give me|translate"
              r"|copy)\s*(?:\w+\s*){0,4}(?:system\s*prompt|your (?:\w+ )?(?:instructions|prompt"
              r"|rules)|instructions you were|text above)"),
        (0.9, r"\b(?:system|admin(?:istrator)?) (?:note|notice|message|override)\s*:"),
        (0.9, r"\b(?:developer|debug|god|admin|jailbreak) mode\b|\byou are now dan\b|\bdo anything now\b"),
        (0.5, r"\b(?:from now on|you are now)\b.{0,40}\b(?:assistant|tell|answer|reply|act)\b"
              r"|\bforget the facts\b"),
        (1.0, r"(?:ignora|ignore|olvida|esquece|esqueca"
              r"|dimentica)\w*\s(?:\w+\s){0,3}(?:instrucciones|instrucoes|istruzioni|reglas"
              r"|regras|regole)"),
        (0.9, r"(?:muestra|copia|repite|traduce|mostre|repita|traduza|mostrami|ripeti"
              r"|traduci)\w*\s.{0,60}(?:prompt|(?:tus|suas?|tue) (?:\w+ )?(?:instrucciones"
              r"|instrucoes|istruzioni|reglas|regras|regole|configuracao)"
              r"|instrucciones que recib|instrucoes que voce|istruzioni che hai)"),
        (0.9, r"\b(?:nota del sistema|aviso do sistema|nota di sistema|modo desarrollador"
              r"|modo desenvolvedor|modalita sviluppatore)\b"),
        (0.5, r"\b(?:a partir de ahora|a partir de agora|d'ora in poi)\b"),
        (1.0, r"\b(?:ignorier|vergiss|missachte)\w*\s(?:\w+\s){0,3}(?:anweisung|regeln|vorgaben"
              r"|instruktion)\w*"),
        (0.9, r"(?:gib|zeig|wiederhol|ubersetz)\w*\s.{0,60}(?:system-?\s?prompt|(?:deine"
              r"|interne)\w* (?:\w+ )?(?:regeln|anweisungen)|die anweisungen, die du)"),
        (0.9, r"\bsystemhinweis\b|\bentwicklermodus\b"),
        (0.5, r"\bab (?:sofort|jetzt)\b.{0,40}\b(?:bist du|nennst|schick\w*|antworte\w*)\b"
              r"|\bschicke ab jetzt\b"),
        (1.0, r"\b(?:ignore|oublie)\w*\s(?:\w+\s){0,3}(?:instructions|regles|consignes)"),
        (0.9, r"(?:affiche|montre|repete|traduis)\w*\s.{0,60}(?:prompt|tes (?:\w+ )?(?:regles"
              r"|instructions|consignes)|les instructions que tu)"),
        (0.9, r"\bnote du systeme\b|\bmode developpeur\b"),
        (0.5, r"\ba partir de maintenant\b"),
        (1.0, r"(?:تجاهل|انس)\s.{0,20}(?:التعليمات|القواعد)"),
        (0.9, r"(?:اعرض|كرر|ترجم)\s.{0,30}التعليمات|ملاحظة من النظام|وضع المطور"),
        (0.5, r"من الان فصاعدا|من الآن فصاعدا"),
        (1.0, r"(?:निर्देश|नियम)\S*\s.{0,12}(?:भूल|अनदेखा)"),
        (0.9, r"निर्देश.{0,40}(?:दिखाओ|दोहराओ|बताओ)|सिस्टम सूचना|डेवलपर मोड"),
        (0.5, r"अब से सबको"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class LocalSignals:
    """What the rules have seen.

    Args:
        abuse: the insult that the burst consists of.
        spam: what makes it spam.
        injection: 0 to 1, how surely it gives the model orders.
    """

    abuse: str | None = None
    spam: str | None = None
    injection: float = 0

    def as_trace(self) -> list[dict[str, Any]]:
        """What was seen, as a turn's trace tells it."""
        seen = {"abuse": self.abuse, "spam": self.spam, "injection": self.injection}
        return [
            {"signal": name, "value": value, "source": "rules"}
            for name, value in seen.items()
            if value
        ]


def read_signals(text: str) -> LocalSignals:
    """What a burst's text shows; a fraction of a millisecond for a long message."""
    said = plain(text)
    return LocalSignals(abuse=_abuse(said), spam=_spam(said), injection=_injection(said))


def _abuse(said: str) -> str | None:
    if "?" in said or "؟" in said:
        return None
    words = [_unmasked(word) for word in _WORD.findall(said.replace("@", "a").replace("$", "s"))]
    if len(words) > 12:
        return None
    insults = [word for word in words if word in _INSULTS]
    others = [word for word in words if word not in _INSULTS and word not in _FILLERS]
    return insults[0] if insults and not others else None


def _unmasked(word: str) -> str:
    return word.translate(_LEET) if _HAS_LETTER.search(word) else word


def _spam(said: str) -> str | None:
    padded = f" {' '.join(_WORD.findall(said))} "
    promotions = [phrase.strip() for phrase in _PROMOTIONS if phrase in padded]
    links = len(_LINK.findall(said))
    if len(promotions) >= 3 or (promotions and links >= 2) or (len(promotions) >= 2 and links):
        return ", ".join(promotions[:3])
    return None


def _injection(said: str) -> float:
    weights = [weight for weight, pattern in _ORDERS if pattern.search(said)]
    if not weights:
        return 0
    # Two weak signs are as good as a strong one.
    return max(weights) if len(weights) == 1 else max(SURE_INJECTION, *weights)
