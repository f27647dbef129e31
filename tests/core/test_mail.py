"""Letters: handed over to a real mail server, in the reader's language, with a link that stands nowhere else."""

import re
import ssl

import pytest
import trustme
from sqlalchemy import select, text
from tests.conftest import URL, mail_server
from werkzeug.test import Client as HttpClient

from wuye.clock import SystemClock
from wuye.config import Settings
from wuye.errors import Misconfigured
from wuye.identity import invitations
from wuye.identity.models import Invitation
from wuye.mail import Mailbox

HOST = {"WUYE_SMTP_HOST": "mail.example", "WUYE_SMTP_FROM": "office@wuye.example", "WUYE_PUBLIC_URL": f"{URL}/"}


def test_an_invitation_is_written_by_a_job_in_the_invitees_language(posted, estate, app, letterbox, work_off):
    address = f"{estate.code}@test.example"
    with estate.context() as ctx:
        asked = invitations.invite(ctx, email=address, roles=["core.staff"], locale="zh_Hans")
    assert asked.link is None and letterbox.letters == [], "nothing leaves before it is committed"
    work_off()
    (letter,) = letterbox.letters
    assert (letter["To"], letter["From"]) == (address, "office@wuye.example")
    body = letter.get_content()
    assert "邀请" in letter["Subject"] and "邀请" in body
    link = re.search(rf"{URL}(/invitation/[\w-]+)", body)[1]
    assert HttpClient(app).get(link).status_code == 200
    with estate.place.database.engine("ops").connect() as connection:
        waiting = connection.scalars(text("SELECT args::text FROM procrastinate_jobs")).all()
    assert not [each for each in waiting if link.rpartition("/")[2] in each]


def test_a_mail_server_that_refuses_leaves_the_invitation_to_be_tried_again(posted, estate, letterbox):
    letterbox.refuses = True
    with estate.context() as ctx:
        row = invitations.invite(ctx, email=f"{estate.code}@test.example", roles=["core.staff"])
    with pytest.raises(Exception, match="451"), estate.context() as ctx:
        invitations.send(ctx, str(row.id))
    with estate.context() as ctx:
        assert ctx.session.scalars(select(Invitation.digest)).one() is None
    letterbox.refuses = False
    for _time in range(2):  # a job may run twice
        with estate.context() as ctx:
            invitations.send(ctx, str(row.id))
    assert len(letterbox.letters) == 1


def test_names_cannot_add_lines_to_a_letters_head(posted, estate, letterbox):
    posted.letters.send_invitation(
        to="a@test.example", locale="en", estate="Garden\r\nBcc: b@test.example", inviter="x\ny", link=URL
    )
    assert "Bcc" not in letterbox.letters[0]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_letters_go_over_tls_to_a_server_with_a_good_certificate_alone(
    tmp_path, letterbox, monkeypatch, security, trusted
):
    authority = trustme.CA()
    there = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(there)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    how = {"tls_context": there, "require_starttls": True} if security == "starttls" else {"tls": there}
    with mail_server(letterbox, **how) as port:
        box = Mailbox("127.0.0.1", port, security, "office@wuye.example")
        if trusted:
            box.send(SystemClock(), to="a@test.example", subject="您好", text="好")
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                box.send(SystemClock(), to="a@test.example", subject="您好", text="好")
    assert [letter["Subject"] for letter in letterbox.letters] == (["您好"] if trusted else [])


def test_the_mail_servers_settings_are_checked(tmp_path):
    settings = Settings.load({**HOST, "WUYE_SMTP_PORT": "465", "WUYE_SMTP_SECURITY": "tls"}, data=tmp_path)
    assert (settings.public_url, settings.smtp_port, Mailbox.of(settings).security) == (URL, 465, "tls")
    assert Mailbox.of(Settings.load({}, data=tmp_path)) is None
    secret = Settings.load({**HOST, "WUYE_SMTP_USER": "wuye", "WUYE_SMTP_PASSWORD": "geheim"}, data=tmp_path)
    assert "geheim" not in f"{secret!r} {Mailbox.of(secret)!r}"


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"WUYE_SMTP_HOST": "mail.example"}, "smtp_from"),
        ({**HOST, "WUYE_PUBLIC_URL": "wuye.example"}, "public_url"),
        ({**HOST, "WUYE_PUBLIC_URL": "https://wuye.example/deep"}, "public_url"),
        ({**HOST, "WUYE_SMTP_SECURITY": "none"}, "smtp_security"),
        ({**HOST, "WUYE_SMTP_SECURITY": "ssl"}, "smtp_security"),
        ({**HOST, "WUYE_SMTP_PORT": "0"}, "smtp_port"),
        ({**HOST, "WUYE_SMTP_USER": "wuye"}, "smtp_user"),
        ({**HOST, "WUYE_SMTP_FROM": "office"}, "smtp_from"),
    ],
)
def test_settings_that_cannot_work_are_named(tmp_path, told, named):
    with pytest.raises(Misconfigured, match=named):
        Settings.load(told, data=tmp_path)
