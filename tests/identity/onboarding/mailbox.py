"""The e-mails of a test, and an SMTP server that is as friendly as told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from frontdesk.core.resources import Resources
from frontdesk.identity.work import SEND_MAIL


@dataclass(frozen=True)
class Post:
    """Delivers the e-mails that are due, as a worker would."""

    resources: Resources
    folder: Path

    async def deliver(self, address: str | None = None) -> None:
        """Deliver all that is due, or what is due to one address: others' may come due any time."""
        async with self.resources.db.system() as connection:
            due = await SEND_MAIL.list_ids(connection, 1_000)
            if address is not None:
                mine = await connection.fetch(
                    "SELECT id FROM outgoing_mail WHERE address = $1", address
                )
                due = [row for row in due if row[1] in {mail["id"] for mail in mine}]
        for tenant_id, mail_id in due:
            await SEND_MAIL.handle(self.resources, tenant_id, mail_id)

    async def to(self, address: str) -> list[EmailMessage]:
        """What has come to this address once all that was due to it is there, the oldest first."""
        await self.deliver(address)
        # Their names begin with ids that are in the order of time.
        mails = [_parsed(path.read_bytes()) for path in sorted(self.folder.iterdir())]
        return [mail for mail in mails if mail["To"] == address]

    async def token_for(self, address: str) -> str:
        """The token in the newest link that came to this address."""
        return token_in((await self.to(address))[-1])


def token_in(mail: EmailMessage) -> str:
    """What stands behind `#token=` in an e-mail."""
    return str(mail.get_content()).partition("#token=")[2].split()[0]


def _parsed(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


@dataclass
class MailServer:
    """An SMTP server on loopback: what it was told, and what it answers to recipients."""

    port: int = 0
    recipient_answer: str = "250 fine"
    envelopes: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())
            await writer.drain()

        await say("220 mail.example")
        while line := (await reader.readline()).decode().strip():
            verb = line.upper().partition(" ")[0]
            if verb == "RCPT":
                self.envelopes.append(line)
                await say(self.recipient_answer)
            elif verb == "DATA":
                await say("354 go on")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(_parsed(raw.removesuffix(b".\r\n")))
                await say("250 taken")
            elif verb == "QUIT":
                await say("221 bye")
                break
            else:
                await say("250 fine")
        writer.close()


@asynccontextmanager
async def mail_server(context: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """Runs a mail server on a free port, sealed when given a context."""
    made = MailServer()
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made
