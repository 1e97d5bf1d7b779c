"""`maillab serve --check`: would this server start?

Goes in: a folder. Comes out: everything that is wrong with it; nothing is opened.

Rule: it only reads. A server that runs is not disturbed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from maillab.errors import LabError
from maillab.gateway.serving import privileges
from maillab.gateway.serving.certificates import context_of
from maillab.gateway.serving.folder import ServerFolder, reachable
from maillab.gateway.serving.settings import ServeSettings, examine
from maillab.gateway.serving.stores import open_directory
from maillab.store.accounts import DirectoryUnavailable
from maillab.store.backup import Report, verify

Say = Callable[[str], None]
Check = Callable[[ServeSettings, ServerFolder], str]


def check_all(path: Path, say: Say) -> list[str]:
    """What is wrong. Raises LabError when there is no such folder."""
    folder = ServerFolder(path)
    folder.require()
    settings, mistakes = examine(folder.settings)
    if settings is None or mistakes:
        return [str(one) for one in mistakes]
    say(f"{folder.settings}: fine")
    return list(problems(settings, folder, say))


def problems(settings: ServeSettings, folder: ServerFolder, say: Say) -> Iterator[str]:
    """What is wrong beside the settings."""
    for check in (check_user, check_certificate, check_accounts, check_mail):
        try:
            with reachable(folder.path):
                said = check(settings, folder)
        except DirectoryUnavailable as error:
            yield f"accounts: {error}; is it running?"
        except LabError as error:
            yield str(error)
        else:
            say(said)


def check_user(settings: ServeSettings, folder: ServerFolder) -> str:
    """Whom to become."""
    del folder
    if not settings.user:
        return "runs as: the user who starts it"
    return f"runs as: {privileges.find_user(settings.user).name}"


def check_certificate(settings: ServeSettings, folder: ServerFolder) -> str:
    """The files that are given."""
    tls = settings.tls
    if not tls.certificate:
        return "certificate: the server's own authority"
    key = folder.beside(tls.key) if tls.key else None
    context_of(folder.beside(tls.certificate), key)
    return f"certificate: {folder.beside(tls.certificate)}"


def check_accounts(settings: ServeSettings, folder: ServerFolder) -> str:
    """They can be read, and live in a domain of ours."""
    directory = open_directory(settings, folder)
    homeless = [
        name
        for name in directory.names
        if not directory.is_local(name.rpartition("@")[2])
    ]
    if homeless:
        raise LabError(
            f"accounts: {', '.join(homeless)} cannot get mail: add the domain to "
            f"`domains`"
        )
    return f"accounts: {len(directory.names)}"


def check_mail(settings: ServeSettings, folder: ServerFolder) -> str:
    """Every message is read and compared with the index; the queue is counted."""
    del settings
    waiting = len([*folder.queue.glob("messages/*.mail")])
    report = verify(folder.mail) if folder.mail.exists() else Report()
    if report.problems:
        raise LabError(f"mail: {'; '.join(report.problems)}")
    return f"mail: {report}; queue: {waiting} messages"
