"""Keeps Odoo in step: takes its outgoing SMS over, and reports how they ended."""
