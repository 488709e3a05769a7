"""Fine-tune a transformer with the standard classification head and the standard Trainer. Requires the extra `train`."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, Self, cast

import datasets
import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers.trainer_pt_utils import get_length_grouped_indices

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..errors import RecipeError
from ..metrics.calibration import Tuning, decide, probabilities, tune
from ..metrics.scores import indicator, macro_f1, outcome_counts
from ..models.act_heads import ActHeads, ActsClassifier
from ..models.checkpoint import PREDICT_BATCH, checkpoint_logits
from ..models.info import ActsInfo
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from . import distributed
from .act_targets import act_targets, check_acts
from .backbones import add_mean_layer, backbone_sha256, has_mean_layer, load_backbone
from .partial_embeddings import used_embeddings
from .recipe import Recipe
from .saving import fold_calibration
from .steps import check_run, record_run


class LengthGroupedSampler(torch.utils.data.Sampler[int]):
    """Sample batches of similar length in random order. Batches and order depend only on the seed and the epoch.

    The sampler of transformers uses torch's global random generator, so a resumed run would read other batches than an
    uninterrupted one (transformers issue 11323). It also sorts every 50 batches from the longest to the shortest. Because short
    sentences have fewer labels, a model then follows this cycle and learns nothing (`train/LOG.md`).
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order is drawn next. The trainer calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed * 1_000_003 + self.epoch)
        grouped = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        batches = [grouped[start : start + self.batch_size] for start in range(0, len(grouped), self.batch_size)]
        # An incomplete batch must stay last, because it would shift the borders of all later batches.
        last = [batches.pop()] if len(batches[-1]) < self.batch_size else []
        order = torch.randperm(len(batches), generator=generator).tolist()
        return iter([i for batch in [*(batches[b] for b in order), *last] for i in batch])


class _Trainer(transformers.Trainer):
    """The trainer of transformers with the sampler above and two learning rates."""

    def __init__(self, recipe: Recipe, **arguments: Any) -> None:
        self.recipe = recipe
        super().__init__(**arguments)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        lengths = [len(ids) for ids in cast(datasets.Dataset, self.train_dataset)["input_ids"]]
        # The processes take batches in turn. Their batches for one step together form one batch of this sampler.
        return LengthGroupedSampler(lengths, self.args.train_batch_size * distributed.world_size(), self.recipe.seed)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            # On a CPU, the fused kernel takes a quarter of the time (train/LOG.md).
            groups = parameter_groups(cast(transformers.PreTrainedModel, self.model), self.recipe)
            self.optimizer = torch.optim.AdamW(groups, fused=True)
        return self.optimizer


def parameter_groups(model: transformers.PreTrainedModel, recipe: Recipe) -> list[dict[str, Any]]:
    """Group trainable parameters by learning rate and weight decay.

    The head (everything outside the encoder, and the pooler) is new and has a higher learning rate. Biases and layer norms have
    no weight decay.
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    encoder = model.base_model_prefix + "."
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            in_head = not name.startswith(encoder) or ".pooler." in name
            rate = recipe.head_learning_rate if in_head else recipe.learning_rate
            decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


def used_tokens(sets: Iterable[datasets.Dataset | None], padding: int | None) -> list[int]:
    """Return the sorted ids of all tokens that occur in some data sets, and of the padding token."""
    used = {id for rows in sets if rows is not None for id in chain.from_iterable(rows["input_ids"])}
    return sorted(used if padding is None else used | {padding})


class LogCallback(transformers.TrainerCallback):
    """Report the training loss every few steps, and the validation score after each epoch."""

    def __init__(self, progress: ProgressReporter) -> None:
        self.progress = progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock. The steps of an interrupted run do not count towards the rate."""
        self.progress.skipped(state.global_step)
        self.progress.begin()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        """Report a training loss or a validation score."""
        logs = logs or {}
        if "loss" in logs:
            step, steps = state.global_step, state.max_steps
            # Every loss is printed, so that log files contain the complete record.
            self.progress.update(step, steps, f"step {step}/{steps}, loss {logs['loss']:.4f}", every=0)
        elif "eval_macro_f1" in logs:
            score = logs["eval_macro_f1"]
            shown = "not defined" if math.isnan(score) else f"{score:.3f} at threshold 0.5"
            self.progress.say(f"epoch {logs['epoch']:.1f}: validation macro-F1 {shown}, loss {logs['eval_loss']:.4f}")


