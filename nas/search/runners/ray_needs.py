"""Requirements of a machine on which Ray starts: settings, a folder for sockets, and an authentication token."""

import os
import secrets
import socket
from pathlib import Path

from nas.search.types import CannotRun

ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a banner at any verbosity
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the caller handles interrupts
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
_LONGEST = 103
"""Longest path of a socket on macOS, bytes; Linux allows four more."""
_SOCKET = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
_NAME, _OWN = "ray", f"ray-{os.getuid()}"
LONGEST_ROOT = _LONGEST - _SOCKET - len(f"/{_OWN}")
"""Longest path of RAY_TMPDIR that always fits, bytes."""
_CONNECT_S = 10.0
_ROOTS = ("/tmp", "/var/tmp", "/dev/shm")


def session_folder() -> str:
    """The folder of Ray's sessions: Ray's default, or another temporary folder if the default is unusable.

    Raises:
        CannotRun: no folder is usable, or RAY_TMPDIR is set and is not.
    """
    asked = os.environ.get("RAY_TMPDIR")
    for root in [asked] if asked else [os.environ.get("TMPDIR") or _ROOTS[0], *_ROOTS]:
        for name in (_NAME, _OWN):  # the former may be another user's
            folder = Path(root).absolute() / name
            if len(os.fsencode(folder)) + _SOCKET <= _LONGEST and _writable(folder):
                return str(folder)
    where = f"RAY_TMPDIR is {asked!r}, where Ray cannot keep" if asked else "Ray finds no folder for"
    raise CannotRun(
        f"{where} its sockets: give RAY_TMPDIR a writable folder with a path of at most {LONGEST_ROOT} bytes, "
        "or use --runner local"
    )


def require_reachable(address: str) -> None:
    """Check that something listens at a cluster's address: Ray itself would try for minutes.

    Raises:
        CannotRun: nothing listens there.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise CannotRun(
            f"no Ray cluster at {address}: {error}; start one by `ray start --head`, or leave the address out"
        ) from None


def lend_token() -> None:
    """Set an authentication token for this process's lifetime if Ray cannot keep its own in HOME.

    Ray's processes authenticate to one another with it.
    """
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if not given and not _home_keeps_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _home_keeps_token() -> bool:
    try:
        token = Path.home() / ".ray" / "auth_token"
        return os.access(token, os.R_OK) if token.exists() else _writable(token.parent)
    except (OSError, RuntimeError):  # RuntimeError: no home is known
        return False


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
