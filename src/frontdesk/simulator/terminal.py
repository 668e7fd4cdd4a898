"""How a chat looks in a terminal: bubbles, ticks, "typing…". Pure functions from view to lines."""

import textwrap
import time
import unicodedata
from dataclasses import dataclass

from frontdesk.simulator.world import Json

_TICKS = {"pending": "◷", "sent": "✓", "delivered": "✓✓", "read": "✓✓", "failed": "!"}
_WIDEST = 58  # Characters of text in a bubble: longer lines are hard to read.


@dataclass(frozen=True)
class Style:
    """Escape sequences, or empty strings where there are no colours."""

    own: str = "\x1b[38;5;114m"
    theirs: str = "\x1b[38;5;252m"
    read: str = "\x1b[38;5;39m"
    dim: str = "\x1b[38;5;244m"
    bar: str = "\x1b[48;5;23m\x1b[38;5;231m"
    alert: str = "\x1b[38;5;203m"
    bold: str = "\x1b[1m"
    off: str = "\x1b[0m"


COLOURS = Style()
PLAIN = Style(own="", theirs="", read="", dim="", bar="", alert="", bold="", off="")


def width(text: str) -> int:
    """Columns a text takes: wide characters two, combining ones none."""
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in ("W", "F")
        else 1
        for character in text
    )


def pad(text: str, columns: int) -> str:
    """The text, filled up with spaces."""
    return text + " " * max(columns - width(text), 0)


def wrap(text: str, columns: int) -> list[str]:
    """The text in lines of at most so many characters, its own line breaks kept."""
    # Control characters would let a message paint outside its bubble.
    safe = "".join(c for c in text if c == "\n" or unicodedata.category(c) != "Cc")
    lines = [
        line
        for paragraph in safe.splitlines() or [""]
        for line in textwrap.wrap(paragraph, columns, break_long_words=True) or [""]
    ]
    return lines or [""]


def ticks(message: Json, style: Style) -> str:
    """The ticks of a message: one sent, two delivered, two blue ones read."""
    state = message["ticks"]
    colour = {"read": style.read, "failed": style.alert}.get(state, style.dim)
    return f"{colour}{_TICKS[state]}{style.off}"


def bubble(message: Json, columns: int, style: Style, quoted: str = "") -> list[str]:
    """A message as lines: the contact's to the right, as on their own phone."""
    own = message["author"] == "contact"
    colour = style.own if own else style.theirs
    room = max(min(columns - 12, _WIDEST), 16)
    lines = [f"│ {line}" for line in wrap(quoted, room - 2)[:2]] if quoted else []
    text = "🚫 deleted" if message["revoked"] else message["text"]
    lines += wrap(text, room)
    taps = [f"[{n}] {title}" for n, (_, title) in enumerate(message["buttons"], 1)]
    clock = time.strftime("%H:%M", time.localtime(message["at"]))
    note = "edited " if message["edited"] else ""
    marks = f" {_TICKS[message['ticks']]}" if own or message["ticks"] == "failed" else ""
    foot = f" {note}{clock}{marks} "
    inner = max([width(line) for line in lines] + [width(tap) for tap in taps] + [len(foot)])
    shown = f" {style.dim}{note}{clock}{style.off}"
    shown += f" {ticks(message, style)}{colour} " if marks else f"{colour} "
    box = [f"{colour}╭{'─' * (inner + 2)}╮"]
    box += [f"{colour}│ {pad(line, inner)} │" for line in lines]
    if taps:
        box.append(f"{colour}├{'─' * (inner + 2)}┤")
        box += [f"{colour}│ {style.bold}{pad(tap, inner)}{style.off}{colour} │" for tap in taps]
    box.append(f"{colour}╰{'─' * (inner + 1 - width(foot))}{shown}─╯")
    left = " " * max(columns - inner - 5, 0) if own else " "
    tail = f" {message['reaction']}" if message["reaction"] else ""
    if message["ticks"] == "failed":
        tail += f" {style.alert}not delivered ({message['error_code']}){style.off}"
    return [f"{left}{line}{style.off}" for line in box[:-1]] + [f"{left}{box[-1]}{style.off}{tail}"]


def header(view: Json, columns: int, style: Style) -> str:
    """The bar on top: whom one writes to, and what they are doing."""
    channel, contact = view["channel"], view["contact"]
    state = "typing…" if view["typing"] else f"+{channel['display_phone_number']}"
    if not contact["online"]:
        state = "you are offline"
    who = f" {channel['verified_name']}  ·  {state}"
    me = (
        f"{contact['name']} (+{contact['number']}{', hidden' if contact['number_hidden'] else ''}) "
    )
    gap = " " * max(columns - width(who) - width(me), 1)
    return f"{style.bar}{who}{gap}{me}{style.off}"


def body(view: Json, columns: int, style: Style) -> list[str]:
    """All bubbles of a chat, and the typing line."""
    texts = {message["wamid"]: message["text"] for message in view["messages"]}
    lines: list[str] = []
    for message in view["messages"]:
        quoted = texts.get(message["quoted"], "") if message["quoted"] else ""
        lines += bubble(message, columns, style, quoted)
    if view["typing"]:
        lines.append(f" {style.dim}● ● ●  typing…{style.off}")
    return lines


def screen(
    view: Json, columns: int, rows: int, style: Style, *, typed: str = "", note: str = ""
) -> str:
    """A whole screen: bar, the newest part of the chat, and the line one writes on."""
    room = max(rows - 4, 1)
    lines = body(view, columns, style)[-room:]
    lines = [""] * (room - len(lines)) + lines
    hint = note or "/help for pictures, reactions and more"
    shown = typed
    while width(shown) > columns - 4:
        shown = shown[1:]
    foot = [
        f"{style.dim}{'─' * columns}{style.off}",
        f"{style.dim} {hint[: columns - 2]}{style.off}",
        f" {style.own}›{style.off} {shown}",
    ]
    return "\x1b[H" + "\n".join(
        f"{line}\x1b[K" for line in [header(view, columns, style), *lines, *foot]
    )
