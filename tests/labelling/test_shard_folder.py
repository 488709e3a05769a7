"""The folder of a run: it is recognised as ours, its shards are hashed, and files that are not ours are never deleted."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from fakes import FakeModel, label, label_in_a_process, until
from helpers import has_facts

from communique.errors import CommuniqueError, DataError, OutputError
from communique.io.file_state import file_state
from communique.io.paths import find_files
from communique.labelling.label import label_shard
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.shard_folder import ShardFolder, pack, shards_folder

pytestmark = pytest.mark.usefixtures("fake_network")

Tree = dict[str, bytes | None]


def tree(folder: Path) -> Tree:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def shards(model: Path, folder: Path, n: int = 3) -> list[bytes]:
    source = folder / "source.jsonl"
    source.write_text("".join(json.dumps({"text": f"We send aid {i}.", "n": i}) + "\n" for i in range(4 * n)))
    reader = ShardReader(find_files([source]), Options(shard_rows=4))
    return [pack(label_shard(shard, FakeModel(model))) for shard in reader.shards()]  # type: ignore[arg-type]


@pytest.fixture
def stopped(fake_bundle: Path, tmp_path: Path) -> ShardFolder:
    """Return the folder of a run with three finished shards."""
    (tmp_path / "run").mkdir()
    folder = ShardFolder(tmp_path / "run" / "out.jsonl", {"communique": "1", "n": 1}, resume=None)
    for number, content in enumerate(shards(fake_bundle, tmp_path)):
        folder.write(number, content)
    folder.close()
    return folder


def reopen(folder: ShardFolder, resume: bool | None = True) -> ShardFolder:
    return ShardFolder(folder.out, {"communique": "1", "n": 1}, resume=resume)


def foreign(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "notes.txt").write_text("precious")
    (folder / "00000.arrow").write_text("mine")
    (folder / "sub" / "x").write_text("mine")


def with_a_lock(folder: Path) -> None:
    foreign(folder)
    (folder / "lock").touch()


def one_shard(folder: Path) -> None:
    folder.mkdir()
    (folder / "00000.arrow").write_text("whose?")


@pytest.mark.parametrize("make", [foreign, with_a_lock, one_shard, Path.touch])
@pytest.mark.parametrize("option", [None, "--resume", "--restart", "--overwrite"])
def test_a_folder_that_is_not_ours_is_refused_and_never_changed(
    make: Callable[[Path], None], option: str | None, fake_bundle: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "We will send aid."}\n')
    make(shards_folder(out))
    before = tree(tmp_path)
    code, _, err = label(source, "-o", out, "--model", fake_bundle, *([option] if option else []))
    assert code == 2
    assert has_facts(err, shards_folder(out))
    assert tree(tmp_path) == before


def test_an_empty_folder_and_the_folder_of_a_run_killed_at_its_start_are_used(
    fake_bundle: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": "We will send aid."}\n')
    for names in ((), ("lock",), ("lock", ".run.json.01234567.part")):
        shards_folder(out).mkdir()
        for name in names:
            (shards_folder(out) / name).touch()
        assert label(source, "-o", out, "--overwrite", "--model", fake_bundle)[0] == 0
        assert not shards_folder(out).exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"{}", b"\xff", b'{"communique": "1"}'])
@pytest.mark.parametrize("resume", [None, True, False])
def test_without_a_valid_description_nothing_is_resumed_or_deleted(
    content: bytes | None, resume: bool | None, stopped: ShardFolder
) -> None:
    description = stopped.path / "run.json"
    description.unlink()
    if content is not None:
        description.write_bytes(content)
    before = tree(stopped.path)
    with pytest.raises(CommuniqueError, match=r"out\.jsonl\.shards"):
        reopen(stopped, resume)
    assert tree(stopped.path) == before


def test_only_files_of_the_run_are_deleted_and_the_folder_only_if_it_is_empty(stopped: ShardFolder) -> None:
    kept = ["copy.arrow", "00001.arrow.bak", "1.arrow", "notes.txt", "run.json.old", "x.part"]
    for name in kept:
        (stopped.path / name).write_text("mine")
    reopen(stopped).finish(lambda handle: None)
    assert sorted(os.listdir(stopped.path)) == sorted(kept)
    for name in kept:
        (stopped.path / name).unlink()
    stopped.path.rmdir()
    assert os.listdir(stopped.out.parent) == [stopped.out.name]


def flip(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("n", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_every_flipped_bit_is_found(n: int, stopped: ShardFolder) -> None:
    """Any bit of the shard files and of their hashes is covered. A shard that changes after the check is refused too."""
    draw = random.Random(0)
    files = sorted(p for p in stopped.path.iterdir() if p.suffix in (".arrow", ".sha256"))
    folder = reopen(stopped)
    for _ in range(n):
        path = draw.choice(files)
        content = path.read_bytes()
        path.write_bytes(flip(content, draw.randrange(8 * len(content))))
        number = int(path.stem)
        assert folder.finished() == {0, 1, 2} - {number}
        assert folder.damaged == [number]
        with pytest.raises(DataError, match=r"damaged.*--resume"):
            folder.read(number)
        path.write_bytes(content)
    assert folder.finished() == {0, 1, 2}
    folder.close()


def test_sha256sum_can_check_the_hashes(stopped: ShardFolder) -> None:
    command = ["sha256sum", "-c", "--quiet", *sorted(p.name for p in stopped.path.glob("*.sha256"))]
    subprocess.run(command, cwd=stopped.path, check=True)


@pytest.fixture
def killed(fake_bundle: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return the input and the output of a command that was killed after two shards."""
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"text": f"text {i}", "_extra": i}) + "\n" for i in range(30)))
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    pid = label_in_a_process(*arguments, delay=0.3, log=tmp_path / "log")
    until(lambda: len(list(shards_folder(out).glob("*.arrow"))) >= 2, "no two shards were finished", pid=pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return source, out


def test_a_damaged_shard_is_reported_and_labelled_again(
    killed: tuple[Path, Path], fake_bundle: Path, tmp_path: Path
) -> None:
    source, out = killed
    arguments = (source, "--shard-rows", 10, "--model", fake_bundle)
    first = shards_folder(out) / "00000.arrow"
    # The shard is still a valid Arrow file with the same schema, but has other values, as after a bit flip in a buffer.
    table = pa.ipc.open_file(first).read_all()
    forged = table.set_column(0, table.field(0), pa.array(["forged"] * len(table)))
    with pa.ipc.new_file(str(first), forged.schema) as writer:
        writer.write_table(forged)
    code, _, err = label(*arguments, "-o", out, "--resume")
    assert (code, has_facts(err, "shard 0 is damaged")) == (0, True)
    assert label(*arguments, "-o", tmp_path / "whole.jsonl")[0] == 0
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_the_shards_of_a_link_are_next_to_its_target(fake_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.jsonl").symlink_to("real/o.jsonl")
    assert shards_folder(tmp_path / "link.jsonl") == tmp_path / "real" / "o.jsonl.shards"
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "We will send aid."}\n')
    assert label(source, "-o", tmp_path / "link.jsonl", "--model", fake_bundle)[0] == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "real" / "o.jsonl").read_bytes().count(b"\n") == 1
    assert label(source, "-o", tmp_path / "link.jsonl", "--model", fake_bundle)[0] == 2


