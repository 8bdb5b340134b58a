"""A PostgreSQL server that tests can stop and start."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Server:
    """A server that listens only on a Unix socket in `folder`."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._user = user
        self._made = 0
        self._run("initdb", "--no-sync", "--auth=trust", "--username=nas", "--encoding=UTF8", "--no-locale")
        self.start()

    def database(self) -> str:
        """Create an empty database and return its URL."""
        self._made += 1
        name = f"store{self._made}"
        command = ["psql", "-q", "-U", "nas", "-h", str(self._folder), "-c", f"CREATE DATABASE {name}", "postgres"]
        subprocess.run([self._programs / command[0], *command[1:]], check=True, user=self._user)
        return f"postgresql://nas@/{name}?host={self._folder}"

    def start(self) -> None:
        settings = f"-c listen_addresses='' -c fsync=off -k {self._folder}"
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", settings, "start")

    def stop(self) -> None:
        """Close every connection and stop the server."""
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", self._folder / "data", *arguments]
        subprocess.run(command, check=True, user=self._user, cwd=self._folder, stdout=subprocess.DEVNULL)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server; skips the calling test if PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="needs psycopg: pip install '.[postgres]'")
    user = _unprivileged_user() if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # the path of a Unix socket is limited to about 100 bytes
    if user:
        shutil.chown(folder, user)
    try:
        server = Server(_programs(), folder, user)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder of initdb and pg_ctl."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("needs a PostgreSQL server's programs (initdb, pg_ctl): apt-get install postgresql")
    return folders[-1]


def _unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
