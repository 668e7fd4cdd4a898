"""E-mail out of the deployment: through an SMTP server, or into a folder while developing."""

import asyncio
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path

from frontdesk.core.errors import Unavailable
from frontdesk.core.settings import MailSettings


@dataclass(frozen=True)
class Mail:
    """A plain-text e-mail to one person. Its text may hold a secret link: it is never logged."""

    to: str
    subject: str
    text: str


class MailRefused(Exception):
    """The address or the message will never be taken; trying again is no use."""


def can_send(settings: MailSettings) -> bool:
    """Whether this deployment has a way to send e-mail."""
    return bool(settings.smtp_host or settings.outbox_folder)


async def send_mail(settings: MailSettings, mail: Mail, *, message_id: str) -> None:
    """Hand an e-mail to the SMTP server, or write it into `MAIL__OUTBOX_FOLDER`.

    Args:
        message_id: unlike that of any other e-mail; also the name of the file.

    Raises:
        MailRefused: the server refuses this address or message for good, or it is no address.
        Unavailable: there is no server, it can't be reached or trusted, or says "not now"; it may
            have taken the message all the same, when only its answer was lost.
    """
    message = _compose(settings, mail, message_id)
    if settings.smtp_host:
        # smtplib blocks; each of its steps gives up after the timeout.
        await asyncio.to_thread(_send_by_smtp, settings, mail.to, message)
    elif settings.outbox_folder:
        await asyncio.to_thread(_write, Path(settings.outbox_folder), message_id, message)
    else:
        raise Unavailable("Neither MAIL__SMTP_HOST nor MAIL__OUTBOX_FOLDER is set.")


async def try_sign_in(settings: MailSettings) -> None:
    """Connect to the SMTP server and sign in, and send nothing.

    Raises:
        Unavailable: it can't be reached or trusted, or does not take the sign-in.
    """

    def greet() -> None:
        with _translated(), _signed_in(settings) as server:
            server.noop()

    await asyncio.to_thread(greet)


def _compose(settings: MailSettings, mail: Mail, message_id: str) -> EmailMessage:
    message = EmailMessage()
    name, sender = parseaddr(settings.sender)
    message["From"] = Address(name, addr_spec=sender)
    try:
        # As a parsed address: a comma or a bracket in it must not become a second recipient.
        message["To"] = Address(addr_spec=mail.to)
    except (HeaderParseError, ValueError, IndexError) as error:
        raise MailRefused("It is no address that mail can go to.") from error
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    # RFC 3834: nobody's out-of-office note should answer it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _send_by_smtp(settings: MailSettings, to: str, message: EmailMessage) -> None:
    with _translated(), _signed_in(settings) as server:
        server.send_message(message, parseaddr(settings.sender)[1], [to])


@contextmanager
def _signed_in(settings: MailSettings) -> Iterator[smtplib.SMTP]:
    assert settings.smtp_host is not None
    # Checks the server's certificate and name.
    context = ssl.create_default_context(cafile=settings.smtp_ca_file)
    timeout = settings.smtp_timeout_seconds
    server = (
        smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=timeout, context=context)
        if settings.smtp_security == "tls"
        else smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=timeout)
    )
    with server:
        if settings.smtp_security == "starttls":
            # Raises where the server offers none: never in the clear by accident.
            server.starttls(context=context)
        if settings.smtp_user:
            password = settings.smtp_password
            server.login(settings.smtp_user, password.get_secret_value() if password else "")
        yield server


@contextmanager
def _translated() -> Iterator[None]:
    # What the server says may repeat what we sent, so only its number goes on.
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if all(code >= 500 for code in codes):
            raise MailRefused(f"The server refuses the address ({codes[0]}).") from None
        raise Unavailable(f"The mail server takes no mail just now ({codes[0]}).") from None
    except smtplib.SMTPDataError as error:
        if error.smtp_code >= 500:
            raise MailRefused(f"The server refuses the message ({error.smtp_code}).") from None
        raise Unavailable(f"The mail server put it off ({error.smtp_code}).") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"The mail server failed ({type(error).__name__}).") from None


def _write(folder: Path, message_id: str, message: EmailMessage) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{message_id}.eml").write_bytes(message.as_bytes())
