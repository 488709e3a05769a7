"""Measure sentences a second of `communique` against the stock pipeline and its peers, side by side in one run.

All run the same architecture on the same number of threads over the same sentences in their given order. Contestants take
turns; the median of the turns counts. Last line: one JSON object.

    python benchmarks/speed.py [--texts DIR] [--checkpoint DIR] [--peers runs/peers] [-o benchmarks/results/speed.json]

Without `--texts` the sentences are those of data/authored; with it those of the reference sources, as they come. `make peers`
makes the environments of the peers (`benchmarks/peers/*.txt`); one that does not exist is left out, and a line says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import int8_limit
import numpy as np

from communique import Codebook, Corpus, Predictor
from communique.data.standoff import read_corpora
from communique.models.predictor import default_model

ROOT = Path(__file__).parents[1]

#: Batch sizes of the pipeline; the fastest one is what `communique` is held against.
PIPELINE_BATCHES = (1, 8, 32)

#: Sentences a batch of OpenVINO by hand: as they come, padded to the longest.
FIXED_BATCH = 32

#: Peers and the environments in which they run.
PEERS = {
    "onnxruntime-fp32": "onnx",
    "onnxruntime-int8": "onnx",
    "sentence-transformers-onnx": "onnx",
    "sentence-transformers-onnx-int8": "onnx",
    "sentence-transformers-openvino": "openvino",
    "sentence-transformers-openvino-int8": "openvino",
    "setfit": "setfit",
}

OWN = "communique"


class Peer:
    """A peer in a process of its own, which times itself.

    Args:
        engine: Its name in `peers/worker.py`.
        python: The Python of its environment.
        checkpoint: Folder of the model.
        work: Folder for what the peer exports.
        threads: CPU threads.
        texts: The sentences.
    """

    def __init__(self, engine: str, python: Path, checkpoint: Path, work: Path, threads: int, texts: list[str]) -> None:
        worker = Path(__file__).parent / "peers/worker.py"
        command = [str(python), str(worker), engine, str(checkpoint), str(work), str(threads)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(work / f"{engine}.log").open("w"),
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"},
        )
        started = self._ask({"texts": texts})
        self.versions: dict[str, str] = started["ready"]
        self.sample: list[list[float]] | None = started["sample"]

    def _ask(self, question: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended; its log says why: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def seconds(self) -> float:
        """Time one pass over the sentences."""
        return float(self._ask({})["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def sentences(texts: Path | None, n: int) -> tuple[list[str], str]:
    """Give the first n different sentences in their given order, and say what they are."""
    if texts is None:
        corpus, data = Corpus.read(ROOT / "data/authored"), "data/authored"
    else:
        codebook = Codebook.load(ROOT / "data/codebook.yaml")
        corpus, _ = read_corpora([ROOT / "data/reference/train.jsonl"], codebook, texts)
        data = "data/reference/train.jsonl"
    # Every k-th sentence, so that all sources and languages are among them.
    different = list(dict.fromkeys(s.text for s in corpus))
    step = max(1, len(different) // n)
    return different[::step][:n], data


def timed(function: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> Callable[[], float]:
    """Make a function that times one pass over the sentences. A pass over few of them warms up."""
    function(texts[:64])

    def seconds() -> float:
        start = time.perf_counter()
        function(texts)
        return time.perf_counter() - start

    return seconds


def pipelines(checkpoint: Path, threads: int) -> dict[str, Callable[[Sequence[str]], Any]]:
    """Build the stock pipelines in fp32 and, where the CPU computes in it, in bf16."""
    import torch
    from transformers import pipeline

    torch.set_num_threads(threads)
    precisions = {"fp32": torch.float32} | (
        {"bf16": torch.bfloat16} if cpu()["avx512_bf16"] or cpu()["amx_bf16"] else {}
    )
    found: dict[str, Callable[[Sequence[str]], Any]] = {}
    for precision, dtype in precisions.items():
        stock = pipeline("text-classification", str(checkpoint), device="cpu", top_k=None, dtype=dtype)
        for size in PIPELINE_BATCHES:
            found[f"pipeline {precision}, batch {size}"] = partial(stock, batch_size=size, truncation=True)
    return found


def by_hand(predictor: Predictor, threads: int) -> Callable[[Sequence[str]], Any]:
    """Run a bundle's graph as a user of OpenVINO would first: one request, fixed batches, sentences as they come."""
    import openvino as ov
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(predictor.folder / "tokenizer.json"))
    tokenizer.enable_truncation(predictor.info.max_tokens)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("<pad>"), pad_token="<pad>")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    model = ov.Core().compile_model(str(predictor.folder / "model.xml"), "CPU", settings)

    def run(texts: Sequence[str]) -> Any:
        logits = []
        for start in range(0, len(texts), FIXED_BATCH):
            encodings = tokenizer.encode_batch(list(texts[start : start + FIXED_BATCH]))
            ids, mask = ([getattr(e, part) for e in encodings] for part in ("ids", "attention_mask"))
            logits.append(model({"input_ids": np.array(ids), "attention_mask": np.array(mask)})[0])
        return np.concatenate(logits)

    return run


