"""Tests that no input file can run code: every loader is called with the argument that forbids it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from helpers import ROOT

#: Functions that can run code from a file, and the argument that prevents it.
LOADERS = {
    "from_pretrained": ("trust_remote_code", False),
    "pipeline": ("trust_remote_code", False),
    "SentenceTransformer": ("trust_remote_code", False),
    "load_dataset": ("trust_remote_code", False),
    "np.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}

#: Modules whose files can contain code.
FORBIDDEN = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.name}:{node.lineno}", node


def test_every_loader_is_called_with_the_argument_that_forbids_code() -> None:
    checked = 0
    for where, call in _calls():
        name = ast.unparse(call.func)
        rule = LOADERS.get(name) or LOADERS.get(name.split(".")[-1])
        if rule is None:
            continue
        given = {one.arg: one.value for one in call.keywords}
        value = given.get(rule[0])
        assert isinstance(value, ast.Constant), f"{where}: {name} without {rule[0]}={rule[1]}"
        assert value.value is rule[1], where
        checked += 1
    assert checked >= 8


def test_no_module_that_loads_code_from_files_is_imported() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN & {name.split(".")[0] for name in names}, path
