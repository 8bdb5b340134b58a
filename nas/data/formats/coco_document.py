"""Reading and validation of COCO documents."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from nas.data.detection_set import DataError
from nas.data.diagnostics import Diagnostics, Kind, Severity

Record = dict[str, Any]


class Document(TypedDict):
    """A COCO document with validated types and references."""

    info: Record
    images: list[Record]
    annotations: list[Record]
    categories: list[Record]


class _Field(NamedTuple):
    name: str
    holds: Callable[[Any], bool]
    must_be: str


def _is_int(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_number(value: object) -> bool:
    return type(value) is float or _is_int(value)


def _is_box(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


_INT = "a whole number"


def _is_id(value: object) -> bool:
    return type(value) is int


_FIELDS = {
    "images": (
        _Field("id", _is_id, _INT),
        _Field("file_name", lambda v: isinstance(v, str), "a text"),
        _Field("width", lambda v: _is_int(v) and v > 0, "a positive whole number"),
        _Field("height", lambda v: _is_int(v) and v > 0, "a positive whole number"),
    ),
    "categories": (
        _Field("id", _is_id, _INT),
        _Field("name", lambda v: isinstance(v, str), "a text"),
    ),
    "annotations": (
        _Field("image_id", _is_id, _INT),
        _Field("category_id", _is_id, _INT),
        _Field("bbox", _is_box, "[x, y, width, height] in pixels"),
        _Field("id", lambda v: v is None or _is_id(v), "a whole number, or left out"),
        _Field(
            "area",
            lambda v: v is None or (_is_number(v) and v < float("inf")),
            "a finite number, or left out",
        ),
        _Field("iscrowd", lambda v: v is None or v in (0, 1), "0 or 1, or left out"),
    ),
}

_UNKNOWN_IMAGE = Kind("annotations of unknown images", "add the image's entry, or drop the annotation")
_UNKNOWN_CATEGORY = Kind("annotations of unknown categories", "add the category, or drop the annotation")
_ONE_NAME = Kind(
    "category names that several ids share, each id being a separate class",
    "give them different names, or merge them under one id",
    Severity.warning,
)
_UNUSED = Kind("categories without an annotation", "", Severity.note)


def read_document(file: Path, diagnostics: Diagnostics) -> Document:
    """Read a COCO detection file and fill in optional fields: `id` and `iscrowd` (0).

    An annotation id of 0 is replaced as well, because pycocotools treats it as "no match".

    Raises:
        DataError: missing, not JSON, not COCO, repeated ids, or references to unknown ids.
    """
    document = _load(file)
    for table, fields in _FIELDS.items():
        _check_fields(table, document[table], fields, diagnostics)
    diagnostics.raise_errors()
    for table in _FIELDS:
        _check_unique(table, document[table], diagnostics)
    diagnostics.raise_errors()  # a repeated id leaves another unknown
    _check_references(document, diagnostics)
    diagnostics.raise_errors()
    _note_categories(document, diagnostics)
    _fill_in(document["annotations"])
    return Document(
        info=document.get("info") or {},
        images=document["images"],
        annotations=document["annotations"],
        categories=document["categories"],
    )


def _load(file: Path) -> Record:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{file} does not exist; write the annotations there, in COCO's format") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); make it a readable file") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON ({error}); export the annotations again") from error
    tables = document if isinstance(document, dict) else {}
    if bad := [t for t in _FIELDS if not isinstance(tables.get(t), list)]:
        wanted = ", ".join(map(repr, bad))
        raise DataError(f"{file} is not a COCO detection file: it has no list {wanted}; export it in COCO's format")
    return tables


def _check_fields(table: str, records: list[Any], fields: tuple[_Field, ...], diagnostics: Diagnostics) -> None:
    kind = Kind(f"ill-typed {table}", "correct these fields as COCO's format has them")
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            diagnostics.add(kind, f"index {index} is not an object")
            continue
        for field in fields:
            value = record.get(field.name)
            if not field.holds(value):
                entry = f"id {record['id']}" if "id" in record else f"index {index}"
                state = f"is {value!r:.40}" if field.name in record else "is missing"
                diagnostics.add(kind, f"{entry}: {field.name!r} {state}, must be {field.must_be}")


def _check_unique(table: str, records: Iterable[Record], diagnostics: Diagnostics) -> None:
    kind = Kind(f"repeated ids in {table}", "give each entry its own id")
    uses = Counter(record.get("id") for record in records)
    for key, count in uses.items():
        if count > 1 and key is not None:
            diagnostics.add(kind, f"id {key} ({count} times)")


def _check_references(document: Mapping[str, Any], diagnostics: Diagnostics) -> None:
    images = {image["id"] for image in document["images"]}
    categories = {category["id"] for category in document["categories"]}
    for index, annotation in enumerate(document["annotations"]):
        entry = f"annotation id {annotation.get('id', f'left out, index {index}')}"
        if annotation["image_id"] not in images:
            diagnostics.add(_UNKNOWN_IMAGE, f"{entry} (image_id {annotation['image_id']})")
        if annotation["category_id"] not in categories:
            diagnostics.add(_UNKNOWN_CATEGORY, f"{entry} (category_id {annotation['category_id']})")


def _note_categories(document: Mapping[str, Any], diagnostics: Diagnostics) -> None:
    used = {annotation["category_id"] for annotation in document["annotations"]}
    by_name: dict[str, list[int]] = {}
    for category in document["categories"]:
        by_name.setdefault(category["name"].strip().casefold(), []).append(category["id"])
        if category["id"] not in used:
            diagnostics.add(_UNUSED, f"{category['name']!r} (id {category['id']})")
    for name, ids in by_name.items():
        if len(ids) > 1:
            diagnostics.add(_ONE_NAME, f"{name!r} (ids {', '.join(map(str, ids))})")


def _fill_in(annotations: Iterable[Record]) -> None:
    unused = max((a.get("id") or 0 for a in annotations), default=0) + 1
    for annotation in annotations:
        if not annotation.get("id"):
            annotation["id"], unused = unused, unused + 1
        annotation["iscrowd"] = int(annotation.get("iscrowd") or 0)
