"""What people are written about their accounts, and the addresses that stand in it."""

from dataclasses import dataclass, field

from wuye.clock import Clock
from wuye.i18n import _, use_locale
from wuye.mail import Mailbox

#: Where `wuye serve` listens unless it is told otherwise.
_HERE = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Letters:
    """What it takes to make one-time links and to send them: `mailbox` is None where no mail server is configured.

    `public_url` is the address under which people reach the installation, `secret` what links are hashed with.
    """

    secret: bytes = field(repr=False)
    clock: Clock
    public_url: str | None
    mailbox: Mailbox | None

    def address(self, page: str, text: str, root: str | None = None) -> str:
        """Return the whole address of a link; `root` is what the present request came to, if one is under way."""
        return f"{(self.public_url or root or _HERE).rstrip('/')}/{page}/{text}"

    def send_invitation(self, *, to: str, locale: str, estate: str, inviter: str, link: str) -> None:
        """Ask somebody to become a member of an estate; the words are the same whoever has that address.

        Raises:
            OSError, smtplib.SMTPException: it could not be handed over.
        """
        with use_locale(locale):
            subject = _("{estate}: you are invited", estate=_line(estate))
            text = _(
                "{inviter} invites you to work with {estate}.\n\n"
                "Open this address to accept or to decline. It is for you alone, and can be used for three days:\n\n"
                "{link}\n\n"
                "If this means nothing to you, do nothing: nothing is changed until you accept.\n",
                inviter=_line(inviter) or estate,
                estate=_line(estate),
                link=link,
            )
            self._send(to, str(subject), str(text))

    def send_password_link(self, *, to: str, locale: str, link: str) -> None:
        """Let the owner of an account choose a new password.

        Raises:
            OSError, smtplib.SMTPException: it could not be handed over.
        """
        with use_locale(locale):
            subject = _("Choose a new password")
            text = _(
                "Somebody asked for a new password for {email}.\n\n"
                "If that was you, open this address within an hour:\n\n"
                "{link}\n\n"
                "If it was not you, do nothing: your password stays as it is. Never pass this address on.\n",
                email=to,
                link=link,
            )
            self._send(to, str(subject), str(text))

    def send_reset_notice(self, *, to: str, locale: str) -> None:
        """Tell the owner of an account that its second factor is gone.

        Raises:
            OSError, smtplib.SMTPException: it could not be handed over.
        """
        with use_locale(locale):
            subject = _("Your second factor was reset")
            text = _(
                "The second factor of {email} was reset by whoever runs the installation.\n\n"
                "If you did not ask for it, change your password and tell them at once.\n",
                email=to,
            )
            self._send(to, str(subject), str(text))

    def _send(self, to: str, subject: str, text: str) -> None:
        assert self.mailbox is not None, "who sends has asked whether there is a mail server"
        self.mailbox.send(self.clock, to=to, subject=subject, text=text)


def _line(text: str) -> str:
    """Return what people typed as one line: names stand in headers too."""
    return " ".join(text.split())
