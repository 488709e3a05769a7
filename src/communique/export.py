"""Export a checkpoint to OpenVINO in 8 bits and prove the result against it. Needs the extra `train`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from . import bundle
from .backbone import BLOCK
from .bundle import ModelInfo, Proof, ProofRow
from .calibration import decide, tune
from .codebook import Codebook
from .errors import BundleError, ExportError
from .metrics import indicator, macro_f1, outcome_counts, precision_recall_f1
from .predictor import Predictor
from .recipe import Recipe
from .report import Report
from .runtime import import_quietly
from .sets import TrainingSets
from .statements import Statement
from .training import CheckpointLabeler

#: Sentences whose activations set the ranges of the 8-bit numbers.
CALIBRATION = 300

#: How much of the activations' range SmoothQuant moves into the weights (Xiao et al. 2023), from 0 to 1.
SMOOTH_QUANT = 0.8

#: What an export may lose on the proof: macro-F1, and F1 of its decisions against the checkpoint's.
MAX_LOSS, MIN_AGREEMENT = 0.005, 0.95


class _Logits(torch.nn.Module):
    """The classifier as a function of two tensors that gives one, as OpenVINO's converter wants it."""

    model: Any

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class _FirstTokenLogits(_Logits):
    """The same for a BERT, whose head reads the first token: the last layer computes no other.

    Keys and values of the last layer need all tokens; query, output and feed-forward do not. With 12 layers that saves 7 %
    of all products, and the numbers are the same.
    """

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        bert = self.model.bert
        *layers, last = bert.encoder.layer
        hidden = bert.embeddings(input_ids=input_ids)
        kept = attention_mask[:, None, None, :].bool()
        for layer in layers:
            hidden = self._layer(layer, hidden, hidden, kept)
        first = self._layer(last, hidden[:, :1], hidden, kept)
        logits: torch.Tensor = self.model.classifier(bert.pooler(first))
        return logits

    @staticmethod
    def _layer(layer: Any, asking: torch.Tensor, hidden: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        attention = layer.attention.self
        heads, width = attention.num_attention_heads, attention.attention_head_size
        query, key, value = (
            project(states).view(states.shape[0], states.shape[1], heads, width).transpose(1, 2)
            for project, states in ((attention.query, asking), (attention.key, hidden), (attention.value, hidden))
        )
        context = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=kept)
        context = context.transpose(1, 2).reshape(asking.shape)
        between = layer.attention.output(context, asking)
        result: torch.Tensor = layer.output(layer.intermediate(between), between)
        return result


def _traceable(model: Any, example: dict[str, torch.Tensor]) -> _Logits:
    """Choose the shorter computation where it gives the model's numbers, else the stock one."""
    stock = _Logits(model).eval()
    if not isinstance(model, transformers.BertForSequenceClassification):
        return stock
    shorter = _FirstTokenLogits(model).eval()
    with torch.inference_mode():
        same = torch.allclose(shorter(**example), stock(**example), atol=1e-4)
    return shorter if same else stock


def quantize(
    model: Any, samples: Sequence[dict[str, NDArray[np.int64]]], *, four_bit_embeddings: bool, activations: bool = True
) -> Any:
    """Convert a torch classifier to OpenVINO with 8-bit weights and activations.

    Args:
        model: A stock sequence classifier in evaluation mode.
        samples: Inputs of single texts that set the ranges of activations.
        four_bit_embeddings: Store word embeddings in 4-bit blocks; exact where they come as such and were frozen.
        activations: Whether activations have 8 bits too, which is fast on CPUs with VNNI or AMX; else weights alone.

    Returns:
        An OpenVINO model with inputs `input_ids` and `attention_mask` of any size and the output `logits`.
    """
    ov, nncf = import_quietly("openvino"), import_quietly("nncf")
    example = {name: torch.from_numpy(array) for name, array in samples[0].items()}
    converted = ov.convert_model(
        _traceable(model, example),
        example_input=example,
        input=[
            ("input_ids", ov.PartialShape([-1, -1]), ov.Type.i64),
            ("attention_mask", ov.PartialShape([-1, -1]), ov.Type.i64),
        ],
    )
    converted.outputs[0].set_names({"logits"})
    table = _embedding_lookup(converted, model.config.vocab_size)
    quantized = converted
    if activations:
        quantized = nncf.quantize(
            converted,
            nncf.Dataset(samples),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=[table]) if four_bit_embeddings else None,
            # Both measured in train/LOG.md. Full 8-bit weights: OpenVINO gives right sums on CPUs without VNNI too. SmoothQuant at
            # 0.8: the default of 0.95 moves more of the activations' range into the weights than these bear.
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.DISABLE,
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT),
            ),
        )
    if four_bit_embeddings:
        # Constants are not named: to ignore a table of weights is to ignore the operation that reads it.
        others = [op.get_friendly_name() for op in quantized.get_ops() if op.get_type_name() != "Constant"]
        others.remove(table)
        quantized = nncf.compress_weights(
            quantized,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=BLOCK,
            all_layers=True,
            # Not all operations are nodes of NNCF's graph, which would otherwise complain of names that it does not know.
            ignored_scope=nncf.IgnoredScope(names=others, validate=False),
        )
    return quantized if activations else nncf.compress_weights(quantized, mode=nncf.CompressWeightsMode.INT8_ASYM)


