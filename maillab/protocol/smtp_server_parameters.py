"""The parameters of MAIL and RCPT, as far as a server offers them.

Goes in: what a command says, and the options. Comes out: paths and parameters, or
`Refused`.

Rule: which extension brings which parameter stands in one table, `PARAMETERS`. What no
      extension brings is refused with 555 (RFC 5321 §4.1.1.11).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from maillab.errors import Refused
from maillab.protocol.smtp_phrases import Phrases
from maillab.protocol.smtp_server_limits import SMTPServerOptions
from maillab.wire import smtp_parameters as values
from maillab.wire.smtp import Parameters, declared_size, parse_parameters
from maillab.wire.smtp_path import Address, parse_path

PRIORITY = re.compile(r"-?[0-9]")  # RFC 6710 §4.1: -9 to 9
INSTANT = re.compile(  # RFC 4865 §4: a date-time of RFC 3339 in UTC
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:\.[0-9]+)?Z"
)

# How a value is checked: raises ValueError. None: the parameter has no value.
Check = Callable[[str], object] | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: of which command, by which extension, with which value."""

    verb: str
    extension: str
    check: Check


def check_body(value: str) -> None:
    """What the content is (RFC 6152 §2); BINARYMIME is looked at in `read_mail`."""
    if value.upper() not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise ValueError("Syntax: BODY=7BIT or BODY=8BITMIME")


def check_priority(value: str) -> None:
    """From -9 to 9 (RFC 6710 §4.1)."""
    if not PRIORITY.fullmatch(value):
        raise ValueError("Syntax: MT-PRIORITY=<-9 to 9>")


def check_by(value: str) -> None:
    """Deliver by then, or return or notify (RFC 2852 §4)."""
    if not re.fullmatch(r"-?[0-9]{1,9};[RNrn][Tt]?", value):
        raise ValueError("Syntax: BY=<seconds>;R or BY=<seconds>;N, with T to trace")
    if int(value.partition(";")[0]) <= 0 and value.partition(";")[2][0] in "Rr":
        raise ValueError("In mode R, BY is more than 0 seconds")


