"""What contacts are told when a person takes over, or nobody answers, in the usual languages.

They are sent as they are and without a model, also when no model answers. None promises a time: the
wait is said as what it has been lately, and only when that is known.
"""

HANDOFF_NOTICE = {
    "en": "Thank you. I'm passing you on to a colleague, who will read our conversation and "
    "answer you here.",
    "es": "Gracias. Te paso con una persona de nuestro equipo, que leerá nuestra conversación y "
    "te responderá aquí.",
    "pt": "Obrigado. Vou passar você para uma pessoa da nossa equipe, que vai ler nossa conversa "
    "e responder aqui.",
    "it": "Grazie. Ti passo a una persona del nostro team, che leggerà la nostra conversazione e "
    "ti risponderà qui.",
    "de": "Vielen Dank. Ich gebe an eine Kollegin oder einen Kollegen weiter; unser Gespräch wird "
    "gelesen, und die Antwort kommt hier.",
    "fr": "Merci. Je vous passe une personne de notre équipe, qui lira notre conversation et vous "
    "répondra ici.",
    "ar": "شكرًا لك. سأحوّلك إلى أحد زملائي، وسيقرأ محادثتنا ويرد عليك هنا.",
    "hi": "धन्यवाद। मैं आपको हमारी टीम के एक सदस्य से जोड़ रहा हूँ। वे हमारी बातचीत पढ़कर यहीं जवाब देंगे।",
}

AWAY_NOTICE = {
    "en": "Thank you. A colleague needs to look at this. Nobody is here right now; someone will "
    "answer you here as soon as possible.",
    "es": "Gracias. Esto lo tiene que ver una persona de nuestro equipo. Ahora mismo no hay nadie; "
    "te responderemos aquí lo antes posible.",
    "pt": "Obrigado. Uma pessoa da nossa equipe precisa ver isto. Agora não há ninguém; vamos "
    "responder aqui assim que possível.",
    "it": "Grazie. Deve occuparsene una persona del nostro team. In questo momento non c'è nessuno; "
    "ti risponderemo qui appena possibile.",
    "de": "Vielen Dank. Das muss sich jemand aus unserem Team ansehen. Gerade ist niemand da; die "
    "Antwort kommt hier so bald wie möglich.",
    "fr": "Merci. Une personne de notre équipe doit s'en occuper. Personne n'est là en ce moment ; "
    "nous vous répondrons ici dès que possible.",
    "ar": "شكرًا لك. يحتاج هذا الأمر إلى أحد زملائي. لا يوجد أحد الآن، وسنرد عليك هنا في أقرب وقت ممكن.",
    "hi": "धन्यवाद। इसे हमारी टीम के किसी सदस्य को देखना होगा। अभी कोई उपलब्ध नहीं है; हम जल्द से जल्द "
    "यहीं जवाब देंगे।",
}

REFUSAL_NOTICE = {
    "en": "I can only help with questions about our offer and your orders here.",
    "es": "Aquí solo puedo ayudarte con preguntas sobre nuestra oferta y tus pedidos.",
    "pt": "Aqui só posso ajudar com perguntas sobre a nossa oferta e os seus pedidos.",
    "it": "Qui posso aiutarti solo con domande sulla nostra offerta e sui tuoi ordini.",
    "de": "Ich kann hier nur bei Fragen zu unserem Angebot und zu Bestellungen helfen.",
    "fr": "Ici, je peux seulement répondre aux questions sur notre offre et vos commandes.",
    "ar": "يمكنني هنا المساعدة فقط في الأسئلة حول عروضنا وطلباتك.",
    "hi": "मैं यहाँ केवल हमारी पेशकश और आपके ऑर्डर से जुड़े सवालों में मदद कर सकता हूँ।",
}

# After the handoff notice, when everybody who is there is busy.
QUEUE_NOTICE = {
    "en": "You are number {position} in the queue.",
    "es": "Eres el número {position} en la cola.",
    "pt": "Você é o número {position} na fila.",
    "it": "Sei il numero {position} in coda.",
    "de": "Sie sind Nummer {position} in der Warteschlange.",
    "fr": "Vous êtes numéro {position} dans la file d'attente.",
    "ar": "أنت رقم {position} في قائمة الانتظار.",
    "hi": "आप कतार में नंबर {position} पर हैं।",
}

