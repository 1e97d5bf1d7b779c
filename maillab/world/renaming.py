"""The same world under other names: domains and addresses replaced in its files.

Goes in: the text of a scenario or of a zone file. Comes out: the text with other names.

Rule 1: a name is replaced with all that stands below it, and nothing that only looks
        alike: `post.example` in `mail.post.example`, not in `outpost.example`.
Rule 2: an address takes its reverse name with it (RFC 1035 §3.5).
Rule 3: all replacements happen at once, so names may change places.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

# Behind a slash stands the name of a file.
_BEFORE, _AFTER = r"(?<![\w/-])(?:(?<!\d\.)|(?!\d))", r"(?![\w-])(?!\.\d)"


@dataclass(frozen=True)
class Renaming:
    """What is called otherwise; old name or address -> new one.

    >>> Renaming({"post.example": "mill.example"})("mail.post.example. outpost.example")
    'mail.mill.example. outpost.example'
    >>> Renaming({"192.0.2.25": "192.0.2.7"})("25.2.0.192.in-addr.arpa 192.0.2.250")
    '7.2.0.192.in-addr.arpa 192.0.2.250'
    >>> Renaming({"post.example": "mill.example"})("mx1.post.example")
    'mx1.mill.example'
    """

    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def __call__(self, text: str) -> str:
        """The text with the new names."""
        if not self.names:
            return text
        return self._pattern.sub(lambda found: self._all[found[0].lower()], text)

    @cached_property
    def _all(self) -> dict[str, str]:
        both = dict(self.names)
        for old, new in self.names.items():
            if is_address(old):
                both[reverse_name(old)] = reverse_name(new)
        return both

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(map(re.escape, self._all), key=len, reverse=True)
        words = "|".join(longest_first)
        return re.compile(f"{_BEFORE}(?:{words}){_AFTER}", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether this is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reverse_name(address: str) -> str:
    """The name of its PTR record.

    >>> reverse_name("192.0.2.25")
    '25.2.0.192.in-addr.arpa'
    """
    return ipaddress.ip_address(address).reverse_pointer
