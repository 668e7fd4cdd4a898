"""What the desk itself says to a human agent on their own WhatsApp, in the usual languages."""

from dataclasses import dataclass
from enum import StrEnum, auto

from frontdesk.core.errors import FrontdeskError
from frontdesk.core.masking import mask_contacts, mask_text
from frontdesk.core.text import excerpt

_MOST_OF_A_NAME = 60


class Phrase(StrEnum):
    """Something the desk says there; what is in braces is filled in."""

    UNKNOWN = auto()
    NOTHING = auto()
    STALE = auto()
    BLIND = auto()
    UNPASSED = auto()
    NOTED = auto()
    YOURS = auto()
    HOW = auto()
    CLOSE = auto()
    BACK = auto()
    WHO = auto()
    CONTACT = auto()
    AI = auto()
    US = auto()
    NOTICE = auto()
    WANTS = auto()
    SO_FAR = auto()
    MOOD = auto()
    DO_NEXT = auto()
    DRAFT = auto()
    FACTS = auto()
    PROMISED = auto()
    TRIED = auto()
    LAST = auto()
    IS_WITH_YOU = auto()
    TOO_FAST = auto()
    NO_FILE = auto()
    NOT_PASSED_ON = auto()
    NOT_ARRIVED = auto()
    YOUR_FILE = auto()
    REFUSED = auto()
    IS_CLOSED = auto()
    RELEASED = auto()
    TAKEN_AWAY = auto()
    SWITCHED_OFF = auto()
    # Why something did not work, by the code of the error.
    WINDOW_CLOSED = auto()
    CONVERSATION_CLOSED = auto()
    NOT_YOURS = auto()
    NOT_TAKEN_OVER = auto()


@dataclass(frozen=True)
class Reader:
    """Who reads on the phone, and what they know the contact by: never the number.

    Args:
        masked: whether their tenant hides contact details from human agents, and they are one.
    """

    language: str
    masked: bool
    name: str

    def say(self, phrase: Phrase, **values: object) -> str:
        """A phrase in their language; `{name}` is the contact."""
        return in_language(phrase, self.language).format(**{"name": self.name, **values})

    def shown(self, text: str) -> str:
        """What somebody wrote, as they may see it. To be asked before a text is cut: half a number
        no longer looks like one."""
        return mask_text(text) if self.masked else text

    def why(self, refused: FrontdeskError) -> str:
        """Why something did not work."""
        known = refused.code in set(Phrase)
        why = self.say(Phrase(refused.code)) if known else self.shown(str(refused))
        return self.say(Phrase.REFUSED, why=why)


def reader(language: str, name: str | None, username: str | None, *, masked: bool) -> Reader:
    """Who reads, when a contact is called so; no name, and a user name that may be hidden."""
    if masked:
        name, username = mask_text(name or ""), mask_contacts(username or "", "username")
    # Masked first: half a number no longer looks like one.
    shown = excerpt(name or username or "", _MOST_OF_A_NAME)
    return Reader(language, masked, shown or in_language(Phrase.CONTACT, language))


def in_language(phrase: Phrase, language: str) -> str:
    """A phrase in a language (ISO 639), else in English."""
    return _WORDS.get(language, _WORDS["en"])[phrase]


