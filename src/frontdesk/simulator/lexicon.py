"""Words by which the scripted model tells languages, moods and wishes apart.

Every phrase is matched as whole words on folded text: lower case, accents off. The lists are
short on purpose: enough for a demonstration and for tests in eight languages, not a classifier.
"""

import re
import unicodedata
from functools import cache

_MARKS = re.compile("[\u0300-\u036f\u064b-\u0652\u0640]")  # Accents, Arabic short vowels, tatweel.
_WORD = re.compile(r"[\w\u0900-\u097f]+")  # Devanagari vowel signs are no \w, yet part of words.
_WORD_FORMS = str.maketrans("أإآىة", "ااايه")

_SCRIPTS = (
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)


def fold(text: str) -> str:
    """Lower case, without accents, Arabic letter variants made one."""
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", plain).translate(_WORD_FORMS)


def words(text: str) -> list[str]:
    """The folded words of a text."""
    return _WORD.findall(fold(text.replace("'", " ").replace("’", " ")))


STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words(listed))
    for language, listed in {
        "en": "a an the i you he she it we they me my your our us is are am was were be been do "
        "does did don t s m re ll ve have has had will would can could should shall may might to "
        "of in on at for from by with about as and or but not no yes if so that this these those "
        "there here what which who when where how why please any some just also than then too it "
        "very get got want need know tell more one im hi hello hey thanks thank"
        " much many long take takes",
        "es": "el la los las un una unos unas yo tu usted ustedes me mi mis su sus se te lo le les "
        "es son soy esta estan estoy fue ser ha he hay de del en a al por para con sin y o u pero "
        "no si que cual quien cuando donde como porque por favor este ese esto eso muy mas puedo "
        "puede pueden quiero necesito tengo tiene tienen hola gracias"
        " cuanto cuanta cuantos tarda tardan hacen",
        "pt": "o a os as um uma eu voce voces ele ela me meu minha meus minhas seu sua e sao sou "
        "esta estao estou foi ser tem ha de do da dos das em no na nos nas por para com sem ou mas "
        "nao sim que qual quem quando onde como porque por favor este esse isso isto muito mais "
        "posso pode podem quero preciso tenho ola oi obrigado obrigada"
        " quanto quantos fazem",
        "it": "il lo la i gli le un uno una io tu lei noi voi mi mio mia miei ti si ci vi e sono "
        "sei siete stato ha ho avete hanno di del della dei a al alla da dal in nel nella con su "
        "per tra fra o ma non si che chi cosa quando dove come perche quale per favore questo "
        "questa molto piu posso puo potete vorrei voglio ciao grazie"
        " quanto quanti fate",
        "de": "der die das den dem des ein eine einen einem einer ich du er sie es wir ihr mich "
        "mir mein meine meinen euch ihnen ist sind bin war sein hat habe haben wird werden kann "
        "koennen konnen muss zu von in im an am auf fur fuer mit bei aus nach uber und oder aber "
        "nicht kein keine ja nein dass was wer wann wo wie warum welche bitte dieser diese sehr "
        "mehr mochte moechte will brauche hallo danke gibt"
        " viel wieviel lange",
        "fr": "le la les un une des je tu il elle nous vous ils elles me mon ma mes votre vos ton "
        "c est sont suis etes etait ai a as avez ont de du d en dans sur a au aux par pour avec "
        "sans et ou mais ne pas oui non que qui quoi quand comment pourquoi quel quelle quels s "
        "il plait ce cette ces tres plus peux puis peut pouvez veux voudrais bonjour merci l j qu"
        " combien temps faites",
        "nl": "de het een ik jij je u hij zij wij mij mijn is zijn ben was heeft heb kan kunnen "
        "van in op aan voor met bij uit naar en of maar niet geen ja nee dat wat wie wanneer waar "
        "hoe waarom welke alstublieft graag wil nodig hallo bedankt",
        "ar": "في من على الى عن هل ما ماذا متى اين كيف لماذا كم انا انت هو هي نحن هذا هذه ذلك التي "
        "الذي و او لا نعم لو سمحت يا مع لي عندي",
        "hi": "है हैं का की के को में से पर और या नहीं हाँ हां मैं आप हम यह वह क्या कब कहाँ कहां कैसे "
        "क्यों कितना कितने कौन मेरा मेरी मेरे आपका आपकी कृपया तो भी ही था थी कर",
    }.items()
}

