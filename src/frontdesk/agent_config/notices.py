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
