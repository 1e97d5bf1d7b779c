"""Dovecot as the auth server of a Postfix: it knows SASL, and nothing else is started.

Goes in: a folder, a running Postfix, names and passwords. Comes out: logins at Postfix.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.interop.postfix import Postfix, wait_for

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login cram-md5 scram-sha-256
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid=5000 gid=5000 home=/nonexistent
}}
service anvil {{  # it would make a client wait longer after each wrong password
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {socket} {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
# What Postfix is told, to ask it.
SETTINGS = {
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
    "smtpd_sasl_security_options": "noanonymous",
}


@contextmanager
def running_dovecot(postfix: Postfix, users: dict[str, str]) -> Iterator[None]:
    """Let Postfix ask Dovecot about passwords."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if program is None:
        pytest.skip("dovecot is not installed")
    folder = postfix.folder / "dovecot"
    folder.mkdir()
    socket = postfix.folder / "queue" / "private" / "auth"
    known = "".join(f"{user}:{password}:::::\n" for user, password in users.items())
    (folder / "users").write_text(known, "utf-8")
    text = CONFIGURATION.format(folder=folder, socket=socket)
    (folder / "dovecot.conf").write_text(text, "utf-8")
    command = [program, "-F", "-c", str(folder / "dovecot.conf")]
    with subprocess.Popen(command) as process:
        try:
            wait_for(socket.exists)
            yield
        finally:
            process.terminate()