LANGUAGES = tuple(language for language in STOP_WORDS)

# Words that give a language away although they are no stop words.
_TELLING: dict[str, frozenset[str]] = {
    language: frozenset(words(listed))
    for language, listed in {
        "en": "order shipping return refund open hours price human agent person sorry angry ship "
        "speak talk terrible bye help good morning",
        "es": "pedido envio devolucion precio horario hablar persona buenos dias buenas tardes "
        "noches adios ayuda abierto cuesta envian abren tienda terrible verguenza eres",
        "pt": "pedido envio devolucao preco horario falar pessoa bom dia boa tarde noite tchau "
        "ajuda aberto custa loja entrega voces atendente pessimo",
        "it": "ordine spedizione reso prezzo orari orario parlare persona operatore buongiorno "
        "buonasera arrivederci aiuto aperto costa negozio salve spedite vergogna",
        "de": "bestellung versand rueckgabe ruckgabe preis offnungszeiten oeffnungszeiten sprechen "
        "mensch mitarbeiter guten morgen tag abend tschuss hilfe offen kostet viel lieferung "
        "geschaft wutend unverschamt",
        "fr": "commande livraison retour prix horaires parler personne conseiller bonsoir salut "
        "au revoir aide ouvert coute magasin remboursement livrez honte",
        "nl": "bestelling verzending prijs openingstijden spreken medewerker goedemorgen",
    }.items()
}


def guess_language(text: str) -> str:
    """ISO 639-1 code: by script first, then by the most telling words; English when in doubt."""
    for language, script in _SCRIPTS:
        if len(script.findall(text)) >= 2:
            return language
    found = words(text)
    scores = {
        language: sum(word in STOP_WORDS[language] for word in found)
        + 2 * sum(word in telling for word in found)
        for language, telling in _TELLING.items()
    }
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] > scores["en"] else "en"


def _phrases(*listed: str) -> tuple[str, ...]:
    return tuple(f" {' '.join(words(phrase))} " for line in listed for phrase in line.split("|"))


