"""Answers to exercise 4.2: right ones, the empty one, mistakes."""

from collections.abc import Callable

from maillab.grading import Lab, Task
from tests.exercises.kit import Answers, empty

Build = Callable[[Lab, Task], None]


def text(task: Task, mx: str = "10 mail", **more: str) -> str:
    """A zone file; `more` replaces the address of ns or mail."""
    server = more.get("ns", f"ns A {task.nameserver_address}")
    mail = more.get("mail", f"mail A {task.exchanger_address}")
    soa = "$TTL 3600\n@ SOA ns hostmaster 2026010501 7200 3600 1209600 300"
    return "\n".join([soa, "@ NS ns", f"@ MX {mx}", server, mail, ""])


def serve(lab: Lab, task: Task, zone: str) -> None:
    lab.world.serve_zone(task.nameserver, task.domain, zone)


def delegate(lab: Lab, task: Task, address: str = "") -> None:
    glue = {task.nameserver: [address or task.nameserver_address]}
    lab.world.delegate(task.domain, glue)


def reverse(lab: Lab, task: Task, target: str = "") -> None:
    number = task.exchanger_address.rpartition(".")[2]
    zone = lab.world.zone(lab.names.reverse)
    zone.add(number, "PTR", target or f"{task.exchanger}.")


def write(lab: Lab, task: Task) -> None:
    lab.world.send("bob", task.recipient, task.subject, "Welcome!")


# Right --------------------------------------------------------------------------------


def in_order(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task)
    reverse(lab, task)
    lab.world.advance("15 min")
    write(lab, task)


def watching_the_resolver(lab: Lab, task: Task) -> None:
    """Names in full, another order, asks once a minute."""
    domain, names = task.domain, lab.names
    zone = f"""$ORIGIN {domain}.
$TTL 1800
{domain}. IN SOA {task.nameserver}. postmaster.{domain}. 7 3600 600 604800 60
{domain}. IN NS {task.nameserver}.
{domain}. IN MX 5 {task.exchanger}.
{task.exchanger}. 600 IN A {task.exchanger_address}
{task.nameserver}. 600 IN A {task.nameserver_address}
"""
    reverse(lab, task)
    delegate(lab, task)
    serve(lab, task, zone)
    while lab.world.dig(domain, "MX", host=names.sender).status == "NXDOMAIN":
        lab.world.advance("1 min")
    write(lab, task)


def impatient_at_first(lab: Lab, task: Task) -> None:
    """The first letter bounces; the second one is sent the next day."""
    serve(lab, task, text(task))
    delegate(lab, task)
    write(lab, task)
    reverse(lab, task)
    lab.world.advance("1 day")
    write(lab, task)


# Wrong --------------------------------------------------------------------------------


def all_but(zone: Callable[[Task], str]) -> Build:
    """Everything is right but the text of the zone."""

    def answer(lab: Lab, task: Task) -> None:
        serve(lab, task, zone(task))
        delegate(lab, task)
        reverse(lab, task)
        lab.world.advance("15 min")
        write(lab, task)

    answer.__name__ = zone.__name__
    return answer


def mx_without_dot(task: Task) -> str:
    return text(task, f"10 {task.exchanger}")


def mx_to_an_address(task: Task) -> str:
    return text(task, f"10 {task.exchanger_address}")


def mx_to_an_alias(task: Task) -> str:
    return text(task, mail=f"mail CNAME www\nwww A {task.exchanger_address}")


def no_address(task: Task) -> str:
    return text(task, mail="")


def foreign_server_in_the_zone(task: Task) -> str:
    return text(task) + "@ NS ns.coop.example.\n"


def served_only(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    reverse(lab, task)
    lab.world.advance("15 min")
    write(lab, task)


def delegated_only(lab: Lab, task: Task) -> None:
    delegate(lab, task)
    reverse(lab, task)
    lab.world.advance("15 min")
    write(lab, task)


def glue_of_the_mail_server(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task, task.exchanger_address)
    lab.world.advance("15 min")
    write(lab, task)


def no_pointer(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task)
    lab.world.advance("15 min")
    write(lab, task)


def pointing_to(target: Callable[[Task], str], name: str) -> Build:
    def answer(lab: Lab, task: Task) -> None:
        no_pointer(lab, task)
        reverse(lab, task, target(task))

    answer.__name__ = name
    return answer


def impatient(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task)
    reverse(lab, task)
    write(lab, task)
    lab.world.advance("15 min")


def flushing(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task)
    reverse(lab, task)
    lab.world.resolver(lab.names.resolver).flush()
    write(lab, task)


def sent_by_somebody_else(lab: Lab, task: Task) -> None:
    serve(lab, task, text(task))
    delegate(lab, task)
    reverse(lab, task)
    lab.world.advance("15 min")
    lab.world.dig(task.domain, "MX", host=lab.names.sender)
    lab.world.send("alice", task.recipient, task.subject, "Welcome!")


ANSWERS = {
    "4.2": Answers(
        right=[in_order, watching_the_resolver, impatient_at_first],
        wrong=[
            (empty, "an authoritative MX answer"),
            (all_but(mx_without_dot), "without a final dot"),
            (all_but(mx_to_an_address), "names a host, never an address"),
            (all_but(mx_to_an_alias), "is no alias"),
            (all_but(no_address), "needs an A record of its own"),
            (all_but(foreign_server_in_the_zone), "as the only name server"),
            (served_only, "the zone above must name your server"),
            (delegated_only, "world.serve_zone"),
            (glue_of_the_mail_server, "the address of the name server itself"),
            (no_pointer, "the last number of the address first"),
            (pointing_to(lambda t: t.exchanger, "no_dot"), "113.0.203.in-addr.arpa"),
            (pointing_to(lambda t: f"{t.domain}.", "domain"), "not the domain"),
            (impatient, "nobody has asked it since"),
            (flushing, "other people's resolvers"),
            (sent_by_somebody_else, "no such letter"),
        ],
    )
}
