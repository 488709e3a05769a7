"""Read YAML and JSON files of limited size, and describe pydantic's errors in one line.

The line names the key and its value, and says what is allowed and what to do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from .errors import CommuniqueError, did_you_mean

ModelT = TypeVar("ModelT", bound=BaseModel)


#: Maximum size of a YAML file in bytes. A codebook of 100 labels with examples needs a tenth of it.
MAX_YAML = 1_000_000

#: Maximum number of values in a YAML file.
MAX_VALUES = 100_000

#: Maximum number of levels of nesting in a YAML file.
MAX_DEPTH = 50

#: Maximum size, in bytes, of a JSON file that is read as a whole. Exports of coding tools are the largest such files.
MAX_JSON = 500_000_000

#: What to do about a file that a newer version wrote.
UPDATE = "Update communique: in your clone, run git pull and pip install -c constraints.txt ."

#: Maximum number of errors that a message describes. Further errors are only counted.
MAX_DESCRIBED = 10


class _RefusedError(ValueError):
    """YAML that is valid but refused: it exceeds a limit, or a key occurs twice."""


#: The loader of libyaml, if PyYAML was built with it. It is twenty times as fast as the loader in Python.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _line(event: yaml.Event) -> int:
    return 1 if event.start_mark is None else event.start_mark.line + 1


class _Loader(LOADER):  # type: ignore[misc]
    """A loader that refuses a key that occurs twice in a mapping, because YAML would silently keep the last value."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Return the mapping of a node."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if (key.tag, key.value) in seen:
                line = key.start_mark.line + 1
                raise _RefusedError(f"line {line}: the key {key.value[:80]!r} occurs twice. Remove one of the two")
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Read YAML of limited size and depth.

    An alias counts as many values as the part that it repeats, because nine lines of aliases can expand to gigabytes.

    Raises:
        yaml.YAMLError: The text is not YAML.
        ValueError: The content is too large or nested too deeply, contains itself, or has a key that occurs twice.
    """
    anchors: dict[str, tuple[int, int]] = {}  # values and levels of each anchor
    parents: list[tuple[str | None, int, int]] = []  # anchor, values and levels around each open collection
    anchor, values, levels = None, 0, 0
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            parents.append((anchor, values, levels))
            anchor, values, levels = event.anchor, 0, 0
            found, name = (0, 0), None
        elif isinstance(event, yaml.CollectionEndEvent):
            found = values + 1, levels + 1
            name = anchor
            anchor, values, levels = parents.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise _RefusedError(
                    f"line {_line(event)}: the alias *{str(event.anchor)[:40]} has no value here. Write the value itself"
                )
            found, name = anchors[event.anchor], None
        elif isinstance(event, yaml.ScalarEvent):
            found, name = (1, 0), event.anchor
        else:
            continue
        values, levels = values + found[0], max(levels, found[1])
        if values > MAX_VALUES:
            raise _RefusedError(
                f"line {_line(event)}: more than {MAX_VALUES:,} values, counting aliases (*name). Write a smaller file"
            )
        if len(parents) + levels > MAX_DEPTH:
            raise _RefusedError(f"more than {MAX_DEPTH} levels of nesting. Write a flatter file")
        if name is not None:
            anchors[name] = found
    return yaml.load(text, _Loader)


def load_yaml(path: Path, model: type[ModelT], error: type[CommuniqueError], hint: str) -> ModelT:
    """Read a YAML file into a model.

    Args:
        path: The file.
        model: The pydantic model of its content.
        error: Raised with a message of one line if the file is missing, is not YAML, exceeds a limit, has a key that occurs twice,
            or does not fit the model.
        hint: Second sentence of the message if the file cannot be opened. It says what file is needed.
    """
    text = _read(path, MAX_YAML, error, hint)
    try:
        content = parse_yaml(text.decode("utf-8"))
    except _RefusedError as cause:
        raise error(f"{path}: {cause}") from cause
    # PyYAML also raises errors that are not its own, such as a ValueError for the date 2025-02-30 or a KeyError for `!!bool maybe`.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as cause:
        raise error(f"{path}: not YAML in UTF-8: {' '.join(str(cause).split())[:500]}") from cause
    try:
        return model.model_validate(content)
    except ValidationError as cause:
        raise error(f"{path}: {describe(cause, model)}") from cause


def load_json(path: Path, error: type[CommuniqueError], hint: str) -> Any:
    """Read a whole JSON file.

    Args:
        path: The file.
        error: Raised with a message of one line if the file is missing, is not JSON in UTF-8, is nested too deeply or is too large.
        hint: Second sentence of the message. It says what to do.
    """
    text = _read(path, MAX_JSON, error, hint)
    try:
        return json.loads(text.decode("utf-8-sig"))
    except ValueError as cause:
        raise error(f"{path}: not JSON in UTF-8 ({str(cause)[:200]}). {hint}") from cause
    except RecursionError as cause:
        raise error(f"{path}: the JSON is nested too deeply. {hint}") from cause


def _read(path: Path, limit: int, error: type[CommuniqueError], hint: str) -> bytes:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # Reading a pipe or a device might never end.
            raise error(f"{path}: not a file. {hint}")
        with path.open("rb") as handle:
            content = handle.read(limit + 1)
    except OSError as cause:
        raise error(f"{path}: {cause.strerror}. {hint}") from cause
    except ValueError as cause:  # the name contains a NUL
        raise error(f"{path}: {cause}. {hint}") from cause
    if len(content) > limit:
        raise error(f"{path}: more than {limit:,} bytes, the maximum size of this kind of file. {hint}")
    return content


def check_format(path: Path, content: object, current: int, error: type[CommuniqueError], remedy: str) -> None:
    """Check the format number of a file that communique wrote, which is under the key `format`.

    Args:
        path: The file.
        content: Content of the file. A file without the key passes: the caller's schema decides.
        current: The only format number that this version reads.
        error: Raised for any other number.
        remedy: How to replace a file that an older version wrote.
    """
    if not isinstance(content, dict) or (found := content.get("format", current)) == current:
        return
    newer = isinstance(found, int) and found > current
    raise error(
        f"{path}: written by {'a newer' if newer else 'an older'} version of communique (format {found}; this version reads "
        f"format {current}). {UPDATE if newer else remedy}"
    )


#: What to write instead of an invalid value, for each of pydantic's error types. Other types keep pydantic's message.
_ALLOWED = {
    "string_type": 'text in quotes, such as "{example}": YAML reads yes, no, on and off as true or false, and 1 as a number',
    "string_too_short": "text of at least {min_length} character(s)",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "{pattern}",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "tuple_type": "a list, such as [a, b]",
    "list_type": "a list, such as [a, b]",
    "too_short": "a list with {min_length} or more entries",
    "too_long": "a list with at most {max_length} entries",
    "dict_type": "entries of the form 'key: value'",
    "model_type": "entries of the form 'key: value'",
}

#: Descriptions of the patterns that names must match.
_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and hyphens",
    r"^[^\s|;,]+( [^\s|;,]+)*$": "words without commas, ';' and '|', which separate labels in a cell",
}


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe all errors of a validation in one line.

    Args:
        error: The error that pydantic raised.
        model: The model that the content was validated against. The message suggests the known key most similar to an unknown one.
    """
    details = error.errors(include_url=False)
    invalid = {detail["loc"][:-1] for detail in details} | {detail["loc"][:-2] for detail in details}
    # pydantic counts only valid entries, so it also reports a list of invalid entries as too short.
    details = [one for one in details if one["type"] != "too_short" or one["loc"] not in invalid]
    lines = [_describe_one(detail, model) for detail in details[:MAX_DESCRIBED]]
    if len(details) > MAX_DESCRIBED:
        lines.append(f"and {len(details) - MAX_DESCRIBED} more errors")
    return "; ".join(lines)


