"""PREVIEW: the first words of a message (RFC 8970).

Goes in: a MIME tree. Comes out: up to 200 characters of plain text, on one line.

Rule 1: text/plain first, text/html without its tags else; attachments never.
Rule 2: no text: the empty string. "The server MUST NOT" invent anything.
Rule 3: only the beginning of a part is looked at.
"""

import html
import re

from maillab.wire.mime import Part
from maillab.wire.mime_values import Value

LENGTH = 200  # characters: "MUST NOT exceed" them (RFC 8970 §3.1)
LOOKED_AT = 256 * 1024  # octets of a part

_TAG = re.compile(r"</?([a-z][a-z0-9]*)", re.IGNORECASE)
_HIDDEN = {"head", "script", "style", "template", "title"}
_INLINE = {
    *("a", "abbr", "b", "code", "em", "font", "i", "q", "s", "small", "span"),
    *("strike", "strong", "sub", "sup", "tt", "u"),
}
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\xa0\ufeff\u200b]+")


def preview(tree: Part) -> str:
    """The preview of a message.

    >>> from maillab.wire.mime import parse
    >>> preview(parse(b"Content-Type: text/html\\r\\n\\r\\n<p>Dear <b>B</b>ob,<p>hi"))
    'Dear Bob, hi'
    """
    texts = [p for p in tree.walk() if p.media_type[0] == "text" and _is_shown(p)]
    kinds = {part.media_type[1]: part for part in reversed(texts)}
    if part := kinds.get("plain"):
        return _shortened(_text_of(part))
    if part := kinds.get("html"):
        return _shortened(html.unescape(without_tags(_text_of(part))))
    return ""


def without_tags(text: str) -> str:
    """HTML without tags, comments, and what a browser does not show.

    >>> without_tags("<style>p {}</style>a<b>b</b><br>c<!-- > -->")
    'ab c'
    """
    kept: list[str] = []
    at = 0
    lower = text.lower() if text.isascii() else _lower(text)
    while (opened := text.find("<", at)) >= 0:
        kept.append(text[at:opened])
        found = _TAG.match(lower, opened)
        if found and found[1] not in _INLINE:
            kept.append(" ")
        at = _markup_end(lower, opened, found)
    return ("".join(kept) + text[at:]).strip()


def _markup_end(lower: str, opened: int, found: re.Match[str] | None) -> int:
    if lower.startswith("<!--", opened):
        return _behind(lower, "-->", opened)
    if not found and not lower.startswith(("<!", "<?"), opened):
        return opened + 1  # a mere "<"
    if found and found[1] in _HIDDEN and lower[opened + 1] != "/":
        opened = _behind(lower, f"</{found[1]}", opened)
    return _behind(lower, ">", opened)


def _behind(text: str, end: str, at: int) -> int:
    found = text.find(end, at)
    return len(text) if found < 0 else found + len(end)


def _lower(text: str) -> str:
    """Lower case of the letters that tags have: as long as the text was."""
    return re.sub(r"[A-Z]+", lambda found: found[0].lower(), text)


def _is_shown(part: Part) -> bool:
    disposition = part.content_fields.get("content-disposition", "")
    return Value.parse(disposition).word.lower() != "attachment"


def _text_of(part: Part) -> str:
    end = min(part.end, part.body + LOOKED_AT)
    return Part(part.octets, part.start, part.body, end, part.media_type).text


def _shortened(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()[:LENGTH]