def measure(contestants: Mapping[str, Callable[[], float]], n: int, turns: int) -> dict[str, list[float]]:
    """Time each contestant in turns; give seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns):
        for name, contestant in contestants.items():
            seconds[name].append(contestant())
            print(f"turn {turn + 1}/{turns}  {name}: {n / seconds[name][-1]:.1f} sentences/s", file=sys.stderr)
    return seconds


def against(seconds: Mapping[str, list[float]], names: Sequence[str]) -> dict[str, Any]:
    """Hold `communique` against the fastest of some contestants: ratios of the same turn, so that a slow spell hits both."""
    best = min(names, key=lambda name: statistics.median(seconds[name]))
    ratios = [a / b for a, b in zip(seconds[best], seconds[OWN], strict=True)]
    return {
        "best": best,
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def parts_of(predictor: Predictor, texts: list[str], total: float) -> dict[str, float]:
    """Give the share of a pass that the tokenizer takes by itself, and the tokens of a sentence on average."""
    start = time.perf_counter()
    encodings = predictor.tokenizer.encode_batch(texts)
    seconds = time.perf_counter() - start
    return {
        "tokenizer_share": round(seconds / total, 4),
        "tokens_a_sentence": round(float(np.mean([len(encoding) for encoding in encodings])), 1),
    }


def main() -> None:
    """Run the benchmark and print a table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--bundle", type=Path, default=default_model())
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "runs/communique-small")
    parser.add_argument("--peers", type=Path, default=ROOT / "runs/peers", help="folder of the peers' environments")
    parser.add_argument("--only", action="append", help="a peer; may be repeated; all without it")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.checkpoint.is_dir():
        parser.error(f"{arguments.checkpoint}: no checkpoint; `make train` leaves one, or name one with --checkpoint")

    texts, data = sentences(arguments.texts, arguments.sentences)
    threads = arguments.threads
    predictor = Predictor(arguments.bundle, threads=threads)
    own = {f"openvino by hand, batch {FIXED_BATCH}": by_hand(predictor, threads), OWN: predictor.predict}
    contestants = {
        name: timed(function, texts) for name, function in (pipelines(arguments.checkpoint, threads) | own).items()
    }
    stock = [name for name in contestants if name.startswith("pipeline")]
    told, versions, differences = [], {}, {}
    calibration = json.dumps(sentences(None, 300)[0])
    with ExitStack() as stack:
        for engine, environment in PEERS.items():
            python = arguments.peers / environment / "bin/python"
            if not python.exists() or (arguments.only and engine not in arguments.only):
                told.append(engine)
                continue
            print(f"starting {engine}", file=sys.stderr)
            work = arguments.peers / f"{environment}.work"
            work.mkdir(exist_ok=True)
            (work / "calibration.json").write_text(calibration)
            peer = Peer(engine, python, arguments.checkpoint, work, threads, texts)
            stack.callback(peer.close)
            contestants[engine] = peer.seconds
            versions[environment] = peer.versions
            if peer.sample is not None:
                difference = np.abs(np.array(peer.sample) - predictor.predict(texts[: len(peer.sample)]).probabilities)
                differences[engine] = round(float(difference.max()), 3)
        seconds = measure(contestants, len(texts), arguments.turns)
    rates = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
    others = [name for name in contestants if name not in (OWN, *stock)]
    total = statistics.median(seconds[OWN])
    parts = parts_of(predictor, texts, total)
    limit = int8_limit.limits(threads)
    needed = int8_limit.operations_a_token() * parts["tokens_a_sentence"] * rates[OWN]
    result = {
        "benchmark": "speed",
        "data": data,
        "sentences": len(texts),
        "threads": threads,
        "turns": arguments.turns,
        "sentences_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "against_pipeline_fp32": against(seconds, [name for name in stock if "fp32" in name]),
        "against_best_other": against(seconds, others),
        "left_out": told,
        **parts,
        "int8": {
            "tera_operations_per_second": round(needed / 1e12, 3),
            "limit_of_model_shapes": round(limit["model_shapes"] / 1e12, 3),
            "limit_of_square_4096": round(limit["square_4096"] / 1e12, 3),
            "share_of_limit": round(needed / limit["model_shapes"], 3),
        },
        "largest_difference_of_probability": differences,
        "cpu": cpu(),
        "versions": {name: metadata.version(name) for name in ("openvino", "tokenizers", "torch", "transformers")},
        "peers": versions,
    }
    for name, rate in sorted(rates.items(), key=lambda item: item[1]):
        print(f"{name:<36} {rate:8.1f} sentences/s")
    if told:
        print(f"left out: {', '.join(told)} (`make peers` makes their environments)")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def cpu() -> dict[str, Any]:
    """Name the processor and those of its abilities on which 8-bit and bf16 speed depend."""
    import torch

    found = torch.cpu.get_capabilities()
    names = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    return {
        "name": found.get("cpu_name", platform.processor()),
        "cores": found.get("num_physical_cores"),
        **{name: bool(found.get(name)) for name in names},
    }


if __name__ == "__main__":
    main()