def _describe_one(detail: Any, model: type[BaseModel]) -> str:
    where = ".".join(_shortened(str(part)) for part in detail["loc"]) or "the whole file"
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        hint = did_you_mean(_shortened(str(detail["loc"][-1])), known)
        return f"{where}: unknown key; {hint}allowed: {', '.join(known)}"
    if detail["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {describe_value(detail)}"


def describe_value(detail: Any) -> str:
    """Describe what is wrong with a value, and what to write instead.

    Args:
        detail: One of the errors that `ValidationError.errors` lists.
    """
    given = repr(detail["input"])  # aliases and depth are limited, so this is no longer than the file
    if detail["type"] not in _ALLOWED:
        message: str = detail["msg"].removeprefix("Value error, ")
        return message + (f" (value: {given})" if len(given) <= 80 and detail["loc"] else "")
    number = isinstance(detail["input"], (int, float)) and not isinstance(detail["input"], bool)
    example = given if number and len(given) <= 80 else "yes"
    allowed = _ALLOWED[detail["type"]].format(example=example, **detail.get("ctx", {}))
    return f"{given if len(given) <= 80 else 'this value'} is not allowed. Write {_PATTERNS.get(allowed, allowed)}"


def _shortened(key: str) -> str:
    return key if len(key) <= 80 else key[:80] + "…"


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """List the fields of the model at a path of keys and indexes."""
    choices = [model]
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            choices = _models_in(model.model_fields[part].annotation) or [model]
        # In a union of models that one field distinguishes, the path contains the value of that field.
        model = next((choice for choice in choices if _has_value(choice, part)), choices[0])
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _has_value(model: type[BaseModel], value: Any) -> bool:
    return any(
        get_origin(field.annotation) is Literal and value in get_args(field.annotation)
        for field in model.model_fields.values()
    )
