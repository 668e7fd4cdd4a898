"""The terminal phone: chat with a business as one of its contacts, over the control API."""

import asyncio
import base64
import contextlib
import mimetypes
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import httpx

from frontdesk.simulator.terminal import COLOURS, PLAIN, Style, bubble, screen
from frontdesk.simulator.world import Json

_POLL_SECONDS = 20.0
_PAUSE_SECONDS = 1.0  # After the simulator could not be reached.
_REFRESH_SECONDS = 5.0  # "typing…" ends by itself, without an event.

HELP = (
    "/1 taps a button · /image [caption] · /audio [words] · /file path [caption] · /location [name] · "
    "/react 👍 · /reply text (quotes) · /edit text · /delete · /number (shares yours) · "
    "/hide · /show · /offline · /online · /away (chat closed) · /back · /quit"
)


class PhoneError(Exception):
    """The simulator could not be reached, or refused what was asked."""


class PhoneClient:
    """One contact's phone at a running simulator."""

    def __init__(self, http: httpx.AsyncClient, number: str, channel: str | None = None) -> None:
        self._http = http
        self._path = f"/_sim/phones/{number}"
        self._channel = {"channel": channel} if channel else {}

    async def thread(self, after: int | None = None, wait_seconds: float = 0.0) -> Json:
        """The chat; with `after`, once it looks different from that version or time is up."""
        query: dict[str, str] = {**self._channel, "wait_seconds": f"{wait_seconds:g}"}
        if after is not None:
            query["after"] = str(after)
        try:
            response = await self._http.get(
                f"{self._path}/thread", params=query, timeout=wait_seconds + 10
            )
        except httpx.HTTPError as error:
            raise PhoneError(f"no simulator at {self._http.base_url}") from error
        return _checked(response)

    async def write(self, **message: object) -> Json:
        """Write something: `type="text", text="…"`, as the control API takes it."""
        return await self._change("POST", f"{self._path}/messages", message)

    async def change(self, **known: object) -> Json:
        """Change the contact: name, number_hidden, online, chat_open."""
        return await self._change("PATCH", self._path, known)

    async def _change(self, method: str, path: str, body: dict[str, object]) -> Json:
        try:
            response = await self._http.request(method, path, json={**self._channel, **body})
        except httpx.HTTPError as error:
            raise PhoneError(f"no simulator at {self._http.base_url}") from error
        return _checked(response)


def _checked(response: httpx.Response) -> Json:
    body: Json = response.json()
    if response.is_error:
        raise PhoneError(str(body.get("error", response.status_code)))
    return body


@asynccontextmanager
async def connected(
    base_url: str, number: str, channel: str | None = None, name: str | None = None
) -> AsyncIterator[PhoneClient]:
    """A phone at the simulator of that address.

    Raises:
        PhoneError: nothing answers there.
    """
    async with httpx.AsyncClient(base_url=base_url.rstrip("/"), trust_env=False) as http:
        phone = PhoneClient(http, number, channel)
        await (phone.change(name=name) if name else phone.thread())
        yield phone


async def send(
    base_url: str,
    text: str,
    *,
    number: str = "15550001111",
    channel: str | None = None,
    name: str | None = None,
    wait_seconds: float = 30.0,
    settle_seconds: float = 1.5,
    out: IO[str] | None = None,
) -> list[str]:
    """Write one text, print the chat's new bubbles, and return the texts that came back.

    Args:
        wait_seconds: how long to wait for the first answer; 0 does not wait.
        settle_seconds: how long to wait for one more after an answer came.
        out: where to print; standard output by default.

    Raises:
        PhoneError: nothing answers at `base_url`.
    """
    out = out or sys.stdout
    style = COLOURS if out.isatty() else PLAIN
    async with connected(base_url, number, channel, name) as phone:
        view = await phone.thread()
        known = {message["wamid"] for message in view["messages"]}
        await phone.write(type="text", text=text)
        view = await phone.thread()
        answers: list[Json] = []
        deadline = asyncio.get_running_loop().time() + wait_seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            view = await phone.thread(view["version"], min(left, _POLL_SECONDS))
            found = [
                message
                for message in view["messages"]
                if message["wamid"] not in known and message["author"] == "business"
            ]
            if len(found) > len(answers):
                answers = found
                deadline = asyncio.get_running_loop().time() + settle_seconds
        for message in view["messages"]:
            if message["wamid"] not in known:
                out.write("\n".join(bubble(message, _columns(), style)) + "\n")
        return [message["text"] for message in answers]


