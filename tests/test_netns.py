"""A real program in a namespace lives on the virtual internet (Linux, as root)."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from maillab import open_world
from maillab.errors import LabError
from maillab.gateway.live import Live
from maillab.gateway.namespace import Namespace
from maillab.gateway.netns import Netns
from tests.worlds import Journal

MX, MX_ADDRESS = "mx.beta.example", "203.0.113.25"
SEAT = "alice-pc"


def namespaces_work():
    namespace = Namespace()
    try:
        namespace.open()
    except LabError:
        return False
    finally:
        namespace.close()
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not namespaces_work(), reason="this system lets us make no namespaces"
    ),
]


@pytest.fixture(scope="module")
def world():
    with open_world("two-domains") as world:
        yield world
        assert Journal(world).failures == []


@pytest.fixture(scope="module")
def netns(world):
    with Live(world, usual_doors=False) as live, Netns(live, SEAT) as netns:
        yield netns


@pytest.fixture
def python(netns, tmp_path):
    """Runs Python code there; returns what it printed."""

    return lambda code, *words: run_python(netns, tmp_path, code, *words)


def run_python(netns, folder, code, *words):
    out = folder / "out"
    script = f"import sys; sys.stdout = open({str(out)!r}, 'w')\n{code}"
    assert netns.run(sys.executable, "-c", script, *map(str, words)) == 0
    return out.read_text().strip()


def talk(netns, folder, *place):
    """Who a server thinks we are, and its first word; or what went wrong."""
    return run_python(netns, folder, CONNECT, *place)


CONNECT = """
import errno, socket, time
began = time.monotonic()
try:
    host, port = sys.argv[1], int(sys.argv[2])
    with socket.create_connection((host, port), timeout=1.5) as real:
        print(real.getsockname()[0], real.recv(100).decode().split()[0])
except TimeoutError:
    print("silence")
except OSError as error:
    print(errno.errorcode.get(error.errno, error.errno))
"""


# What programs see --------------------------------------------------------------------


@pytest.mark.parametrize("host", [MX, MX_ADDRESS, "smtp.beta.example"])
def test_a_server_is_at_its_own_address_and_port(python, world, host):
    assert python(CONNECT, host, 25) == "192.0.2.101 220"
    session = world.trace.find_sessions(client=SEAT)[-1]
    assert (session.server, session.port) == (MX, 25)


def test_a_closed_port_refuses(python):
    assert python(CONNECT, MX, 26) == "ECONNREFUSED"
    assert python(CONNECT, MX, 53) == "ECONNREFUSED"


def test_an_address_that_nobody_has_is_unreachable(python):
    assert python(CONNECT, "203.0.113.99", 25) == "EHOSTUNREACH"
    assert python(CONNECT, "2001:db8::25", 25) == "ENETUNREACH"


def test_a_name_that_nobody_has_is_not_found(python):
    code = """
import socket
try:
    socket.getaddrinfo("nobody.beta.example", 25)
except socket.gaierror as error:
    print(error.errno == socket.EAI_NONAME)
"""
    assert python(code) == "True"


def test_the_seat_has_its_own_name_and_addresses(python):
    code = (
        "import socket; print(socket.gethostname(), socket.gethostbyname('alice-pc'))"
    )
    assert python(code) == "alice-pc 192.0.2.101"
    assert socket.gethostname() != SEAT


def test_the_real_network_is_not_there(python):
    code = "import socket; print(socket.if_nameindex())"
    assert python(code) == "[(1, 'lo')]"


def test_python_trusts_the_authority_of_the_world(python):
    code = """
import imaplib, ssl
trust = ssl.create_default_context()
with imaplib.IMAP4_SSL("imap.beta.example", ssl_context=trust) as c:
    print(c.login("bob@beta.example", "sponge")[0])
"""
    assert python(code) == "OK"


def test_a_seat_with_ipv6_has_ipv6(world, netns, tmp_path):
    six = world.add_host("six", "192.0.2.200", "2001:db8::200")
    world.add_host("server6", "2001:db8::25")

    async def greet(stream):
        stream.write(b"hello there\r\n")

    netns.live.call(world.host("server6").listen(25, greet))
    place = ("2001:db8::25", 25)
    with Netns(netns.live, "six") as other:
        assert talk(other, tmp_path, *place) == "2001:db8::200 hello"
        assert talk(other, tmp_path, "2001:db8::25", 26) == "ECONNREFUSED"
        assert talk(other, tmp_path, "2001:db8::99", 25) == "EHOSTUNREACH"
        assert talk(other, tmp_path, MX, 25) == "192.0.2.200 220"
        for action, answer in (("drop", "silence"), ("prohibit", "EHOSTUNREACH")):
            rule = world.add_rule(six, action=action, direction="out", ports=25)
            other.follow()
            assert talk(other, tmp_path, *place) == answer
            world.remove_rule(six, rule)


# It follows the world -----------------------------------------------------------------


def test_ports_open_and_close(python, world, netns):
    async def greet(stream):
        stream.write(b"hello there\r\n")

    server = netns.live.call(world.host(MX).listen(4000, greet))
    netns.follow()
    assert python(CONNECT, MX, 4000) == "192.0.2.101 hello"

    async def close():
        server.close()

    netns.live.call(close())
    netns.follow()
    assert python(CONNECT, MX, 4000) == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("action", "answer"),
    [("drop", "silence"), ("reject", "ECONNREFUSED"), ("prohibit", "EHOSTUNREACH")],
)
def test_a_firewall_does_what_it_does(python, world, netns, action, answer):
    rule = world.add_rule(
        SEAT, action=action, direction="out", protocol="tcp", ports=25
    )
    netns.follow()
    assert python(CONNECT, MX, 25) == answer
    assert python(CONNECT, "mail.alpha.example", 25) == answer
    assert python(CONNECT, "203.0.113.53", 25) == answer  # though nobody listens there
    assert python(CONNECT, MX, 587) == "192.0.2.101 220"
    world.remove_rule(SEAT, rule)
    netns.follow()
    assert python(CONNECT, MX, 25) == "192.0.2.101 220"


def test_a_computer_without_power_is_silent(python, world, netns):
    world.host(MX).up = False
    netns.follow()
    assert python(CONNECT, MX_ADDRESS, 25) == "silence"
    world.host(MX).up = True
    netns.follow()
    assert python(CONNECT, MX_ADDRESS, 25) == "192.0.2.101 220"


def test_an_answer_that_is_lost_is_silence(python, world, netns):
    firewall = world.firewall(SEAT)
    firewall.tracking = "none"
    rule = world.add_rule(SEAT, action="drop", direction="in", protocol="tcp")
    netns.follow()
    assert python(CONNECT, MX, 25) == "silence"
    world.remove_rule(SEAT, rule)
    firewall.tracking = "keep"


def test_the_kernel_gives_up_after_127_seconds_as_virtual_hosts_do(python):
    code = """
