"""The mail servers of a world: how they are configured, and why they refuse.

Goes in: the tables of the scenario, later the calls of scripts and notebooks. Comes
out: settings, in force at the next decision of the server.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from pydantic import ValidationError

from maillab.errors import LabError
from maillab.policy.settings import Settings
from maillab.trace.causing.chain import Chain
from maillab.trace.events import Event
from maillab.trace.recorder import Trace
from maillab.trace.view import plural
from maillab.trace.why import Refusal, cause_of, refusals
from maillab.world.complaints import first_sentence
from maillab.world.mail_checks import settings_mistakes
from maillab.world.mail_tables import MailTable, overlay
from maillab.world.origins import Origins
from maillab.world.personality import Personality, SettingsPages, personality
from maillab.world.scenario import LoadedScenario, Scenario
from maillab.world.servers import MailServer
from maillab.world.why import Why, explain_refusal

if TYPE_CHECKING:
    from maillab.trace.packet_list import PacketList


class Configuring:
    """The part of a `World` that is about the settings of mail servers."""

    scenario: Scenario
    trace: Trace
    servers: dict[str, MailServer]
    loaded: LoadedScenario

    def server(self, name: str) -> MailServer:
        """A mail server by its host name, or by a domain it serves. Raises LabError."""
        raise NotImplementedError

    def configure(self, server: str, **sections: Any) -> SettingsPages:
        """Change settings of a running mail server; the keys are those of `mail`.

        `world.configure("mx.alpha.example", relay={"open": True})`. What is not named
        stays as it is. Returns the settings now. Raises LabError.
        """
        chosen = self.server(server)
        table = self.scenario.hosts[chosen.name]
        settings = changed(
            chosen.mta.settings, sections, reversible=table.reversible_passwords
        )
        chosen.mta.settings = settings
        return self.settings(server)

    def settings(self, server: str) -> SettingsPages:
        """The settings of a mail server, in the words of its vendor."""
        chosen = self.server(server)
        return SettingsPages(
            self._clothes(chosen.name), chosen.mta.settings, chosen.name
        )

    @overload
    def why(self, what: str = "", *, server: str = "") -> Why: ...
    @overload
    def why(
        self, what: Event | int, *, capture: "PacketList | str | None" = None
    ) -> Chain: ...
    def why(
        self,
        what: str | Event | int = "",
        *,
        server: str = "",
        capture: "PacketList | str | None" = None,
    ) -> Why | Chain:
        """Why something was refused, or why an event happened.

        For an event of the trace, or its number: from it back to where it began, with
        the lines of the files that decided, and packet numbers of a capture.
        For a text, see `why_refused`. Raises LabError.
        """
        if isinstance(what, str):
            return self.why_refused(what, server=server)
        origins = Origins(self.loaded, self.trace, self._configured)
        return Chain(self.trace, what, capture, origins)

    def why_refused(self, text: str = "", *, server: str = "") -> Why:
        """Why something was refused: the last refusal that mentions `text`.

        `text` is an address, a connection such as "c3", or a part of the reply;
        nothing: the last refusal of all. A delivery that failed because of a reply is
        explained by whoever gave that reply. Raises LabError when there is none.
        """
        name = self.server(server).name if server else ""
        everything = refusals(self.trace)
        found = [
            refusal
            for refusal in everything
            if refusal.server == (name or refusal.server) and refusal.mentions(text)
        ]
        if not found:
            raise LabError(nothing_refused(text, name, everything))
        return self._explained(found[-1] if name else cause_of(found[-1], everything))

    def _explained(self, refusal: Refusal) -> Why:
        known = refusal.server in self.servers
        return explain_refusal(
            refusal,
            self.loaded,
            self._clothes(refusal.server) if known else None,
            self.servers[refusal.server].mta.settings if known else None,
        )

    def _configured(self, host: str) -> tuple[Personality, Settings] | None:
        known = self.servers.get(host)
        return (self._clothes(host), known.mta.settings) if known else None

    def _clothes(self, host: str) -> Personality:
        table = self.scenario.hosts.get(host)
        return personality(table.personality if table is not None else "maillab")


def nothing_refused(text: str, server: str, others: Sequence[Refusal]) -> str:
    """What to do instead of asking why."""
    by = f" by {server}" if server else ""
    about = f" that mentions {text!r}" if text else ""
    if others:
        hint = f"{plural(len(others), 'refusal')} in all; the last one: world.why()"
    else:
        hint = "see world.trace.summary(), or world.explain(HOST, HOST, PORT) for ways"
    return f"nothing was refused{by}{about}; {hint}"


def changed(
    settings: Settings, sections: dict[str, Any], *, reversible: bool = True
) -> Settings:
    """Settings with some sections changed. Raises LabError."""
    try:
        table = MailTable.model_validate(sections)
    except ValidationError as error:
        raise LabError(first_sentence(error, MailTable)) from None
    new: Settings = overlay(settings, table)
    for path, message in settings_mistakes(new, reversible_passwords=reversible):
        raise LabError(f"{path}: {message}")
    return new
