"""The network of a world as a page of its explorer: the picture, and all rules.

Goes in: a world. Comes out: the topology, with a check box for each rule that turns it
off and on.

Rule: rules are turned, never removed: their numbers and counters stay.
"""

from typing import Any

from maillab.net.rules import Rule
from maillab.trace.lines import clean
from maillab.trace.view import plural
from maillab.ui.controls import FULL, Explorer, called, column, control, kit, row
from maillab.world.world import World

ON, OFF = "Power on", "Power off"


class NetworkPage(Explorer):
    """Topology, rules, power."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.rules: dict[tuple[str, int], Any] = {}  # (place, number) -> check box
        self._shown: list[Rule] = []
        self.rule_boxes: Any = column()
        self.host: Any = control(
            "Dropdown",
            "Computer",
            options=[*world.hosts, *world.gateways],
            tooltip="The computer to switch off or on",
        )
        self.off: Any = control("Button", OFF, tooltip="Switch this computer off")
        self.power: Any = control("Button", ON, tooltip="Switch this computer on")
        self.on(self.off, lambda: self._power("power_off"))
        self.on(self.power, lambda: self._power("power_on"))
        switches = row(self.host, self.off, self.power)
        self.arrange(self.picture, self.rule_boxes, switches)

    def refresh(self) -> None:
        """Draw the picture, and the check boxes with their counters."""
        self._list_rules()
        self.show(self.world.topology(), "world.topology()")

    def _list_rules(self) -> None:
        """New boxes where rules came or went; else only new words beside them."""
        found = [
            (name, number, rule)
            for name, place in {**self.world.gateways, **self.world.hosts}.items()
            for number, rule in enumerate(place.firewall, 1)
        ]
        if self._shown != [rule for _, _, rule in found]:
            self._shown = [rule for _, _, rule in found]
            self.rules = {
                (name, number): self._box(name, number) for name, number, _ in found
            }
            heading = "Rules (checked: in force)" if found else "There are no rules."
            label = kit().HTML(f"<p><b>{heading}</b></p>")
            self.rule_boxes.children = (label, *self.rules.values())
        for name, number, rule in found:
            box = self.rules[name, number]
            hits = plural(rule.hits, "packet")
            box.description = clean(f"{name}, rule {number}: {rule} – {hits}")
            box.value = rule.enabled

    def _box(self, name: str, number: int) -> Any:
        box = control(
            "Checkbox",
            f"{name}, rule {number}",
            value=self.world.firewall(name)[number - 1].enabled,
            indent=False,
            tooltip="Checked: this rule is in force",
            layout={"width": FULL},
        )
        self.on(box, lambda: self._turn(name, number, box.value))
        return box

    def _turn(self, name: str, number: int, on: bool) -> None:
        firewall = self.world.firewall(name)
        turn = "turn_on" if on else "turn_off"
        getattr(firewall, turn)(number)
        self.did(called(f"{called('world.firewall', name)}.{turn}", number))

    def _power(self, switch: str) -> None:
        name = self.host.value
        getattr(self.world, switch)(name)
        self.did(called(f"world.{switch}", name))