WAIT_NOTICE = {
    "en": "At the moment that takes about {minutes} minutes.",
    "es": "En este momento tarda unos {minutes} minutos.",
    "pt": "No momento leva cerca de {minutes} minutos.",
    "it": "Al momento ci vogliono circa {minutes} minuti.",
    "de": "Das dauert zurzeit etwa {minutes} Minuten.",
    "fr": "En ce moment, cela prend environ {minutes} minutes.",
    "ar": "يستغرق ذلك حاليًا حوالي {minutes} دقيقة.",
    "hi": "इस समय इसमें लगभग {minutes} मिनट लगते हैं।",
}

# Out of business hours, when nobody is there.
CLOSED_NOTICE = {
    "en": "Thank you. A colleague needs to look at this, and we are closed right now. Your message "
    "is not lost: we will answer you here.",
    "es": "Gracias. Esto lo tiene que ver una persona de nuestro equipo y ahora está cerrado. Tu "
    "mensaje no se pierde: te responderemos aquí.",
    "pt": "Obrigado. Uma pessoa da nossa equipe precisa ver isto e agora estamos fechados. Sua "
    "mensagem não se perde: vamos responder aqui.",
    "it": "Grazie. Deve occuparsene una persona del nostro team e ora siamo chiusi. Il tuo messaggio "
    "non va perso: ti risponderemo qui.",
    "de": "Vielen Dank. Das muss sich jemand aus unserem Team ansehen, und gerade ist geschlossen. "
    "Ihre Nachricht geht nicht verloren: Die Antwort kommt hier.",
    "fr": "Merci. Une personne de notre équipe doit s'en occuper et nous sommes fermés en ce moment. "
    "Votre message n'est pas perdu : nous vous répondrons ici.",
    "ar": "شكرًا لك. يحتاج هذا الأمر إلى أحد زملائي، ونحن مغلقون الآن. رسالتك محفوظة وسنرد عليك هنا.",
    "hi": "धन्यवाद। इसे हमारी टीम के किसी सदस्य को देखना होगा, और अभी हम बंद हैं। आपका संदेश सुरक्षित है: "
    "हम यहीं जवाब देंगे।",
}

# The same where people call back.
CALLBACK_NOTICE = {
    "en": "Thank you. We are closed right now; a colleague will get back to you. If you would rather "
    "be called, write your number and a good time for it.",
    "es": "Gracias. Ahora está cerrado; una persona de nuestro equipo se pondrá en contacto contigo. "
    "Si prefieres una llamada, escribe tu número y una buena hora.",
    "pt": "Obrigado. Agora estamos fechados; uma pessoa da nossa equipe entrará em contato. Se "
    "preferir uma ligação, escreva seu número e um bom horário.",
    "it": "Grazie. Ora siamo chiusi; una persona del nostro team ti ricontatterà. Se preferisci una "
    "telefonata, scrivi il tuo numero e un orario comodo.",
    "de": "Vielen Dank. Gerade ist geschlossen; jemand aus unserem Team meldet sich. Wenn Sie lieber "
    "angerufen werden, schreiben Sie Ihre Nummer und eine gute Zeit dafür.",
    "fr": "Merci. Nous sommes fermés en ce moment ; une personne de notre équipe vous recontactera. "
    "Si vous préférez un appel, écrivez votre numéro et une bonne heure.",
    "ar": "شكرًا لك. نحن مغلقون الآن، وسيتواصل معك أحد زملائي. إذا كنت تفضل مكالمة فاكتب رقمك والوقت "
    "المناسب.",
    "hi": "धन्यवाद। अभी हम बंद हैं; हमारी टीम का कोई सदस्य आपसे संपर्क करेगा। यदि आप फ़ोन चाहते हैं तो अपना "
    "नंबर और सही समय लिखें।",
}

