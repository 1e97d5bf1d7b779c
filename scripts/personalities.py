"""Write docs/personalities.md: the settings of each server, in its vendor's words."""

from collections.abc import Iterator
from pathlib import Path

from maillab.protocol.smtp_phrases import PHRASES, Phrase
from maillab.world.personality import NAMES, Personality, SettingsPages, personality

PAGE = Path(__file__).parents[1] / "docs" / "personalities.md"
INTRODUCTION = """\
# Personalities

Written by `make docs` from `maillab/world/personalities`. There is one engine; a
personality is a set of defaults, replies and words: `personality = "iis-smtp"` in the
table of a host. `world.settings("HOST")` prints this table with the values of a running
server, [mail-servers.md](mail-servers.md) explains the keys; `{…}` is filled in.
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(part(personality(name)) for name in NAMES)])


def part(who: Personality) -> str:
    """One personality."""
    return "\n".join([f"## {who.name}: {who.title}", "", *words(who), *replies(who)])


def words(who: Personality) -> Iterator[str]:
    """Its words for settings."""
    found = SettingsPages(who, who.settings).table()
    yield f"| {' | '.join(found.columns)} |"
    yield "|" + "---|" * len(found.columns)
    for page_name, word, value, key, rfc in found.rows:
        code = f"`{key}`" if key else ""
        yield f"| {page_name} | {escaped(word)} | {escaped(value)} | {code} | {rfc} |"
    yield ""


def replies(who: Personality) -> Iterator[str]:
    """What it says in words of its own."""
    if not who.phrases:
        return
    yield "| reply | maillab | here |"
    yield "|---|---|---|"
    for name, phrase in who.phrases.items():
        ours = PHRASES[name]
        yield f"| {name} | {escaped(said(ours))} | {escaped(said(phrase))} |"
    yield ""


def said(phrase: Phrase) -> str:
    """A reply as a client hears it, with the places that are filled in."""
    return " ".join(part for part in (f"{phrase.code}", phrase.enhanced) if part) + (
        f" {phrase.text}" if phrase.text else ""
    )


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ⏎ ")


if __name__ == "__main__":
    main()
