"""Which replies opt out, and which do not."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_controller.text.folding import fold
from host_controller.text.stop_tables import STOP_TABLES
from host_controller.text.stop_words import StopDecision, StopRule, StopVerdict, judge_stop


def verdict(text, **more):
    return judge_stop(text, sender_is_msisdn=True, **more).verdict


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop",
        " Stop. ",
        "S T O P".replace(" ", ""),
        "ＳＴＯＰ",
        "СТОП",
        "STOP!!!",
        "stop prosím",
        "Stop, prosím vás",
        "STOP SMS",
        "stop pro odhlášení",
        "Odhlásit",
        "ODHLASIT",
        "odhlaste me",
        "Konec",
        "Zrušit, děkuji",
        "Neposílejte mi to",
        "opt out",
        "Opt-Out",
        "unsubscribe",
        "STOPP",
        "rezygnuję",
        "s\u200bt\u200bo\u200bp",
        "stop 🛑",
        "🅂🅃🄾🄿",
        "🅢🅣🅞🅟",
        "ЅТОР",
        "s.t.o.p.",
        "ST0P",
        "STOOOOP",
        "s\ufe0ft\u034fop",
        "Prosím odhlaste mě z odběru reklamních SMS, děkuji",
        "Nechci už žádné SMS",
        "Dobrý den, prosím vyřaďte mě z databáze",
        "zrušit odběr",
        "Odhláste ma, prosím",
        "Ukončit odběr",
        "Odmítám další zprávy",
        "Nechtěla bych dostávat další zprávy",
        "не пишите мне больше",
        "please don't contact me",
        "please remove me from your list",
        "Don't text me any more!",
        "take me off your list",
        "Bitte keine SMS mehr",
        "Bitte melden Sie mich ab",
        "Proszę nie wysyłać mi więcej SMS",
        "Nie chcę otrzymywać wiadomości",
        "STOP\n\nS pozdravem\nJan Novák, Dlouhá 5, Praha 1",
        "STOP Odesláno z mého iPhonu",
        "STOP\nuž s vámi opravdu nechci mít nic společného",
        "STOP\n-----Původní zpráva-----\nOd: Pizzerie\nSleva 20 % na vše",
        "> Sleva 20 %, odhlášení: STOP\nstop",
    ],
)
def test_certain(text):
    assert verdict(text) is StopVerdict.CERTAIN


@pytest.mark.parametrize(
    "text",
    [
        "Prosim neposilejte mi to, jinak zavolam a reknu STOP vsem",
        "Stop, please call me tomorrow about that offer",
        "Konec srandy, kdy konecne prijde ten balik co jsem objednal",
        "chci rict stop",
        "nechci",
        "Don't stop sending these",
        "I don't want to unsubscribe",
        "nechci se odhlásit",
        "Co znamená STOP?",
        "Stop je co?",
        "Žádné novinky?",
        "Konec akce?",
        "Keine Angebote?",
        "Odhlášení: pošlete STOP na 777 123 456",
        "> pro odhlášení pošlete STOP",
        "STOP START",
        "zrušit objednávku",
        "cancel my appointment",
        "unsubcribe",
        "odhlsit",
        "🛑",
        "Zastavte zasílání",
        "Nesouhlasím se zasíláním",
        "Můžete přestat psát?",
        "Žádám o výmaz osobních údajů",
    ],
)
def test_suspected(text):
    assert verdict(text) is StopVerdict.SUSPECTED


@pytest.mark.parametrize(
    "text",
    [
        "Mate otevreno nonstop?",
        "stopka",
        "zastopovat",
        "nestop",
        "Ano, přijdu",
        "",
        "   ",
        "!!!",
        "weekend",
        "optout2u",
        "Máte otevřeno non-stop?",
        "stop by tomorrow",
        "Ano, přijdu\n> pro odhlášení pošlete STOP",
        "podívejte se na https://example.com/stop",
        "Keine Zeit heute",
        "Proszę wysyłać SMS",
        "Nechci zítra přijít",
        "Odesláno z iPhonu",
        "\ud800\0",
        "Nesouhlasím s cenou",
        "Odmítám nabídku",
        "Nechtěl bych přijít pozdě",
    ],
)
def test_no_stop(text):
    assert verdict(text) is StopVerdict.NONE


@pytest.mark.parametrize("text", ["START", "unstop", "Přihlásit se, prosím", "anmelden", "prihlásiť odber", "Start!"])
def test_start(text):
    assert verdict(text) is StopVerdict.START


def test_a_name_or_a_short_code_cannot_opt_out():
    assert judge_stop("STOP", sender_is_msisdn=False) == StopDecision(StopVerdict.NONE, StopRule.SENDER)


def test_a_brand_word_behind_the_stop():
    text = "stop newsletter pizzerie u zlateho lva"
    assert verdict(text) is StopVerdict.SUSPECTED
    assert verdict(text, brand_words=("newsletter Pizzerie U Zlatého lva",)) is StopVerdict.CERTAIN


@pytest.mark.parametrize(
    ("text", "rule", "word"),
    [
        ("Stop!", StopRule.ALONE, "stop"),
        ("odhlaste mě z odběru", StopRule.MESSAGES, "odhlaste"),
        ("stop tomu, lidi", StopRule.SHORT, "stop"),
        ("Máme říct stop?", StopRule.INSIDE, "stop"),
        ("odhlsit", StopRule.MISSPELT, "odhlasit"),
        ("Ahoj", StopRule.NO_WORD, None),
    ],
)
def test_the_evidence(text, rule, word):
    decision = judge_stop(text, sender_is_msisdn=True)
    assert (decision.rule, decision.word) == (rule, word)


def test_words_that_an_operator_adds():
    assert verdict("zhasni") is StopVerdict.NONE
    tables = STOP_TABLES.extended(stop=("zhasni",))
    assert verdict("Zhasni mi to!", tables=tables) is StopVerdict.CERTAIN
    assert verdict("zhasni") is StopVerdict.NONE


@pytest.mark.parametrize("word", STOP_TABLES.stop + STOP_TABLES.soft)
def test_every_word_of_the_table_is_obeyed_as_written_and_shouted(word):
    assert verdict(word) is StopVerdict.CERTAIN
    assert verdict(word.upper() + "!") is StopVerdict.CERTAIN


@pytest.mark.parametrize("word", STOP_TABLES.start)
def test_every_start_word(word):
    assert verdict(word) is StopVerdict.START


def test_no_word_asks_for_both():
    start = set(map(fold, STOP_TABLES.start))
    assert not start & set(map(fold, STOP_TABLES.stop + STOP_TABLES.soft + STOP_TABLES.review))


WORDS = [word for words in STOP_TABLES.by_name().values() for word in words]
REPLIES = st.one_of(
    st.text(), st.lists(st.sampled_from([*WORDS, "tomorrow", "\n", "> ", "?", "objednávka", "5"])).map(" ".join)
)


@given(REPLIES)
def test_it_never_raises_and_folding_twice_changes_nothing(text):
    decision = judge_stop(text, sender_is_msisdn=True)
    assert (decision.word is None) == (decision.rule in (StopRule.NO_WORD, StopRule.SIGN))
    assert fold(fold(text)) == fold(text)


@given(st.lists(st.sampled_from([*WORDS, "zítra", "objednávka"]), max_size=12).map(" ".join))
def test_case_width_and_accents_make_no_difference(text):
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c not in "@/:'" else c for c in text)
    expected = judge_stop(text, sender_is_msisdn=True)
    for other in (text.upper(), unicodedata.normalize("NFD", text), fold(text), wide, text.replace(" ", "\u00a0")):
        assert judge_stop(other, sender_is_msisdn=True) == expected


@pytest.mark.parametrize(
    "unit", ["stop ", "a ", "do not ", "e\u0301\u0323\u0301", "s", "\n>x\n-", "odhlas1t ", "nie ", "@", "don't ever "]
)
def test_time_grows_with_the_length_only(unit):
    def seconds(length):
        text = unit * (length // len(unit))
        start = time.perf_counter()
        judge_stop(text, sender_is_msisdn=True)
        return time.perf_counter() - start

    seconds(1000)
    assert seconds(160_000) < 5 + 40 * seconds(10_000)
