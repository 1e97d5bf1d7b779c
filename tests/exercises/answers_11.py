"""Answers to the exercises of notebook 11: right ones, and mistakes."""

from typing import Any

from maillab.grading import Lab, Task
from tests.exercises.kit import Answer, Answers, empty

# 11.1 ---------------------------------------------------------------------------------


def account(lab: Lab, task: Task) -> None:
    lab.world.directory(task.domain).create_user("home", task.password)


def as_in_the_notebook(lab: Lab, task: Task) -> None:
    account(lab, task)
    lab.world.configure(
        task.relay, relay={"networks": []}, access={"plain_login": False}
    )


def step_by_step(lab: Lab, task: Task) -> None:
    lab.world.configure(task.relay, access={"plain_login": False})
    lab.world.configure(task.relay, access={"tls_required": [587]})
    lab.world.configure(task.relay, relay={"networks": ["127.0.0.0/8"], "open": False})
    people = lab.world.directory(task.relay)
    people.create_user(task.user, "first try")
    people.reset_password(task.user, task.password)


def forgets_the_neighbours(lab: Lab, task: Task) -> None:
    account(lab, task)
    lab.world.configure(task.relay, access={"plain_login": False})


def forgets_the_clear_password(lab: Lab, task: Task) -> None:
    account(lab, task)
    lab.world.configure(task.relay, relay={"networks": []})


def forgets_the_account(lab: Lab, task: Task) -> None:
    lab.world.configure(
        task.relay, relay={"networks": []}, access={"plain_login": False}
    )


def wrong_password(lab: Lab, task: Task) -> None:
    forgets_the_account(lab, task)
    lab.world.directory(task.domain).create_user("home", "tea-for-two")


def closes_the_door(lab: Lab, task: Task) -> None:
    """Nobody may talk to port 25 without a login, and that is where mail comes in."""
    as_in_the_notebook(lab, task)
    lab.world.configure(task.relay, access={"anonymous": False})


def trusts_nobody(lab: Lab, task: Task) -> None:
    as_in_the_notebook(lab, task)
    lab.world.configure(task.relay, relay={"authenticated": False})


# 11.2 ---------------------------------------------------------------------------------


def smart_host(lab: Lab, task: Task, **more: Any) -> None:
    host = {"host": task.relay, "port": 587, "tls": "verify"}
    host |= {"user": task.user, "password": task.password} | more
    lab.world.configure(task.server, delivery={"smart_host": host})


def spf(lab: Lab, task: Task, policy: str) -> None:
    lab.world.zone(task.zone).replace("@", "TXT", f'"{policy}"')


def home_as_in_the_notebook(lab: Lab, task: Task) -> None:
    smart_host(lab, task)
    spf(lab, task, f"v=spf1 mx a:{task.relay} -all")


def by_address_and_encrypted(lab: Lab, task: Task) -> None:
    spf(lab, task, f"v=spf1 ip4:{task.relay_address}/32 ~all")
    smart_host(lab, task, tls="encrypt")


def by_the_short_call(lab: Lab, task: Task) -> None:
    lab.world.use_smart_host(task.server, task.relay, task.user, task.password)
    domain = task.relay.partition(".")[2]
    spf(lab, task, f"v=spf1 include:{domain} -all")


def only_the_dns(lab: Lab, task: Task) -> None:
    spf(lab, task, f"v=spf1 mx a:{task.relay} -all")


def forgets_the_dns(lab: Lab, task: Task) -> None:
    smart_host(lab, task)


def everybody_may(lab: Lab, task: Task) -> None:
    smart_host(lab, task)
    spf(lab, task, "v=spf1 +all")


def without_login(lab: Lab, task: Task) -> None:
    home_as_in_the_notebook(lab, task)
    smart_host(lab, task, user="", password="")


def in_clear(lab: Lab, task: Task) -> None:
    home_as_in_the_notebook(lab, task)
    smart_host(lab, task, tls="none")


def direct_first(lab: Lab, task: Task) -> None:
    home_as_in_the_notebook(lab, task)
    lab.world.configure(task.server, delivery={"direct_first": True})


def two_records(lab: Lab, task: Task) -> None:
    smart_host(lab, task)
    zone = lab.world.zone(task.zone)
    zone.add("@", "TXT", f'"v=spf1 a:{task.relay} -all"')


# 11.3 ---------------------------------------------------------------------------------


def login(host: str, user: str, password: str) -> dict[str, Any]:
    return {"host": host, "user": user, "password": password, "tls": "verify"}


def office(lab: Lab, task: Task, **wrong: Any) -> None:
    """The notebook's answer, with some keys otherwise."""
    partner = login(task.partner_host, task.partner_user, task.partner_password)
    partner |= {"port": 465, "implicit_tls": True} | wrong.get("partner", {})
    cloud = login(task.cloud_host, task.cloud_user, task.cloud_password)
    cloud |= {"port": 587} | wrong.get("cloud", {})
    domain = task.cloud_user.partition("@")[2]
    delivery = {"masquerade": domain, "smart_host": cloud} | wrong.get("delivery", {})
    lab.world.configure(
        task.server,
        relay={"networks": wrong.get("networks", [task.machines])},
        delivery=delivery,
        remote_domains=wrong.get("domains", {task.partner: {"smart_host": partner}}),
    )