async def chat(
    base_url: str,
    *,
    number: str = "15550001111",
    channel: str | None = None,
    name: str | None = None,
) -> None:
    """Chat interactively until `/quit`, Ctrl-D or Ctrl-C.

    On a terminal the screen is drawn anew at every change; otherwise lines are read and new
    bubbles printed, so that it can be scripted.

    Raises:
        PhoneError: nothing answers at `base_url`.
    """
    async with connected(base_url, number, channel, name) as phone:
        if sys.stdin.isatty() and sys.stdout.isatty():
            await _on_screen(phone)
        else:
            await _in_lines(phone)


async def act(phone: PhoneClient, line: str) -> str | None:
    """Do what a line says and return a note for the user, or None to quit."""
    command, _, rest = line.strip().partition(" ")
    if not command.startswith("/"):
        await phone.write(type="text", text=line.strip())
        return ""
    name = command[1:]
    if name in ("quit", "q", "exit"):
        return None
    return HELP if name == "help" else await _do(phone, name, rest.strip())


_CHANGES: dict[str, dict[str, object]] = {
    "hide": {"number_hidden": True},
    "show": {"number_hidden": False},
    "offline": {"online": False},
    "online": {"online": True},
    "away": {"chat_open": False},
    "back": {"chat_open": True},
}


async def _do(phone: PhoneClient, name: str, rest: str) -> str:
    if name in _CHANGES:
        await phone.change(**_CHANGES[name])
        return ""
    if name == "file":
        return await _send_file(phone, rest)
    view = await phone.thread()
    if name.isdigit():
        return await _tap(phone, view, int(name))
    message = _command(name, rest, view)
    if message is None:
        return f"/{name} is not possible now; /help lists what is"
    await phone.write(**message)
    return ""


async def _send_file(phone: PhoneClient, rest: str) -> str:
    """Send a file of this machine, as a picture or sound where it is one."""
    path, _, caption = rest.partition(" ")
    try:
        content = await asyncio.to_thread(Path(path).read_bytes)
    except OSError as error:
        return f"{path or 'no path'}: {error.strerror}"
    mime_type = mimetypes.guess_type(path)[0] or "application/octet-stream"
    kind = mime_type.partition("/")[0]
    message: dict[str, object] = {
        "type": kind if kind in ("image", "audio") else "document",
        "mime_type": mime_type,
        "content_base64": base64.b64encode(content).decode(),
    }
    if message["type"] == "document":
        message["filename"] = Path(path).name
    if caption and kind != "audio":
        message["caption"] = caption
    await phone.write(**message)
    return ""


async def _tap(phone: PhoneClient, view: Json, place: int) -> str:
    shown: list[list[str]] = next(
        (m["buttons"] for m in reversed(view["messages"]) if m["buttons"]), []
    )
    if not 1 <= place <= len(shown):
        return "no such button"
    await phone.write(type="tap", button=shown[place - 1][0])
    return ""


def _command(name: str, rest: str, view: Json) -> dict[str, object] | None:
    """The message a command stands for, or None when there is nothing it could refer to."""
    own = [m["wamid"] for m in view["messages"] if m["author"] == "contact"]
    theirs = [m["wamid"] for m in view["messages"] if m["author"] == "business"]
    if (name in ("edit", "delete") and not own) or (name in ("react", "reply") and not theirs):
        return None
    messages: dict[str, Callable[[], dict[str, object]]] = {
        "image": lambda: {"type": "image", "caption": rest or None},
        "audio": lambda: {"type": "audio", "words": rest},
        "location": lambda: {"type": "location", "name": rest},
        "number": lambda: {"type": "share_number"},
        "react": lambda: {"type": "reaction", "emoji": rest, "message_id": theirs[-1]},
        "reply": lambda: {"type": "text", "text": rest or "?", "quote": theirs[-1]},
        "edit": lambda: {"type": "edit", "text": rest or "?", "message_id": own[-1]},
        "delete": lambda: {"type": "revoke", "message_id": own[-1]},
    }
    return messages[name]() if name in messages else None


