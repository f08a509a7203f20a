"""Who is rung for what: as many resting lanes as there are new messages, everybody for a change, nobody forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host_controller.events import Bells


def resting(bells, count):
    """Give so many bells whose owners have found nothing."""
    made = [bells.hang() for _ in range(count)]
    for bell in made:
        bells.rest(bell, bells.counts)
    return made


def rung(made):
    return [bell.is_set() for bell in made]


def test_new_messages_ring_as_many_as_there_are():
    bells = Bells()
    made = resting(bells, 4)
    bells.ring_in(2)
    assert rung(made) == [True, True, False, False]
    bells.ring_in(1)
    assert rung(made) == [True, True, True, False]


def test_a_change_rings_everybody_also_who_does_not_rest():
    bells = Bells()
    made = [*resting(bells, 2), bells.hang()]
    bells.ring()
    assert rung(made) == [True, True, True]


def test_who_is_up_is_not_rung_for_a_message():
    bells = Bells()
    made = resting(bells, 2)
    bells.rise(made[0])
    bells.ring_in(1)
    assert rung(made) == [False, True]


def test_what_comes_between_the_look_and_the_rest_is_not_missed():
    bells = Bells()
    bell, looked_at = bells.hang(), bells.counts
    bells.ring_in(1)
    bells.rest(bell, looked_at)
    assert bell.is_set()


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_a_message_that_only_one_can_take_finds_him(order):
    """Whoever is rung and cannot take it passes it on; it reaches the last one, and then nobody is rung again."""
    bells = Bells()
    made = resting(bells, len(order))
    bells.ring_in(1)
    asked = []
    while (up := [bell for bell in made if bell.is_set()]) and len(asked) <= len(made):
        (bell,) = up
        bell.clear()
        bells.rise(bell)
        asked.append(bell)
        bells.pass_on()
        bells.rest(bell, bells.counts)
    assert asked == made