def test_an_output_in_the_input_folder_is_not_read(fake_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "We will send aid."}\n')
    out = folder / "out.jsonl"
    for given in (folder, f"{folder}/*.jsonl"):
        for _ in range(2):
            assert label(given, "-o", out, "--overwrite", "--model", fake_bundle)[0] == 0
            assert out.read_bytes().count(b"\n") == 1
    code, _, err = label(*sorted(folder.glob("*.jsonl")), "-o", out, "--overwrite", "--model", fake_bundle)
    assert (code, has_facts(err, out, "also an input")) == (2, True)
    assert out.read_bytes().count(b"\n") == 1


def test_outputs_that_cannot_be_written_are_refused_before_standard_input_is_read(
    fake_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl").write_text("old")
    for out in (tmp_path / "out.jsonl", tmp_path / "absent" / "out.jsonl", tmp_path):
        assert label("-", "--format", "jsonl", "-o", out, "--model", fake_bundle)[0] == 2
    assert (tmp_path / "out.jsonl").read_text() == "old"


# Resuming


@pytest.mark.parametrize("form", ["jsonl", "html", "xlsx"])
def test_resuming_a_complete_output_of_split_rows_leaves_it_unchanged(
    form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    """Positions in a document are known only after all earlier rows have been split."""
    source, out = tmp_path / "in.csv", tmp_path / f"out.{form}"
    source.write_text("speech_id,text\na,We condemn it. We help.\na,They came. We pledge it.\n")
    arguments = (source, "-o", out, "--model", fake_bundle, "--split", "--language", "en", "--resume")
    assert label(*arguments)[0] == 0
    code, _, err = label(*arguments)
    assert (code, "already complete" in err) == (0, True), err


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv.gz", "parquet", "html", "xlsx"])
def test_resuming_a_complete_output_leaves_it_unchanged(form: str, fake_bundle: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / f"out.{form}"
    rows = [
        {"text": t, "n": n, "x": x}
        for t, n, x in zip(["", "a\r\nb", "c", "d"], range(4), [1.5, None, [1], "y"], strict=True)
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = (source, "-o", out, "--shard-rows", 1, "--model", fake_bundle)
    assert label(*arguments)[0] == 0
    before = file_state(out)
    for more in ((), ("--overwrite",)):
        code, _, err = label(*arguments, "--resume", *more)
        assert (code, has_facts(err, out, "already complete")) == (0, True), err
    assert file_state(out) == before
    assert not shards_folder(out).exists()


@pytest.mark.parametrize("change", ["text", "extra", "more", "less", "model", "--split", "other file"])
def test_resuming_does_not_accept_another_output_as_complete(change: str, fake_bundle: Path, tmp_path: Path) -> None:
    from fakes import bundle_folder

    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"text": f"One {i}. Two.", "n": i}) + "\n" for i in range(8)))
    arguments = (source, "-o", out, "--shard-rows", 2, "--language", "en", "--model")
    assert label(*arguments, fake_bundle)[0] == 0
    before, text, model = out.read_bytes(), source.read_text(), fake_bundle
    more: tuple[str, ...] = ()
    if change == "text":
        source.write_text(text.replace("One 7", "One 9"))
    elif change == "extra":
        source.write_text(text.replace('"n": 7', '"n": 8'))
    elif change == "more":
        source.write_text(text + '{"text": "x"}\n')
    elif change == "less":
        source.write_text("".join(text.splitlines(keepends=True)[:-1]))
    elif change == "model":
        from helpers import CODEBOOK

        from communique.data.codebook import Codebook

        labels = [*CODEBOOK["labels"][:2], {"name": "other", "definition": "Another label."}]
        model = bundle_folder(tmp_path / "other", Codebook.model_validate(CODEBOOK | {"labels": labels}))
    elif change == "--split":
        more = ("--split",)
    else:
        before = b"not a table"
        out.write_bytes(before)
    code, _, err = label(*arguments, model, "--resume", *more)
    assert (code, has_facts(err, out, "already exists", "--overwrite")) == (2, True)
    assert out.read_bytes() == before
    assert label(*arguments, model, "--resume", "--overwrite", *more)[0] == 0
    assert out.read_bytes() != before


