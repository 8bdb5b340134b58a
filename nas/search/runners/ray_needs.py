"""What Ray needs of a machine that it is started on: settings, a folder for its sockets, and a token to keep."""

import os
import secrets
from pathlib import Path

from nas.search.types import CannotRun

ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a banner however quiet it is asked to be
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # an interrupt is for our caller
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
_LONGEST = 103
"""Bytes of a socket's path on macOS; Linux takes four more."""
_SOCKET = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
_NAME, _OWN = "ray", f"ray-{os.getuid()}"
LONGEST_ROOT = _LONGEST - _SOCKET - len(f"/{_OWN}")
"""Bytes of the path of a folder that serves in any case."""
_ROOTS = ("/tmp", "/var/tmp", "/dev/shm")


def session_folder() -> str:
    """Where Ray keeps its sessions: where it would by itself, or, where it cannot, in another temporary folder.

    Raises:
        CannotRun: it can nowhere, or not in RAY_TMPDIR, which nobody gives but for Ray.
    """
    asked = os.environ.get("RAY_TMPDIR")
    for root in [asked] if asked else [os.environ.get("TMPDIR") or _ROOTS[0], *_ROOTS]:
        for name in (_NAME, _OWN):  # the former may be another user's
            folder = Path(root).absolute() / name
            if len(os.fsencode(folder)) + _SOCKET <= _LONGEST and _writable(folder):
                return str(folder)
    where = f"RAY_TMPDIR is {asked!r}, where Ray cannot keep" if asked else "Ray finds no folder for"
    raise CannotRun(
        f"{where} its sockets: give RAY_TMPDIR a folder that can be written to and whose path has at most "
        f"{LONGEST_ROOT} bytes, or take --runner local"
    )


def lend_token() -> None:
    """Give Ray a token for as long as this process lives, where it would keep one in a HOME that cannot be written to.

    Ray's own processes prove with it that they belong together.
    """
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    if not given and not _home_keeps_token():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _home_keeps_token() -> bool:
    try:
        token = Path.home() / ".ray" / "auth_token"
        return os.access(token, os.R_OK) if token.exists() else _writable(token.parent)
    except (OSError, RuntimeError):  # the latter where no home is known
        return False


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)