for name in ("tcp_syn_retries", "tcp_syn_linear_timeouts"):
    try:
        print(open("/proc/sys/net/ipv4/" + name).read().strip())
    except FileNotFoundError:
        print(0)
"""
    assert python(code).split() == ["6", "0"]


# The command --------------------------------------------------------------------------


def test_the_exit_status_is_that_of_the_program(netns):
    assert netns.run("sh", "-c", "exit 7") == 7
    assert netns.run("sh", "-c", "kill -TERM $$") == 128 + signal.SIGTERM
    with pytest.raises(LabError, match="nonesuch"):
        netns.run("nonesuch")


def test_a_signal_is_passed_on(netns):
    script = "sleep 0.3; kill -TERM $PPID; exec sleep 30"
    assert netns.run("sh", "-c", script) == 128 + signal.SIGTERM


def maillab(*words, before=()):
    command = [*before, sys.executable, "-m", "maillab", "world", "two-domains"]
    return subprocess.run([*command, *words], capture_output=True, text=True)


def test_the_command_line_runs_a_command_there():
    done = maillab("--netns", "--seat", "bob-pc", "--", "sh", "-c", "hostname; exit 3")
    assert (done.stdout, done.returncode) == ("bob-pc\n", 3)
    assert maillab("--", "hostname").returncode == 2
    two = maillab("--netns", "--seat", "bob-pc", "--seat", "alice-pc")
    assert "one --seat" in two.stderr


def test_who_may_not_is_told_what_to_do():
    done = maillab("--netns", "--", "true", before=["setpriv", "--bounding-set=-all"])
    if "setpriv" in done.stderr:
        pytest.skip("setpriv is not there")
    assert done.returncode == 2
    assert "sudo" in done.stderr
    assert "Traceback" not in done.stderr


def test_at_home_the_provider_is_in_the_way(tmp_path):
    with (
        open_world("home-server") as world,
        Live(world, usual_doors=False) as live,
        Netns(live, "alice-pc") as netns,
    ):
        answers = {
            place: talk(netns, tmp_path, *place)
            for place in (
                ("mx.bigmail.example", 25),
                ("mx.bigmail.example", 587),
                ("mail.home.example", 25),  # by its public address: hairpin
            )
        }
    assert list(answers.values()) == ["silence", *["192.168.1.20 220"] * 2]


def test_programs_in_the_background_end_with_it():
    stubborn = 'trap "" TERM; echo $$; exec sleep 60'
    done = maillab("--netns", "--", "sh", "-c", f"sh -c '{stubborn}' >&2 & sleep 0.2")
    with pytest.raises(FileNotFoundError):
        Path("/proc", done.stderr.strip(), "exe").readlink()


def test_a_door_beside_it_is_told():
    done = maillab("--netns", "--door", f"{MX}:25", "--listen", "0.0.0.0", "--", "true")
    assert done.returncode == 0
    assert "WARNING: listening on 0.0.0.0" in done.stderr
    assert f"{MX}     25  SMTP      STARTTLS   127.0.0.1:" in done.stderr


def test_who_is_told_to_stop_tidies_up(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    words = ["hello", "--netns", "--", "sh", "-c", "echo here; exec sleep 60"]
    with subprocess.Popen(
        [sys.executable, "-m", "maillab", "world", *words],
        stdout=subprocess.PIPE,
        env=environment,
    ) as run:
        assert run.stdout.readline() == b"here\n"
        assert list(tmp_path.iterdir())
        run.send_signal(signal.SIGHUP)
    assert run.returncode == 128 + signal.SIGHUP
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_it():
    with open_world("hello") as world, Live(world, usual_doors=False) as live:
        with Netns(live) as netns:
            folder = netns.ca_file.parent
            assert netns.run("true") == 0
        assert not folder.exists()
        assert not live.visits
    with pytest.raises(OSError) as caught:
        socket.create_server(("192.0.2.25", 25))
    assert caught.value.errno == errno.EADDRNOTAVAIL