def office_as_in_the_notebook(lab: Lab, task: Task) -> None:
    office(lab, task)


def one_by_one(lab: Lab, task: Task) -> None:
    office(
        lab,
        task,
        networks=["192.168.2.30"],
        partner={"tls": "encrypt"},
        cloud={"tls": "encrypt"},
    )


def guests_too(lab: Lab, task: Task) -> None:
    office(lab, task, networks=["192.168.2.0/24"])


def no_remote_domain(lab: Lab, task: Task) -> None:
    office(lab, task, domains={})


def starttls_at_465(lab: Lab, task: Task) -> None:
    office(lab, task, partner={"implicit_tls": False})


def in_its_own_name(lab: Lab, task: Task) -> None:
    office(lab, task, delivery={"masquerade": ""})


def cloud_without_login(lab: Lab, task: Task) -> None:
    office(lab, task, cloud={"user": "", "password": ""})


# 11.4 ---------------------------------------------------------------------------------


def backup(
    lab: Lab, task: Task, *, expire: str = "5 days", home: str = "5 days"
) -> None:
    lab.world.configure(
        task.relay,
        remote_domains={task.zone: {"allow_relay": True, "recipients": [task.user]}},
        delivery={"expire": expire},
    )
    lab.world.configure(task.server, delivery={"expire": home})


def second_mx(lab: Lab, task: Task, number: int = 20) -> None:
    lab.world.zone(task.zone).add("@", "MX", f"{number} {task.relay}.")


def day_as_in_the_notebook(lab: Lab, task: Task) -> None:
    second_mx(lab, task)
    backup(lab, task)


def with_other_numbers(lab: Lab, task: Task) -> None:
    backup(lab, task, expire="2 days", home="3 days")
    lab.world.zone(task.zone).replace("@", "MX", "5 mail", f"77 {task.relay}.")


def no_second_mx(lab: Lab, task: Task) -> None:
    backup(lab, task)


def mx_without_permission(lab: Lab, task: Task) -> None:
    second_mx(lab, task)
    lab.world.configure(task.relay, delivery={"expire": "5 days"})
    lab.world.configure(task.server, delivery={"expire": "5 days"})


def takes_mail_for_nobody(lab: Lab, task: Task) -> None:
    day_as_in_the_notebook(lab, task)
    lab.world.configure(task.relay, remote_domains={task.zone: {"allow_relay": True}})


def forgets_the_queue_at_home(lab: Lab, task: Task) -> None:
    second_mx(lab, task)
    backup(lab, task, home="4 h")


def impatient_relay(lab: Lab, task: Task) -> None:
    second_mx(lab, task)
    backup(lab, task, expire="1 h")


def mistakes(*pairs: tuple[Answer, str]) -> list[tuple[Answer, str]]:
    return list(pairs)


ANSWERS = {
    "11.1": Answers(
        right=[as_in_the_notebook, step_by_step],
        wrong=mistakes(
            (empty, "mynetworks_style"),
            (forgets_the_neighbours, "it was taken from vps-next-door:25"),
            (forgets_the_clear_password, "no AUTH before STARTTLS"),
            (forgets_the_account, "235 to AUTH PLAIN"),
            (wrong_password, "has another password"),
            (closes_the_door, "taken at port 25 from anybody"),
            (trusts_nobody, "relay.authenticated must stay on"),
        ),
    ),
    "11.2": Answers(
        right=[home_as_in_the_notebook, by_address_and_encrypted, by_the_short_call],
        wrong=mistakes(
            (empty, "no SYN to port 25 from home"),
            (only_the_dns, "no SYN to port 25 from home"),
            (forgets_the_dns, "found fail"),
            (everybody_may, "end with -all"),
            (without_login, "no AUTH"),
            (in_clear, "587, in clear"),
            (direct_first, "no direct_first"),
            (two_records, "found permerror"),
        ),
    ),
    "11.3": Answers(
        right=[office_as_in_the_notebook, one_by_one],
        wrong=mistakes(
            (empty, "which can no password"),
            (guests_too, "refused to guest-laptop"),
            (no_remote_domain, "a remote domain has its own smart_host"),
            (starttls_at_465, "port 465 needs implicit_tls"),
            (in_its_own_name, "Send As"),
            (cloud_without_login, "no AUTH"),
        ),
    ),
    "11.4": Answers(
        right=[day_as_in_the_notebook, with_other_numbers],
        wrong=mistakes(
            (empty, "the zone needs a second MX"),
            (no_second_mx, "the zone needs a second MX"),
            (mx_without_permission, "remote_domains, allow_relay"),
            (takes_mail_for_nobody, "a backup that takes everything"),
            (forgets_the_queue_at_home, "hMailServer gives up"),
            (impatient_relay, "the relay itself gives up"),
        ),
    ),
}
