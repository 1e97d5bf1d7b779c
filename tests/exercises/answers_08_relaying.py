"""Answers to exercises 8.1 and 8.2: close the relay, and say who may use it."""

from collections.abc import Callable, Mapping
from typing import Any

from maillab.grading import Lab, Task
from tests.exercises.kit import Answers, empty

Takes = Callable[[str, str, str, str], Any]

# 8.1 ----------------------------------------------------------------------------------


def close(lab: Lab, task: Task, **instead: Any) -> None:
    """All three holes; `instead`: other settings for some sections."""
    sections: dict[str, Any] = {
        "relay": {"open": False, "networks": [task.scanner]},
        "remote_domains": {task.branch: {"allow_relay": True}},
    }
    lab.world.configure(lab.names.server, **sections | instead)


def rule_of(task: Task) -> Takes:
    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        if recipient.startswith("@"):
            recipient = recipient.partition(":")[2]
        local, _, domain = recipient.rpartition("@")
        if domain.lower() == task.domain:
            return local.lower() in [*task.people, "postmaster"]
        if user or client == task.scanner:
            return True
        return domain.lower() == task.branch and not {*"%!@"} & {*local}

    return takes


def closed_at_once(lab: Lab, task: Task) -> Takes:
    close(lab, task)
    return rule_of(task)


def closed_one_by_one(lab: Lab, task: Task) -> Takes:
    """In another order, with a prefix, and with another rule of the same meaning."""
    server = lab.names.server
    lab.world.configure(server, remote_domains=[relay_for(task.branch)])
    lab.world.configure(server, relay={"networks": [f"{task.scanner}/32"]})
    lab.world.configure(
        server, relay={"open": False, "source_routes": "refuse"}, limits={"idle": 60}
    )
    ours = {f"{name}@{task.domain}" for name in (*task.people, "postmaster")}

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        path = recipient.lower().rsplit(":", 1)[-1]
        domain = path.split("@")[-1]
        if domain == task.domain:
            return path in ours
        trusted = bool(user) or client == task.scanner
        hidden = any(mark in path for mark in '%!"')
        return trusted or (domain == task.branch and not hidden)

    return takes


def relay_for(domain: str) -> dict[str, Any]:
    return {"name": domain, "allow_relay": True}


def switch_only(lab: Lab, task: Task) -> Takes:
    lab.world.configure(lab.names.server, relay={"open": False})
    return rule_of(task)


def pattern_left(lab: Lab, task: Task) -> Takes:
    close(lab, task, remote_domains={"*.example": {"allow_relay": True}})
    return rule_of(task)


def whole_network(lab: Lab, task: Task) -> Takes:
    net = task.scanner.rpartition(".")[0] + ".0/24"
    close(lab, task, relay={"open": False, "networks": [net]})
    return rule_of(task)


def no_scanner(lab: Lab, task: Task) -> Takes:
    close(lab, task, relay={"open": False, "networks": []})
    return rule_of(task)


def no_branch(lab: Lab, task: Task) -> Takes:
    close(lab, task, remote_domains=[])
    return rule_of(task)


def no_strangers(lab: Lab, task: Task) -> Takes:
    close(lab, task, access={"anonymous": False})
    return rule_of(task)


def no_logins(lab: Lab, task: Task) -> Takes:
    relay = {"open": False, "networks": [task.scanner], "authenticated": False}
    close(lab, task, relay=relay)
    return rule_of(task)


def with_rule(make: Callable[[Task], Takes]) -> Callable[[Lab, Task], Takes]:
    """The server is right, the rule is not."""

    def answer(lab: Lab, task: Task) -> Takes:
        close(lab, task)
        return make(task)

    answer.__name__ = make.__name__
    return answer


