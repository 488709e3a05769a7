"""The public surface is what is written down."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import communique
from communique import errors


def test_all_is_sorted_and_importable() -> None:
    assert communique.__all__ == sorted(communique.__all__)
    for name in communique.__all__:
        assert getattr(communique, name) is not None


def test_every_public_class_is_where_it_says() -> None:
    for name in communique.__all__:
        if inspect.isclass(value := getattr(communique, name)):
            assert getattr(importlib.import_module(value.__module__), name) is value


def test_errors_have_one_base_and_are_exported() -> None:
    raised = {n for n, v in vars(errors).items() if inspect.isclass(v) and issubclass(v, Exception)}
    assert raised <= set(communique.__all__)
    for name in raised:
        assert issubclass(getattr(communique, name), communique.CommuniqueError)


def test_public_functions_have_docstrings() -> None:
    package = Path(communique.__file__).parent
    for path in package.glob("*.py"):
        if path.stem in ("__main__", "training", "export", "backbone"):
            continue
        module = importlib.import_module(f"communique.{path.stem}")
        assert module.__doc__, path
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                assert value.__doc__, f"{path.stem}.{name}"
