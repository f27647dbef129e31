"""Letters by e-mail: plain text over SMTP, with TLS. What they say is decided elsewhere (`wuye.identity.letters`)."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from wuye.clock import Clock
from wuye.config import Settings

#: Seconds until a mail server that does not answer is given up.
PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The mail server of an installation, and the address that its letters come from."""

    host: str
    port: int
    security: str
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> "Mailbox | None":
        """Return the mail server that is configured, None if there is none."""
        if settings.smtp_host is None or settings.smtp_from is None:
            return None
        return cls(
            settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_from,
            settings.smtp_user, settings.smtp_password,
        )  # fmt: skip

    def send(self, clock: Clock, *, to: str, subject: str, text: str) -> None:
        """Hand a letter over to the mail server.

        Raises:
            OSError: the server does not answer. smtplib.SMTPException: it does not take the letter.
        """
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self.sender, to, subject
        letter["Date"] = format_datetime(clock.now())
        letter["Message-ID"] = make_msgid(domain=self.sender.rpartition("@")[2])
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers to this
        letter.set_content(text)
        with self._connected() as server:
            if self.user is not None:
                server.login(self.user, self.password or "")
            server.send_message(letter)

    def _connected(self) -> smtplib.SMTP:
        tls = ssl.create_default_context()
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=tls)
        server = smtplib.SMTP(self.host, self.port, timeout=PATIENCE)
        if self.security == "starttls":
            try:
                server.starttls(context=tls)
            except BaseException:
                server.close()
                raise
        return server