PERSON = _phrases(
    "human|humans|real person|a person|actual person|someone real|speak to someone|talk to someone"
    "|live agent|human agent|an agent|representative|customer service rep|call me|your manager"
    "|a manager|the manager|supervisor|talk to a person|talk to your team",
    "con una persona|un humano|una humana|agente|hablar con alguien|asesor|asesora|operador"
    "|persona real|un encargado",
    "uma pessoa|com alguem|atendente|um humano|humano|pessoa real|falar com gente|um gerente",
    "con una persona|operatore|un umano|essere umano|con qualcuno|persona vera|un responsabile",
    "einen menschen|einem menschen|echter mensch|mensch|mitarbeiter|mitarbeiterin|echte person"
    "|mit jemandem|einer person|kundenberater|vorgesetzten",
    "une personne|un humain|un conseiller|une conseillere|conseiller|a quelqu un|avec quelqu un"
    "|un agent|vraie personne|un responsable|un etre humain",
    "موظف|الموظف|شخص حقيقي|مع شخص|الى شخص|انسان|خدمة العملاء|ممثل|المدير|مع احد",
    "इंसान|किसी व्यक्ति|व्यक्ति से|एजेंट|प्रतिनिधि|आदमी से|मैनेजर|किसी से बात|कस्टमर केयर",
    "insaan se|kisi se baat|een mens|medewerker|человеком|оператор|оператора|человека",
)
ANGRY = _phrases(
    "angry|furious|unacceptable|ridiculous|outrageous|terrible|horrible|awful|worst|disgusting"
    "|scam|scammers|fed up|sick of|useless|rip off|ripoff|lawyer|sue you|pathetic|a joke"
    "|never again|disgrace|how dare|hate you|incompetent|report you|waste of time",
    "inaceptable|una verguenza|furioso|furiosa|indignado|indignada|pesimo|pesima|horrible"
    "|ridiculo|estafa|estafadores|harto|harta|enojado|enojada|enfadado|enfadada|denunciar"
    "|lo peor|terrible|inutiles",
    "inaceitavel|absurdo|vergonha|furioso|furiosa|pessimo|pessima|horrivel|golpe|golpistas"
    "|cansado de|indignado|indignada|processar|palhacada|procon|ridiculo|com raiva",
    "inaccettabile|vergogna|vergognoso|furioso|furiosa|pessimo|pessima|orribile|truffa"
    "|truffatori|ridicolo|schifo|stufo|stufa|arrabbiato|arrabbiata|avvocato|denuncio",
    "inakzeptabel|unverschamt|unverschaemt|frechheit|wutend|wuetend|schrecklich|furchtbar"
    "|katastrophe|betrug|betruger|sauer|lacherlich|laecherlich|anwalt|unmoglich|saftladen",
    "inacceptable|scandaleux|honte|honteux|furieux|furieuse|horrible|nul|arnaque|arnaqueurs"
    "|ras le bol|en colere|ridicule|avocat|inadmissible|catastrophique",
    "غير مقبول|غاضب|غاضبه|سيء جدا|اسوا|نصابين|احتيال|نصب|فضيحه|مهزله|زفت|خدمه سيئه",
    "बकवास|घटिया|गुस्सा|धोखा|धोखेबाज|बेकार|बहुत खराब|शर्मनाक|ठगी|लूट",
    "bakwas|ghatiya|dhokha|schandalig|ужасно|ужасный|мошенники|безобразие",
)
TROUBLE = _phrases(
    "problem|broken|late|delayed|missing|wrong|not working|disappointed|still waiting|never arrived"
    "|damaged|complaint|complain|not arrived|hasn t arrived|faulty|defective|lost",
    "problema|roto|rota|tarde|retraso|falta|equivocado|decepcionado|no ha llegado|no llego"
    "|danado|queja|no funciona|defectuoso",
    "quebrado|quebrada|atrasado|atraso|errado|decepcionado|nao chegou|danificado|reclamacao"
    "|nao funciona|defeito",
    "rotto|rotta|ritardo|sbagliato|deluso|delusa|non e arrivato|danneggiato|reclamo"
    "|non funziona|difettoso",
    "kaputt|verspatet|fehlt|falsch|enttauscht|nicht angekommen|beschadigt|beschwerde"
    "|funktioniert nicht|defekt|warte immer noch",
    "casse|cassee|retard|manque|decu|decue|pas arrive|pas recu|abime|reclamation"
    "|ne marche pas|ne fonctionne pas|defectueux|probleme",
    "مشكله|مكسور|متاخر|تاخر|لم يصل|ناقص|خطا|شكوى|لا يعمل",
    "समस्या|टूटा|टूटी|देर|नहीं आया|नहीं मिला|खराब|शिकायत|गलत",
)
ABUSE = _phrases(
    "idiot|idiots|stupid|moron|morons|fuck|fucking|fuck you|bitch|asshole|shit|bastard|dickhead",
    "idiota|idiotas|imbecil|estupido|estupida|estupidos|mierda|puta|cabron|cabrones|pendejo",
    "burro|merda|caralho|filho da puta|otario|desgracado",
    "stronzo|stronzi|cretino|deficiente|vaffanculo|coglione|coglioni|stupido",
    "arschloch|idioten|scheisse|wichser|blodmann|hurensohn|verpiss dich|dummkopf",
    "connard|connards|salaud|merde|imbecile|encule|pute|debile",
    "كلب|حمار|غبي|اغبياء|حقير|ابن الكلب",
    "कुत्ता|कुत्ते|कमीना|कमीने|हरामी|बेवकूफ|गधा|साला|चूतिया|harami|kamina|chutiya",
)
THANKS = _phrases(
    "thanks|thank you|thx|ty|cheers|much appreciated|gracias|muchas gracias|mil gracias"
    "|obrigado|obrigada|valeu|grazie|grazie mille|ti ringrazio|danke|dankeschon|vielen dank"
    "|merci|merci beaucoup|شكرا|شكرا جزيلا|مشكور|धन्यवाद|शुक्रिया|dhanyavad|shukriya|bedankt"
    "|спасибо",
)
GREETING = _phrases(
    "hi|hello|hey|hiya|good morning|good afternoon|good evening|greetings|hola|buenos dias"
    "|buenas tardes|buenas noches|buenas|ola|oi|bom dia|boa tarde|boa noite|ciao|salve"
    "|buongiorno|buonasera|hallo|guten tag|guten morgen|guten abend|moin|gruss gott|servus"
    "|bonjour|bonsoir|salut|coucou|مرحبا|السلام عليكم|اهلا|اهلا وسهلا|صباح الخير|مساء الخير"
    "|नमस्ते|नमस्कार|हैलो|हेलो|namaste|hoi|goedemorgen|привет|здравствуйте",
)
GOODBYE = _phrases(
    "bye|goodbye|bye bye|see you|that s all|that is all|that will be all|nothing else|no more"
    " questions|all good thanks|have a nice day|adios|hasta luego|eso es todo|nada mas|chao"
    "|tchau|ate logo|ate mais|e so isso|so isso|era isso|mais nada|arrivederci|e tutto"
    "|nient altro|a presto|tschuss|tschuess|auf wiedersehen|das war s|das war alles|das ist alles"
    "|au revoir|a bientot|c est tout|rien d autre|bonne journee|مع السلامه|الى اللقاء|هذا كل شيء"
    "|وداعا|अलविदा|बस इतना ही|बाय|फिर मिलेंगे|alvida|tot ziens|до свидания|пока",
)
AGREEMENT = _phrases(
    "ok|okay|k|yes|yep|sure|great|perfect|fine|got it|all right|alright|cool|no|nope|si|vale|perfecto"
    "|claro|sim|ta bom|beleza|certo|perfeito|va bene|perfetto|d accordo|ja|gut|alles klar|super"
    "|in ordnung|nein|oui|d accord|parfait|non|حسنا|تمام|نعم|لا|ठीक है|हाँ|हां|अच्छा|नहीं",
)
PROMOTION = _phrases(
    "crypto|bitcoin|forex|investment opportunity|double your money|guaranteed profit|casino"
    "|click here|free money|winner|you won|you have won|prize|lottery|limited offer|earn money"
    "|work from home|promo code|seo services|followers|loan approved|passive income|airdrop"
    "|criptomonedas|inversion garantizada|gana dinero|ganaste|haz clic|criptomoedas|ganhe dinheiro"
    "|clique aqui|voce ganhou|guadagna soldi|clicca qui|hai vinto|geld verdienen|hier klicken"
    "|gewonnen|gagnez de l argent|cliquez ici|vous avez gagne|اربح|بيتكوين|اضغط هنا|استثمار مضمون"
    "|लॉटरी|यहाँ क्लिक|पैसे कमाएं|बिटकॉइन",
)
QUESTION = _phrases(
    "what|when|where|which|who|why|how|can you|could you|do you|are you|is it|is there|is the"
    "|does|did you|may i|can i|que|cual|cuando|donde|como|cuanto|cuanta|cuesta|tienen|puedo"
    "|qual|quando|onde|quanto|voces tem|posso|cosa|dove|quanto|quali|avete|was|wann|wo|wie|warum"
    "|welche|gibt es|haben sie|habt ihr|kann ich|quel|quelle|quand|ou|comment|combien|est ce que"
    "|avez vous|هل|متى|اين|كيف|كم|ما هي|ما هو|لماذا|क्या|कब|कहाँ|कहां|कैसे|कितना|कितने|कौन|क्यों",
)
REQUEST = _phrases(
    "please|i want|i need|i would like|i d like|send me|give me|cancel|change|book|quiero|necesito"
    "|quisiera|por favor|cancelar|cambiar|quero|preciso|gostaria|vorrei|voglio|ho bisogno|annullare"
    "|ich mochte|ich moechte|ich will|ich brauche|bitte|stornieren|je veux|je voudrais|annuler"
    "|s il vous plait|اريد|احتاج|من فضلك|الغاء|चाहिए|चाहता|चाहती|कृपया|रद्द",
)

