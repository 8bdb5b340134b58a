"""Canaries: private parts of other packages that we use or override.

Each canary checks one symbol in milliseconds, so that a release that changes the symbol fails here, by name.
No canary starts Ray.
"""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version

import pytest

from tests.contracts.canaries import optuna, ray, torch, torchvision  # noqa: F401 - these modules fill `CANARIES`
from tests.contracts.canaries.canary import CANARIES, Canary
from tests.support import PACKAGES, ROOT, source_files


@pytest.mark.parametrize("row", CANARIES, ids=lambda row: row.symbol)
def test_a_private_symbol_is_unchanged(row: Canary) -> None:
    package = re.split(r"\W", row.symbol)[0]
    try:
        row.check()
    except Exception as error:
        pytest.fail(
            f"{row.symbol} has changed in {package} {version(package)} ({type(error).__name__}: {error}). "
            f"We rely on it in {row.file}: {row.reliance}. Adapt that file, or lower {package}'s upper bound in "
            "pyproject.toml.",
            pytrace=False,
        )


def test_every_row_names_an_existing_file() -> None:
    assert [row.symbol for row in CANARIES if not (ROOT / row.file).is_file()] == []


def private_uses(text: str) -> Iterator[str]:
    """Private modules of other packages that a file imports, and private names that it imports from them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, *rest = name.split(".")
            if top not in (*PACKAGES, "__future__") and any(part.startswith("_") for part in rest):
                yield name


def test_every_private_import_has_a_row() -> None:
    symbols = [row.symbol for row in CANARIES]
    found_uses = {(file, name) for file, path in source_files().items() for name in private_uses(path.read_text())}
    assert found_uses
    without = [each for each in sorted(found_uses) if not any(symbol.startswith(each[1]) for symbol in symbols)]
    assert without == [], "add a row that checks what we rely on"


PUBLIC = {"_asdict", "_replace", "_fields", "_exit"}
"""Documented names with an underscore: attributes of named tuples, and `os._exit`."""


def test_every_private_attribute_is_ours_or_has_a_row() -> None:
    """Attributes with a leading underscore that none of our files defines need a row."""
    texts = {file: path.read_text() for file, path in source_files().items()}
    ours = {name for text in texts.values() for name in re.findall(r"(?:def |class |self\.)(_[a-z]\w*)", text)}
    ours |= {name for text in texts.values() for name in re.findall(r"^\s*(_\w+)\b\s*(?::|=)", text, re.MULTILINE)}
    used = {
        (file, node.attr)
        for file, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }
    foreign = {(file, name) for file, name in used if name not in ours | PUBLIC}
    assert {name for _, name in foreign} >= {"_cdata"}
    without = [each for each in sorted(foreign) if not any(f".{each[1]}" in row.symbol for row in CANARIES)]
    assert without == [], "add a row that checks what we rely on"
