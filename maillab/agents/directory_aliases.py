"""Aliases that stand in the directory, beside those of the settings.

Goes in: settings, and a directory that may have a table of aliases (systems of Postfix
and SQL keep them so). Comes out: settings with both.

Rule: what is configured comes first and keeps its place: `recipients.aliases.0` is the
      first one of the settings.
"""

from dataclasses import replace

from maillab.policy.recipient_settings import Alias, CatchAll
from maillab.policy.settings import Settings
from maillab.store.accounts import Directory


def with_directory_aliases(settings: Settings, directory: Directory) -> Settings:
    """The settings, and what the directory knows besides.

    The source "@domain" catches all of a domain. May raise DirectoryUnavailable.
    """
    table = directory.aliases()
    if not table:
        return settings
    recipients = settings.recipients
    aliases = [Alias(at, to) for at, to in table.items() if not at.startswith("@")]
    catch_all = [
        CatchAll(at.removeprefix("@"), to[0])
        for at, to in table.items()
        if at.startswith("@")
    ]
    both = replace(
        recipients,
        aliases=(*recipients.aliases, *aliases),
        catch_all=(*recipients.catch_all, *catch_all),
    )
    return replace(settings, recipients=both)
