"""Where it is written down: the line of a file behind what decided an event.

Goes in: an event of a world's trace. Comes out: `world.toml:34: …`, a line of a zone
file, or the call that did it while the world ran; "" for what no file decides.

Rule: what stands in a file and was changed since is told as changed.
"""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Protocol

from maillab.net.presets import PRESETS
from maillab.policy.settings import Settings
from maillab.trace.events import Event
from maillab.trace.recorder import Trace
from maillab.trace.why import Refusal
from maillab.world.personality import Personality
from maillab.world.positions import line_of
from maillab.world.scenario import LoadedScenario
from maillab.world.topology import Filter, PresetTable, RuleTable
from maillab.world.why import origin_of, origin_without_setting, with_setting
from maillab.world.zone_lines import find_record

SECOND = 1_000_000_000
ANYWHERE = ("192.0.2.1", 25)  # a preset's rules are compared, not used
# The setting behind events that name none themselves.
SETTINGS = MappingProxyType({"ban": "defence.autoblock", "deferred": "delivery.retry"})


class Configured(Protocol):
    """What a world knows of the settings of one of its servers."""

    def __call__(self, host: str) -> tuple[Personality, Settings] | None:
        """As they are now; None for what is no mail server of this world."""
        ...


class Origins:
    """Finds the origin of events: call it with one."""

    def __init__(
        self, loaded: LoadedScenario, trace: Trace, configured: Configured
    ) -> None:
        self.loaded = loaded
        self.trace = trace
        self.configured = configured

    def __call__(self, event: Event) -> str:
        """In words; "" when there is none."""
        match event.kind:
            case "rule":
                return self._of_rule(event)
            case "fault":
                return self._of_fault(event)
            case "power" | "address":
                return self._of_happening(event)
            case "dns":
                return self._of_answer(event)
            case "policy" | "auth" | "line" | "ban" | "deferred" | "bounced":
                return self._of_setting(event)
            case _:
                return ""

    def _line(self, *path: str) -> str:
        return f"{self.loaded.file.name}:{line_of(self.loaded.text, path)}"

    # Settings of mail servers ---------------------------------------------------------

    def _of_setting(self, event: Event) -> str:
        found = self.configured(event.host)
        if found is None:
            return ""
        refusal = with_setting(self._as_refusal(event))
        if not refusal.setting:
            failed = event.kind == "auth" and not event["ok"]
            return origin_without_setting(refusal, self.loaded) if failed else ""
        origin = origin_of(refusal, self.loaded, *found)
        return f"{refusal.setting}: {origin}"

    def _as_refusal(self, event: Event) -> Refusal:
        """As `world.why` of a text looks at it."""
        reason = event.get("why") if event.kind == "line" else event.get("reason")
        setting = str(event.get("setting")) or SETTINGS.get(event.kind, "")
        if event.kind == "bounced" and self._was_put_off(event):
            setting = "delivery.expire"
        rule = f"login by {event['mechanism']}" if event.kind == "auth" else ""
        facts = (event.time_ns, event.number, event.connection, event.host)
        return Refusal(*facts, "", "", "", str(reason), rule, setting)

    def _was_put_off(self, event: Event) -> bool:
        """For the same reason: there is no better one to give it up now."""
        names = ("queue_id", "recipient", "reason")
        return any(
            e.host == event.host and all(e[n] == event[n] for n in names)
            for e in self.trace.of_kind("deferred")
            if e.number < event.number
        )

    # The network ----------------------------------------------------------------------

    def _of_rule(self, event: Event) -> str:
        table = self._place(event.host)
        if table is None:
            return ""
        where = "gateways" if event.host in self.loaded.scenario.gateways else "hosts"
        for at, preset in enumerate(table.presets):
            if _comes_from(event, preset):
                line = self._line(where, event.host, "presets", str(at))
                return f"{line}: the preset {preset.name}"
        for at, rule in _nearest_first(table.rules, event["number"] - 1):
            if (rule.action, rule.comment) == (event["action"], event["comment"]):
                return self._line(where, event.host, "rules", str(at))
        return f"while the world ran: world.add_rule({event.host!r}, …)"

    def _place(self, name: str) -> Filter | None:
        scenario = self.loaded.scenario
        return scenario.gateways.get(name) or scenario.hosts.get(name)

    def _of_happening(self, event: Event) -> str:
        """The timeline, or a call."""
        for at, entry in enumerate(self.loaded.scenario.timeline):
            then = round(entry.at * SECOND)
            if entry.host == event.host and abs(then - event.time_ns) < SECOND:
                return self._line("timeline", str(at))
        if event.kind == "address":
            return f"world.change_address({event.host!r}, {event['new']!r})"
        return f"world.power_{'on' if event['on'] else 'off'}({event.host!r})"

    # Faults ---------------------------------------------------------------------------

    def _of_fault(self, event: Event) -> str:
        if event["stage"] == "dns":
            return self._of_dns_fault(event)
        for at, table in enumerate(self.loaded.scenario.faults):
            known = (table.stage, table.comment) == (event["stage"], event["comment"])
            if known:
                return self._line("faults", str(at))
        return f"while the world ran: world.fault({event['stage']!r}, …)"

    def _of_dns_fault(self, event: Event) -> str:
        for at, table in enumerate(self.loaded.scenario.dns_faults):
            if (table.host, table.comment) == (event.host, event["comment"]):
                return self._line("dns_faults", str(at))
        return "while the world ran: world.dns_fault(…)"

    # The DNS --------------------------------------------------------------------------

    def _of_answer(self, event: Event) -> str:
        """The record in the zone file of the server that gave the answer."""
        if event["cached"] or event["rcode"] != "NOERROR":
            return ""
        for server, host in self.loaded.scenario.hosts.items():
            if event["server"] not in host.address:
                continue
            for origin, name in host.zones.items():
                file = self.loaded.file.parent / name
                line = find_record(file, origin, event, self.loaded.renaming)
                if line:
                    return f"{name}:{line}"
                if self._was_edited(server, origin, event):
                    return f"while the world ran: world.zone({origin!r})"
        return ""

    def _was_edited(self, server: str, origin: str, event: Event) -> bool:
        """The zone of the question is no longer what its file says."""
        question = f".{event['question']}".rstrip(".").lower()
        return question.endswith(f".{origin}".rstrip(".").lower()) and any(
            e.host == server and e["text"].startswith(f"zone {origin.rstrip('.')}: ")
            for e in self.trace.of_kind("note")
            if e.number < event.number
        )


def _comes_from(event: Event, preset: PresetTable) -> bool:
    """One of the preset's rules is the one that struck."""
    rules = PRESETS[preset.name].rules(ANYWHERE)
    struck = (event["action"], event["comment"])
    return any((rule.action, rule.comment) == struck for rule in rules)


def _nearest_first(
    rules: list[RuleTable], number: int
) -> Iterator[tuple[int, RuleTable]]:
    """With their places: rules that look alike are told apart by their number."""
    yield from sorted(enumerate(rules), key=lambda one: abs(one[0] - number))