# On a screen


async def _on_screen(phone: PhoneClient) -> None:
    state = _Screen(phone)
    with _raw_terminal(), _keys() as keys:
        following = asyncio.create_task(state.follow())
        try:
            while await state.take(await keys.get()):
                state.draw()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


class _Screen:
    """What is on the screen: the last view, the line being typed, a note."""

    def __init__(self, phone: PhoneClient) -> None:
        self._phone = phone
        self._view: Json | None = None
        self._typed = ""
        self._note = ""

    async def follow(self) -> None:
        """Redraw whenever the chat changes."""
        while True:
            try:
                after = self._view["version"] if self._view else None
                typing = self._view is not None and self._view["typing"]
                wait = _REFRESH_SECONDS if typing else _POLL_SECONDS
                self._view = await self._phone.thread(after, wait if self._view else 0.0)
            except PhoneError as error:
                self._note = str(error)
                await asyncio.sleep(_PAUSE_SECONDS)
            self.draw()

    def draw(self) -> None:
        """Paint everything."""
        if self._view is None:
            return
        size = shutil.get_terminal_size()
        text = screen(
            self._view, size.columns, size.lines, COLOURS, typed=self._typed, note=self._note
        )
        sys.stdout.write(text.replace("\n", "\r\n"))
        sys.stdout.flush()

    async def take(self, typed: str) -> bool:
        """Take what was typed or pasted; False when it is time to go."""
        if typed.startswith("\x1b"):  # Arrow and function keys.
            return True
        for character in typed:
            if character in ("\x04", "\x03", ""):
                return False
            if character in ("\r", "\n"):
                line, self._typed, self._note = self._typed, "", ""
                if line.strip() and not await self._act(line):
                    return False
            elif character in ("\x7f", "\b"):
                self._typed = self._typed[:-1]
            elif character == "\x15":
                self._typed = ""
            elif character.isprintable():
                self._typed += character
        return bool(typed)

    async def _act(self, line: str) -> bool:
        try:
            note = await act(self._phone, line)
        except PhoneError as error:
            note = str(error)
        self._note = note or ""
        return note is not None


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys one by one, without echo, on the alternate screen; everything is put back."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    sys.stdout.write("\x1b[?1049h\x1b[2J")
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stdout.write("\x1b[?1049l")
        sys.stdout.flush()


@contextmanager
def _keys() -> Iterator[asyncio.Queue[str]]:
    """What arrives at standard input, read by a thread; an empty string is its end."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str] = asyncio.Queue()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while True:
            raw = os.read(descriptor, 4096)
            text = decoder.decode(raw)
            with contextlib.suppress(RuntimeError):  # The loop has ended before the input.
                if text or not raw:
                    loop.call_soon_threadsafe(queue.put_nowait, text)
            if not raw:
                return

    # A daemon: nothing can interrupt a blocking read when the chat is over.
    threading.Thread(target=read, name="stdin", daemon=True).start()
    yield queue


# In lines


async def _in_lines(phone: PhoneClient) -> None:
    view = await phone.thread()
    printing = asyncio.create_task(_print_new(phone, view))
    try:
        with _keys() as keys:
            pending = ""
            while text := await keys.get():
                *lines, pending = (pending + text).split("\n")
                for line in lines:
                    note = await act(phone, line) if line.strip() else ""
                    if note is None:
                        return
                    if note:
                        sys.stdout.write(f"{note}\n")
            await asyncio.sleep(_PAUSE_SECONDS)  # Piped input ends before the answers come.
    finally:
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)


async def _print_new(phone: PhoneClient, view: Json) -> None:
    seen = 0
    style: Style = COLOURS if sys.stdout.isatty() else PLAIN
    while True:
        for message in view["messages"][seen:]:
            sys.stdout.write("\n".join(bubble(message, _columns(), style)) + "\n")
        sys.stdout.flush()
        seen = len(view["messages"])
        view = await phone.thread(view["version"], _POLL_SECONDS)


def _columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns
