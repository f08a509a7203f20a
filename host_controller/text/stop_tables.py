"""The words by which a reply asks for no more messages, by what each of them says. Data only.

Written as people type them: case, accents and width make no difference, and an entry may consist of several words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

from host_controller.text.folding import TOKEN, fold

Words = tuple[str, ...]


@dataclass(frozen=True)
class StopTables:
    """What `judge_stop` goes by. Every table can be extended."""

    stop: Words
    """Refuses by itself, also with a few words behind it."""
    soft: Words
    """Refuses where nothing else is said; with other words it may be about something else (an order, a visit)."""
    review: Words
    """Refuses where only messages are named; alone or in front of other words a person should look."""
    weak: Words
    """Refuses where only messages are named; says nothing otherwise."""
    start: Words
    """Takes a refusal back."""
    objects: Words
    """Names messages, or the list that they are sent from."""
    courtesies: Words
    """Says nothing."""
    negators: Words
    """Turns the word behind it round."""
    complaints: Words
    """Complains, threatens, or says that the number is somebody else's: a person should look."""
    neutral: Words
    """Holds a word of the tables and has nothing to do with it."""
    instructions: Words
    """Tells how to refuse: somebody quotes, or an answering machine does."""
    signatures: Words
    """Ends a message: what follows is a signature."""
    quotes: Words
    """Begins a quoted original, at the start of a line."""

    def extended(self, **more: Words) -> StopTables:
        """Give these tables with more words, by the names of the tables."""
        return replace(self, **{name: getattr(self, name) + words for name, words in more.items()})

    def by_name(self) -> dict[str, Words]:
        """Give every table by its name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def edited(tables: StopTables, added: Sequence[tuple[str, str]], dropped: Collection[tuple[str, str]]) -> StopTables:
    """Give tables with words added and words, as they are compared, taken out; both as (table, word)."""
    changes = {}
    for name, words in tables.by_name().items():
        kept = tuple(word for word in words if (name, " ".join(TOKEN.findall(fold(word)))) not in dropped)
        changes[name] = kept + tuple(word for table, word in added if table == name)
    return replace(tables, **changes)


_STOP_BY_LANGUAGE = {
    "all": ("stop", "stopp", "stopall", "stop all", "stopsms", "stop it", "στοπ", "стоп"),
    "en": (
        "unsubscribe", "unsub", "un subscribe", "optout", "opt out", "opt me out", "revoke", "take me off",
        "do not text", "don't text", "do not message", "don't message", "do not send", "don't send", "stop texting",
        "stop sending", "stop messaging", "stop contacting", "i withdraw my consent", "withdraw consent",
        "withdraw my consent", "revoke my consent", "lose my number", "do not contact", "don't contact",
    ),
    "cs": (
        "odhlásit", "odhlásit se", "odhlas", "odhlaste", "odhlašte", "odhlášení", "odhlašuji", "odhlašuju", "odhlásím",
        "odhlásíme", "odhlaš", "odhlášku", "neposílat", "neposílejte", "neposílej", "neposielejte", "neposlat",
        "neposlete", "nezasílat", "nezasílejte", "nezasílej", "přestaňte posílat", "přestaňte mi psát", "nepište",
        "přestaňte mě otravovat", "přestaňte otravovat", "odvolávám souhlas", "odvolávam souhlas", "odvolat souhlas",
        "nepiš mi", "neozývejte se", "už se neozývejte",
    ),
    "sk": (
        "odhlásiť", "odhlásiť sa", "odhláste", "odhlásenie", "odhlasujem", "neposielať", "neposielajte", "neposielaj",
        "nezasielať", "nezasielajte", "neposlať", "prestaňte posielať", "nepíšte", "prestaňte mi písať",
        "prestaňte ma otravovať", "prestaňte ma obťažovať", "odvolávam súhlas", "odvolať súhlas", "neposielali",
        "neozývajte sa",
    ),
    "de": (
        "abmelden", "abmeldung", "melden sie mich ab", "melde mich ab", "abbestellen", "abbestellung", "abbestelle",
        "austragen", "tragen sie mich aus", "nicht mehr senden", "nicht mehr schicken", "nicht mehr schreiben",
        "keine sms mehr", "keine werbung mehr", "keine nachrichten mehr", "stoppen", "schreiben sie mir nicht",
        "schreibt mir nicht", "schreib mir nicht", "schickt mir nichts", "nichts mehr schicken", "nichts mehr senden",
        "hört auf mir zu schreiben", "hören sie auf mir zu schreiben", "hört auf mit", "hoert auf mit",
        "hören sie auf mit", "widerrufe meine einwilligung", "widerrufe die einwilligung", "widerspreche der nutzung",
        "nehmen sie mich aus", "nehmt mich aus", "streichen sie mich", "streicht mich", "entfernen sie mich",
    ),
    "pl": (
        "wypisz", "wypisać", "wypiszcie", "wypisanie", "wypisuję", "rezygnuję", "rezygnacja", "rezygnacji",
        "zrezygnować", "nie wysyłać", "nie wysyłajcie", "nie wysyłaj", "nie przysyłać", "nie przysyłajcie",
        "nie przysyłaj", "nie wysyłać więcej", "przestańcie wysyłać", "przestańcie pisać", "proszę nie pisać",
        "nie piszcie do mnie", "nie pisz do mnie", "przestańcie przysyłać", "przestańcie mi to przysyłać",
        "wycofuję zgodę", "cofam zgodę", "wycofać zgodę", "zrezygnuj z", "nie wysyłajcie mi",
    ),
    "hu": ("leiratkozás", "leiratkozom", "leiratkozni"),
    "fr": ("arrêt", "arrêter", "arrêtez", "désabonner", "désabonnement", "désinscrire", "désinscription"),
    "es, it, pt": ("baja", "darme de baja", "dar de baja", "disiscrivi", "disiscrivimi", "disiscrivermi"),
    "nl, sv, da, no": ("afmelden", "uitschrijven", "avregistrera", "afmeld", "frameld", "avmeld", "avslutt"),
    "uk, ru": (
        "відписати", "відписатися", "відпишіть", "отписать", "отписаться", "отпишите", "vidpysaty", "vidpysatysya",
        "otpisatsya", "otpisat", "не присылайте", "не надсилайте", "не пишите", "не пишіть", "не присылать",
        "не надсилати",
    ),
}  # fmt: skip

STOP_TABLES = StopTables(
    stop=tuple(word for words in _STOP_BY_LANGUAGE.values() for word in words),
    soft=(
        "cancel", "end", "quit", "konec", "koniec", "zrušit", "zrušiť", "zrušte", "zruš", "ruším", "alto", "cancella",
        "cancelar", "parar", "sair", "kündigen", "kuendigen", "kündigung", "anuluj", "anulować", "avsluta", "uit",
        "отмена", "remove me", "delete me", "delete my number", "remove my number", "smažte mě", "smažte si mě",
        "vymažte mě", "vymažte si mě", "vymažte ma", "usuńcie mnie", "löschen sie mich", "löscht mich", "end now",
    ),
    review=(
        "remove", "delete", "leave me alone", "vyřadit", "vyřaďte", "vyřaď", "smazat", "smažte", "smaž", "vymazat",
        "vymažte", "vymaž", "vyradiť", "vyraďte", "vymazať", "nechci", "nechceme", "nechcem", "nie chcę",
        "neotravujte", "neotravuj", "neotravovat", "neobťažujte", "neobtěžujte", "löschen", "loeschen", "lösche",
        "usuń", "usunąć", "usuńcie", "unsubscribed", "nie życzę sobie", "nepřeji si", "nepřeju si", "nežádám",
        "nežiadam", "nemám zájem o", "nemám záujem o", "kein interesse an", "neželám si", "lass mich in ruhe",
        "lassen sie mich in ruhe", "dejte mi pokoj", "dajte mi pokoj", "dajcie mi spokój", "přestaňte", "prestaňte",
        "sotp", "stpo", "tsop", "zrušte to", "zrušte mi to", "zruš to", "cancel it", "cancel this", "cancel that",
        "nemám zájem", "nemáme zájem", "nemám záujem", "nemáme záujem", "not interested", "kein interesse",
        "nie jestem zainteresowany", "nie jestem zainteresowana", "vyřazení", "vymazání", "smazání", "vyradenie",
        "vymazanie", "removal", "deletion", "löschung", "entfernung", "usunięcie", "usunięcia", "do not wish",
        "don't wish", "ende", "storno", "daj mi spokój", "daj mi pokoj", "dej mi pokoj", "lasst mich in ruhe",
        "vypnúť", "vypnout", "ukončit", "ukončete", "ukončiť", "ukončite", "zastavit", "zastavte", "zastaviť",
        "odmítám další", "odmítám dostávat", "odmietam ďalšie", "odmietam dostávať", "nesouhlasím", "nesúhlasím",
        "nechtěl bych", "nechtěla bych", "nechcel by som", "nechcela by som", "nepiš", "nepsat", "nepísať",
    ),
    weak=(
        "no more", "žádné", "žádnou", "žiadne", "žiadnu", "keine", "don't want", "do not want", "dost", "dosť",
        "genug", "enough", "żadnych", "no sms", "no spam", "no texts", "no messages",
    ),
    start=(
        "start", "unstop", "resubscribe", "subscribe", "přihlásit", "přihlásit se", "přihlaste", "přihlas",
        "prihlásiť", "prihlásiť sa", "prihláste", "znovu", "znova", "anmelden", "zapisz", "zapisać", "wznów", "старт",
    ),
    objects=(
        "sms", "smsky", "smsek", "esemesky", "esemesek", "smska", "sms zpráv", "mms", "spam", "spamy", "text", "texts",
        "texting", "message", "messages", "msg", "msgs", "list", "mailing list", "subscription", "newsletter",
        "newsletteru", "newslettery", "ads", "advertising", "advertisement", "advertisements", "marketing", "promo",
        "promotions", "offers", "number", "phone number", "database", "notifications", "zprávy", "zpráv", "zprávu",
        "zprávami", "zpravodaj", "reklama", "reklamy", "reklamu", "reklam", "reklamní", "reklamních", "obchodní",
        "obchodních", "sdělení", "nabídky", "nabídek", "nabídku", "nabídka", "odběr", "odběru", "odběry", "seznam",
        "seznamu", "databáze", "databází", "databázi", "číslo", "tel číslo", "telefonní číslo", "evidence", "evidenci",
        "akce", "akcí", "slevy", "marketingové", "marketingu", "marketingových", "smskami", "esemeskami", "esemeskama",
        "reklamami", "nabídkami", "novinek", "novinky", "čísla", "čísel", "kontaktů", "kontakty", "systému", "systém",
        "upozornění", "rozesílky", "rozesílka", "správy", "správ", "správu", "ponuky", "ponúk", "ponuku", "odber",
        "odberu", "zoznam", "zoznamu", "databázy", "databáza", "oznámenia", "oznámení", "reklamné", "obchodné",
        "noviniek", "novinkami", "správami", "ponukami", "werbung", "nachrichten", "nachricht", "werbenachrichten",
        "werbe sms", "liste", "verteiler", "nummer", "telefonnummer", "angebote", "sms verteiler", "werbezwecken",
        "newsletters", "verteilers", "wiadomości", "wiadomość", "wiadomosci", "smsów", "smsy", "esemesów", "reklamowe",
        "reklamowych", "oferty", "ofert", "marketingowych", "marketingowe", "listy", "lista", "listy wysyłkowej",
        "sms ów", "sms ek", "sms u", "sms ami", "sms y", "bazy", "bazy danych", "numer", "numeru", "subskrypcję",
        "subskrypcji", "subskrypcja", "powiadomień", "handlowych", "wiadomościami", "ofertami", "smsami", "zgodę",
        "system", "systems", "records", "contacts",
    ),
    courtesies=(
        "prosím", "prosím vás", "prosím vas", "prosim te", "prosíme", "děkuji", "děkuju", "děkujeme", "děkujem",
        "ďakujem", "díky", "dík", "vďaka", "dobrý den", "dobrý deň", "dobrý", "ahoj", "zdravím", "hezký den",
        "pěkný den", "pekný deň", "na shledanou", "nashledanou", "pro odhlášení", "moc", "hned", "okamžitě", "ihned",
        "laskavě", "navždy", "please", "pls", "plz", "thanks", "thank you", "thx", "hello", "hi", "hey", "now",
        "immediately", "asap", "kindly", "sorry", "ok", "bitte", "danke", "hallo", "guten tag", "sofort",
        "vielen dank", "ab sofort", "proszę", "dziękuję", "dzień dobry", "dzięki", "natychmiast", "witam",
        "s'il vous plaît", "svp", "merci", "por favor", "gracias", "grazie", "per favore", "пожалуйста", "будь ласка",
        "prosím pěkně", "prosím pekne", "pěkně prosím", "konečně", "konečne", "endlich", "wreszcie", "finally",
        "sakra", "do prdele", "do riti", "do háje", "proboha", "preboha", "for fucks sake", "for f s sake",
        "for gods sake", "ffs", "verdammt", "verdammt nochmal", "kurwa", "do cholery", "tak dost", "už dost",
        "no thanks", "no thank you", "nic", "nič", "nichts", "nothing", "niczego", "nikdo", "další", "спасибо",
        "дякую",
        # Who and what, without a meaning of their own here.
        "i", "me", "my", "mine", "we", "us", "you", "your", "this", "these", "that", "any", "anymore", "any more",
        "from", "to", "the", "a", "of", "want", "would like", "like", "id", "im", "would", "and", "all", "it", "for",
        "again", "ever", "receive", "get", "getting", "receiving", "further", "consent", "with", "am", "is", "mi",
        "mě", "mne", "nám", "nás", "už", "uz", "z", "ze", "se", "si", "od", "na", "vás", "vám", "váš", "vaše", "vaší",
        "vašich", "vašeho", "moje", "mé", "můj", "tyto", "toto", "ty", "tohle", "další", "víc", "více", "nikdy",
        "chci", "chceme", "chtěl bych", "chtěla bych", "bych", "chtěl", "chtěla", "prosil", "prosila", "o", "jsem",
        "dostávat", "odebírat", "přijímat", "zasílání", "zasílat", "posílat", "zasílaní", "těchto", "zasíláním",
        "s těma", "s těmi", "těma", "těmi", "s", "sem", "ty vaše", "mého", "svého", "k", "ke", "do", "mému", "tomuto",
        "tento", "pro", "přeji si", "přeju si", "celé", "všechny", "všech", "ma", "mňa", "sa", "zo", "vašej", "vaša",
        "ďalšie", "viac", "chcem", "chcel by som", "chcela by som", "dostávať", "odoberať", "posielanie", "posielať",
        "týchto", "zasielaním", "zasielanie", "s tými", "tými", "so", "môjho", "žiadam vás aby ste", "všetky",
        "prosil by som", "ani", "ich", "mich", "mir", "meine", "mein", "sie", "von", "vom", "der", "die", "das", "den",
        "dem", "aus", "diese", "dieser", "möchte", "moechte", "will", "mehr", "weitere", "ihre", "ihrer", "ihren",
        "ihrem", "erhalten", "bekommen", "und", "zum", "an", "wünsche", "weiteren", "weiterer", "diesen", "hiermit",
        "bitte um", "in", "per", "zu", "mit", "diese nummer", "der nutzung meiner", "mnie", "mię", "proszę o", "chcę",
        "chciałbym", "chciałabym", "się", "już", "więcej", "tych", "te", "swoich", "waszych", "waszej", "tego", "tymi",
        "tym", "od was", "wam", "wasze", "państwa", "mój", "mojego", "otrzymywać", "dostawać", "w", "sobie",
        "proszę mnie", "nie", "re", "fwd", "fw", "az", "ja", "já", "tak", "el", "la", "le", "les", "de", "di", "da",
        "los", "mis", "sus", "vos", "мне", "меня", "мені", "мене", "больше", "більше",
    ),
    negators=(
        "not", "don't", "never", "nechci", "nechceme", "nechcem", "nicht", "nie chcę", "není", "didn't", "cannot",
        "can't", "ne", "no", "не",
    ),
    complaints=(
        "je spam", "to spam", "is spam", "ist spam", "spamujete", "spamming", "spamujecie", "špatné číslo",
        "zlé číslo", "nesprávne číslo", "pomýlili ste si číslo", "máte špatné číslo", "spletli jste si číslo",
        "wrong number", "falsche nummer", "zły numer", "nie ten numer", "pomyłka", "to je omyl", "nahlásím",
        "nahlásim", "nahlásíme", "stěžovat si", "budu si stěžovat", "sťažovať", "budem sa sťažovať", "stížnost",
        "sťažnosť", "policie", "polícia", "právník", "právnik", "úoou", "reporting you", "report you", "complaint",
        "lawyer", "police", "melde das", "das melde ich", "beschwerde", "anwalt", "polizei", "zgłoszę", "skarga",
        "skargę", "policja", "prawnik", "uokik", "otravujete", "obtěžujete", "obťažujete", "schon wieder werbung",
        "znowu reklama", "zase reklama", "zase reklamy", "odkud máte moje číslo", "odkiaľ máte moje číslo",
        "how did you get my number", "woher haben sie meine nummer", "skąd macie mój numer", "nebo to nahlásím",
        "proč mi to pořád chodí", "proč mi to chodí", "proč to dostávám", "prečo mi to chodí", "prečo to dostávam",
        "why do i keep getting", "why am i getting", "warum bekomme ich", "czemu to dostaję",
        "czemu ciągle to dostaję", "dlaczego to dostaję", "get lost", "piss off", "verpisst euch", "spadajcie",
        "jděte do", "choďte do", "fuck off", "přestat psát", "přestat posílat", "prestať písať", "prestať posielať",
        "gdpr", "výmaz osobních údajů", "výmaz údajů", "výmaz osobných údajov", "výmaz údajov",
    ),
    neutral=(
        "non stop", "nonstop", "pit stop", "bus stop", "tram stop", "next stop", "last stop", "full stop", "stop loss",
        "stop motion", "stop by", "stop over", "stop in", "stop at", "stopped by", "auto stop", "one stop",
        "short stop", "stop and go", "stop go", "na konec", "weekend", "end of", "the end", "konec konců",
    ),
    instructions=(
        "odpovězte", "odpověz", "pošlete", "zašlete", "odešlete", "pošli", "odepište", "napište", "odpovedzte",
        "pošlite", "zašlite", "odpíšte", "napíšte", "reply", "text stop to", "send stop", "reply with",
        "antworten sie", "antworten", "senden sie", "sende", "wyślij", "odpisz", "wyślij sms", "napisz",
    ),
    signatures=(
        "s pozdravem", "s pozdravom", "s přátelským pozdravem", "s úctou", "hezký zbytek dne", "zdraví", "odesláno z",
        "odeslané z", "odoslané z", "posláno z", "sent from", "sent via", "kind regards", "best regards", "regards",
        "best wishes", "sincerely", "cheers", "mit freundlichen grüßen", "mit freundlichen grüssen",
        "freundliche grüße", "viele grüße", "lg", "mfg", "gesendet von", "von meinem", "pozdrawiam", "z poważaniem",
        "wysłano z", "wysłane z", "cordialement", "envoyé de", "saludos",
    ),
    quotes=(
        "original message", "původní zpráva", "pôvodná správa", "ursprüngliche nachricht", "oryginalna wiadomość",
        "wiadomość oryginalna", "forwarded message", "přeposlaná zpráva", "napsal", "napsala", "napsal a", "wrote",
        "napísal", "napísala", "schrieb", "napisał", "napisała",
    ),
)  # fmt: skip
