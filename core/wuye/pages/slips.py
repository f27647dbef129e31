"""A one-time link in the moment that it is made: shown once, to be copied, or printed as a slip that is handed over."""

from dataclasses import dataclass, field

from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Slip:
    """Whom a link is for, its whole address, the same as a code to scan, and until when it can be used, as shown."""

    whom: str
    address: str = field(repr=False)
    drawing: Markup = field(repr=False)
    until: str


def slip_of(whom: str, address: str, until: str) -> Slip:
    """Return the slip of a link."""
    import segno  # here: most processes never draw a code

    drawing = Markup(segno.make(address, error="m").svg_inline(scale=4, border=2))  # noqa: S704 (drawn by segno, no text in it)
    return Slip(whom, address, drawing, until)
