"""Which replies opt out, and which do not."""

from __future__ import annotations

import pytest

from host_controller.text.stop_words import KEYWORDS, StopVerdict, judge_stop


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
    ],
)
def test_certain(text):
    assert judge_stop(text, sender_is_msisdn=True) is StopVerdict.CERTAIN


@pytest.mark.parametrize(
    "text",
    [
        "Prosim neposilejte mi to, jinak zavolam a reknu STOP vsem",
        "Stop, please call me tomorrow about that offer",
        "Konec srandy, kdy konecne prijde ten balik co jsem objednal",
        "chci rict stop",
    ],
)
def test_suspected(text):
    assert judge_stop(text, sender_is_msisdn=True) is StopVerdict.SUSPECTED


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
    ],
)
def test_no_stop(text):
    assert judge_stop(text, sender_is_msisdn=True) is StopVerdict.NONE


def test_a_name_or_a_short_code_cannot_opt_out():
    assert judge_stop("STOP", sender_is_msisdn=False) is StopVerdict.NONE


def test_a_brand_word_behind_the_stop():
    text = "stop newsletter pizzerie u zlateho lva"
    assert judge_stop(text, sender_is_msisdn=True) is StopVerdict.SUSPECTED
    brand = ("newsletter Pizzerie U Zlatého lva",)
    assert judge_stop(text, sender_is_msisdn=True, brand_words=brand) is StopVerdict.CERTAIN


@pytest.mark.parametrize("word", [word for words in KEYWORDS.values() for word in words])
def test_every_word_of_the_table_is_obeyed_as_written_and_shouted(word):
    assert judge_stop(word, sender_is_msisdn=True) is StopVerdict.CERTAIN
    assert judge_stop(word.upper() + "!", sender_is_msisdn=True) is StopVerdict.CERTAIN
