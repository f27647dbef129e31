"""wuye audit: whether timelines are what they were."""

from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from wuye import audit
from wuye.cli.output import installation, json_option, say, show
from wuye.estates.models import Estate
from wuye.i18n import _


@click.group("audit")
def audit_command() -> None:
    """Timelines: what shows that somebody has changed one."""


@audit_command.command("verify")
@click.argument("estate", required=False)
@click.option(
    "--anchors", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A copy of anchors.log that was kept elsewhere; without it the one of the installation.",
)  # fmt: skip
@json_option
def verify(estate: str | None, anchors: Path | None, as_json: bool) -> None:
    """Verify timelines, of one estate or of all: each entry by its chain, and the chain by what was noted of its end.

    Names the first bad entry of each, and exits with 1 if there is one. Example: wuye audit verify demo
    """
    with installation() as place:
        noted = audit.read(anchors or audit.path_of(place.settings))
        with place.database.session() as session:
            codes = [estate] if estate else session.scalars(select(Estate.code).order_by(Estate.code)).all()
        bad: list[dict[str, Any]] = []
        for code in codes:
            with place.system_context(code) as ctx:
                broken = min(audit.verify(ctx.session, noted), key=lambda each: each.sequence, default=None)
            if broken is not None:
                bad.append({"estate": code, "entry": broken.sequence, "reason": broken.reason})
        show(bad, as_json=as_json)
        if bad:
            click.get_current_context().exit(1)
        say(_("{n} timelines are whole; {noted} of their ends were compared.", n=len(codes), noted=len(noted)))


@audit_command.command("anchor")
def anchor() -> None:
    """Note the ends of all timelines now; a worker does it once a day. Copy the file to where nobody here can write.

    Example: wuye audit anchor && cp "$WUYE_DATA/anchors.log" /mnt/elsewhere/
    """
    with installation() as place:
        count = audit.anchor(place)
        say(_("The ends of {n} timelines were noted in {file}.", n=count, file=audit.path_of(place.settings)))
