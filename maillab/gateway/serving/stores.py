"""What a server keeps: accounts, mailboxes, the queue.

Goes in: settings and a folder. Comes out: a directory, a mail store, a spool.
"""

from pathlib import Path

from maillab.errors import LabError
from maillab.gateway.serving.folder import ServerFolder
from maillab.gateway.serving.settings import ServeSettings
from maillab.store.account_changes import Mailboxes, mailboxes_in_memory
from maillab.store.accounts import DirectoryBase
from maillab.store.file_accounts import FileDirectory
from maillab.store.passwords import real_hasher


def open_directory(
    settings: ServeSettings,
    folder: ServerFolder,
    mailboxes: Mailboxes = mailboxes_in_memory,
) -> DirectoryBase:
    """Who has a mailbox here. Raises LabError when the file is wrong."""
    if settings.accounts != "file":
        from maillab.store.sql_accounts import SqlDirectory  # slow to import

        url = url_beside(settings.accounts, folder.path)
        return SqlDirectory(
            url, real_hasher(), domains=settings.domains, mailboxes=mailboxes
        )
    directory = FileDirectory(folder.accounts, settings.domains, mailboxes=mailboxes)
    directory.check()
    return directory


def url_beside(text: str, folder: Path) -> str:
    """The URL of a database; a file of SQLite is in the folder of the server.

    Raises LabError.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except ArgumentError as error:
        raise LabError(f"accounts: {error}") from None
    name = url.database
    if url.get_backend_name() == "sqlite" and name and name != ":memory:":
        url = url.set(database=str(folder / name))
    return url.render_as_string(hide_password=False)


def problem_of(directory: DirectoryBase) -> str:
    """Why a file of accounts does not count; "" when all is well."""
    return directory.problem if isinstance(directory, FileDirectory) else ""