def first_at(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        parts = recipient.split("@")
        if parts[-1] != recipient and parts[1] == task.domain:
            return parts[0] in [*task.people, "postmaster"]
        return right(sender, recipient, client, user)

    return takes


def domain_only(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        ours = recipient.endswith(f"@{task.domain}")
        return ours or right(sender, recipient, client, user)

    return takes


def substring(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        return task.domain in recipient or right(sender, recipient, client, user)

    return takes


def believes_the_sender(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        ours = sender.endswith(f"@{task.domain}")
        return ours or right(sender, recipient, client, user)

    return takes


def follows_routes(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        to_us = recipient.startswith(f"@{task.domain}")
        return to_us or right(sender, recipient, client, user)

    return takes


def refuses_reports(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        return bool(sender) and right(sender, recipient, client, user)

    return takes


def branch_with_routes(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        branch = recipient.endswith(f"@{task.branch}") and recipient[0] != "@"
        return branch or right(sender, recipient, client, user)

    return takes


def forgets_postmaster(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        known = not recipient.startswith("postmaster@")
        return known and right(sender, recipient, client, user)

    return takes


def minds_capitals(task: Task) -> Takes:
    right = rule_of(task)

    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        small = recipient == recipient.lower()
        return small and right(sender, recipient, client, user)

    return takes


def that_raises(task: Task) -> Takes:
    def takes(sender: str, recipient: str, client: str, user: str) -> bool:
        raise KeyError(recipient)

    return takes


def that_says_nothing(task: Task) -> Takes:
    def takes(sender: str, recipient: str, client: str, user: str) -> Any:
        return ...

    return takes


# 8.2 ----------------------------------------------------------------------------------

LOGIN_FOR = ("local-local", "local-external", "external-external")
INTERNET = {
    "name": "Internet",
    "first": "0.0.0.0",
    "last": "255.255.255.255",
    "priority": 10,
    "login_for": LOGIN_FOR,
}


def warehouse(task: Task, **instead: Any) -> dict[str, Any]:
    return {
        "name": "Warehouse",
        "first": task.first,
        "last": task.last,
        "priority": 20,
        "protocols": ["smtp"],
        "relays": ["local-local", "local-external"],
    } | instead


def logins(task: Task) -> dict[str, Any]:
    return {
        "login_on_port_25": False,
        "plain_login": False,
        "mechanisms": task.mechanisms,
    }


def configure(
    lab: Lab,
    task: Task,
    ranges: list[dict[str, Any]],
    access: Mapping[str, Any],
    match: str = "account",
) -> None:
    lab.world.configure(
        lab.names.server,
        access={"ip_ranges": ranges, **logins(task), **access},
        relay={"networks": [], "sender_match": match},
    )


def two_ranges(lab: Lab, task: Task) -> None:
    configure(lab, task, [INTERNET, warehouse(task)], {})


def three_ranges(lab: Lab, task: Task) -> None:
    """A range more, another order, logins instead of missing ways; `networks` stay."""
    server = lab.names.server
    mine = warehouse(task, priority=99, login_for=["external-external"])
    mine["relays"] = ["local-local", "local-external"]
    here = {"name": "Here", "first": "127.0.0.1", "last": "127.0.0.1", "priority": 30}
    lab.world.configure(server, access={"ip_ranges": [mine, here, INTERNET]})
    lab.world.configure(server, access={"mechanisms": task.mechanisms[::-1]})
    lab.world.configure(server, access={"plain_login": False})
    lab.world.configure(server, access={"login_on_port_25": False})
    lab.world.configure(server, relay={"sender_match": "account"})


def networks_only(lab: Lab, task: Task) -> None:
    relay = {"networks": [task.first, task.last], "sender_match": "account"}
    lab.world.configure(lab.names.server, relay=relay, access=logins(task))


def warehouse_only(lab: Lab, task: Task) -> None:
    configure(lab, task, [warehouse(task)], {})


def low_priority(lab: Lab, task: Task) -> None:
    configure(lab, task, [INTERNET, warehouse(task, priority=10)], {})


def everything_from_devices(lab: Lab, task: Task) -> None:
    ways = [*LOGIN_FOR, "external-local"]
    configure(lab, task, [INTERNET, warehouse(task, relays=ways)], {})


def one_too_many(lab: Lab, task: Task) -> None:
    net, _, number = task.last.rpartition(".")
    last = f"{net}.{int(number) + 1}"
    configure(lab, task, [INTERNET, warehouse(task, last=last)], {})


def local_is_local(lab: Lab, task: Task) -> None:
    open_door = INTERNET | {"login_for": LOGIN_FOR[1:]}
    configure(lab, task, [open_door, warehouse(task)], {})


def devices_read_mail(lab: Lab, task: Task) -> None:
    protocols = ["smtp", "pop3", "imap"]
    configure(lab, task, [INTERNET, warehouse(task, protocols=protocols)], {})


def ways_forbidden(lab: Lab, task: Task) -> None:
    shut = INTERNET | {"relays": ["external-local"], "login_for": []}
    configure(lab, task, [shut, warehouse(task)], {})


def logins_at_25(lab: Lab, task: Task) -> None:
    access = {"login_on_port_25": True}
    configure(lab, task, [INTERNET, warehouse(task)], access)


def readable_passwords(lab: Lab, task: Task) -> None:
    configure(lab, task, [INTERNET, warehouse(task)], {"plain_login": True})


def best_mechanism_only(lab: Lab, task: Task) -> None:
    access = {"mechanisms": ["SCRAM-SHA-256", "PLAIN"]}
    configure(lab, task, [INTERNET, warehouse(task)], access)


def anybodys_address(lab: Lab, task: Task) -> None:
    configure(lab, task, [INTERNET, warehouse(task)], {}, match="domain")


ANSWERS = {
    "8.1": Answers(
        right=[closed_at_once, closed_one_by_one],
        wrong=[
            (empty, "a function takes(sender, recipient, client, user)"),
            (switch_only, "a pattern of remote domains"),
            (pattern_left, "a pattern of remote domains"),
            (whole_network, "more than the one device"),
            (no_scanner, "taken from scanner"),
            (no_branch, "RCPT TO:<ivy@"),
            (no_strangers, "found 530 5.7.0 Authentication required"),
            (no_logins, "after STARTTLS and AUTH"),
            (with_rule(first_at), "the domain stands behind the last @"),
            (with_rule(domain_only), "a name that nobody has"),
            (with_rule(substring), "is not yet one of us"),
            (with_rule(believes_the_sender), "is not yet one of us"),
            (with_rule(follows_routes), "a source route names hosts"),
            (with_rule(refuses_reports), "takes('', 'alice@"),
            (with_rule(branch_with_routes), "victim%bigmail.example@"),
            (with_rule(forgets_postmaster), "postmaster is a name that everybody"),
            (with_rule(minds_capitals), "capital letters and small ones"),
            (with_rule(that_raises), "the function fails"),
            (with_rule(that_says_nothing), "found ellipsis"),
        ],
    ),
    "8.2": Answers(
        right=[two_ranges, three_ranges],
        wrong=[
            (empty, "by stranger refused"),
            (networks_only, "mail from local to local addresses"),
            (warehouse_only, "cannot even connect"),
            (low_priority, "no other one has a higher priority"),
            (everything_from_devices, "as long as it uses our own domain"),
            (one_too_many, "by neighbour-2 refused"),
            (local_is_local, "mail from local to local addresses"),
            (devices_read_mail, "POP3 refused to label-printer"),
            (ways_forbidden, "must be among those that are allowed at all"),
            (logins_at_25, "no AUTH at port 25"),
            (readable_passwords, "before STARTTLS no AUTH"),
            (best_mechanism_only, "found AUTH PLAIN SCRAM-SHA-256"),
            (anybodys_address, "refused after a login as alice@"),
        ],
    ),
}
