"""Export a checkpoint to OpenVINO in 8 bits and prove the result against it. Needs the extra `train`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from . import bundle
from .backbone import BLOCK
from .bundle import ModelInfo, Proof, ProofRow
from .calibration import decide, fit_temperature, fit_thresholds, probabilities
from .codebook import Codebook
from .errors import BundleError, ExportError
from .metrics import BoolArray, indicator, macro_f1, outcome_counts, precision_recall_f1
from .predictor import Predictor
from .recipe import Recipe
from .report import Report
from .runtime import import_quietly
from .sets import TrainingSets
from .statements import Statement
from .training import checkpoint_logits

#: Sentences whose activations set the ranges of the 8-bit numbers.
CALIBRATION = 300

#: What an export may lose on the proof: macro-F1, and F1 of its decisions against the checkpoint's.
MAX_LOSS, MIN_AGREEMENT = 0.005, 0.95


class _Logits(torch.nn.Module):
    """The classifier as a function of two tensors that gives one, as OpenVINO's converter wants it."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def quantize(model: Any, samples: Sequence[dict[str, NDArray[np.int64]]], *, four_bit_embeddings: bool) -> Any:
    """Convert a torch classifier to OpenVINO with 8-bit weights and activations.

    Args:
        model: A stock sequence classifier in evaluation mode.
        samples: Inputs of single texts that set the ranges of activations.
        four_bit_embeddings: Store word embeddings in 4-bit blocks; exact where they come as such and were frozen.

    Returns:
        An OpenVINO model with inputs `input_ids` and `attention_mask` of any size and the output `logits`.
    """
    ov, nncf = import_quietly("openvino"), import_quietly("nncf")
    example = {name: torch.from_numpy(array) for name, array in samples[0].items()}
    converted = ov.convert_model(
        _Logits(model),
        example_input=example,
        input=[("input_ids", ov.PartialShape([-1, -1]), ov.Type.i64), ("attention_mask", ov.PartialShape([-1, -1]), ov.Type.i64)],
    )
    converted.outputs[0].set_names({"logits"})
    quantized = nncf.quantize(
        converted,
        nncf.Dataset(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(samples),
        # 8-bit products of CPUs without VNNI overflow 16 bits; one bit less on weights makes them, and so the numbers,
        # the same on all CPUs.
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
    )
    if not four_bit_embeddings:
        return quantized
    vocabulary = model.config.vocab_size
    others = [
        op.get_friendly_name()
        for op in quantized.get_ops()
        if not (op.get_type_name() == "Gather" and list(op.input_value(0).get_partial_shape())[0] == vocabulary)
    ]
    return nncf.compress_weights(
        quantized,
        mode=nncf.CompressWeightsMode.INT4_SYM,
        group_size=BLOCK,
        all_layers=True,
        ignored_scope=nncf.IgnoredScope(names=others),
    )
