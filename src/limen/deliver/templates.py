"""Mail: a few plain lines, as text and as HTML that needs no picture, no style sheet and no network."""

from __future__ import annotations

from html import escape

from limen.core.messages import Message

_WRAP = "font-family:sans-serif;font-size:16px;line-height:1.5;color:#1a1a1a;max-width:40em"


def as_text(message: Message, footer: tuple[str, ...]) -> str:
    """The message as text."""
    lines = [message.text] if message.text else []
    if message.facts:
        lines += ["", *(f"{name}: {value}" for name, value in message.facts)]
    if footer:
        lines += ["", "-- ", *footer]
    return "\n".join(lines) + "\n"


def as_html(message: Message, footer: tuple[str, ...]) -> str:
    """The same as HTML. Whatever an event says is text in it; addresses in the footer are links."""
    rows = "".join(
        f'<tr><th align="left" style="padding-right:1em">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in message.facts
    )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in message.text.split("\n") if line)
    below = "".join(f"<p>{_linked(line)}</p>" for line in footer)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(message.title)}</title></head>"
        f'<body style="{_WRAP}"><h1 style="font-size:20px">{escape(message.title)}</h1>{paragraphs}'
        + (f"<table>{rows}</table>" if rows else "")
        + (f'<hr><div style="font-size:13px">{below}</div>' if below else "")
        + "</body></html>\n"
    )


def _linked(line: str) -> str:
    return " ".join(map(_link, line.split(" ")))


def _link(word: str) -> str:
    shown = escape(word)
    return f'<a href="{shown}">{shown}</a>' if word.startswith(("https://", "http://")) else shown