def check_hold_for(value: str) -> None:
    """Hold the message so long (RFC 4865 §4)."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
        raise ValueError("Syntax: HOLDFOR=<seconds>")


def check_hold_until(value: str) -> None:
    """Hold the message until then (RFC 4865 §4)."""
    if not INSTANT.fullmatch(value):
        raise ValueError("Syntax: HOLDUNTIL=2030-01-31T12:00:00Z")


PARAMETERS: dict[str, Parameter] = {
    "SIZE": Parameter("MAIL", "SIZE", lambda text: declared_size({"SIZE": text})),
    "BODY": Parameter("MAIL", "8BITMIME", check_body),
    "AUTH": Parameter("MAIL", "AUTH", values.check_auth),
    "SMTPUTF8": Parameter("MAIL", "SMTPUTF8", None),
    "RET": Parameter("MAIL", "DSN", values.check_ret),
    "ENVID": Parameter("MAIL", "DSN", values.check_envid),
    "NOTIFY": Parameter("RCPT", "DSN", values.check_notify),
    "ORCPT": Parameter("RCPT", "DSN", values.check_orcpt),
    "REQUIRETLS": Parameter("MAIL", "REQUIRETLS", None),
    "BY": Parameter("MAIL", "DELIVERBY", check_by),
    "HOLDFOR": Parameter("MAIL", "FUTURERELEASE", check_hold_for),
    "HOLDUNTIL": Parameter("MAIL", "FUTURERELEASE", check_hold_until),
    "MT-PRIORITY": Parameter("MAIL", "MT-PRIORITY", check_priority),
}
WITHOUT_VALUE = {
    "SIZE": "Syntax: SIZE=<number>",
    "BODY": "Syntax: BODY=7BIT or BODY=8BITMIME",
    "AUTH": "Syntax: AUTH=<address or <>>",
}


class ParameterReader:
    """Reads `FROM:<path> parameters` and `TO:<path> parameters` for one session."""

    def __init__(self, options: SMTPServerOptions, phrases: Phrases) -> None:
        self._options = options
        self._phrases = phrases

    def read_mail(self, argument: str) -> tuple[Address, Parameters]:
        """The argument of MAIL. Raises Refused."""
        path, parameters = self._read("MAIL", "FROM:", argument, "bad-reverse-path")
        if not path.domain and not path.is_null:
            self._refuse("bad-reverse-path", detail="A reverse-path needs a domain")
        binary = (parameters.get("BODY") or "").upper() == "BINARYMIME"
        if binary and not self._options.has("BINARYMIME"):  # RFC 3030 §3
            self._refuse("bad-parameter", detail=WITHOUT_VALUE["BODY"])
        if {"HOLDFOR", "HOLDUNTIL"} <= parameters.keys():  # RFC 4865 §4
            self._refuse("bad-parameter", detail="HOLDFOR or HOLDUNTIL, not both")
        self._check_limits(parameters)
        self._check_ascii(path, "SMTPUTF8" in parameters)
        return path, parameters

    def read_rcpt(
        self, argument: str, *, international: bool
    ) -> tuple[Address, Parameters]:
        """The argument of RCPT. Raises Refused."""
        path, parameters = self._read("RCPT", "TO:", argument, "bad-forward-path")
        if path.is_null:
            self._refuse("bad-forward-path", detail="A recipient may not be <>")
        self._check_ascii(path, international)
        return path, parameters

    def _read(
        self, verb: str, keyword: str, argument: str, bad_path: str
    ) -> tuple[Address, Parameters]:
        if argument[: len(keyword)].upper() != keyword:
            self._refuse("syntax", detail=f"{keyword}<address>")
        try:
            # deviation: spaces after the colon are not in RFC 5321 §4.1.1.2, but common
            path, rest = parse_path(argument[len(keyword) :].lstrip(" "))
        except ValueError as error:
            raise self._refusal(bad_path, detail=error) from error
        try:
            parameters = parse_parameters(rest)
        except ValueError as error:
            raise self._refusal("bad-parameter", detail=error) from error
        self._check(verb, parameters)
        return path, parameters

    def _check(self, verb: str, parameters: Parameters) -> None:
        unknown = sorted(parameters.keys() - set(self._known(verb)))
        if unknown:
            self._refuse("unknown-parameters", detail=" ".join(unknown))
        for keyword, value in parameters.items():
            check = PARAMETERS[keyword].check
            try:
                if check is None and value is not None:
                    raise ValueError(f"{keyword} has no value")
                if check is not None and value is None:
                    raise ValueError(
                        WITHOUT_VALUE.get(keyword, f"Syntax: {keyword}=<value>")
                    )
                if check is not None:
                    check(value or "")
            except ValueError as error:
                raise self._refusal("bad-parameter", detail=error) from error

    def _known(self, verb: str) -> Iterator[str]:
        for keyword, parameter in PARAMETERS.items():
            offered = self._options.has(parameter.extension)
            if keyword == "BODY":  # RFC 3030 §3 adds a value to it
                offered |= self._options.has("BINARYMIME")
            if parameter.verb == verb and offered:
                yield keyword

    def _check_limits(self, parameters: Parameters) -> None:
        if 0 < self._options.max_size < declared_size(parameters):  # RFC 1870 §6.1
            self._refuse("too-big", limit=self._options.max_size)
        if int(parameters.get("HOLDFOR") or 0) > self._options.max_hold:
            self._refuse("hold-too-long", limit=self._options.max_hold)
        seconds, _, mode = (parameters.get("BY") or "").partition(";")
        too_soon = seconds and 0 < int(seconds) < self._options.min_deliver_by
        if too_soon and mode[:1] in "Rr":  # RFC 2852 §4
            self._refuse("deliverby-too-soon", limit=self._options.min_deliver_by)

    def _check_ascii(self, path: Address, international: bool) -> None:
        """Only after SMTPUTF8 may an address be more than ASCII (RFC 6531 §3.5)."""
        if not path.is_ascii and not international:
            self._refuse("non-ascii-address", address=path)

    def _refusal(self, name: str, **facts: object) -> Refused:
        return Refused(self._phrases.reply(name, **facts))

    def _refuse(self, name: str, **facts: object) -> None:
        raise self._refusal(name, **facts)
