"""Fine-tune a transformer: the stock classification head on the stock Trainer. Needs the extra `train`."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
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
from ..errors import BundleError, RecipeError
from ..io.atomic import new_folder, replacing
from ..metrics.calibration import decide, probabilities, tune
from ..metrics.report import Report
from ..metrics.scores import indicator, macro_f1, outcome_counts
from ..models.checkpoint import PREDICT_BATCH, checkpoint_logits
from ..models.folder import finish
from ..models.info import ModelInfo, TrainingData, git_commit, headline
from ..reporting.progress import ProgressReporter
from . import distributed
from .backbones import add_mean_layer, load_backbone
from .partial_embeddings import used_embeddings
from .recipe import Recipe
from .splits import DataSplits


class LengthGroupedSampler(torch.utils.data.Sampler[int]):
    """Batches of like length in random order; both depend on the seed and the epoch alone.

    The stock sampler draws from torch's global generator, so that a resumed run would see other batches than an
    uninterrupted one (transformers issue 11323). It also hands out 50 batches from the longest to the shortest, again and
    again: short sentences carry fewer labels, and a model that chases that tide learns nothing (`train/LOG.md`).
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self.lengths, self.batch_size, self.seed, self.epoch = list(lengths), batch_size, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is drawn next; the trainer calls this."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed * 1_000_003 + self.epoch)
        grouped = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        batches = [grouped[start : start + self.batch_size] for start in range(0, len(grouped), self.batch_size)]
        # A last batch that is not full must stay last, or all later ones would be cut elsewhere.
        last = [batches.pop()] if len(batches[-1]) < self.batch_size else []
        order = torch.randperm(len(batches), generator=generator).tolist()
        return iter([i for batch in [*(batches[b] for b in order), *last] for i in batch])


class _Trainer(transformers.Trainer):
    """The stock trainer with the sampler above and two learning rates."""

    def __init__(self, recipe: Recipe, **arguments: Any) -> None:
        self.recipe = recipe
        super().__init__(**arguments)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        lengths = [len(ids) for ids in cast(datasets.Dataset, self.train_dataset)["input_ids"]]
        # The processes take turns at batches: what they get for one step is a batch of one process of the whole size.
        return LengthGroupedSampler(lengths, self.args.train_batch_size * distributed.world_size(), self.recipe.seed)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = torch.optim.AdamW(
                parameter_groups(cast(transformers.PreTrainedModel, self.model), self.recipe)
            )
        return self.optimizer


def parameter_groups(model: transformers.PreTrainedModel, recipe: Recipe) -> list[dict[str, Any]]:
    """Group trainable parameters by learning rate and weight decay.

    The head (all that is not the encoder, and a pooler) is new and learns faster. Biases and norms do not decay.
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
    """List the token ids that a model will be given."""
    used = {id for rows in sets if rows is not None for id in chain.from_iterable(rows["input_ids"])}
    return sorted(used if padding is None else used | {padding})


class LogCallback(transformers.TrainerCallback):
    """Report the training loss every few steps and the validation score of each epoch."""

    def __init__(self, progress: ProgressReporter) -> None:
        self.progress = progress

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; the steps of an interrupted run do not count for the rate."""
        self.progress.skipped(state.global_step)
        self.progress.begin()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        """Report a training loss or a validation score."""
        logs = logs or {}
        if "loss" in logs:
            step, steps = state.global_step, state.max_steps
            # Every loss is part of the record that a log file keeps, however soon it follows the last.
            self.progress.update(step, steps, f"step {step}/{steps}, loss {logs['loss']:.4f}", every=0)
        elif "eval_macro_f1" in logs:
            self.progress.say(
                f"epoch {logs['epoch']:.0f}: validation macro-F1 {logs['eval_macro_f1']:.3f} at threshold 0.5, "
                f"loss {logs['eval_loss']:.4f}"
            )


