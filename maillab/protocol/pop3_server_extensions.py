"""What a POP3 server can do (CAPA, RFC 2449 §5), and in which language (RFC 6856).

Goes in: arguments of commands. Comes out: replies.
"""

from typing import TYPE_CHECKING

from maillab.errors import Refused
from maillab.protocol.pop3_server_commands import command
from maillab.wire.pop3 import Reply, listing

if TYPE_CHECKING:
    from maillab.protocol.pop3_server import POP3Server

LANGUAGES = {"en": "English", "i-default": "Default language"}  # RFC 2277 §4.5


@command("CAPA", rfc="RFC 2449 §5")
def capa(server: "POP3Server", _argument: str) -> Reply:
    """List the capabilities."""
    delay = server.login_delay if server.user else None
    words = server.options.capabilities(server.tls_active, delay)
    return Reply(True, "Capabilities follow", body=listing(words))


@command("UTF8", rfc="RFC 6856 §2.1")
def utf8(server: "POP3Server", _argument: str) -> Reply:
    """Headers may come in UTF-8; without this they come as `surrogate` makes them."""
    server.utf8 = True
    return Reply(True, "UTF-8 headers come as they are")


@command("LANG", rfc="RFC 6856 §3")
def lang(server: "POP3Server", argument: str) -> Reply:
    """Say in which language replies are, or list the languages.

    "*" leaves the choice to the server.
    """
    if not argument:
        rows = [f"{tag} {name}" for tag, name in LANGUAGES.items()]
        return Reply(True, "Language listing follows:", body=listing(rows))
    chosen = find_language(argument)
    if chosen is None:
        raise Refused(Reply(False, f"{server.language_tag} That language is not known"))
    server.language_tag = chosen
    return Reply(True, f"{chosen} Language changed")


def find_language(wanted: str) -> str | None:
    """The language for a tag: itself, or a more general one (RFC 4647 §3.4).

    >>> find_language("EN-gb-oed"), find_language("de"), find_language("*")
    ('en', None, 'en')
    """
    parts = wanted.lower().split("-")
    if parts == ["*"]:
        return next(iter(LANGUAGES))
    ranges = ("-".join(parts[:size]) for size in range(len(parts), 0, -1))
    return next((tag for tag in ranges if tag in LANGUAGES), None)
