"""One peer of `communique` in an environment of its own: it labels or embeds the same sentences, and is timed here.

`benchmarks/speed.py` starts it with the peer's Python and speaks lines of JSON with it: it gets {"texts": [...]} once, then
answers each line with {"seconds": ...} for one pass over all of them in their given order. Before that it answers
{"ready": versions, "sample": probabilities of the first texts, or null where the peer embeds}.

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

#: Sentences a batch; all peers sort by length first, by themselves or, for ONNX Runtime, here.
BATCH = 32

#: Longest input; the model's own.
MAX_TOKENS = 160

Pass = Callable[[Sequence[str]], Any]


def stock_folder(checkpoint: Path, work: Path) -> Path:
    """Copy a checkpoint so that older transformers read its tokenizer, whose class has another name there."""
    folder = work / "checkpoint"
    if not folder.is_dir():
        shutil.copytree(checkpoint, folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def onnxruntime_pass(folder: Path, work: Path, threads: int, *, int8: bool) -> Pass:
    """Classify with Optimum's ONNX Runtime model: exported as it exports, quantised dynamically as it quantises."""
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
    """Embed with sentence-transformers, which for a classifier is all of the work but a small linear head."""
    from sentence_transformers import SentenceTransformer

    kind, _, int8 = backend.partition("-")
    built = work / f"st-{kind}"
    if not built.is_dir():
        plain_model(folder).save(str(built))
        if kind in ("onnx", "openvino"):  # Otherwise each start would export again.
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
            # It quantises with a dataset that `datasets` loads: a folder is one.
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
    """Predict with SetFit: its own class around sentence-transformers and a logistic head."""
    import numpy as np
    import torch
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

    torch.set_num_threads(threads)
    body = plain_model(folder)
    # The head's weights do not matter for its speed.
    draw = np.random.default_rng(0)
    head = LogisticRegression().fit(draw.normal(size=(20, 384)), np.arange(20) % 2)
    model = SetFitModel(model_body=body, model_head=head)
    return lambda texts: model.predict(list(texts), batch_size=BATCH)


def plain_model(folder: Path) -> Any:
    """Build a sentence-transformers model over the checkpoint's encoder, mean pooling as multilingual-e5 has it."""
    from sentence_transformers import SentenceTransformer, models

    transformer = models.Transformer(str(folder), max_seq_length=MAX_TOKENS)
    return SentenceTransformer(modules=[transformer, models.Pooling(384, pooling_mode="mean")], device="cpu")


def main() -> None:
    """Speak with `speed.py`."""
    engine, checkpoint, work, threads = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    # Libraries print what they like; the lines of JSON go where they cannot.
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