# The same where nobody gets it: none promises an answer.
COME_BACK_NOTICE = {
    "en": "Thank you. A colleague needs to look at this, and we are closed right now. Please write to "
    "us again when we are open.",
    "es": "Gracias. Esto lo tiene que ver una persona de nuestro equipo y ahora está cerrado. Por favor, "
    "escríbenos de nuevo cuando hayamos abierto.",
    "pt": "Obrigado. Uma pessoa da nossa equipe precisa ver isto e agora estamos fechados. Por favor, "
    "escreva de novo quando estivermos abertos.",
    "it": "Grazie. Deve occuparsene una persona del nostro team e ora siamo chiusi. Scrivici di nuovo "
    "quando siamo aperti, per favore.",
    "de": "Vielen Dank. Das muss sich jemand aus unserem Team ansehen, und gerade ist geschlossen. Bitte "
    "schreiben Sie uns wieder, wenn geöffnet ist.",
    "fr": "Merci. Une personne de notre équipe doit s'en occuper et nous sommes fermés en ce moment. "
    "Merci de nous écrire à nouveau quand nous serons ouverts.",
    "ar": "شكرًا لك. يحتاج هذا الأمر إلى أحد زملائي، ونحن مغلقون الآن. يرجى الكتابة إلينا مجددًا عندما نفتح.",
    "hi": "धन्यवाद। इसे हमारी टीम के किसी सदस्य को देखना होगा, और अभी हम बंद हैं। कृपया हमारे खुलने पर फिर से "
    "लिखें।",
}

# After one of these, when it is known.
OPENING_NOTICE = {
    "en": "We open again on {opens}.",
    "es": "Volvemos a abrir el {opens}.",
    "pt": "Abrimos de novo: {opens}.",
    "it": "Riapriamo {opens}.",
    "de": "Wir öffnen wieder am {opens}.",
    "fr": "Nous rouvrons {opens}.",
    "ar": "نفتح مجددًا: {opens}.",
    "hi": "हम फिर खुलेंगे: {opens}।",
}

# Monday first.
WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "es": "lunes martes miércoles jueves viernes sábado domingo",
    "pt": "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    "it": "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "ar": "الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد",
    "hi": "सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार रविवार",
}

# In the silence before a conversation is closed, when something may be open still.
STILL_THERE_NOTICE = {
    "en": "Is there anything else we can do for you?",
    "es": "¿Podemos ayudarte en algo más?",
    "pt": "Podemos ajudar em mais alguma coisa?",
    "it": "Possiamo fare altro per te?",
    "de": "Können wir noch etwas für Sie tun?",
    "fr": "Pouvons-nous faire autre chose pour vous ?",
    "ar": "هل هناك شيء آخر يمكننا مساعدتك فيه؟",
    "hi": "क्या हम आपकी और कोई मदद कर सकते हैं?",
}

# After the close.
SURVEY_QUESTION = {
    "en": "How did we do?",
    "es": "¿Qué tal te hemos atendido?",
    "pt": "Como foi o nosso atendimento?",
    "it": "Come ti sei trovato con noi?",
    "de": "Wie waren wir?",
    "fr": "Comment avons-nous été ?",
    "ar": "كيف كانت خدمتنا؟",
    "hi": "हमारी सेवा कैसी रही?",
}
# Good, fair, bad: at most 20 characters each.
SURVEY_BUTTONS = {
    "en": "😀 Good|😐 Fair|🙁 Bad",
    "es": "😀 Bien|😐 Regular|🙁 Mal",
    "pt": "😀 Bom|😐 Regular|🙁 Ruim",
    "it": "😀 Bene|😐 Così così|🙁 Male",
    "de": "😀 Gut|😐 Geht so|🙁 Schlecht",
    "fr": "😀 Bien|😐 Moyen|🙁 Mauvais",
    "ar": "😀 جيد|😐 مقبول|🙁 سيئ",
    "hi": "😀 अच्छी|😐 ठीक|🙁 खराब",
}