def _embedding_lookup(model: Any, vocabulary: int) -> str:
    """Find the operation that looks up word embeddings: the Gather from a table of as many rows as the vocabulary."""
    for op in model.get_ops():
        if op.get_type_name() == "Gather" and op.input_value(0).get_partial_shape()[0] == vocabulary:
            return str(op.get_friendly_name())
    raise ExportError(
        f"no lookup of {vocabulary} word embeddings in the converted model; its architecture is not known"
    )


def export(
    checkpoint: str | Path,
    out: str | Path,
    *,
    recipe: str | Path | None = None,
    texts: str | Path | None = None,
    overwrite: bool = False,
) -> Proof:
    """Export a checkpoint to a bundle, tune it on its own outputs, and hold it against the checkpoint.

    Args:
        checkpoint: What `train` left.
        out: The bundle's folder.
        recipe: The recipe that trained it; the one that the checkpoint remembers where None.
        texts: Texts of reference labels; where the checkpoint remembers them where None.
        overwrite: Replace a bundle that is there.

    Returns:
        The proof.

    Raises:
        ExportError: Macro-F1 on the proof falls by more than 0.5 points, a label's decisions agree with F1 below 0.95, or
            the bundle is too large; nothing is written.
        CommuniqueError: The checkpoint or its data are at fault.
    """
    checkpoint = Path(checkpoint)
    info = bundle.read_info(checkpoint, "checkpoint")
    bundle.verify(checkpoint, info)
    codebook = bundle.read_codebook(checkpoint, info)
    settings = Recipe.load(recipe) if recipe else Recipe.model_validate(info.recipe)
    remembered = Path(info.texts) if info.texts else None
    data = TrainingSets.read(settings, codebook, Path(texts) if texts else remembered)
    held_out = json.loads((checkpoint / bundle.VALIDATION).read_text(encoding="utf-8"))
    if data.ids != held_out:
        raise BundleError(
            f"{checkpoint / bundle.VALIDATION}: the recipe's corpora give other held-out rows than at training; restore the "
            "corpora (and --texts) with which the checkpoint was trained, or train anew"
        )
    labeler = CheckpointLabeler(checkpoint)
    samples = _samples(data.train.statements, labeler.tokenizer, settings.seed)
    before = labeler.predict_proba(data.proof.statements)
    info = info.model_copy(
        update={"kind": "bundle", "recipe": settings.portable().model_dump(mode="json"), "texts": None}
    )
    for activations in (True, False):
        exported = quantize(
            labeler.model, samples, four_bit_embeddings=settings.freeze_embeddings, activations=activations
        )
        quantization = "8-bit weights and activations" if activations else "8-bit weights"
        try:
            with bundle.new_folder(out, replace=overwrite) as folder:
                return _fill(folder, info, quantization, exported, labeler, codebook, before, data, settings.seed)
        except ExportError as error:
            if not activations:
                raise
            print(f"{quantization}: {error}\ntrying 8-bit weights alone", file=sys.stderr)
    raise AssertionError("unreachable: the second attempt returns or raises")


