"""Why the disk cannot do it, in words for users.

Goes in: what the operating system or SQLite said. Comes out: StoreUnavailable.

Rule: a peer may see the words: no path, no number, no name of a program.
"""

import errno
import sqlite3

from maillab.store.messages import StoreUnavailable

_FULL = "The disk of the mail store is full"
_READ_ONLY = "The disk of the mail store is write-protected"
_FORBIDDEN = "The mail store may not be written"
_DAMAGED = "The index of the mail store is damaged; a restart makes it anew"
_BUSY = "Another program has locked the mail store"
_BROKEN = "The disk of the mail store does not answer as it should"

_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}
_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
}


def unavailable(error: Exception) -> StoreUnavailable:
    """What users are told.

    >>> str(unavailable(OSError(errno.ENOSPC, "No space left on device")))
    'The disk of the mail store is full'
    """
    if isinstance(error, OSError):
        return StoreUnavailable(_SYSTEM.get(error.errno or 0, _BROKEN))
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return StoreUnavailable(_SQLITE.get(code & 0xFF, _BROKEN))
