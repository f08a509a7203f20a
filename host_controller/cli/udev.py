"""`smsrack udev`: let this host's user reach phones on USB."""

from __future__ import annotations

import json

import click

from host_controller import udev as rules
from host_controller.udev import DEFAULT_GROUP, RULES_DIRECTORY, RULES_NAME, Verdict

_GROUP = click.option("--group", default=DEFAULT_GROUP, show_default=True, help="Who may use the phones.")


@click.group()
def udev() -> None:
    """Rules that let a group use phones on USB and switch hub ports."""


@udev.command()
@_GROUP
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def install(group: str, dry_run: bool) -> None:
    """Write the rules (needs root), make the group, reload udev."""
    text = rules.render_rules(group)
    click.echo(f"# {RULES_DIRECTORY / RULES_NAME}\n{text}", nl=False)
    if not dry_run:
        for line in rules.install(group):
            click.echo(line, err=True)


@udev.command()
@_GROUP
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
def check(group: str, as_json: bool) -> None:
    """Look at rules, group and every phone on USB; exit code 1 where something fails."""
    findings = list(rules.check(group))
    ok = all(finding.verdict is not Verdict.FAIL for finding in findings)
    if as_json:
        lines = [{"verdict": finding.verdict, "words": finding.words} for finding in findings]
        click.echo(json.dumps({"ok": ok, "findings": lines}, indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.verdict}  {finding.words}")
    click.get_current_context().exit(0 if ok else 1)


@udev.command()
def remove() -> None:
    """Take the rules away (needs root)."""
    for line in rules.remove():
        click.echo(line)