def _fill(
    folder: Path,
    info: ModelInfo,
    quantization: str,
    exported: Any,
    labeler: CheckpointLabeler,
    codebook: Codebook,
    before: NDArray[np.float32],
    data: TrainingSets,
    seed: int,
) -> Proof:
    """Fill a bundle's folder with an exported model, tune it on its own outputs and prove it."""
    checkpoint_thresholds = None if info.thresholds is None else np.array(info.thresholds)
    import_quietly("openvino").save_model(exported, folder / bundle.IR, compress_to_fp16=False)
    labeler.tokenizer.backend_tokenizer.save(str(folder / bundle.TOKENIZER), pretty=False)
    bundle.finish(folder, info, codebook, data.ids, texts=data.texts)
    info = _tuned(info, Predictor(folder), data.tuning.statements, codebook)
    bundle.finish(folder, info, codebook, data.ids)
    predictor = Predictor(folder)
    proof = prove(
        data.proof.statements,
        before,
        checkpoint_thresholds,
        predictor,
        data=f"{quantization}; documents held out of training, rows that tuned nothing",
    )
    _require(proof)
    tuned = Report.compare(
        data.tuning.statements,
        predictor.predict(data.tuning.statements).decisions,
        codebook,
        data="validation rows, which tuned temperature and thresholds",
        seed=seed,
    )
    info = info.model_copy(
        update={
            "proof": proof,
            "scores": (bundle.headline(tuned, command=f"communique export runs/{info.name}"),),
            "versions": info.versions | bundle.versions("openvino", "nncf", "tokenizers"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    )
    bundle.finish(folder, info, codebook, data.ids)
    _require_small(folder)
    return proof


def _samples(statements: Sequence[Statement], tokenizer: Any, seed: int) -> list[dict[str, NDArray[np.int64]]]:
    drawn = random.Random(seed).sample(list(statements), min(CALIBRATION, len(statements)))
    encoded = (tokenizer(s.text, truncation=True, return_tensors="np") for s in drawn)
    return [{name: e[name].astype(np.int64) for name in ("input_ids", "attention_mask")} for e in encoded]


def _tuned(info: ModelInfo, predictor: Predictor, tuning: Sequence[Statement], codebook: Codebook) -> ModelInfo:
    """Tune temperature and thresholds on the exported model's own outputs."""
    logits, gold = predictor.predict_logits([s.text for s in tuning]), indicator(tuning, codebook)
    temperature, thresholds = tune(logits, gold, multiple=codebook.multiple)
    return info.model_copy(
        update={"temperature": temperature, "thresholds": None if thresholds is None else tuple(thresholds.tolist())}
    )


def prove(
    statements: Sequence[Statement],
    before: NDArray[np.float32],
    checkpoint_thresholds: NDArray[np.float64] | None,
    predictor: Predictor,
    *,
    data: str,
) -> Proof:
    """Hold a bundle against its checkpoint, each with its own thresholds, overall and by language.

    Args:
        statements: n labelled statements that trained and tuned nothing.
        before: The checkpoint's probabilities (n, k), in fp32.
        checkpoint_thresholds: (k,); None where exactly one label is chosen.
        predictor: The bundle.
        data: What the statements are, in a few words.
    """
    codebook = predictor.codebook
    gold = indicator(statements, codebook)
    decided_before = decide(before, checkpoint_thresholds)
    after = predictor.predict(statements)
    languages = np.array([s.language for s in statements])
    groups = {"all": np.ones(len(statements), np.bool_)} | {name: languages == name for name in sorted(set(languages))}
    rows = []
    for group, members in groups.items():
        f1_before = precision_recall_f1(outcome_counts(gold[members], decided_before[members]))[:, 2]
        f1_after = precision_recall_f1(outcome_counts(gold[members], after.decisions[members]))[:, 2]
        agreement = precision_recall_f1(outcome_counts(decided_before[members], after.decisions[members]))[:, 2]
        difference = np.abs(before[members] - after.probabilities[members]).mean(axis=0)
        for i, name in enumerate(codebook.names):
            rows.append(
                ProofRow(
                    group=group,
                    label=name,
                    n=int(members.sum()),
                    gold=int(gold[members, i].sum()),
                    f1_checkpoint=_number(f1_before[i]),
                    f1_export=_number(f1_after[i]),
                    agreement=_number(agreement[i]),
                    mean_difference=round(float(difference[i]), 4),
                )
            )
    return Proof(
        n=len(statements),
        documents=len({(s.source, s.document) for s in statements}),
        data=data,
        macro_f1_checkpoint=round(float(macro_f1(outcome_counts(gold, decided_before))), 4),
        macro_f1_export=round(float(macro_f1(outcome_counts(gold, after.decisions))), 4),
        rows=tuple(rows),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _require(proof: Proof) -> None:
    table = "\n" + proof.to_markdown()
    if proof.macro_f1_export < proof.macro_f1_checkpoint - MAX_LOSS:
        raise ExportError(
            f"the export loses {100 * (proof.macro_f1_checkpoint - proof.macro_f1_export):.1f} points of macro-F1 on "
            f"{proof.n} rows; {100 * MAX_LOSS} are allowed; nothing was written{table}"
        )
    for row in proof.rows:
        if row.group == "all" and row.agreement is not None and row.agreement < MIN_AGREEMENT:
            raise ExportError(
                f"decisions for {row.label} agree with the checkpoint's with F1 {row.agreement:.3f} on {proof.n} rows; "
                f"{MIN_AGREEMENT} is needed; nothing was written{table}"
            )


def _require_small(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    largest = max(sizes, key=lambda name: sizes[name])
    if sizes[largest] > bundle.MAX_FILE_BYTES or sum(sizes.values()) > bundle.MAX_BUNDLE_BYTES:
        print(
            f"note: the bundle has {sum(sizes.values()) / 1e6:.0f} MB (largest: {largest}, {sizes[largest] / 1e6:.0f} MB); hosts "
            "of git repositories take files of up to 100 MB",
            file=sys.stderr,
        )
