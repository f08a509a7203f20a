"""Phones and the ways to reach them; knows nothing about queues, limits or Odoo."""
