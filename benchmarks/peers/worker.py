"""Run a peer of `communique` in its own environment: label or embed the same sentences, and measure the time.

`benchmarks/speed.py` starts this script with the peer's Python and exchanges lines of JSON with it. The script receives
{"texts": [...]} once and answers {"ready": versions, "sample": probabilities of the first texts, or null if the peer only embeds}.
It then answers each further line with {"seconds": ...} for one pass over all texts in their original order.

    python worker.py ENGINE CHECKPOINT WORK_FOLDER THREADS
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

#: Number of sentences per batch. All peers sort sentences by length first; for ONNX Runtime this script does it.
BATCH = 32

#: Maximum input length of the model in tokens.
MAX_TOKENS = 160

Pass = Callable[[Sequence[str]], Any]


def stock_folder(checkpoint: Path, work: Path) -> Path:
    """Copy a checkpoint and change the class of its tokenizer, which has another name in older versions of transformers."""
    folder = work / "checkpoint"
    if not folder.is_dir():
        shutil.copytree(checkpoint, folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def onnxruntime_pass(folder: Path, work: Path, threads: int, *, int8: bool) -> Pass:
    """Classify with Optimum's model for ONNX Runtime, with Optimum's own export and dynamic quantisation."""
    import numpy as np
    import onnxruntime
    from optimum.onnxruntime import ORTModelForSequenceClassification, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig
    from transformers import AutoTokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    exported = work / "onnx"
    if not exported.is_dir():
        ORTModelForSequenceClassification.from_pretrained(folder, export=True).save_pretrained(exported)
    quantised = work / "onnx-int8"
    if int8 and not quantised.is_dir():
        quantiser = ORTQuantizer.from_pretrained(exported)
        quantiser.quantize(
            save_dir=quantised,
            quantization_config=AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=False),
        )
    model = ORTModelForSequenceClassification.from_pretrained(quantised if int8 else exported, session_options=options)
    tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=MAX_TOKENS)

    def run(texts: Sequence[str]) -> Any:
        ids = tokenizer(list(texts), truncation=True)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        logits = np.zeros((len(ids), model.config.num_labels), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            logits[rows] = model(**tokenizer.pad({"input_ids": [ids[i] for i in rows]}, return_tensors="np")).logits
        return 1 / (1 + np.exp(-logits))

    return run


def sentence_transformers_pass(folder: Path, work: Path, threads: int, backend: str) -> Pass:
    """Embed with sentence-transformers, which is all the work of a classifier except for a small linear head."""
    from sentence_transformers import SentenceTransformer

    kind, _, int8 = backend.partition("-")
    built = work / f"st-{kind}"
    if not built.is_dir():
        plain_model(folder).save(str(built))
        if kind in ("onnx", "openvino"):  # Otherwise the model would be exported again at each start.
            SentenceTransformer(str(built), backend=kind).save_pretrained(str(built))
    settings: dict[str, Any] = {}
    if kind == "onnx":
        import onnxruntime

        settings["session_options"] = onnxruntime.SessionOptions()
        settings["session_options"].intra_op_num_threads = threads
    elif kind == "openvino":
        settings["ov_config"] = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    if int8 and not list(built.rglob("*int8*")):
        model = SentenceTransformer(str(built), backend=kind)
        if kind == "onnx":
            from sentence_transformers import export_dynamic_quantized_onnx_model

            export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(built))
        else:
            from optimum.intel import OVQuantizationConfig
            from sentence_transformers import export_static_quantized_openvino_model

            sentences = json.loads((work / "calibration.json").read_text())
            # Quantisation requires a dataset that `datasets` can load, such as a folder.
            (work / "calibration").mkdir(exist_ok=True)
            (work / "calibration/train.jsonl").write_text("\n".join(json.dumps({"sentence": s}) for s in sentences))
            export_static_quantized_openvino_model(
                model,
                quantization_config=OVQuantizationConfig(num_samples=len(sentences)),
                model_name_or_path=str(built),
                dataset_name=str(work / "calibration"),
                dataset_config_name="default",
                dataset_split="train",
                column_name="sentence",
            )
    if int8:
        settings["file_name"] = next(p.name for p in sorted(built.rglob("*int8*")) if p.suffix in (".onnx", ".xml"))
    model = SentenceTransformer(str(built), backend=kind, model_kwargs=settings)
    model.max_seq_length = MAX_TOKENS
    return lambda texts: model.encode(list(texts), batch_size=BATCH, show_progress_bar=False)


def setfit_pass(folder: Path, threads: int) -> Pass:
    """Predict with the model class of SetFit, which combines sentence-transformers and a logistic head."""
    import numpy as np
    import torch
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

    torch.set_num_threads(threads)
    body = plain_model(folder)
    # The weights of the head do not affect its speed.
    draw = np.random.default_rng(0)
    head = LogisticRegression().fit(draw.normal(size=(20, 384)), np.arange(20) % 2)
    model = SetFitModel(model_body=body, model_head=head)
    return lambda texts: model.predict(list(texts), batch_size=BATCH)


def plain_model(folder: Path) -> Any:
    """Build a sentence-transformers model from the checkpoint's encoder, with mean pooling as in multilingual-e5."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(folder), max_seq_length=MAX_TOKENS)
    return SentenceTransformer(modules=[transformer, models.Pooling(384, pooling_mode="mean")], device="cpu")


def main() -> None:
    """Answer the requests of `speed.py`."""
    engine, checkpoint, work, threads = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    # Libraries may print to standard output, so it is reserved for the lines of JSON.
    answers, sys.stdout = sys.stdout, sys.stderr

    def answer(value: Any) -> None:
        print(json.dumps(value), file=answers, flush=True)

    work.mkdir(parents=True, exist_ok=True)
    folder = stock_folder(checkpoint, work)
    texts = json.loads(sys.stdin.readline())["texts"]
    if engine.startswith("onnxruntime"):
        run = onnxruntime_pass(folder, work, threads, int8=engine.endswith("int8"))
    elif engine.startswith("sentence-transformers"):
        import torch

        torch.set_num_threads(threads)
        run = sentence_transformers_pass(folder, work, threads, engine.removeprefix("sentence-transformers-"))
    else:
        run = setfit_pass(folder, threads)
    first = run(texts[:8])
    sample = [[float(p) for p in row] for row in first] if engine.startswith("onnxruntime") else None
    pins = (Path(__file__).parent / f"{work.stem}.txt").read_text().splitlines()
    names = [pin.partition("==")[0].partition("[")[0] for pin in pins if "==" in pin]
    versions = {name: metadata.version(name) for name in names}
    answer({"ready": versions, "sample": sample})
    for _ in sys.stdin:
        start = time.perf_counter()
        run(texts)
        answer({"seconds": time.perf_counter() - start})


if __name__ == "__main__":
    main()
