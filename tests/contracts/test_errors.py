"""Errors that a user can cause have one base class, so that the command reports them without a traceback."""

import ast
import importlib

from search_spaces.errors import FusionNasError
from tests.support import module_name, source_files

WITHOUT_BASE = {
    "DamagedRow": "the store turns it into a StoreError that names the database",
    "Broken": "a verdict of `nas check`, which prints it with the promise",
}
"""Public exception classes that do not derive from FusionNasError, each with the reason."""


def public_exceptions() -> list[type]:
    """The exception classes without a leading underscore that the four packages define."""
    found = []
    for file, path in source_files().items():
        classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        names = [node.name for node in classes if node.bases and not node.name.startswith("_")]
        if names:
            module = importlib.import_module(module_name(file))
            found += [getattr(module, name) for name in names]
    return [each for each in found if issubclass(each, BaseException)]


def test_every_public_exception_derives_from_the_base_class() -> None:
    exceptions = public_exceptions()
    assert {"UsageError", "StoreError", "GenotypeError", "Diverged"} <= {each.__name__ for each in exceptions}
    assert {each.__name__ for each in exceptions if not issubclass(each, FusionNasError)} == set(WITHOUT_BASE)
