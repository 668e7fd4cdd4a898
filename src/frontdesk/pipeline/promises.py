"""Whether a text says that a person is coming, in the usual languages.

An offer or a condition ("would you like …?", "if you wish …") is none. Written for texts as
`plain` makes them: small letters, no accents.
"""

import re

from frontdesk.pipeline.plain import plain

_SENTENCE = re.compile(r"[^.!?؟।\n]+[.!?؟।]?")
_CONDITION = re.compile(
    r"\b(?:if|whether|would|could|can|si|desea\w*|quier\w*|puedo|puede|podria|se|voce quer|posso|vuoi|vuole"
    r"|falls|wenn|mochte\w*|kann|konn\w*|souhait\w*|voulez|peux|puis)\b|(?:^| )(?:اذا|إذا|هل)|(?:अगर|यदि)"
)
_PERSON = {
    "en": r"(?:human|person|agent|colleague|manager|supervisor|representative|specialist|somebody|someone"
    r"|team member|advisor)\w*",
    "es": r"(?:companer[oa]s?|agente|persona|asesor\w*|encargad[oa]|responsable|gerente|supervisor\w*|alguien"
    r"|humano)",
    "pt": r"(?:colegas?|atendente|pessoa|agente|gerente|supervisor\w*|responsavel|alguem|humano)",
    "it": r"(?:collega|colleghi|operatore|operatrice|persona|responsabile|qualcuno|agente|umano)",
    "de": r"(?:kolleg\w+|mitarbeiter\w*|mensch\w*|berater\w*|manager\w*|vorgesetzt\w*|jemand\w*)",
    "fr": r"(?:collegue|conseill\w+|personne|agent|responsable|quelqu'un|superieur|humain)",
    "ar": r"(?:زميل\w*|موظف\w*|شخص|مدير\w*|مسؤول\w*|زملائ\w*)",
    "hi": r"(?:सहकर्मी|एजेंट|व्यक्ति|मैनेजर|प्रतिनिधि|इंसान)",
}
_PASSES_ON = {
    "en": r"\b(?:i|we)(?:'ll|'ve|'m|'re| will| have| am| are)?(?: just| now| already| going to)*"
    r" (?:connect|transferr?|forward|pass(?:ed|ing)?|hand|escalat|put(?:ting)?)\w*\b.{0,60}\bPERSON\b",
    "es": r"\b(?:te|le|les) (?:paso|transfiero|comunico|conecto|derivo|he \w+|voy a \w+)\b.{0,40}\bPERSON\b",
    "pt": r"\b(?:vou|estou|ja|acabei de)\b.{0,20}(?:transfer|encaminh|conect|pass|cham)\w*.{0,40}\bPERSON\b",
    "it": r"\b(?:ti|la|vi) (?:passo|trasferisco|metto|collego|ho \w+|sto \w+)\b.{0,40}\bPERSON\b",
    "de": r"\bich (?:leite|verbinde|gebe|ubergebe|habe)\b.{0,60}\bPERSON\b",
    "fr": r"\bje (?:vous|te|t'ai|vous ai) ?(?:passe|transfere|mets|transmets|connecte)\w*\b.{0,40}\bPERSON\b",
    "ar": r"(?:ساحولك|سأحولك|حولتك|سأوصلك|ساوصلك|قمت بتحويل\w*).{0,40}PERSON",
    "hi": r"PERSON.{0,20}(?:जोड़|भेज|ट्रांसफर|सौंप)",
}
_WILL_COME = {
    "en": r"\bPERSON\b.{0,30}\b(?:will|is going to|shall)\b.{0,20}\b(?:contact|call|reach|get back|reply"
    r"|answer|take over|be with you|join|assist|write)",
    "es": r"\bPERSON\b.{0,30}\b(?:contactara|llamara|respondera|atendera|escribira|va a \w+r)",
    "pt": r"\bPERSON\b.{0,30}\b(?:vai|ira|entrara)\b.{0,15}(?:contat|contact|ligar|responder|atender|escrever"
    r"|assum)",
    "it": r"\bPERSON\b.{0,30}\b(?:contattera|chiamera|rispondera|scrivera|si occupera|prendera)",
    "de": r"\bPERSON\b.{0,30}\b(?:wird|meldet|ubernimmt|kontaktiert|ruft|antwortet)\b",
    "fr": r"\bPERSON\b.{0,30}\b(?:va|vous contactera|vous appellera|vous repondra|prendra)\b",
    "ar": r"(?:سيتصل|سيتواصل|سيرد|سيقوم).{0,30}PERSON",
    "hi": r"PERSON.{0,30}(?:करेंगे|करेगा|करेगी|देंगे|लेंगे)",
}
_PROMISE = re.compile(
    "|".join(
        patterns[language].replace("PERSON", _PERSON[language])
        for language in _PERSON
        for patterns in (_PASSES_ON, _WILL_COME)
    )
)


def promised_person(text: str) -> str | None:
    """The first sentence that says a person takes over or gets in touch, or None."""
    for match in _SENTENCE.finditer(text):
        sentence = plain(match[0])
        if sentence.endswith(("?", "؟")) or not _PROMISE.search(sentence):
            continue
        if not _CONDITION.search(sentence):
            return match[0].strip()
    return None