_LINK = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|net|io|xyz|ru|top|biz|info|club)\b", re.I)


def has(signs: tuple[str, ...], text: str) -> bool:
    """Whether any of the phrases stands in the text as whole words."""
    return count(signs, text) > 0


def count(signs: tuple[str, ...], text: str) -> int:
    """How many of the phrases stand in the text."""
    padded = f" {' '.join(words(text))} "
    return sum(sign in padded for sign in signs)


def has_link(text: str) -> bool:
    """Whether the text carries a web address."""
    return _LINK.search(text) is not None


@cache
def _longest_first(kinds: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(sorted((sign for kind in kinds for sign in kind), key=len, reverse=True))


def only(text: str, *kinds: tuple[str, ...]) -> bool:
    """Whether nothing but such phrases, names and filler is left in a short text."""
    padded = f" {' '.join(words(text))} "
    found = False
    for sign in _longest_first(kinds):
        while sign in padded:
            padded, found = padded.replace(sign, " ", 1), True
    left = [word for word in padded.split() if not any(word in s for s in STOP_WORDS.values())]
    return found and len(left) <= 2 and "?" not in text


# What is said in each language when there is no fact to quote.
SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "greeting": "Hello! How can we help you?",
        "greeting_at": "Hello, this is {shop}! How can we help you?",
        "welcome": "You're welcome! Is there anything else we can do for you?",
        "noted": "All right. Is there anything else we can do for you?",
        "goodbye": "Thank you for writing. Have a nice day!",
        "unknown": "I'm sorry, I don't know that. I'll ask a colleague to get back to you.",
        "partly": "I don't have the answer to this part, though: {part}",
        "person": "Of course, I'll bring in a colleague who will take over from here.",
        "order_number": "What is your order number, please?",
    },
    "es": {
        "greeting": "¡Hola! ¿En qué podemos ayudarte?",
        "greeting_at": "¡Hola! Somos {shop}. ¿En qué podemos ayudarte?",
        "welcome": "¡De nada! ¿Podemos ayudarte con algo más?",
        "noted": "De acuerdo. ¿Podemos ayudarte con algo más?",
        "goodbye": "Gracias por escribirnos. ¡Que tengas un buen día!",
        "unknown": "Lo siento, no lo sé. Le pediré a un compañero que te responda.",
        "partly": "Sobre esta parte no tengo la respuesta: {part}",
        "person": "Claro, aviso a un compañero que seguirá contigo a partir de ahora.",
        "order_number": "¿Cuál es tu número de pedido, por favor?",
    },
    "pt": {
        "greeting": "Olá! Como podemos ajudar?",
        "greeting_at": "Olá! Aqui é {shop}. Como podemos ajudar?",
        "welcome": "De nada! Podemos ajudar em mais alguma coisa?",
        "noted": "Certo. Podemos ajudar em mais alguma coisa?",
        "goodbye": "Obrigado por escrever. Tenha um bom dia!",
        "unknown": "Desculpe, não sei essa informação. Vou pedir a um colega que responda.",
        "partly": "Sobre esta parte não tenho a resposta: {part}",
        "person": "Claro, vou chamar um colega que continua a conversa com você.",
        "order_number": "Qual é o número do seu pedido, por favor?",
    },
    "it": {
        "greeting": "Ciao! Come possiamo aiutarti?",
        "greeting_at": "Ciao, qui è {shop}! Come possiamo aiutarti?",
        "welcome": "Prego! Possiamo fare altro per te?",
        "noted": "Va bene. Possiamo fare altro per te?",
        "goodbye": "Grazie per averci scritto. Buona giornata!",
        "unknown": "Mi dispiace, non lo so. Chiederò a un collega di risponderti.",
        "partly": "Su questa parte non ho la risposta: {part}",
        "person": "Certo, chiamo un collega che continuerà la conversazione con te.",
        "order_number": "Qual è il tuo numero d'ordine, per favore?",
    },
    "de": {
        "greeting": "Hallo! Wie können wir helfen?",
        "greeting_at": "Hallo, hier ist {shop}! Wie können wir helfen?",
        "welcome": "Gern geschehen! Können wir noch etwas für dich tun?",
        "noted": "Alles klar. Können wir noch etwas für dich tun?",
        "goodbye": "Danke für deine Nachricht. Einen schönen Tag noch!",
        "unknown": "Das weiß ich leider nicht. Ich bitte einen Kollegen, sich bei dir zu melden.",
        "partly": "Zu diesem Teil habe ich leider keine Antwort: {part}",
        "person": "Natürlich, ich hole einen Kollegen dazu, der ab hier übernimmt.",
        "order_number": "Wie lautet bitte die Bestellnummer?",
    },
    "fr": {
        "greeting": "Bonjour ! Comment pouvons-nous vous aider ?",
        "greeting_at": "Bonjour, ici {shop} ! Comment pouvons-nous vous aider ?",
        "welcome": "Je vous en prie ! Pouvons-nous faire autre chose pour vous ?",
        "noted": "D'accord. Pouvons-nous faire autre chose pour vous ?",
        "goodbye": "Merci de nous avoir écrit. Bonne journée !",
        "unknown": "Je suis désolé, je ne le sais pas. Un collègue va vous répondre.",
        "partly": "Je n'ai pas la réponse à cette partie : {part}",
        "person": "Bien sûr, je fais venir un collègue qui prendra la suite.",
        "order_number": "Quel est votre numéro de commande, s'il vous plaît ?",
    },
    "ar": {
        "greeting": "مرحباً! كيف يمكننا مساعدتك؟",
        "greeting_at": "مرحباً بك في {shop}! كيف يمكننا مساعدتك؟",
        "welcome": "على الرحب والسعة! هل يمكننا مساعدتك في شيء آخر؟",
        "noted": "حسناً. هل يمكننا مساعدتك في شيء آخر؟",
        "goodbye": "شكراً لتواصلك معنا. نتمنى لك يوماً سعيداً!",
        "unknown": "عذراً، لا أعرف ذلك. سأطلب من أحد زملائي أن يرد عليك.",
        "partly": "أما هذا الجزء فليس لدي جواب عنه: {part}",
        "person": "بالتأكيد، سأحوّلك إلى أحد زملائي ليكمل معك.",
        "order_number": "ما رقم طلبك من فضلك؟",
    },
    "hi": {
        "greeting": "नमस्ते! हम आपकी क्या मदद कर सकते हैं?",
        "greeting_at": "नमस्ते, {shop} में आपका स्वागत है! हम आपकी क्या मदद कर सकते हैं?",
        "welcome": "आपका स्वागत है! क्या हम आपकी और कोई मदद कर सकते हैं?",
        "noted": "ठीक है। क्या हम आपकी और कोई मदद कर सकते हैं?",
        "goodbye": "हमें लिखने के लिए धन्यवाद। आपका दिन शुभ हो!",
        "unknown": "माफ़ कीजिए, मुझे यह जानकारी नहीं है। मैं एक सहकर्मी से कहूँगा कि वे आपको जवाब दें।",
        "partly": "इस हिस्से का जवाब मेरे पास नहीं है: {part}",
        "person": "ज़रूर, मैं एक सहकर्मी को बुलाता हूँ जो यहाँ से आपकी मदद करेंगे।",
        "order_number": "कृपया बताएं, आपका ऑर्डर नंबर क्या है?",
    },
}


def sentence(name: str, language: str, **values: str) -> str:
    """A ready sentence in that language, in English when there is none."""
    return SENTENCES.get(language, SENTENCES["en"])[name].format(**values)
