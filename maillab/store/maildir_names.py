"""How a Maildir spells things: messages, flags, folders, and users of a store.

Goes in: names of files and folders, flags, names of mailboxes, addresses. Comes out:
the other one.

    new/1767258000.M…P77V…U0000000003.maillab,S=512          nobody has seen it
    cur/1767258000.M…P77V…U0000000003.maillab,S=512:2,FS     \\Flagged, \\Seen
    .lists.mail/                                             the mailbox "lists/mail"

Rule 1: what stands before ":2," (the base) never changes and is never used twice: our
        own ones hold UIDVALIDITY and UID.
Rule 2: folders follow Maildir++: "." between levels, names in modified UTF-7; a "." in
        a name is written as a shift, which modified UTF-7 itself would not do.
Rule 3: the folder of a user is one name, never a path out of the store.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from maillab.errors import LabError
from maillab.store.mailboxes import INBOX
from maillab.wire import mutf7

FLAGS: Mapping[str, str] = {
    "\\Draft": "D",
    "\\Flagged": "F",
    "\\Answered": "R",
    "\\Seen": "S",
    "\\Deleted": "T",
}
MARK = ".maillab,"  # in the names of files that we wrote
MAX_FILE_NAME = 255  # octets, on usual file systems
SEEN_FLAGS: Mapping[str, str] = {
    **{letter: flag for flag, letter in FLAGS.items()},
    "P": "$Forwarded",  # "passed"; mbsync writes it, we use a keyword as Dovecot does
}

_INFO = ":2,"
_DOT = "&AC4-"
_UID_OF_MBSYNC = re.compile(r",U=\d+(?=,|$)")
_PLACE = re.compile(r"V(\d{1,18})U(\d{1,18})\.maillab,")
_BEGIN = re.compile(r"(\d{1,18})(?:\.(?:\D*?M(\d{1,6}))?)?")


def base_name(when: float, place: tuple[int, int], pid: int, size: int) -> str:
    """The name of a new message. `place`: UIDVALIDITY and UID.

    >>> base_name(1767258000.25, (1767257999, 3), 77, 512)
    '1767258000.M250000P77V1767257999U0000000003.maillab,S=512'

    Programs that sort by name find the messages of one moment in their order.
    """
    seconds, micros = divmod(round(when * 1_000_000), 1_000_000)
    validity, uid = place
    return f"{seconds}.M{micros:06}P{pid}V{validity}U{uid:010}{MARK}S={size}"


def is_later(name: str, validity: int, uid_next: int) -> bool:
    """Did we name a file for a UID of this mailbox that is not given yet?

    >>> is_later("1767258000.M25P7V1767257999U3.maillab,S=5:2,S", 1767257999, 3)
    True
    """
    found = _PLACE.search(name)
    return bool(found and int(found[1]) == validity and int(found[2]) >= uid_next)


def with_info(base: str, letters: str) -> str:
    """The name of a file in cur/.

    >>> with_info("1.a", "FS")
    '1.a:2,FS'
    """
    return f"{base}{_INFO}{letters}"


def from_file_name(name: str) -> tuple[str, str]:
    """The base, and the letters of the flags.

    >>> from_file_name("1.a:2,FS"), from_file_name("1.a")
    (('1.a', 'FS'), ('1.a', ''))
    """
    base, _, letters = name.partition(_INFO)
    return base, letters


def identity(base: str) -> str:
    """What stays of a base: mbsync puts its own UID into the names of files.

    >>> identity("1.a,S=512,U=7")
    '1.a,S=512'
    """
    return _UID_OF_MBSYNC.sub("", base)


def order_of(base: str) -> tuple[int, int, str]:
    """Sorts messages by the time that stands in their names.

    >>> sorted(["10.M5P1.h", "x", "9.M7P1.h", "9.M10P1.h"], key=order_of)
    ['x', '9.M7P1.h', '9.M10P1.h', '10.M5P1.h']
    """
    found = _BEGIN.match(base)
    if found is None:
        return 0, 0, base
    return int(found[1]), int(found[2] or 0), base


def to_letters(flags: Iterable[str], keywords: Mapping[str, str]) -> str:
    """Flags as they stand in a file name. `keywords`: name -> letter.

    >>> to_letters(["\\\\Seen", "$Junk", "unknown"], {"$Junk": "a"})
    'Sa'
    """
    known = (FLAGS.get(flag) or keywords.get(flag, "") for flag in flags)
    return "".join(sorted(known))


def from_letters(letters: str, keywords: Mapping[str, str]) -> frozenset[str]:
    """The flags that stand in a file name; letters that nobody knows count nothing.

    >>> sorted(from_letters("SaQ", {"$Junk": "a"}))
    ['$Junk', '\\\\Seen']
    """
    names = {letter: name for name, letter in keywords.items()}
    found = (SEEN_FLAGS.get(one) or names.get(one, "") for one in letters)
    return frozenset(flag for flag in found if flag)


def to_folder(mailbox: str) -> str:
    """The folder of a mailbox, below that of the user; "" is INBOX.

    >>> to_folder("lists/a.b"), to_folder("Entwürfe"), to_folder("INBOX")
    ('.lists.a&AC4-b', '.Entw&APw-rfe', '')
    """
    if mailbox == INBOX:
        return ""
    levels = (
        _DOT.join(mutf7.to_wire(piece).decode("ascii") for piece in level.split("."))
        for level in mailbox.split("/")
    )
    return "".join(f".{level}" for level in levels)


def from_folder(folder: str) -> str:
    """The mailbox of a folder. Raises ValueError.

    >>> from_folder(".lists.a&AC4-b")
    'lists/a.b'
    """
    if not folder:
        return INBOX
    levels = (
        ".".join(mutf7.from_wire(piece.encode()) for piece in level.split(_DOT))
        for level in folder[1:].split(".")
    )
    return "/".join(levels)


def to_user_folder(address: str) -> str:
    """The folder of a user in a store. Raises LabError.

    >>> to_user_folder("Ann@example.org"), to_user_folder("../a")
    ('ann@example.org', '%2E.%2Fa%40')
    """
    folder = quote(address.lower(), safe="@+=.")
    if folder.startswith("."):
        folder = "%2E" + folder[1:]
    if "@" not in folder:  # may be the name of a file of ours
        folder += "%40"
    if not address or len(folder) > MAX_FILE_NAME:
        raise LabError(
            f"{address[:40]!r} cannot be the name of a folder: give an address of 1 "
            f"to {MAX_FILE_NAME} characters, such as 'ann@example.org'"
        )
    return folder


def from_user_folder(folder: str) -> str:
    """The address of a user's folder; "" when it is none.

    >>> from_user_folder("ann@example.org"), from_user_folder("lock")
    ('ann@example.org', '')
    """
    address = unquote(folder)
    for one in (address, address.removesuffix("@")):
        try:
            if to_user_folder(one) == folder:
                return one
        except LabError:
            continue
    return ""
