"""What became of a form that somebody sent: said on the page that comes next."""

from __future__ import annotations

from collections.abc import Callable

from flask import flash
from flask_wtf import FlaskForm

from host_controller.errors import ControllerError


def flash_errors(form: FlaskForm) -> None:
    """Say what is wrong with its fields."""
    flash("; ".join(word for words in form.errors.values() for word in words), "error")


def flash_outcome(act: Callable[[], str]) -> None:
    """Do what was asked for and say the words that it gives, or why it cannot be done."""
    try:
        flash(act(), "ok")
    except ControllerError as error:
        flash(str(error), "error")