def test_an_output_is_complete_if_the_run_was_killed_before_it_deleted_the_shards(
    killed: tuple[Path, Path], fake_bundle: Path
) -> None:
    source, out = killed
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    left = tree(shards_folder(out))
    assert label(*arguments, "--resume")[0] == 0
    shards_folder(out).mkdir()
    for name, content in left.items():
        (shards_folder(out) / name).write_bytes(content or b"")
    whole = out.read_bytes()
    assert label(*arguments, "--resume")[0] == 0
    assert out.read_bytes() == whole
    assert not shards_folder(out).exists()


# Inputs


def test_a_changed_input_is_detected_and_finished_shards_keep_its_first_state(
    fake_bundle: Path, tmp_path: Path
) -> None:
    source, out, whole = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    # The input is larger than what is read ahead, so that its end is read after the change.
    lines = [json.dumps({"text": f"text {i}", "long": "x" * 20_000}) + "\n" for i in range(400)]
    source.write_text("".join(lines))
    arguments = (source, "--shard-rows", 10, "--model", fake_bundle)
    assert label(*arguments, "-o", whole)[0] == 0
    pid = label_in_a_process(*arguments, "-o", out, delay=0.1, log=tmp_path / "log")
    until(lambda: len(list(shards_folder(out).glob("*.arrow"))) >= 1, "no shard was finished", pid=pid)
    source.write_text("".join(lines).replace("text", "TEXT").replace('"TEXT"', '"text"', 400))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert not out.exists()
    code, _, err = label(*arguments, "-o", out, "--resume")
    assert (code, has_facts(err, "different input")) == (1, True)
    source.write_text("".join(lines))
    assert label(*arguments, "-o", out, "--resume")[0] == 0
    assert out.read_bytes() == whole.read_bytes()


