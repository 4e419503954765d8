"""A PgBouncer in transaction mode, in front of a PostgreSQL of the tests."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.deployment import Cluster, missing
from tests.support.sockets import wait_for

# As docs/how-to/production.md recommends; the pool is smaller than the number of threads that use it.
SETTINGS = {
    "pool_mode": "transaction",
    "default_pool_size": 3,
    "max_client_conn": 200,
    "query_wait_timeout": 5,
    "server_connect_timeout": 2,
    "server_login_retry": 1,
}


@dataclass
class Bouncer:
    """A PgBouncer that can be stopped and started again."""

    directory: Path
    configuration: Path
    process: Any = field(default=None)

    def start(self) -> None:
        binary = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        # It does not run as root.
        user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        command = [binary, "-q", str(self.configuration)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **user)
        wait_for(self.directory / ".s.PGSQL.5432", self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        (self.directory / ".s.PGSQL.5432").unlink(missing_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a server that uses it."""
        return {"DEPLOYMENT_DATABASE": str(self.directory), "DEPLOYMENT_ROLE": "app", "DEPLOYMENT_POOLED": "1"}


@contextlib.contextmanager
def pgbouncer(cluster: Cluster, **settings: Any) -> Iterator[Bouncer]:
    """Run a PgBouncer on a socket of its own. It asks for no password."""
    if not (shutil.which("pgbouncer") or Path("/usr/sbin/pgbouncer").exists()):
        missing("pgbouncer")
    directory = Path(tempfile.mkdtemp(prefix="bouncer-", dir="/tmp"))
    own = {"unix_socket_dir": directory, "listen_addr": "", "listen_port": 5432, "auth_type": "any"}
    lines = [f"{name} = {value}" for name, value in {**own, **SETTINGS, **settings}.items()]
    configuration = directory / "pgbouncer.ini"
    databases = f"[databases]\npostgres = host={cluster.directory} user=app\n\n[pgbouncer]\n"
    configuration.write_text(databases + "\n".join(lines) + "\n")
    if os.geteuid() == 0:
        for path in (directory, configuration):
            shutil.chown(path, "postgres", "postgres")
    bouncer = Bouncer(directory, configuration)
    try:
        bouncer.start()
        yield bouncer
    finally:
        if bouncer.process is not None:
            bouncer.kill()
        shutil.rmtree(directory)
