"""Compare the speed of `communique` with that of the transformers pipeline and of other libraries (peers) in one run.

All contestants run the network of the shipped model, whose weights are converted back to 32 bits for the others, with the same
number of threads on the same sentences in the same order. They take turns, and the result is the median over turns. The last line
is one JSON object.

    python benchmarks/speed.py [--texts DIR] [--bundle DIR] [--peers runs/peers] [-o benchmarks/results/speed.json]

With `--texts` the sentences are those of the reference sources in their original order, and otherwise those of data/authored.
`make peers` creates the environments of the peers (`benchmarks/peers/*.txt`). Peers without an environment are left out and
reported.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
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

#: Batch sizes of the pipeline. `communique` is compared with the fastest one.
PIPELINE_BATCHES = (1, 8, 32)

#: Number of sentences per batch if OpenVINO is used directly. Sentences are not sorted, and are padded to the longest.
FIXED_BATCH = 32

#: Peers, and the environments in which they run.
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
    """A peer in a separate process, which measures its own time.

    Args:
        engine: Name of the peer in `peers/worker.py`.
        python: Python interpreter of the peer's environment.
        checkpoint: Folder of the model.
        work: Folder for the files that the peer exports.
        threads: Number of CPU threads.
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
            raise RuntimeError(f"the peer ended; see its log for the reason: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        answer: dict[str, Any] = json.loads(line)
        return answer

    def seconds(self) -> float:
        """Return the duration of one pass over the sentences."""
        return float(self._ask({})["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def sentences(texts: Path | None, n: int) -> tuple[list[str], str]:
    """Return n different sentences in their original order, and the name of the data."""
    if texts is None:
        corpus, data = Corpus.read(ROOT / "data/authored"), "data/authored"
    else:
        codebook = Codebook.load(ROOT / "data/codebook.yaml")
        corpus, _ = read_corpora([ROOT / "data/reference/train.jsonl"], codebook, texts)
        data = "data/reference/train.jsonl"
    # Every k-th sentence is used, so that all sources and languages are included.
    different = list(dict.fromkeys(s.text for s in corpus))
    step = max(1, len(different) // n)
    return different[::step][:n], data


def timed(function: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> Callable[[], float]:
    """Return a function that times one pass over the sentences, after a short pass to warm up."""
    function(texts[:64])

    def seconds() -> float:
        start = time.perf_counter()
        function(texts)
        return time.perf_counter() - start

    return seconds


def write_checkpoint(predictor: Predictor, folder: Path) -> None:
    """Write the network of a bundle as a standard checkpoint with 32-bit weights."""
    import torch

    from communique.models.info import IR
    from communique.models.openvino import import_quietly
    from communique.training.backbones import load_backbone
    from communique.training.dequantize import read_weights

    bundle, max_tokens = str(predictor.folder), predictor.info.max_tokens
    model: Any
    model, tokenizer = load_backbone(bundle, predictor.codebook, max_tokens=max_tokens)
    # The head of a backbone is new, so that of the bundle is read separately.
    weights = read_weights(import_quietly("openvino").Core().read_model(predictor.folder / IR))
    model.classifier.load_state_dict({n: torch.from_numpy(weights[f"classifier.{n}"]) for n in ("weight", "bias")})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def pipelines(checkpoint: Path, threads: int) -> dict[str, Callable[[Sequence[str]], Any]]:
    """Build the transformers pipelines in fp32 and, if the CPU supports it, in bf16."""
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
    """Return a function that uses OpenVINO in the simplest way: one request, fixed batches, sentences in their original order."""
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
    """Time all contestants in turns. Return seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns):
        for name, contestant in contestants.items():
            seconds[name].append(contestant())
            print(f"turn {turn + 1}/{turns}  {name}: {n / seconds[name][-1]:.1f} sentences/s", file=sys.stderr)
    return seconds


def against(seconds: Mapping[str, list[float]], names: Sequence[str]) -> dict[str, Any]:
    """Compare `communique` with the fastest of some contestants, by ratios within turns, so that slow phases affect both."""
    best = min(names, key=lambda name: statistics.median(seconds[name]))
    ratios = [a / b for a, b in zip(seconds[best], seconds[OWN], strict=True)]
    return {
        "best": best,
        "ratio": round(statistics.median(ratios), 2),
        "ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def parts_of(predictor: Predictor, texts: list[str], total: float) -> dict[str, float]:
    """Return the proportion of a pass that tokenizing takes, and the mean number of tokens per sentence."""
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
    parser.add_argument("--peers", type=Path, default=ROOT / "runs/peers", help="folder of the peers' environments")
    parser.add_argument("--only", action="append", help="a peer to measure; can be repeated; default: all")
    parser.add_argument("--sentences", type=int, default=600)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    texts, data = sentences(arguments.texts, arguments.sentences)
    threads = arguments.threads
    predictor = Predictor(arguments.bundle, threads=threads)
    own = {f"openvino by hand, batch {FIXED_BATCH}": by_hand(predictor, threads), OWN: predictor.predict}
    missing, versions, differences = [], {}, {}
    calibration = json.dumps(sentences(None, 300)[0])
    with ExitStack() as stack:
        checkpoint = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_checkpoint(predictor, checkpoint)
        contestants = {
            name: timed(function, texts) for name, function in (pipelines(checkpoint, threads) | own).items()
        }
        stock = [name for name in contestants if name.startswith("pipeline")]
        for engine, environment in PEERS.items():
            python = arguments.peers / environment / "bin/python"
            if not python.exists() or (arguments.only and engine not in arguments.only):
                missing.append(engine)
                continue
            print(f"starting {engine}", file=sys.stderr)
            # The exports of another model must not be used.
            work = arguments.peers / f"{environment}.{predictor.info.sha256[:12]}"
            work.mkdir(exist_ok=True)
            (work / "calibration.json").write_text(calibration)
            peer = Peer(engine, python, checkpoint, work, threads, texts)
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
        "version": predictor.info.version,
        "data": data,
        "sentences": len(texts),
        "threads": threads,
        "turns": arguments.turns,
        "sentences_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "against_pipeline_fp32": against(seconds, [name for name in stock if "fp32" in name]),
        "against_best_other": against(seconds, others),
        "left_out": missing,
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
    if missing:
        print(f"left out: {', '.join(missing)} (`make peers` creates their environments)")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


def cpu() -> dict[str, Any]:
    """Return the name of the processor and the features that affect the speed of 8-bit and bf16 computations."""
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
