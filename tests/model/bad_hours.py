"""What goes wrong in the day of a rack: ten phones, each in its own way, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from host_controller.messaging.holds import HoldKind, Scope
from tests.model.day import HOUR_S, MINUTE_S, Day, Seat
from tests.model.model_phone import Fate

_LOOKS = 12
"""So often people look at a rack in an hour."""


@dataclass(frozen=True)
class Pause:
    """What may not begin between two moments of the day, in seconds."""

    begins_s: float
    ends_s: float
    batch: str | None = None


PAUSES = (
    Pause(1.5 * HOUR_S, 2.5 * HOUR_S, "spring"),
    Pause(4 * HOUR_S, 4 * HOUR_S + 10 * MINUTE_S),
)


def plan_bad_hours(day: Day) -> None:
    """All of them; each of the first phones has one."""
    kinds: list[Callable[[Day, Seat, float], None]] = [
        _link_gone,
        _framework_refuses,
        _no_rows,
        _network_refuses,
        _held_by_a_person,
        _answers_lost,
        _restarts,
        _dialog,
        _link_cut,
        _no_network,
    ]
    for number, begin in enumerate(kinds[: day.size.bad_phones]):
        begin(day, day.seats[number], (0.5 + 0.2 * number) * HOUR_S)
    for pause in PAUSES:
        scope = Scope.BATCH if pause.batch else Scope.RACK
        _hold_between(day, scope, pause.batch, pause.begins_s, pause.ends_s)
    day.every(HOUR_S / _LOOKS, lambda: _put_right(day))


def _put_right(day: Day) -> None:
    """People release what the rack itself has held, and confirm what it has stopped, where its hour is over."""
    for seat in day.seats[: day.size.bad_phones]:
        view = seat.rack_phone.view()
        is_well = seat.phone.draw_fate is Fate and not seat.phone.has_dialog
        if view.hold and is_well:
            day.services.care.release(seat.phone.name)
        if view.enrolled and any(sim.stopped for sim in view.enrolled.sims) and is_well:
            day.services.care.confirm(seat.phone.name, "operator")


def _set_fates(seat: Seat, fate: Callable[[], Fate]) -> Callable[[], None]:
    def change() -> None:
        seat.phone.draw_fate = fate

    return change


def _for_an_hour(day: Day, seat: Seat, at_s: float, fate: Callable[[], Fate]) -> None:
    day.at(at_s, _set_fates(seat, fate))
    day.at(at_s + HOUR_S, _set_fates(seat, Fate))


def _hold_between(day: Day, scope: Scope, name: str | None, begins_s: float, ends_s: float) -> None:
    control = day.services.control
    day.at(begins_s, lambda: control.hold(scope, name, HoldKind.PAUSED, "somebody looks at it", "operator"))
    day.at(ends_s, lambda: control.release(scope, name, "operator"))


def _link_gone(day: Day, seat: Seat, at_s: float) -> None:
    def plug(is_in: bool) -> None:
        seat.phone.plugged_in = is_in
        day.look()

    day.at(at_s, lambda: plug(False))
    day.at(at_s + HOUR_S, lambda: plug(True))


def _framework_refuses(day: Day, seat: Seat, at_s: float) -> None:
    _for_an_hour(day, seat, at_s, lambda: Fate(end="refused"))


def _no_rows(day: Day, seat: Seat, at_s: float) -> None:
    """It sends, and neither its sent box nor its radio's log says so."""
    seat.phone.has_radio_log = False
    _for_an_hour(day, seat, at_s, lambda: Fate(end="no_row"))


def _network_refuses(day: Day, seat: Seat, at_s: float) -> None:
    _for_an_hour(day, seat, at_s, lambda: Fate(end="false_row"))


def _held_by_a_person(day: Day, seat: Seat, at_s: float) -> None:
    _hold_between(day, Scope.PHONE, seat.phone.name, at_s, at_s + 2 * HOUR_S)


def _answers_lost(day: Day, seat: Seat, at_s: float) -> None:
    _for_an_hour(day, seat, at_s, lambda: Fate(link="lost" if day.random.random() < 0.3 else "ok"))


def _restarts(day: Day, seat: Seat, at_s: float) -> None:
    def restart() -> None:
        seat.phone.restart(lost_entries=0)
        seat.phone.plugged_in = False
        day.look()

    def come_back() -> None:
        seat.phone.plugged_in = True
        day.look()

    for n in range(3):
        day.at(at_s + n * HOUR_S, restart)
        day.at(at_s + n * HOUR_S + MINUTE_S, come_back)


def _dialog(day: Day, seat: Seat, at_s: float) -> None:
    """Android asks on its screen; what it holds back goes when somebody taps."""

    def ask() -> None:
        seat.phone.has_dialog, seat.phone.draw_fate = True, lambda: Fate(end="held")

    def tap() -> None:
        seat.phone.has_dialog, seat.phone.draw_fate = False, Fate
        while seat.phone.held:
            seat.phone.go_on_with_held(send=True)

    day.at(at_s, ask)
    day.at(at_s + HOUR_S / 2, tap)


def _link_cut(day: Day, seat: Seat, at_s: float) -> None:
    _for_an_hour(day, seat, at_s, lambda: Fate(link="cut" if day.random.random() < 0.2 else "ok"))


def _no_network(day: Day, seat: Seat, at_s: float) -> None:
    def change(has_network: bool) -> None:
        seat.phone.has_network = has_network

    day.at(at_s, lambda: change(False))
    day.at(at_s + HOUR_S, lambda: change(True))
