"""A cluster of several nodes on one machine: it writes the same bytes as a single machine, whatever fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import bundle_folder, label, until
from helpers import ROOT

from communique.errors import UnreachableError
from communique.labelling.shard_folder import shards_folder

ray = pytest.importorskip("ray", reason="needs the extra ray: pip install 'communique[ray]'")
ray_engine = pytest.importorskip("communique.labelling.ray")
ray_models = pytest.importorskip("ray_models")
psutil = pytest.importorskip("psutil", reason="comes with the extra train")

pytestmark = pytest.mark.slow

SHARD = 10


def node(num_cpus: int) -> dict[str, Any]:
    return {"num_cpus": num_cpus, "object_store_memory": 80 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a head node without CPUs and two nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    # Workers import the models in tests/ray_models.py.
    environment = pytest.MonkeyPatch()
    environment.setenv("PYTHONPATH", str(ROOT / "tests"))
    environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args=node(num_cpus=0))
    for _ in range(2):
        cluster.add_node(**node(num_cpus=1))
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]
    environment.undo()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def use(delay: float = 0.0) -> None:
        monkeypatch.setattr("communique.load.load_model", partial(ray_models.slow_model, delay))

    use()
    return use


def write(path: Path, n: int) -> Path:
    """Write rows with changing types, one of which is invalid and some of which are equal."""
    lines = [
        json.dumps({"id": f"r{i}", "text": f"We condemn {i // 2}. We will send aid.", "n": i if i % 7 else str(i)})
        for i in range(n)
    ]
    lines[n // 2] = "broken"
    path.write_text("\n".join(lines) + "\n")
    return path


def on_disk(out: Path) -> set[str]:
    """Return the names of the finished shards."""
    return {path.name for path in shards_folder(out).glob("*.arrow")}


def on_ray(cluster: Any, *arguments: object) -> tuple[int, bytes, str]:
    return label(*arguments, "--engine", "ray", "--ray-address", cluster.address)


def workers(title: str) -> list[Any]:
    """Find processes of the cluster that this process started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(part.startswith(f"ray::{title}") for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("form", ["jsonl", "csv.gz", "parquet"])
def test_a_cluster_writes_and_prints_the_same_as_one_machine(
    form: str, cluster: Any, toy: object, fake_bundle: Path, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.jsonl", 60)
    options = ("--split", "--shard-rows", SHARD, "--model", fake_bundle)
    here, there = tmp_path / f"here.{form}", tmp_path / f"there.{form}"
    code, _, said = label(source, "-o", here, *options)
    same = said.replace(str(here), str(there))
    assert (code, *on_ray(cluster, source, "-o", there, *options)[2:]) == (1, same)
    assert there.read_bytes() == here.read_bytes()
    assert not shards_folder(there).exists()


def test_the_shipped_model_gives_the_same_bytes_in_actors(cluster: Any, tmp_path: Path) -> None:
    texts = [
        "We condemn the attack on the port.",
        "每个国家都应当遵守条约。",
        "Nous aiderons nos partenaires à reconstruire.",
    ]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"text": f"{texts[i % 3]} {i}", "n": i}) + "\n" for i in range(60)))
    assert label(source, "-o", tmp_path / "here.jsonl", "--shard-rows", 20)[0] == 0
    assert on_ray(cluster, source, "-o", tmp_path / "there.jsonl", "--shard-rows", 20)[0] == 0
    assert (tmp_path / "there.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()


@pytest.mark.parametrize("lost", ["actor", "reader", "node"])
def test_a_killed_process_or_a_lost_node_loses_no_rows(
    lost: str,
    cluster: Any,
    toy: Callable[[float], None],
    fake_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, out = write(tmp_path / "in.jsonl", 240), tmp_path / "out.jsonl"
    options = ("--shard-rows", SHARD, "--model", fake_bundle)
    label(source, "-o", tmp_path / "whole.jsonl", *options)
    toy(0.2)
    monkeypatch.setattr(ray_engine, "_read", ray_models.slow_read)
    spare = cluster.add_node(**node(num_cpus=1)) if lost == "node" else None
    killed: list[int] = []

    def kill() -> None:
        until(lambda: len(on_disk(out)) >= 3, "three shards were not finished")
        if spare is not None:
            cluster.remove_node(spare, allow_graceful=False)
            killed.append(0)
            return
        for process in workers("MapWorker" if lost == "actor" else "ReadShards")[:1]:
            process.send_signal(signal.SIGKILL)
            killed.append(process.pid)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    code, _, said = on_ray(cluster, source, "-o", out, *options)
    thread.join(timeout=300)
    assert killed
    assert code == 1, said
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_an_error_of_the_model_is_reported_as_on_one_machine(
    cluster: Any, fake_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.load.load_model", ray_models.broken_model)
    source, out = write(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    code, _, err = on_ray(cluster, source, "-o", out, "--model", fake_bundle, "--actors", 1)
    assert (code, err.splitlines()) == (1, ["error: 1 CPUs: no such network; copy the model folder again"])
    assert not out.exists()


def driver(cluster: Any, *arguments: object) -> subprocess.Popen[bytes]:
    """Start the command in a separate process, with a slow model."""
    code = (
        "import sys, typer, communique.load; from functools import partial; from communique.cli.label import label;"
        "from ray_models import slow_model; communique.load.load_model = partial(slow_model, 0.2);"
        "app = typer.Typer(); app.command()(label); app(sys.argv[1:])"
    )
    given = [str(a) for a in (*arguments, "--engine", "ray", "--ray-address", cluster.address)]
    return subprocess.Popen([sys.executable, "-c", code, *given])


def test_a_killed_driver_loses_no_finished_shard_and_either_engine_can_resume(
    cluster: Any, toy: object, fake_bundle: Path, tmp_path: Path
) -> None:
    source, out, whole = write(tmp_path / "in.jsonl", 240), tmp_path / "out.parquet", tmp_path / "whole.parquet"
    options = ("--shard-rows", SHARD, "--model", fake_bundle)
    said = label(source, "-o", whole, *options)[2]
    finished: set[str] = set()
    for _ in range(2):
        process = driver(cluster, source, "-o", out, "--resume", *options)
        wanted = len(finished) + 3
        until(lambda: len(on_disk(out)) >= wanted, "too few shards were finished", pid=process.pid)  # noqa: B023
        now = on_disk(out)
        process.kill()
        process.wait()
        assert not out.exists()
        assert finished < now
        finished = now
    other = bundle_folder(tmp_path / "other", temperature=2.0)
    code, _, err = on_ray(cluster, source, "-o", out, "--resume", "--shard-rows", SHARD, "--model", other)
    assert code == 1
    assert "different model sha256" in err
    times = {path.name: path.stat().st_mtime_ns for path in shards_folder(out).glob("*.arrow")}
    assert times.keys() >= finished
    half = tmp_path / "half.parquet"
    for name in (".shards",):
        subprocess.run(["cp", "-r", f"{out}{name}", f"{half}{name}"], check=True)
    for resumed, run in ((out, partial(on_ray, cluster)), (half, label)):
        assert run(source, "-o", resumed, "--resume", *options)[2] == said.replace(str(whole), str(resumed))
    assert out.read_bytes() == half.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(("address", "facts"), [(None, "Ray did not start"), ("10.0.0.1:6379", "10.0.0.1:6379")])
def test_a_start_that_takes_too_long_is_reported_as_one_error(
    address: str | None, facts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray raises a bare `Exception` for this."""

    def init(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.\nMore lines.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UnreachableError, match=f"{facts}.*timed out during startup"), ray_engine._connected(address):
        pass