def test_a_file_that_is_only_touched_has_not_changed(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\nx\n")
    reader = ShardReader(find_files([source]), Options())
    os.utime(source, (1, 1))
    assert len(list(reader.shards())) == 1
    reader.check_unchanged()
    source.write_text("text\ny\n")
    os.utime(source, (1, 1))
    with pytest.raises(CommuniqueError, match=r"in\.csv: the file changed while it was being read"):
        reader.check_unchanged()
    source.unlink()
    assert [record.error for shard in reader.shards() for record in shard.records] == [f"{source}: no such file"]


@pytest.mark.parametrize(("form", "content"), [("jsonl", b'{"text": "a"}\n{broken\n'), ("csv", b"text,n\na,1\nb\n")])
def test_errors_in_standard_input_do_not_name_the_temporary_copy(
    form: str, content: bytes, fake_bundle: Path, tmp_path: Path
) -> None:
    found = []
    for name in ("a.csv", "b.csv"):
        code, _, err = label("-", "--format", form, "-o", tmp_path / name, "--model", fake_bundle, stdin=content)
        assert (code, has_facts(err, "-, row ")) == (1, True)
        assert "communique-" not in err
        found.append((tmp_path / name).read_text("utf-8-sig"))
    assert found[0] == found[1]
    assert "-, row " in found[0]
    assert "communique-" not in found[0]


@pytest.mark.parametrize("form", ["parquet", "xlsx", "csv"])
def test_an_unreadable_standard_input_is_reported_without_the_temporary_copy(
    form: str, fake_bundle: Path, tmp_path: Path
) -> None:
    code, _, err = label(
        "-", "--format", form, "-o", tmp_path / "o.csv", "--model", fake_bundle, stdin=b"\x00\x01\xfe" * 50
    )
    assert (code, err.startswith("error: -")) == (1, True), err
    assert "communique-" not in err


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals_that_end_the_process_keep_finished_shards(
    name: str, code: int, fake_bundle: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    source.write_text("".join(json.dumps({"text": f"text {i}"}) + "\n" for i in range(60)))
    arguments = (source, "-o", out, "--shard-rows", 10, "--model", fake_bundle)
    pid = label_in_a_process(*arguments, delay=0.3, log=tmp_path / "log")
    until(lambda: len(list(shards_folder(out).glob("*.arrow"))) >= 1, "no shard was finished", pid=pid)
    os.kill(pid, getattr(signal, name))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    assert len(list(shards_folder(out).glob("*.arrow"))) >= 1
    assert label(*arguments, "--resume")[0] == 0
    assert not shards_folder(out).exists()


def test_the_folder_of_another_run_is_refused(stopped: ShardFolder) -> None:
    with pytest.raises(DataError, match="different n: 1 then, 2 now"):
        ShardFolder(stopped.out, {"communique": "1", "n": 2}, resume=True)
    (stopped.path / "run.json").unlink()
    with pytest.raises(OutputError, match=r"no run\.json"):
        reopen(stopped)
