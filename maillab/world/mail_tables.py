"""`[hosts.NAME.mail]`: the settings of a mail server, as a scenario file writes them.

Goes in: tables of TOML (or keyword arguments of `world.configure`). Comes out:
`policy.settings.Settings`, laid over the defaults of a personality.

Rule 1: the keys are the fields of `policy.settings`; they are not written down twice.
Rule 2: a list of things with a name may be a table: `aliases = { "a@x" = ["b@x"] }` is
        the same as `aliases = [{ address = "a@x", to = ["b@x"] }]`.
"""

import re
from dataclasses import MISSING, fields, is_dataclass, replace
from dataclasses import Field as DataField
from functools import cache
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BeforeValidator, Field, create_model

from maillab.policy.settings import Block, Settings
from maillab.world.fields import Length, Table, as_list, check_block

SIZES = {"message_size", "session_size", "default_quota", "octets", "append_limit"}
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(|[KMG]B)\s*")
FACTORS = {"": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def check_size(value: Any) -> Any:
    """Octets: 2048, "2 MB" (MB as mail servers mean it: 1024 times 1024)."""
    if not isinstance(value, str):
        return check_count(value)
    found = SIZE.fullmatch(value)
    if found is None:
        raise ValueError(f'{value!r} is not a size; write octets, or "10 MB"')
    return round(float(found[1]) * FACTORS[found[2]])


def check_count(value: Any) -> Any:
    """A whole number; true and false are none, whatever Python thinks."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")
    return value


def check_days(value: Any) -> Any:
    """A number of days, or "never"."""
    if value == "never" or (type(value) is int and value >= 0):
        return value
    raise ValueError(f'{value!r} is no number of days; write 30, or "never"')


Days = Annotated[Any, BeforeValidator(check_days)]
Size = Annotated[int, BeforeValidator(check_size), Field(ge=0)]
Count = Annotated[int, BeforeValidator(check_count), Field(ge=0)]
OneBlock = Annotated[Block, BeforeValidator(check_block)]


class Section(Table):
    """A table that was made from the dataclass `kind`."""

    kind: ClassVar[type]


@cache
def table_of(kind: Any) -> type[Section]:
    """The table with the fields of a dataclass, and its defaults."""
    hints = get_type_hints(kind)
    found: dict[str, Any] = {
        field.name: (_type_of(field.name, hints[field.name]), _field(field))
        for field in fields(kind)
    }
    made = create_model(kind.__name__, __base__=Section, __doc__=kind.__doc__, **found)
    made.kind = kind
    return made


def _field(field: DataField[Any]) -> Any:
    has_one = field.default is not MISSING or field.default_factory is not MISSING
    default = None if has_one else ...  # never read: only what was given is used
    return Field(default, repr=field.repr)


def _type_of(name: str, hint: Any) -> Any:
    """What a field may be in TOML."""
    if hint is int:
        return Size if name in SIZES else Count
    if hint is float:
        return Length
    if hint == Block:
        return OneBlock
    if get_origin(hint) is tuple:
        return _list_of(name, get_args(hint)[0])
    if name == "expire_days":
        return Days
    if get_origin(hint) is UnionType:
        choices = [_type_of(name, one) for one in get_args(hint)]
        return choices[0] | choices[1]
    return table_of(hint) if is_dataclass(hint) else hint


def _list_of(name: str, item: Any) -> Any:
    if not is_dataclass(item):
        return Annotated[list[_type_of(name, item)], BeforeValidator(as_list)]
    names = [field.name for field in fields(item)]

    def named(value: Any) -> Any:
        """`{ key = value }`: the key is the first field."""
        if not isinstance(value, dict) or names[0] in value:
            return as_list(value)
        given = cast("dict[str, Any]", value)
        return [as_item(key, entry) for key, entry in given.items()]

    def as_item(key: str, entry: Any) -> dict[str, Any]:
        is_table = isinstance(entry, dict)
        rest = cast("dict[str, Any]", entry) if is_table else {names[1]: entry}
        return {names[0]: key} | rest

    return Annotated[list[table_of(item)], BeforeValidator(named)]


if TYPE_CHECKING:

    class MailTable(Section):
        """What `table_of` makes of `Settings`."""

else:
    MailTable = table_of(Settings)


def overlay(base: Any, table: Section) -> Any:
    """`base`, a dataclass, with what the table says."""
    given = {
        name: _value(getattr(base, name), getattr(table, name))
        for name in table.model_fields_set
    }
    return replace(base, **given)


def _value(old: Any, new: Any) -> Any:
    if isinstance(new, list):
        return tuple(_value(None, item) for item in cast("list[Any]", new))
    if not isinstance(new, Section):
        return new
    partial = not any(field.is_required() for field in type(new).model_fields.values())
    if partial and isinstance(old, new.kind):
        return overlay(old, new)
    return new.kind(
        **{name: _value(None, getattr(new, name)) for name in new.model_fields_set}
    )
