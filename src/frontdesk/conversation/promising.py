"""Sentences that sound like a promise, and the day they name: rules for the usual languages.

They find what is worth a look, not what is true: a model has the last word (`commitments.py`), and
where none can be asked, what the rules have found stands as it was written.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from frontdesk.core.text import folded

# "By Friday" is kept when the day's work is done.
DAY_ENDS = time(18)
# A full stop after a number ends a sentence only where another begins: “bis 4.12. um 15 Uhr”.
_BETWEEN = re.compile(r"(?<=[!?؟।])\s+|\n+|(?<=[^\d.]\.)\s+|(?<=\d\.)\s+(?=[^\W\da-zß-ÿ])")
# Whoever offers or asks has promised nothing, and politeness is no promise.
_NONE = re.compile(
    r"\b(?:if|whether|would|could|happy to|glad to|be sorry|si|cuando quieras|se quiser|caso|se vuoi|"
    r"falls|wenn|gerne|si vous|heureux de)\b|(?:^| )(?:اذا|إذا|هل)(?: |$)|(?:अगर|यदि)"
)
_WILL = {
    "en": r"\b(?:i|we)(?:'ll| will| shall| am going to| are going to|'m going to|'re going to)\b"
    r"|\byou(?:'ll| will) (?:get|receive|have|hear)\b|\bwill be (?:refund|sent|ship|replac|deliver)\w*"
    r"|\bi promise\b|\bwe promise\b",
    "es": r"\b\w{3,}(?:aremos|eremos|iremos)\b|\b(?:te|le|les|lo|la|se) \w{2,}(?:are|ere|ire)\b"
    r"|\b(?:voy|vamos) a\b|\brecibira\w?\b|\bprometo\b",
    "pt": r"\b\w{3,}(?:aremos|eremos|iremos)\b|\b(?:vou|vamos|iremos) \w+r\b|\breceberas?\b|\bprometo\b",
    "it": r"\b\w{3,}(?:eremo|iremo)\b|\b(?:ti|le|vi|lo|la) \w{3,}(?:ero|iro)\b|\bricevera\w?\b|\bprometto\b",
    "de": r"\b(?:ich|wir) werden?\b|\bwerden? (?:ich|wir)\b|\bsie (?:erhalten|bekommen)\b"
    r"|\bdu (?:erhaltst|bekommst)\b|\bverspr(?:eche|ochen)\b",
    "fr": r"\b(?:je|nous)(?: (?:vous|te|le|la|les))* \w{2,}(?:rai|rons)\b|\bje vais\b|\bnous allons\b"
    r"|\bvous (?:recevrez|aurez)\b|\bpromets\b",
    "ar": r"(?:^| )(?:سوف|سن\w+|سا\w+|سأ\w+|ستصلك|ستحصل)",
    "hi": r"(?:[ेए]ंगे|[ूऊ][ंँ]ग[ाी]|[ेए]ग[ाी])(?=[ ।,.!]|$)",
}
# In the present tense too: "we refund it by Friday".
_WE = {
    "en": r"\b(?:i|we)\b", "es": r"\b\w+mos\b", "pt": r"\b\w+mos\b", "it": r"\b\w+iamo\b",
    "de": r"\b(?:ich|wir)\b", "fr": r"\b(?:je|nous)\b",
}  # fmt: skip
# From Monday on, as `date.weekday()` counts.
_WEEKDAYS = {
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "es": "lunes martes miercoles jueves viernes sabado domingo",
    "pt": "segunda terca quarta quinta sexta sabado domingo",
    "it": "lunedi martedi mercoledi giovedi venerdi sabato domenica",
    "de": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "ar": "الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد",
    "hi": "सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार रविवार",
}
_DAYS_AHEAD = {
    "en": {"today": 0, "tonight": 0, "tomorrow": 1},
    "es": {"hoy": 0, "manana": 1},
    "pt": {"hoje": 0, "amanha": 1},
    "it": {"oggi": 0, "domani": 1, "stasera": 0},
    "de": {"heute": 0, "morgen": 1, "ubermorgen": 2},
    "fr": {"aujourd'hui": 0, "demain": 1},
    "ar": {"اليوم": 0, "غدا": 1, "غداً": 1},
    "hi": {"आज": 0, "कल": 1},
}
_UNITS = {
    "hour": "hours hour horas hora heures heure ore ora stunden stunde ساعات ساعة",
    "day": "days day dias dia jours jour giorni giorno tagen tage tag أيام يوم",
    "week": "weeks week semanas semana semaines semaine settimane settimana wochen woche أسابيع أسبوع",
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words.split()}
_WITHIN = re.compile(
    r"\b(?:within|in|en|dentro de|em|entro|tra|innerhalb von|binnen|sous|dans|خلال)"
    r" (?:the next |next |un |una |einem |einer )?(\d{1,3})(?: ?(?:-|to|a|bis|o) ?(\d{1,3}))? "
    rf"(?:working |business |werk)?({'|'.join(sorted(_UNIT_OF, key=len, reverse=True))})\b"
)
_ISO_DATE = re.compile(r"\b(20\d\d)-(\d\d?)-(\d\d?)\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})[./](\d{1,2})(?:[./](20\d\d))?(?!\d)")
_CLOCK = re.compile(
    r"\b(?:by|at|until|before|um|bis|gegen|a las|antes de las|as|ate as|alle|entro le|a|avant)"
    r" (?:l'|the )?(\d{1,2})(?:[:h](\d\d))? ?(am|pm|uhr|h|uhr)?\b(?![./-]\d)"
)


@dataclass(frozen=True)
class Sounding:
    """A sentence that sounds like a promise, and by when it is to be kept, if it says so."""

    text: str
    promised_for: datetime | None


def find_promises(text: str, language: str | None, now: datetime) -> list[Sounding]:
    """The sentences of a message that sound like promises of whoever wrote it.

    Args:
        language: the conversation's, ISO 639-1; English is listened for in any.
        now: when it was written, on the business's clock: the zone days are counted in.
    """
    spoken = {language or "en", "en"}
    found = []
    for sentence in _BETWEEN.split(text.strip()):
        said = folded(sentence)
        if sentence.endswith(("?", "؟")) or _NONE.search(said):
            continue
        until = resolve(said, language, now)
        if any(_sounds(said, each, is_dated=until is not None) for each in spoken):
            found.append(Sounding(sentence, until))
    return found


def _sounds(said: str, language: str, *, is_dated: bool) -> bool:
    if language in _WILL and re.search(_WILL[language], said):
        return True
    # A span ("we ship within 2 days") says how the business works, a day what it will do.
    names_day = is_dated and not _WITHIN.search(said)
    return names_day and language in _WE and re.search(_WE[language], said) is not None


def resolve(said: str, language: str | None, now: datetime) -> datetime | None:
    """The moment that folded words name, seen from `now` and in its zone; None when they name none.

    A day without a time means the end of its work, and a weekday the next one of its name.
    """
    if span := _WITHIN.search(said):
        return _after(now, int(span[2] or span[1]), _UNIT_OF[span[3]])
    day = _named_date(said, now.date())
    if day is None:
        day = _near_day(said, language, now.date())
    clock = _clock(said)
    if day is None:
        return None
    at = datetime.combine(day, clock or DAY_ENDS, now.tzinfo)
    # "Today", said in the evening.
    return at if at > now else datetime.combine(day, time(23, 59), now.tzinfo)


def _after(now: datetime, number: int, unit: str) -> datetime:
    if unit == "hour":
        return now + timedelta(hours=number)
    days = timedelta(days=number * (7 if unit == "week" else 1))
    return datetime.combine((now + days).date(), DAY_ENDS, now.tzinfo)


def _named_date(said: str, today: date) -> date | None:
    try:
        if found := _ISO_DATE.search(said):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _DAY_FIRST.search(said):
            day = date(int(found[3] or today.year), int(found[2]), int(found[1]))
            return day if found[3] or day >= today else day.replace(year=day.year + 1)
    except ValueError:
        pass  # It only looks like a date.
    return None


def _near_day(said: str, language: str | None, today: date) -> date | None:
    words = re.findall(r"[^\s,.;:!?।؟()\"]+", said)  # Vowel signs of Hindi are no letters to `\w`.
    for spoken in (language or "en", "en"):
        ahead, weekdays = _DAYS_AHEAD.get(spoken, {}), _WEEKDAYS.get(spoken, "").split()
        for word in words:
            if word in ahead:
                return today + timedelta(days=ahead[word])
            if word in weekdays:
                days = (weekdays.index(word) - today.weekday()) % 7
                return today + timedelta(days=days or 7)
    return None


def _clock(said: str) -> time | None:
    for found in _CLOCK.finditer(said):
        hour, minute = int(found[1]), int(found[2] or 0)
        if found[3] == "pm" and hour < 12:
            hour += 12
        if (found[2] or found[3]) and hour < 24 and minute < 60:
            return time(hour, minute)
    return None
