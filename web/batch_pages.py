"""The page of batches: what each is, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response as WerkzeugResponse

from host_controller import __version__
from host_controller.messaging.batches import BatchView, list_batches
from host_controller.messaging.held import list_held
from host_controller.messaging.holds import Scope
from host_controller.rules.states import MessageState
from web.hold_pages import HoldForm
from web.services import Services

_MOST = 200
# What has ended first, so that the bar grows from the left.
_ORDER = (
    MessageState.SENT,
    MessageState.FAILED,
    MessageState.UNKNOWN,
    MessageState.EXPIRED,
    MessageState.CANCELLED,
    MessageState.SUBMITTING,
    MessageState.QUEUED,
)


@dataclass(frozen=True)
class Piece:
    """One state's share of a batch; place and width in percent."""

    state: MessageState
    count: int
    start: float
    width: float


def add_batch_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def state() -> dict[str, Any]:
        with services.store.reading() as session:
            found = list_batches(session, limit=_MOST)
            held = {hold.target_id: hold for hold in list_held(session) if hold.scope is Scope.BATCH}
        return {"batches": [(view, pieces(view), held.get(view.id)) for view in found]}

    @pages.get("/batches")
    def batches() -> str:
        return render_template("batches.html", version=__version__, hold_form=HoldForm(), **state())

    @pages.get("/live/batches")
    def live_batches() -> WerkzeugResponse:
        """The changing part of the page; 304 where it is as the browser has it."""
        response = make_response(render_template("batches_live.html", **state()))
        response.add_etag()
        return response.make_conditional(request)


def pieces(view: BatchView) -> list[Piece]:
    """The bar of a batch: every state that some of its messages are in."""
    found: list[Piece] = []
    start = 0.0
    for state in _ORDER:
        count = view.counts.get(state, 0)
        if count:
            width = 100 * count / view.total
            found.append(Piece(state, count, round(start, 3), round(width, 3)))
            start += width
    return found
