"""The line of a zone file in which a record stands (RFC 1035 §5.1).

Goes in: a zone file, its origin, an answer of the DNS. Comes out: a line number.

Rule: the file has been read by a real parser before: here a record is found by its
      owner and type, and by its data where several have both.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from maillab.trace.events import Event


def find_record(
    file: Path, origin: str, event: Event, change: Callable[[str], str] = str
) -> int | None:
    """Where the answer's first record stands; None when the file has none such.

    `change` is what was done to the text of the file when it was loaded.
    """
    question = absolute(str(event["question"]), ".")
    kind, _, data = str(event["answers"][0] if event["answers"] else "").partition(" ")
    try:
        text = change(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    top = absolute(origin, ".")
    fitting = [
        (number, words)
        for number, owner, words in records(text, top)
        if owner == question and kind in words
    ]
    same = [number for number, words in fitting if _has_data(words, data, top)]
    return next(iter(same), None)


def records(text: str, origin: str) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, owner, and the words behind it."""
    owner = origin
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition(";")[0].split()
        if not words:
            continue
        if words[0].upper() == "$ORIGIN" and len(words) > 1:
            origin = absolute(words[1], origin)
            continue
        if line[0] not in " \t":
            owner = absolute(words.pop(0), origin)
        yield number, owner, words


def absolute(name: str, origin: str) -> str:
    """A name with its final dot, in small letters.

    >>> absolute("mx", "beta.example."), absolute("@", "beta.example.")
    ('mx.beta.example.', 'beta.example.')
    """
    name = name.lower()
    if name == "@":
        return origin
    if name.endswith("."):
        return name
    return f"{name}.{origin}" if origin != "." else f"{name}."


def _has_data(words: list[str], data: str, origin: str) -> bool:
    """The last word of the data is the last of the line, in full or in part."""
    wanted = data.rsplit(" ", 1)[-1].lower()
    last = words[-1].lower()
    return wanted in (last, absolute(last, origin)) or data.startswith('"')