_WORDS: dict[str, dict[Phrase, str]] = {
    "en": {
        Phrase.UNKNOWN: "I know /close, /back, /who and /note with a text. Nothing was sent.",
        Phrase.NOTHING: "You have no conversation here now. What you wrote went to nobody.",
        Phrase.STALE: "That belongs to a conversation you no longer have here. Nothing was sent.",
        Phrase.BLIND: "You wrote this before you could see whom you have now, so it was sent to "
        "nobody. Send it again if it is for this conversation.",
        Phrase.UNPASSED: "This kind of message can't be passed on. Nothing was sent.",
        Phrase.NOTED: "Noted. The contact does not see it.",
        Phrase.YOURS: "*You now have {name}.*",
        Phrase.HOW: "What you write here goes to {name}. Commands: /close, /back, /who, /note text.",
        Phrase.CLOSE: "Close",
        Phrase.BACK: "Back to the AI",
        Phrase.WHO: "Who?",
        Phrase.CONTACT: "the contact",
        Phrase.AI: "AI",
        Phrase.US: "Us",
        Phrase.NOTICE: "Notice",
        Phrase.WANTS: "Wants",
        Phrase.SO_FAR: "So far",
        Phrase.MOOD: "Mood",
        Phrase.DO_NEXT: "Do next",
        Phrase.DRAFT: "Draft",
        Phrase.FACTS: "Facts",
        Phrase.PROMISED: "Promised",
        Phrase.TRIED: "Tried",
        Phrase.LAST: "Last messages",
        Phrase.IS_WITH_YOU: "You have *{name}*. Last messages:",
        Phrase.TOO_FAST: "{name} writes faster than can be passed on. The desk shows all of it, "
        "/who the end of it.",
        Phrase.NO_FILE: "The file could not be had.",
        Phrase.NOT_PASSED_ON: "A file can't be passed on: {why}",
        Phrase.NOT_ARRIVED: "{name} did not get this: {said}",
        Phrase.YOUR_FILE: "your file",
        Phrase.REFUSED: "That did not work: {why}",
        Phrase.IS_CLOSED: "The conversation with {name} is closed.",
        Phrase.RELEASED: "The AI has {name} again.",
        Phrase.TAKEN_AWAY: "You no longer have {name}: somebody else does, or it waits for somebody.",
        Phrase.SWITCHED_OFF: "You have {name} at the desk only from now on.",
        Phrase.WINDOW_CLOSED: "{name} last wrote more than 24 hours ago; only a template from the "
        "desk can reach them.",
        Phrase.CONVERSATION_CLOSED: "The conversation is closed.",
        Phrase.NOT_YOURS: "A colleague has the conversation.",
        Phrase.NOT_TAKEN_OVER: "The AI has the conversation.",
    },
    "es": {
        Phrase.UNKNOWN: "Conozco /close, /back, /who y /note con un texto. No se ha enviado nada.",
        Phrase.NOTHING: "Ahora no tienes ninguna conversación aquí. Lo que has escrito no le ha "
        "llegado a nadie.",
        Phrase.STALE: "Eso es de una conversación que ya no tienes aquí. No se ha enviado nada.",
        Phrase.BLIND: "Lo escribiste antes de poder ver a quién tienes ahora, así que no se ha "
        "enviado a nadie. Envíalo de nuevo si es para esta conversación.",
        Phrase.UNPASSED: "Este tipo de mensaje no se puede pasar. No se ha enviado nada.",
        Phrase.NOTED: "Anotado. El contacto no lo ve.",
        Phrase.YOURS: "*Ahora tienes a {name}.*",
        Phrase.HOW: "Lo que escribas aquí le llega a {name}. Comandos: /close, /back, /who, "
        "/note texto.",
        Phrase.CLOSE: "Cerrar",
        Phrase.BACK: "Devolver a la IA",
        Phrase.WHO: "¿Quién es?",
        Phrase.CONTACT: "el contacto",
        Phrase.AI: "IA",
        Phrase.US: "Nosotros",
        Phrase.NOTICE: "Aviso",
        Phrase.WANTS: "Quiere",
        Phrase.SO_FAR: "Hasta ahora",
        Phrase.MOOD: "Ánimo",
        Phrase.DO_NEXT: "Siguiente paso",
        Phrase.DRAFT: "Borrador",
        Phrase.FACTS: "Datos",
        Phrase.PROMISED: "Prometido",
        Phrase.TRIED: "Intentado",
        Phrase.LAST: "Últimos mensajes",
        Phrase.IS_WITH_YOU: "Tienes a *{name}*. Últimos mensajes:",
        Phrase.TOO_FAST: "{name} escribe más rápido de lo que se puede pasar. Todo está en la "
        "consola; /who muestra lo último.",
        Phrase.NO_FILE: "No se ha podido obtener el archivo.",
        Phrase.NOT_PASSED_ON: "No se puede pasar un archivo: {why}",
        Phrase.NOT_ARRIVED: "A {name} no le ha llegado esto: {said}",
        Phrase.YOUR_FILE: "tu archivo",
        Phrase.REFUSED: "No ha funcionado: {why}",
        Phrase.IS_CLOSED: "La conversación con {name} está cerrada.",
        Phrase.RELEASED: "La IA vuelve a tener a {name}.",
        Phrase.TAKEN_AWAY: "Ya no tienes a {name}: lo tiene otra persona o está en espera.",
        Phrase.SWITCHED_OFF: "A partir de ahora tienes a {name} solo en la consola.",
        Phrase.WINDOW_CLOSED: "{name} escribió por última vez hace más de 24 horas; solo le llega una "
        "plantilla desde la consola.",
        Phrase.CONVERSATION_CLOSED: "La conversación está cerrada.",
        Phrase.NOT_YOURS: "La conversación la tiene otra persona del equipo.",
        Phrase.NOT_TAKEN_OVER: "La conversación la tiene la IA.",
    },
    "pt": {
        Phrase.UNKNOWN: "Conheço /close, /back, /who e /note com um texto. Nada foi enviado.",
        Phrase.NOTHING: "Você não tem nenhuma conversa aqui agora. O que escreveu não foi para "
        "ninguém.",
        Phrase.STALE: "Isso é de uma conversa que você não tem mais aqui. Nada foi enviado.",
        Phrase.BLIND: "Você escreveu isto antes de poder ver com quem está agora, por isso não foi "
        "enviado a ninguém. Envie de novo se for para esta conversa.",
        Phrase.UNPASSED: "Este tipo de mensagem não pode ser repassado. Nada foi enviado.",
        Phrase.NOTED: "Anotado. O contato não vê.",
        Phrase.YOURS: "*Agora você está com {name}.*",
        Phrase.HOW: "O que você escrever aqui vai para {name}. Comandos: /close, /back, /who, "
        "/note texto.",
        Phrase.CLOSE: "Encerrar",
        Phrase.BACK: "Devolver à IA",
        Phrase.WHO: "Quem é?",
        Phrase.CONTACT: "o contato",
        Phrase.AI: "IA",
        Phrase.US: "Nós",
        Phrase.NOTICE: "Aviso",
        Phrase.WANTS: "Quer",
        Phrase.SO_FAR: "Até agora",
        Phrase.MOOD: "Humor",
        Phrase.DO_NEXT: "Próximo passo",
        Phrase.DRAFT: "Rascunho",
        Phrase.FACTS: "Dados",
        Phrase.PROMISED: "Prometido",
        Phrase.TRIED: "Tentado",
        Phrase.LAST: "Últimas mensagens",
        Phrase.IS_WITH_YOU: "Você está com *{name}*. Últimas mensagens:",
        Phrase.TOO_FAST: "{name} escreve mais rápido do que dá para repassar. Tudo está no painel; "
        "/who mostra o final.",
        Phrase.NO_FILE: "Não foi possível obter o arquivo.",
        Phrase.NOT_PASSED_ON: "Um arquivo não pode ser repassado: {why}",
        Phrase.NOT_ARRIVED: "{name} não recebeu isto: {said}",
        Phrase.YOUR_FILE: "seu arquivo",
        Phrase.REFUSED: "Não funcionou: {why}",
        Phrase.IS_CLOSED: "A conversa com {name} está encerrada.",
        Phrase.RELEASED: "A IA está com {name} de novo.",
        Phrase.TAKEN_AWAY: "Você não está mais com {name}: outra pessoa está, ou a conversa espera.",
        Phrase.SWITCHED_OFF: "A partir de agora você tem {name} apenas no painel.",
        Phrase.WINDOW_CLOSED: "{name} escreveu pela última vez há mais de 24 horas; só um modelo "
        "enviado pelo painel chega.",
        Phrase.CONVERSATION_CLOSED: "A conversa está encerrada.",
        Phrase.NOT_YOURS: "A conversa está com outra pessoa da equipe.",
        Phrase.NOT_TAKEN_OVER: "A conversa está com a IA.",
    },
    "it": {
        Phrase.UNKNOWN: "Conosco /close, /back, /who e /note con un testo. Non è stato inviato nulla.",
        Phrase.NOTHING: "Ora non hai nessuna conversazione qui. Quello che hai scritto non è andato a "
        "nessuno.",
        Phrase.STALE: "Riguarda una conversazione che qui non hai più. Non è stato inviato nulla.",
        Phrase.BLIND: "L'hai scritto prima di poter vedere chi hai adesso, quindi non è stato inviato a "
        "nessuno. Invialo di nuovo se è per questa conversazione.",
        Phrase.UNPASSED: "Questo tipo di messaggio non si può inoltrare. Non è stato inviato nulla.",
        Phrase.NOTED: "Annotato. Il contatto non lo vede.",
        Phrase.YOURS: "*Ora hai {name}.*",
        Phrase.HOW: "Quello che scrivi qui arriva a {name}. Comandi: /close, /back, /who, /note testo.",
        Phrase.CLOSE: "Chiudi",
        Phrase.BACK: "Torna all'IA",
        Phrase.WHO: "Chi è?",
        Phrase.CONTACT: "il contatto",
        Phrase.AI: "IA",
        Phrase.US: "Noi",
        Phrase.NOTICE: "Avviso",
        Phrase.WANTS: "Vuole",
        Phrase.SO_FAR: "Finora",
        Phrase.MOOD: "Umore",
        Phrase.DO_NEXT: "Prossimo passo",
        Phrase.DRAFT: "Bozza",
        Phrase.FACTS: "Dati",
        Phrase.PROMISED: "Promesso",
        Phrase.TRIED: "Tentato",
        Phrase.LAST: "Ultimi messaggi",
        Phrase.IS_WITH_YOU: "Hai *{name}*. Ultimi messaggi:",
        Phrase.TOO_FAST: "{name} scrive più in fretta di quanto si possa inoltrare. Tutto è nella console; "
        "/who mostra la fine.",
        Phrase.NO_FILE: "Non è stato possibile avere il file.",
        Phrase.NOT_PASSED_ON: "Un file non si può inoltrare: {why}",
        Phrase.NOT_ARRIVED: "A {name} non è arrivato questo: {said}",
        Phrase.YOUR_FILE: "il tuo file",
        Phrase.REFUSED: "Non ha funzionato: {why}",
        Phrase.IS_CLOSED: "La conversazione con {name} è chiusa.",
        Phrase.RELEASED: "L'IA ha di nuovo {name}.",
        Phrase.TAKEN_AWAY: "Non hai più {name}: ce l'ha qualcun altro, o è in attesa.",
        Phrase.SWITCHED_OFF: "D'ora in poi hai {name} solo nella console.",
        Phrase.WINDOW_CLOSED: "{name} ha scritto l'ultima volta più di 24 ore fa; arriva solo un modello "
        "inviato dalla console.",
        Phrase.CONVERSATION_CLOSED: "La conversazione è chiusa.",
        Phrase.NOT_YOURS: "La conversazione ce l'ha un'altra persona del team.",
        Phrase.NOT_TAKEN_OVER: "La conversazione ce l'ha l'IA.",
    },
    "de": {
        Phrase.UNKNOWN: "Ich kenne /close, /back, /who und /note mit einem Text. Es wurde nichts "
        "gesendet.",
        Phrase.NOTHING: "Sie haben hier gerade kein Gespräch. Was Sie geschrieben haben, ging an "
        "niemanden.",
        Phrase.STALE: "Das gehört zu einem Gespräch, das Sie hier nicht mehr haben. Es wurde nichts "
        "gesendet.",
        Phrase.BLIND: "Das haben Sie geschrieben, bevor Sie sehen konnten, wen Sie jetzt haben; es ging "
        "daher an niemanden. Senden Sie es noch einmal, wenn es für dieses Gespräch ist.",
        Phrase.UNPASSED: "Diese Art von Nachricht kann nicht weitergegeben werden. Es wurde nichts "
        "gesendet.",
        Phrase.NOTED: "Notiert. Der Kontakt sieht es nicht.",
        Phrase.YOURS: "*Sie haben jetzt {name}.*",
        Phrase.HOW: "Was Sie hier schreiben, geht an {name}. Befehle: /close, /back, /who, /note Text.",
        Phrase.CLOSE: "Schließen",
        Phrase.BACK: "Zurück an die KI",
        Phrase.WHO: "Wer ist das?",
        Phrase.CONTACT: "den Kontakt",
        Phrase.AI: "KI",
        Phrase.US: "Wir",
        Phrase.NOTICE: "Hinweis",
        Phrase.WANTS: "Anliegen",
        Phrase.SO_FAR: "Bisher",
        Phrase.MOOD: "Stimmung",
        Phrase.DO_NEXT: "Als Nächstes",
        Phrase.DRAFT: "Entwurf",
        Phrase.FACTS: "Angaben",
        Phrase.PROMISED: "Versprochen",
        Phrase.TRIED: "Versucht",
        Phrase.LAST: "Letzte Nachrichten",
        Phrase.IS_WITH_YOU: "Sie haben *{name}*. Letzte Nachrichten:",
        Phrase.TOO_FAST: "{name} schreibt schneller, als weitergegeben werden kann. In der Konsole "
        "steht alles, mit /who das Ende.",
        Phrase.NO_FILE: "Die Datei war nicht zu bekommen.",
        Phrase.NOT_PASSED_ON: "Eine Datei kann nicht weitergegeben werden: {why}",
        Phrase.NOT_ARRIVED: "Das ist nicht angekommen ({name}): {said}",
        Phrase.YOUR_FILE: "Ihre Datei",
        Phrase.REFUSED: "Das ging nicht: {why}",
        Phrase.IS_CLOSED: "Das Gespräch mit {name} ist geschlossen.",
        Phrase.RELEASED: "Die KI hat wieder {name}.",
        Phrase.TAKEN_AWAY: "Sie haben {name} nicht mehr: jemand anders hat das Gespräch, oder es wartet.",
        Phrase.SWITCHED_OFF: "Ab jetzt haben Sie {name} nur noch in der Konsole.",
        Phrase.WINDOW_CLOSED: "Die letzte Nachricht ({name}) ist über 24 Stunden her; nur eine Vorlage aus "
        "der Konsole kommt noch an.",
        Phrase.CONVERSATION_CLOSED: "Das Gespräch ist geschlossen.",
        Phrase.NOT_YOURS: "Jemand anders aus dem Team hat das Gespräch.",
        Phrase.NOT_TAKEN_OVER: "Die KI hat das Gespräch.",
    },
    "fr": {
        Phrase.UNKNOWN: "Je connais /close, /back, /who et /note avec un texte. Rien n'a été envoyé.",
        Phrase.NOTHING: "Vous n'avez aucune conversation ici en ce moment. Ce que vous avez écrit n'est "
        "allé à personne.",
        Phrase.STALE: "Cela concerne une conversation que vous n'avez plus ici. Rien n'a été envoyé.",
        Phrase.BLIND: "Vous l'avez écrit avant de pouvoir voir qui vous avez maintenant ; rien n'a donc "
        "été envoyé. Renvoyez-le si c'est pour cette conversation.",
        Phrase.UNPASSED: "Ce type de message ne peut pas être transmis. Rien n'a été envoyé.",
        Phrase.NOTED: "Noté. Le contact ne le voit pas.",
        Phrase.YOURS: "*Vous avez maintenant {name}.*",
        Phrase.HOW: "Ce que vous écrivez ici va à {name}. Commandes : /close, /back, /who, /note texte.",
        Phrase.CLOSE: "Clore",
        Phrase.BACK: "Rendre à l'IA",
        Phrase.WHO: "Qui est-ce ?",
        Phrase.CONTACT: "le contact",
        Phrase.AI: "IA",
        Phrase.US: "Nous",
        Phrase.NOTICE: "Avis",
        Phrase.WANTS: "Demande",
        Phrase.SO_FAR: "Jusqu'ici",
        Phrase.MOOD: "Humeur",
        Phrase.DO_NEXT: "À faire",
        Phrase.DRAFT: "Brouillon",
        Phrase.FACTS: "Faits",
        Phrase.PROMISED: "Promis",
        Phrase.TRIED: "Tenté",
        Phrase.LAST: "Derniers messages",
        Phrase.IS_WITH_YOU: "Vous avez *{name}*. Derniers messages :",
        Phrase.TOO_FAST: "{name} écrit plus vite que l'on ne peut transmettre. Tout est dans la "
        "console ; /who montre la fin.",
        Phrase.NO_FILE: "Le fichier n'a pas pu être obtenu.",
        Phrase.NOT_PASSED_ON: "Un fichier ne peut pas être transmis : {why}",
        Phrase.NOT_ARRIVED: "{name} n'a pas reçu ceci : {said}",
        Phrase.YOUR_FILE: "votre fichier",
        Phrase.REFUSED: "Cela n'a pas marché : {why}",
        Phrase.IS_CLOSED: "La conversation avec {name} est close.",
        Phrase.RELEASED: "L'IA a de nouveau {name}.",
        Phrase.TAKEN_AWAY: "Vous n'avez plus {name} : quelqu'un d'autre l'a, ou la conversation attend.",
        Phrase.SWITCHED_OFF: "Désormais vous avez {name} dans la console seulement.",
        Phrase.WINDOW_CLOSED: "{name} a écrit il y a plus de 24 heures ; seul un modèle envoyé de la console "
        "arrive encore.",
        Phrase.CONVERSATION_CLOSED: "La conversation est close.",
        Phrase.NOT_YOURS: "Une autre personne de l'équipe a la conversation.",
        Phrase.NOT_TAKEN_OVER: "L'IA a la conversation.",
    },
    "ar": {
        Phrase.UNKNOWN: "أعرف ‎/close و‎/back و‎/who و‎/note مع نص. لم يُرسل شيء.",
        Phrase.NOTHING: "ليست لديك محادثة هنا الآن. ما كتبته لم يصل إلى أحد.",
        Phrase.STALE: "هذا يخص محادثة لم تعد لديك هنا. لم يُرسل شيء.",
        Phrase.BLIND: "كتبت هذا قبل أن ترى مع من تتحدث الآن، لذلك لم يُرسل إلى أحد. أعد إرساله إن كان "
        "لهذه المحادثة.",
        Phrase.UNPASSED: "لا يمكن تمرير هذا النوع من الرسائل. لم يُرسل شيء.",
        Phrase.NOTED: "تم التدوين. لا يراه العميل.",
        Phrase.YOURS: "*لديك الآن {name}.*",
        Phrase.HOW: "ما تكتبه هنا يصل إلى {name}. الأوامر: ‎/close و‎/back و‎/who و‎/note مع نص.",
        Phrase.CLOSE: "إغلاق",
        Phrase.BACK: "إعادة إلى الآلي",
        Phrase.WHO: "من هذا؟",
        Phrase.CONTACT: "العميل",
        Phrase.AI: "الآلي",
        Phrase.US: "نحن",
        Phrase.NOTICE: "إشعار",
        Phrase.WANTS: "المطلوب",
        Phrase.SO_FAR: "حتى الآن",
        Phrase.MOOD: "المزاج",
        Phrase.DO_NEXT: "الخطوة التالية",
        Phrase.DRAFT: "مسودة",
        Phrase.FACTS: "معلومات",
        Phrase.PROMISED: "وعود",
        Phrase.TRIED: "ما جُرِّب",
        Phrase.LAST: "آخر الرسائل",
        Phrase.IS_WITH_YOU: "لديك *{name}*. آخر الرسائل:",
        Phrase.TOO_FAST: "{name} يكتب أسرع مما يمكن تمريره. كل شيء في لوحة العمل، و‎/who يعرض آخره.",
        Phrase.NO_FILE: "تعذر الحصول على الملف.",
        Phrase.NOT_PASSED_ON: "لا يمكن تمرير ملف: {why}",
        Phrase.NOT_ARRIVED: "لم يصل هذا إلى {name}: {said}",
        Phrase.YOUR_FILE: "ملفك",
        Phrase.REFUSED: "لم ينجح ذلك: {why}",
        Phrase.IS_CLOSED: "أُغلقت المحادثة مع {name}.",
        Phrase.RELEASED: "عاد {name} إلى الآلي.",
        Phrase.TAKEN_AWAY: "لم يعد {name} لديك: لدى شخص آخر أو في الانتظار.",
        Phrase.SWITCHED_OFF: "من الآن {name} لديك في لوحة العمل فقط.",
        Phrase.WINDOW_CLOSED: "آخر رسالة من {name} قبل أكثر من 24 ساعة؛ لا يصل إلا قالب من لوحة العمل.",
        Phrase.CONVERSATION_CLOSED: "المحادثة مغلقة.",
        Phrase.NOT_YOURS: "المحادثة لدى زميل آخر.",
        Phrase.NOT_TAKEN_OVER: "المحادثة لدى الآلي.",
    },
    "hi": {
        Phrase.UNKNOWN: "मैं /close, /back, /who और टेक्स्ट के साथ /note समझता हूँ। कुछ नहीं भेजा गया।",
        Phrase.NOTHING: "अभी यहाँ आपके पास कोई बातचीत नहीं है। आपने जो लिखा वह किसी को नहीं गया।",
        Phrase.STALE: "यह ऐसी बातचीत का है जो अब यहाँ आपके पास नहीं है। कुछ नहीं भेजा गया।",
        Phrase.BLIND: "आपने यह तब लिखा जब आप देख नहीं सकते थे कि अब कौन है, इसलिए यह किसी को नहीं भेजा गया। "
        "अगर यह इसी बातचीत के लिए है तो दोबारा भेजें।",
        Phrase.UNPASSED: "इस तरह का संदेश आगे नहीं भेजा जा सकता। कुछ नहीं भेजा गया।",
        Phrase.NOTED: "नोट कर लिया। संपर्क इसे नहीं देखता।",
        Phrase.YOURS: "*अब आपके पास {name} हैं।*",
        Phrase.HOW: "यहाँ लिखा {name} को जाता है। कमांड: /close, /back, /who, /note टेक्स्ट।",
        Phrase.CLOSE: "बंद करें",
        Phrase.BACK: "AI को वापस दें",
        Phrase.WHO: "कौन?",
        Phrase.CONTACT: "संपर्क",
        Phrase.AI: "AI",
        Phrase.US: "हम",
        Phrase.NOTICE: "सूचना",
        Phrase.WANTS: "चाहते हैं",
        Phrase.SO_FAR: "अब तक",
        Phrase.MOOD: "मनोदशा",
        Phrase.DO_NEXT: "अगला कदम",
        Phrase.DRAFT: "मसौदा",
        Phrase.FACTS: "तथ्य",
        Phrase.PROMISED: "वादे",
        Phrase.TRIED: "आज़माया",
        Phrase.LAST: "पिछले संदेश",
        Phrase.IS_WITH_YOU: "आपके पास *{name}* हैं। पिछले संदेश:",
        Phrase.TOO_FAST: "{name} इतनी तेज़ी से लिख रहे हैं कि सब आगे नहीं भेजा जा सकता। डेस्क पर सब है, /who अंत "
        "दिखाता है।",
        Phrase.NO_FILE: "फ़ाइल नहीं मिल सकी।",
        Phrase.NOT_PASSED_ON: "एक फ़ाइल आगे नहीं भेजी जा सकती: {why}",
        Phrase.NOT_ARRIVED: "{name} को यह नहीं मिला: {said}",
        Phrase.YOUR_FILE: "आपकी फ़ाइल",
        Phrase.REFUSED: "यह नहीं हुआ: {why}",
        Phrase.IS_CLOSED: "{name} के साथ बातचीत बंद है।",
        Phrase.RELEASED: "{name} अब फिर AI के पास हैं।",
        Phrase.TAKEN_AWAY: "{name} अब आपके पास नहीं हैं: किसी और के पास हैं, या प्रतीक्षा में हैं।",
        Phrase.SWITCHED_OFF: "अब से {name} केवल डेस्क पर आपके पास हैं।",
        Phrase.WINDOW_CLOSED: "{name} ने 24 घंटे से पहले लिखा था; अब केवल डेस्क से भेजा टेम्पलेट पहुँचता है।",
        Phrase.CONVERSATION_CLOSED: "बातचीत बंद है।",
        Phrase.NOT_YOURS: "बातचीत किसी सहकर्मी के पास है।",
        Phrase.NOT_TAKEN_OVER: "बातचीत AI के पास है।",
    },
}