class TransformerClassifier:
    """A fine-tuned transformer; a `TrainableClassifier`.

    Args:
        recipe: Settings.
        codebook: Labels.
        steps: Folder for checkpoints of the running training. If it holds some, `fit` resumes from the last. Default: none are
            written.
        progress: Reports the progress of the training. Default: silent.

    After `fit`: `model_`, `tokenizer_`, `temperature_` (folded into the model's last layer), `thresholds_` (k,) or None,
    `seconds_`, `precision_`.
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
        """Train on a labelled corpus; tune temperature and thresholds on a validation corpus, where there is one."""
        recipe = self.recipe
        transformers.set_seed(recipe.seed)
        model, tokenizer = load_backbone(recipe.backbone, self.codebook, max_tokens=recipe.max_tokens)
        if recipe.pooling == "mean":
            add_mean_layer(model)
        _set_dropout(model, "hidden_dropout_prob", recipe.dropout)
        _set_dropout(model, "attention_probs_dropout_prob", recipe.attention_dropout)
        if recipe.freeze_embeddings:
            model.get_input_embeddings().weight.requires_grad_(False)
        attention = model.config._attn_implementation
        if not torch.cuda.is_available():
            # The fused attention of torch's CPU backend takes a fifth of a step at the length of sentences; train/LOG.md.
            model.set_attn_implementation("eager")
        self.model_, self.tokenizer_ = model, tokenizer
        self.precision_ = resolve_precision(recipe.precision)
        rows = self._dataset(corpus.sentences)
        validation_rows = self._dataset(validation.sentences) if validation else None
        tokens = None if recipe.freeze_embeddings else used_tokens((rows, validation_rows), tokenizer.pad_token_id)
        resume = prepare_steps(self.steps, recipe, corpus, tokens)
        if resume is not None:
            self.progress.say(f"resuming from {resume}")
        steps_an_epoch = math.ceil(len(corpus) / (recipe.batch_size * distributed.world_size()))
        if distributed.world_size() > 1:
            self.progress.say(f"{distributed.world_size()} processes, each with {recipe.batch_size} sentences per step")
        total = steps_an_epoch * recipe.epochs
        trainer = _Trainer(
            recipe,
            model=model,
            args=transformers.TrainingArguments(
                output_dir=str(self.steps or "steps"),
                num_train_epochs=recipe.epochs,
                per_device_train_batch_size=recipe.batch_size,
                per_device_eval_batch_size=PREDICT_BATCH,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type="linear",
                warmup_steps=round(recipe.warmup_share * total),
                bf16=self.precision_ == "bf16",
                # Without this the trainer takes bf16 for a wish that only a GPU can fulfil.
                use_cpu=self.precision_ == "bf16" and not torch.cuda.is_available(),
                # From here on it decides dropout, which must not be the same in all processes.
                seed=recipe.seed + distributed.rank(),
                # The loss is a mean already; the trainer would multiply it by the number of processes.
                average_tokens_across_devices=False,
                eval_strategy="epoch" if validation else "no",
                save_strategy="steps" if self.steps else "no",
                save_steps=recipe.checkpoint_steps,
                save_total_limit=2,
                logging_steps=min(25, steps_an_epoch),
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
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        self.seconds_ = time.monotonic() - start
        # Without gradients the fused attention is the faster one.
        model.set_attn_implementation(attention)
        model.eval()
        self.temperature_ = 1.0
        self.thresholds_ = np.full(len(self.codebook.names), 0.5) if self.codebook.multilabel else None
        if validation:
            self._tune(validation)
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give logits (n, k) in fp32, batches of like length."""
        return checkpoint_logits(self.model_, self.tokenizer_, as_texts(sentences))[0]

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        return probabilities(self.predict_logits(sentences), multilabel=self.codebook.multilabel)

    def _tune(self, validation: Corpus) -> None:
        logits, gold = self.predict_logits(validation.sentences), indicator(validation.sentences, self.codebook)
        self.temperature_, self.thresholds_ = tune(logits, gold, multilabel=self.codebook.multilabel)
        head = [m for m in self.model_.modules() if isinstance(m, torch.nn.Linear)][-1]
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.div_(self.temperature_)

    def _dataset(self, sentences: Sequence[Sentence]) -> datasets.Dataset:
        encoded = self.tokenizer_([s.text for s in sentences], truncation=True)
        gold = indicator(sentences, self.codebook)
        labels = gold.astype(np.float32).tolist() if self.codebook.multilabel else gold.argmax(axis=1).tolist()
        return datasets.Dataset.from_dict({"input_ids": encoded["input_ids"], "labels": labels})

    def _metrics(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        multilabel = self.codebook.multilabel
        half = np.full(len(self.codebook.names), 0.5) if multilabel else None
        predicted = decide(probabilities(np.asarray(prediction.predictions), multilabel=multilabel), half)
        given = np.asarray(prediction.label_ids)
        gold = given if multilabel else np.eye(predicted.shape[1])[given]
        return {"macro_f1": float(macro_f1(outcome_counts(gold.astype(bool), predicted)))}


def resolve_precision(wanted: str) -> str:
    """Choose bf16 where the device computes in it faster than in fp32: GPUs, and CPUs with AVX-512-BF16 or AMX.

    Raises:
        RecipeError: bf16 is asked for and no such device is there.
    """
    capable = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if not torch.cuda.is_available():
        found = torch.cpu.get_capabilities()
        capable = bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    if wanted == "bf16" and not capable:
        raise RecipeError("precision: 'bf16', which this machine does not compute in; write 'auto' or 'fp32'")
    return "bf16" if capable and wanted != "fp32" else "fp32"


def _set_dropout(model: transformers.PreTrainedModel, name: str, value: float | None) -> None:
    """Set a dropout in the configuration and in the modules, which copied it when they were built."""
    if value is None:
        return
    if not hasattr(model.config, name):
        raise RecipeError(f"the backbone {model.config.model_type!r} has no {name}; leave the recipe's dropout out")
    setattr(model.config, name, value)
    attention = name.startswith("attention")
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and (".attention.self" in path) == attention:
            module.p = value


def prepare_steps(
    steps: Path | None, recipe: Recipe, corpus: Corpus, tokens: Sequence[int] | None = None
) -> Path | None:
    """Find the last whole checkpoint of a killed run of the same recipe on the same data in as many processes.

    Args:
        steps: Folder of the checkpoints.
        recipe: Settings.
        corpus: Training sentences.
        tokens: Ids of the tokens whose embeddings are trained, the rows of the checkpoint; None where they are frozen.

    Raises:
        RecipeError: The folder is of another run.
    """
    if steps is None:
        return None
    run = {
        "recipe": recipe.model_dump(mode="json"),
        "data": corpus.files,
        "ids": [s.id for s in corpus],
        "processes": distributed.world_size(),
        "tokens": None if tokens is None else hashlib.sha256(json.dumps(tokens).encode()).hexdigest(),
    }
    identity = steps / "run.json"
    # Folders of earlier versions do not say it: they are of one process and have all embeddings.
    if identity.exists() and {"processes": 1, "tokens": None, **json.loads(identity.read_text())} != json.loads(
        json.dumps(run)
    ):
        raise RecipeError(
            f"{steps}: left by a run with another recipe, other data or another number of processes; delete the folder to "
            "start anew"
        )
    last = None
    for folder in sorted(steps.glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-", 1)[1])):
        # The trainer writes its state last: without it the run died while saving.
        if (folder / "trainer_state.json").exists() and distributed.has_all_random_states(folder):
            last = folder
        elif distributed.rank() == 0:
            shutil.rmtree(folder)
    if distributed.rank() == 0:
        steps.mkdir(parents=True, exist_ok=True)
        # Another process may read it at this moment.
        with replacing(identity) as handle:
            handle.write(json.dumps(run))
    return last


def train(
    recipe_path: str | Path,
    out: str | Path,
    *,
    texts: str | Path | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> Path:
    """Train a recipe and write a checkpoint.

    Args:
        recipe_path: The recipe.
        out: The checkpoint's folder. During training `<out>.steps` holds the state from which an interrupted run resumes.
        texts: A file or folder of texts for stand-off labels.
        overwrite: Replace an existing checkpoint.
        progress: Reports the progress. Default: silent. With several processes only the first reports.

    Returns:
        The checkpoint's folder. With several processes the first writes it, and the others return before it exists.

    Raises:
        CommuniqueError: The recipe, the codebook or the data are invalid.
    """
    if progress is None or distributed.rank() > 0:
        progress = ProgressReporter.silent()
    out = Path(out)
    if out.exists() and not overwrite:
        raise BundleError(f"{out}: exists; give another folder, or --overwrite")
    recipe = Recipe.load(recipe_path)
    codebook = Codebook.load(recipe.codebook)
    commit = git_commit()
    data = DataSplits.read(recipe, codebook, Path(texts) if texts else None)
    for line in data.messages:
        progress.say(line)
    steps = out.with_name(out.name + ".steps")
    classifier = TransformerClassifier(recipe, codebook, steps=steps, progress=progress)
    classifier.fit(data.train, data.validation)
    if distributed.rank() > 0:
        return out
    report = Report.compare(
        data.validation.sentences,
        decide(classifier.predict_proba(data.validation.sentences), classifier.thresholds_),
        codebook,
        data="validation rows, which tuned temperature and thresholds",
        seed=recipe.seed,
    )
    info = ModelInfo.create(
        codebook,
        packages=("torch", "transformers", "tokenizers"),
        kind="checkpoint",
        name=recipe.name,
        version=recipe.version,
        description=recipe.description,
        license=recipe.license,
        thresholds=None if classifier.thresholds_ is None else tuple(classifier.thresholds_.tolist()),
        temperature=1.0,
        max_tokens=recipe.max_tokens,
        recipe=recipe.model_dump(mode="json"),
        texts=None if texts is None else str(Path(texts).resolve()),
        training=TrainingData.from_corpora(data.train, data.validation + data.parity, codebook),
        training_seconds=round(classifier.seconds_, 1),
        precision=classifier.precision_,
        tuned_on=len(data.validation),
        scores=(headline(report, command=f"communique train {Path(recipe_path).name}"),),
        commit=commit,
    )
    with new_folder(out, replace=overwrite) as folder:
        classifier.model_.save_pretrained(folder)
        classifier.tokenizer_.save_pretrained(folder)
        finish(folder, info, codebook, data.ids, texts=data.texts)
    shutil.rmtree(steps, ignore_errors=True)
    return out