class TransformerClassifier:
    """A transformer to fine-tune, as a `TrainableClassifier`.

    Args:
        recipe: The settings.
        codebook: The codebook.
        steps: Folder for checkpoints during training. If it contains checkpoints, `fit` resumes from the last one. Default: no
            checkpoints are written.
        progress: Reports the progress of the training. Default: silent.

    Attributes after `fit`: `model_`, `tokenizer_`, `heads_` (auxiliary heads, if the recipe has `acts`), `tuning_` (temperature and
    biases are already part of the model's last layer), `seconds_`, `seconds_per_step_` (measured before the first step),
    `precision_`.
    """

    def __init__(
        self,
        recipe: Recipe,
        codebook: Codebook,
        *,
        steps: Path | None = None,
        progress: ProgressReporter | None = None,
    ) -> None:
        self.recipe, self.codebook, self.steps = recipe, codebook, steps
        self.progress = progress or ProgressReporter.silent()

    def fit(self, corpus: Corpus, validation: Corpus | None = None) -> Self:
        """Train on a labelled corpus, then tune temperature, biases and thresholds on the validation corpus, if any."""
        recipe = self.recipe
        transformers.set_seed(recipe.seed)
        model, tokenizer = load_backbone(recipe.backbone, self.codebook, max_tokens=recipe.max_tokens)
        if recipe.pooling == "mean" and not has_mean_layer(recipe.backbone):
            add_mean_layer(model)
        _set_dropout(model, "hidden_dropout_prob", recipe.dropout)
        _set_dropout(model, "attention_probs_dropout_prob", recipe.attention_dropout)
        if recipe.freeze_embeddings:
            model.get_input_embeddings().weight.requires_grad_(False)
        attention = model.config._attn_implementation
        if not torch.cuda.is_available():
            # At the length of sentences, torch's fused attention costs a fifth of the time of a step on a CPU (train/LOG.md).
            model.set_attn_implementation("eager")
        self.model_, self.tokenizer_, self.heads_ = model, tokenizer, self._new_heads(corpus, model, tokenizer)
        trained: Any = model
        if self.heads_ is not None:
            trained = ActsClassifier(model, self.heads_, acts_weight=recipe.acts_weight, kind_weight=recipe.kind_weight)
        self.precision_ = resolve_precision(recipe.precision)
        rows = self._dataset(corpus.sentences)
        validation_rows = self._dataset(validation.sentences) if validation else None
        tokens = None if recipe.freeze_embeddings else used_tokens((rows, validation_rows), tokenizer.pad_token_id)
        resume = prepare_steps(self.steps, recipe, self.codebook, corpus, tokens)
        if resume is not None:
            self.progress.say(f"resuming from {resume}")
        processes = distributed.world_size()
        if processes > 1:
            self.progress.say(f"{processes} processes, each with {recipe.batch_size} sentences per step")
        total, per_epoch = recipe.steps(len(corpus), processes), recipe.steps_per_epoch(len(corpus), processes)
        trainer = _Trainer(
            recipe,
            model=trained,
            args=transformers.TrainingArguments(
                # The trainer creates this folder even if it saves nothing, so it must be one that exists.
                output_dir=str(self.steps or tempfile.gettempdir()),
                max_steps=total,
                per_device_train_batch_size=recipe.batch_size,
                per_device_eval_batch_size=PREDICT_BATCH,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type="linear",
                warmup_steps=round(recipe.warmup_share * total),
                bf16=self.precision_ == "bf16",
                # Otherwise the trainer refuses bf16, because it expects a GPU.
                use_cpu=self.precision_ == "bf16" and not torch.cuda.is_available(),
                # From here on, the seed affects only dropout, which must differ between processes.
                seed=recipe.seed + distributed.rank(),
                # The loss is already a mean, which the trainer would otherwise multiply by the number of processes.
                average_tokens_across_devices=False,
                eval_strategy="steps" if validation else "no",
                # After each epoch, or about ten times in total if there are many short epochs.
                eval_steps=per_epoch * max(1, round(total / per_epoch / 10)),
                save_strategy="steps" if self.steps else "no",
                save_steps=recipe.checkpoint_steps,
                save_total_limit=2,
                logging_steps=min(25, per_epoch),
                disable_tqdm=True,
                report_to="none",
                dataloader_pin_memory=False,
            ),
            train_dataset=rows,
            eval_dataset=validation_rows,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            compute_metrics=self._metrics,
            callbacks=[LogCallback(self.progress)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        start = time.monotonic()
        with self.progress, nullcontext() if tokens is None else used_embeddings(model, tokens):
            self.seconds_per_step_ = _seconds_per_step(trainer)
            passes = counted(round(total / per_epoch), "pass", "passes")
            self.progress.say(
                f"Training takes {total} steps ({passes} over the rows) and about {duration(total * self.seconds_per_step_)}"
            )
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        self.seconds_ = time.monotonic() - start
        # Without gradients, the fused attention is faster.
        model.set_attn_implementation(attention)
        trained.eval()
        self.tuning_ = Tuning.none(len(self.codebook.names), multilabel=self.codebook.multilabel)
        if validation:
            self._tune(validation)
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k) in fp32, in batches of similar length."""
        return checkpoint_logits(self.model_, self.tokenizer_, as_texts(sentences))[0]

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return probabilities(self.predict_logits(sentences), multilabel=self.codebook.multilabel)

    def _tune(self, validation: Corpus) -> None:
        logits, gold = self.predict_logits(validation.sentences), indicator(validation.sentences, self.codebook)
        self.tuning_ = tune(logits, gold, multilabel=self.codebook.multilabel)
        fold_calibration(self.model_, self.tuning_)

    def _new_heads(self, corpus: Corpus, model: Any, tokenizer: Any) -> ActHeads | None:
        """Return new auxiliary heads, or None if the recipe does not ask for them."""
        if not self.recipe.acts:
            return None
        for line in check_acts(corpus.sentences, tokenizer, self.codebook):
            self.progress.say(line)
        return ActHeads(ActsInfo.of(self.codebook, model.config.hidden_size), len(self.codebook.names))

    def _dataset(self, sentences: Sequence[Sentence]) -> datasets.Dataset:
        acts = self.heads_ is not None
        encoded = self.tokenizer_([s.model_text for s in sentences], truncation=True, return_offsets_mapping=acts)
        gold = indicator(sentences, self.codebook)
        labels = gold.astype(np.float32).tolist() if self.codebook.multilabel else gold.argmax(axis=1).tolist()
        columns = {"input_ids": encoded["input_ids"], "labels": labels}
        if self.heads_ is not None:
            columns |= act_targets(sentences, encoded["offset_mapping"], self.heads_.info, self.codebook)
        return datasets.Dataset.from_dict(columns)

    def _metrics(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        multilabel = self.codebook.multilabel
        half = np.full(len(self.codebook.names), 0.5) if multilabel else None
        predicted = decide(probabilities(np.asarray(prediction.predictions), multilabel=multilabel), half)
        given = np.asarray(prediction.label_ids)
        gold = given if multilabel else np.eye(predicted.shape[1])[given]
        return {"macro_f1": float(macro_f1(outcome_counts(gold.astype(bool), predicted)))}


def _seconds_per_step(trainer: transformers.Trainer) -> float:
    """Measure the seconds per training step on a batch of median length, without affecting the training."""
    rows = cast(datasets.Dataset, trainer.train_dataset)
    lengths = np.array([len(ids) for ids in rows["input_ids"]])
    middle = np.argsort(lengths, kind="stable")[max(0, (len(lengths) - trainer.args.train_batch_size) // 2) :]
    batch = trainer.data_collator([rows[int(i)] for i in middle[: trainer.args.train_batch_size]])
    model = cast(Any, trainer.model).train()
    batch = {name: values.to(model.device) for name, values in batch.items()}
    seconds = []
    # Dropout draws random numbers, which must not change those of the training.
    with torch.random.fork_rng():
        for _ in range(3):
            start = time.monotonic()
            with torch.autocast(model.device.type, torch.bfloat16, enabled=trainer.args.bf16):
                loss = model(**batch).loss
            loss.backward()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.monotonic() - start)
    model.zero_grad(set_to_none=True)
    # The first pass also allocates memory. The optimizer and the evaluations add about a tenth.
    return 1.1 * min(seconds[1:])


def duration(seconds: float) -> str:
    """Return a duration in words, as minutes or hours."""
    minutes = seconds / 60
    return "a minute" if minutes < 1.5 else f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def resolve_precision(wanted: str) -> str:
    """Choose the precision: bf16 if the device is faster with it (GPUs, and CPUs with AVX-512-BF16 or AMX), else fp32.

    Raises:
        RecipeError: The recipe requires bf16, but the device does not support it.
    """
    capable = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if not torch.cuda.is_available():
        found = torch.cpu.get_capabilities()
        capable = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    if wanted == "bf16" and not capable:
        raise RecipeError("precision: this machine does not support 'bf16'. Write 'auto' or 'fp32'")
    return "bf16" if capable and wanted != "fp32" else "fp32"


def _set_dropout(model: transformers.PreTrainedModel, name: str, value: float | None) -> None:
    """Set a dropout rate in the configuration, and in the modules, which copied it when they were built.

    Raises:
        RecipeError: The backbone has no setting of this name, and the value is not 0.
    """
    if value is None:
        return
    if hasattr(model.config, name):
        setattr(model.config, name, value)
    elif value:
        raise RecipeError(
            f"the backbone {model.config.model_type!r} has no {name}. Remove this dropout from the recipe"
        )
    attention = name.startswith("attention")
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and (".attention.self" in path) == attention:
            module.p = value


def prepare_steps(
    steps: Path | None, recipe: Recipe, codebook: Codebook, corpus: Corpus, tokens: Sequence[int] | None = None
) -> Path | None:
    """Prepare the folder of checkpoints, and return the last complete checkpoint of an interrupted run, if any.

    The run must have the same recipe, codebook, data and number of processes.

    Args:
        steps: Folder of the checkpoints. None: nothing is written.
        recipe: The settings.
        codebook: The codebook, whose labels in order are the outputs of the network.
        corpus: The training sentences.
        tokens: Ids of the tokens whose embeddings are trained. None: embeddings are frozen.

    Raises:
        RecipeError: The folder belongs to another run.
    """
    if steps is None:
        return None
    run = {
        "recipe": recipe.model_dump(mode="json"),
        "codebook": codebook.sha256,
        "backbone": backbone_sha256(recipe.backbone),
        "data": corpus.files,
        "ids": [s.id for s in corpus],
        "processes": distributed.world_size(),
        "tokens": None if tokens is None else hashlib.sha256(json.dumps(tokens).encode()).hexdigest(),
    }
    check_run(steps, run)
    last = None
    for folder in sorted(steps.glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-", 1)[1])):
        if distributed.is_complete(folder):
            last = folder
        elif distributed.rank() == 0:
            shutil.rmtree(folder)
    if distributed.rank() == 0:
        record_run(steps, run)
    return last
