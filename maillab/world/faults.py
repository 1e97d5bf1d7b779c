"""Faults as people write them, in a scenario file or in a call.

Goes in: keys and values. Comes out: a checked `Fault`, or what is wrong with it.
"""

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maillab.errors import LabError
from maillab.policy.fault_plan import Fault
from maillab.policy.fault_words import advice
from maillab.world.complaints import explain
from maillab.world.scenario import FaultTable


def new_fault(keys: Mapping[str, Any], servers: Collection[str]) -> Fault:
    """A fault for these servers. Raises LabError.

    >>> new_fault({"stage": "rcpt", "delay": "1 min"}, ["mx.beta.example"]).delay
    60.0
    """
    try:
        fault = FaultTable.model_validate(keys).fault
    except ValidationError as error:
        [first, *_] = explain(error, Path(), "", FaultTable)
        raise LabError(f"fault: {first.message}") from None
    for key, message in mistakes(fault, servers):
        raise LabError(f"fault: {key}: {message}")
    return fault


def mistakes(fault: Fault, servers: Collection[str]) -> Iterator[tuple[str, str]]:
    """What cannot be meant: the key, and what to say about it."""
    yield from fault.mistakes()
    pattern = fault.host
    if not any(fnmatchcase(name.lower(), pattern.lower()) for name in servers):
        yield "host", f"no mail server is called {pattern!r}{advice(pattern, servers)}"
