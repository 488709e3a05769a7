"""Tests that `__all__`, lazy loading and type checkers agree on the public names."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

import communique
from communique import errors

PUBLIC = [name for name in communique.__all__ if name != "__version__"]


def homes_for_type_checkers() -> dict[str, str]:
    """Return the module of each name that `communique/__init__.py` imports under `if TYPE_CHECKING`."""
    tree = ast.parse(Path(communique.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    return {
        alias.name: f"communique.{node.module}"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }


def test_all_is_sorted_and_contains_the_names_that_type_checkers_see() -> None:
    assert communique.__all__ == sorted(communique.__all__)
    assert set(homes_for_type_checkers()) == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_the_object_that_type_checkers_see(name: str) -> None:
    value = getattr(communique, name)
    assert value is getattr(import_module(homes_for_type_checkers()[name]), name)
    assert value.__module__ == homes_for_type_checkers()[name]


def test_lazily_loaded_names_are_public() -> None:
    assert communique._HOMES.keys() <= set(PUBLIC)
    with pytest.raises(AttributeError, match="Nothing"):
        communique.Nothing  # noqa: B018


def test_every_error_is_public_and_has_the_same_base() -> None:
    raised = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert raised <= set(communique.__all__)
    for name in raised:
        assert issubclass(getattr(communique, name), communique.CommuniqueError)


def test_every_module_can_be_imported() -> None:
    found = [module.name for module in pkgutil.walk_packages(communique.__path__, "communique.")]
    assert len(found) > 80
    for name in found:
        if name != "communique.__main__":
            import_module(name)


def test_importing_the_package_loads_no_numpy_and_configures_no_logging(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    code = "import communique, logging, sys; print('numpy' in sys.modules, logging.getLogger().handlers)"
    assert run_python(code, home=tmp_path).stdout.strip() == "False []"
