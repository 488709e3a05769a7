"""Fine-tune a transformer with the standard classification head and the standard Trainer. Requires the extra `train`."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self, cast

import datasets
import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.inputs import as_texts
from ..data.sentence import Sentence
from ..data.units import describe_truncated
from ..errors import RecipeError
from ..metrics.calibration import Tuning, decide, probabilities, tune
from ..metrics.scores import indicator, macro_f1, outcome_counts
from ..models.act_heads import ActHeads, ActsClassifier
from ..models.checkpoint import PREDICT_BATCH, checkpoint_outputs, tokenize
from ..models.info import ActsInfo
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from . import distributed
from .act_targets import check_acts
from .backbones import add_mean_layer, backbone_sha256, has_mean_layer, load_backbone
from .callbacks import Clock, LogCallback
from .columns import Columns, TrainingRows, sentence_columns, used_tokens
from .loop import Trainer, diverged
from .partial_embeddings import used_embeddings
from .precision import precision_of_run
from .recipe import Recipe
from .saving import EMPTY, TrainedNetwork, fold_calibration
from .soft_labels import SoftLabels
from .soup import Soup
from .steps import check_run, record_run, settings_without_paths

#: Settings of the BERT family for the dropout rates of a recipe.
_DROPOUTS = {"dropout": "hidden_dropout_prob", "attention_dropout": "attention_probs_dropout_prob"}


class TransformerClassifier:
    """A transformer to fine-tune, as a `TrainableClassifier`.

    Args:
        recipe: The settings.
        codebook: The codebook.
        steps: Folder for checkpoints during training. If it contains checkpoints, `fit` resumes from the last one. Default: no
            checkpoints are written.
        progress: Reports the progress of the training. Default: silent.
        soft: The teachers of the recipe. Default: the recipe has none.
        precision: The precision, if a comparison has chosen it for all of its fits. Default: that of the recipe.

    Attributes after `fit`: `model_`, `tokenizer_`, `heads_` (auxiliary heads, if the recipe has `acts`), `tuning_` (temperature and
    biases are already part of the model's last layer), `distillation_` (what teachers labelled, if the recipe has any), `seconds_`
    (of all runs, up to the last checkpoint of an interrupted one), `earlier_seconds_` (those of interrupted runs),
    `seconds_per_step_` (measured before the first step), `precision_`.

    Raises:
        RecipeError: The recipe has teachers, but `soft` is missing.
    """

    def __init__(
        self,
        recipe: Recipe,
        codebook: Codebook,
        *,
        steps: Path | None = None,
        progress: ProgressReporter | None = None,
        soft: SoftLabels | None = None,
        precision: str | None = None,
    ) -> None:
        if recipe.teachers and soft is None:
            raise RecipeError(
                "teachers: only `communique train` can train with teachers. Remove this field from the recipe"
            )
        self.recipe, self.codebook, self.steps, self.soft = recipe, codebook, steps, soft
        self.precision = precision or recipe.precision
        self.progress = progress or ProgressReporter.silent()

    def fit(self, corpus: Corpus, validation: Corpus | None = None) -> Self:
        """Train on a labelled corpus, then tune temperature, biases and thresholds on the validation corpus, if any."""
        transformers.set_seed(self.recipe.seed)
        trained = self._open(corpus)
        self.precision_ = precision_of_run(self.steps, self.precision)
        rows, validation_rows, tokens = self._prepare(corpus, validation)
        with _training_attention(self.model_):
            self._train_soup(trained, rows, validation_rows, tokens)
        trained.eval()
        self.tuning_ = Tuning.none(len(self.codebook.names), multilabel=self.codebook.multilabel)
        if validation:
            self._tune(validation)
        return self

    def _open(self, corpus: Corpus) -> Any:
        """Open the backbone, and return the classifier to train, with its auxiliary heads if there are any."""
        recipe = self.recipe
        model, self.tokenizer_ = load_backbone(recipe.backbone, self.codebook, max_tokens=recipe.max_tokens)
        if recipe.pooling == "mean" and not has_mean_layer(recipe.backbone):
            add_mean_layer(model)
        for field, setting in _DROPOUTS.items():
            _set_dropout(model, field, setting, getattr(recipe, field))
        if recipe.freeze_embeddings:
            model.get_input_embeddings().weight.requires_grad_(False)
        self.model_: Any = model
        self.heads_: ActHeads | None = None
        if not recipe.acts:
            return model
        for line in check_acts(corpus.sentences, self.tokenizer_, self.codebook):
            self.progress.say(line)
        info = ActsInfo.of(self.codebook, model.config.hidden_size)
        self.heads_ = ActHeads(info, len(self.codebook.names))
        return ActsClassifier(model, self.heads_, acts_weight=recipe.acts_weight, kind_weight=recipe.kind_weight)

    def _prepare(
        self, corpus: Corpus, validation: Corpus | None
    ) -> tuple[datasets.Dataset, datasets.Dataset | None, list[int] | None]:
        """Check the folder of checkpoints, and compute the training targets.

        Returns:
            Training rows, rows to score during training, and the ids of the tokens whose embeddings are trained; None if the
            embeddings are frozen.
        """
        training = TrainingRows(self.recipe, corpus, self.soft)
        if n := len(training.copies):
            self.progress.say(
                f"{counted(n, 'training row')} {'has' if n == 1 else 'have'} a copy with another actor or spelling"
            )
        columns, truncated = self._columns(training.sentences)
        # The labelled rows come first.
        for line in describe_truncated(int(truncated[: len(corpus)].sum()), len(corpus), self.recipe.max_tokens):
            self.progress.say(line)
        held_out = self._columns(validation.sentences)[0] if validation else None
        tokens = None
        if not self.recipe.freeze_embeddings:
            tokens = used_tokens((columns, held_out), self.tokenizer_.pad_token_id)
        prepare_steps(self.steps, self.recipe, self.codebook, corpus, tokens, self.soft, self.precision_)
        self.distillation_ = training.add_targets(columns)
        if self.distillation_ is not None:
            self.progress.say(self.distillation_.line)
        rows = datasets.Dataset.from_dict(columns)
        return rows, None if held_out is None else datasets.Dataset.from_dict(held_out), tokens

    def _columns(self, sentences: Sequence[Sentence]) -> tuple[Columns, NDArray[np.bool_]]:
        """Return the tokens and targets of sentences, and a mask (n,) of truncated ones."""
        acts = None if self.heads_ is None else self.heads_.info
        encoded, truncated = tokenize(self.tokenizer_, [s.text for s in sentences], offsets=acts is not None)
        return sentence_columns(sentences, encoded, self.codebook, acts), truncated

    def _train_soup(
        self, trained: Any, rows: datasets.Dataset, validation: datasets.Dataset | None, tokens: list[int] | None
    ) -> None:
        """Train the weights as often as the recipe says, each time from the same start, and average them.

        Args:
            trained: The classifier, with its auxiliary heads if there are any.
            rows: Training rows.
            validation: Rows to score during training, if any.
            tokens: Ids of the tokens whose embeddings are trained. None: embeddings are frozen.
        """
        recipe, processes = self.recipe, distributed.world_size()
        if processes > 1:
            self.progress.say(f"{processes} processes, each with {recipe.batch_size} sentences per step")
        soup = Soup(trained, recipe.soup, self.steps)
        for fit in range(recipe.soup):
            if soup.begin(fit):
                if recipe.soup > 1:
                    self.progress.say(f"fit {fit + 1} of {recipe.soup}, whose weights are averaged")
                with nullcontext() if tokens is None else used_embeddings(self.model_, tokens):
                    clock = self._train(trained, rows, validation, soup.steps(fit), recipe.seed + 1000 * fit)
                soup.end(fit, clock.seconds, earlier=clock.earlier)
        soup.average()
        self.seconds_, self.earlier_seconds_ = soup.seconds, soup.earlier_seconds

    def _train(
        self, trained: Any, rows: datasets.Dataset, validation: datasets.Dataset | None, steps: Path | None, seed: int
    ) -> Clock:
        """Train the weights, or resume training from the last checkpoint. Return the clock of this training.

        Args:
            trained: The classifier, with its auxiliary heads if there are any.
            rows: Training rows.
            validation: Rows to score during training, if any.
            steps: Folder of the checkpoints. None: no checkpoints are written.
            seed: Seed of the order of rows and of dropout.
        """
        recipe, processes = self.recipe, distributed.world_size()
        resume = None if steps is None else last_checkpoint(steps)
        if resume is not None:
            self.progress.say(f"resuming from {resume}")
        clock = Clock(Clock.read(resume))
        total, per_epoch = recipe.steps(len(rows), processes), recipe.steps_per_epoch(len(rows), processes)
        trainer = Trainer(
            recipe,
            seed,
            model=trained,
            args=transformers.TrainingArguments(
                # The trainer creates this folder even if it saves nothing, so it must be one that exists.
                output_dir=str(steps or tempfile.gettempdir()),
                max_steps=total,
                per_device_train_batch_size=recipe.batch_size,
                per_device_eval_batch_size=PREDICT_BATCH,
                learning_rate=recipe.learning_rate,
                lr_scheduler_type="linear",
                warmup_steps=round(recipe.warmup_share * total),
                bf16=self.precision_ == "bf16",
                # Otherwise the trainer expects a GPU: it refuses bf16 and does not connect several processes.
                use_cpu=distributed.on_cpu(),
                # From here on, the seed affects only dropout, which must differ between processes.
                seed=seed + distributed.rank(),
                # The loss is already a mean, which the trainer would otherwise multiply by the number of processes.
                average_tokens_across_devices=False,
                # The model does not know the columns of soft targets.
                remove_unused_columns=False,
                eval_strategy="steps" if validation else "no",
                # After each epoch, or about ten times in total if there are many short epochs.
                eval_steps=per_epoch * max(1, round(total / per_epoch / 10)),
                save_strategy="steps" if steps else "no",
                save_steps=recipe.checkpoint_steps,
                save_total_limit=2,
                logging_steps=min(25, per_epoch),
                disable_tqdm=True,
                report_to="none",
                dataloader_pin_memory=False,
            ),
            train_dataset=rows,
            eval_dataset=validation,
            data_collator=transformers.DataCollatorWithPadding(self.tokenizer_),
            compute_metrics=self._metrics,
            callbacks=[LogCallback(self.progress), clock],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        with self.progress:
            self.seconds_per_step_ = _seconds_per_step(trainer)
            passes = counted(round(total / per_epoch), "pass", "passes")
            self.progress.say(
                f"Training takes {total} steps ({passes} over the rows) and about {_duration(total * self.seconds_per_step_)}"
            )
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        return clock

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute logits (n, k) in fp32, in batches of similar length.

        Raises:
            RecipeError: A logit is not finite. A row with such logits would count as one that was not predicted.
        """
        logits = checkpoint_outputs(self.model_, self.tokenizer_, as_texts(sentences)).logits
        if not np.isfinite(logits).all():
            raise diverged(self.recipe, "its predictions are not finite numbers")
        return logits

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        return probabilities(self.predict_logits(sentences), multilabel=self.codebook.multilabel)

    def network(self) -> TrainedNetwork:
        """Return the trained network, which `training.saving` writes."""
        return TrainedNetwork(
            self.model_,
            self.tokenizer_,
            self.seconds_,
            self.precision_,
            heads=self.heads_,
            unlabelled=EMPTY if self.soft is None else self.soft.unlabelled.corpus,
            distillation=self.distillation_,
        )

    def _tune(self, validation: Corpus) -> None:
        logits, gold = self.predict_logits(validation.sentences), indicator(validation.sentences, self.codebook)
        self.tuning_ = tune(logits, gold, multilabel=self.codebook.multilabel)
        fold_calibration(self.model_, self.tuning_)

    def _metrics(self, prediction: transformers.EvalPrediction) -> dict[str, float]:
        multilabel = self.codebook.multilabel
        half = np.full(len(self.codebook.names), 0.5) if multilabel else None
        predicted = decide(probabilities(np.asarray(prediction.predictions), multilabel=multilabel), half)
        given = np.asarray(prediction.label_ids)
        gold = given if multilabel else np.eye(predicted.shape[1])[given]
        return {"macro_f1": float(macro_f1(outcome_counts(gold.astype(bool), predicted)))}


@contextmanager
def _training_attention(model: Any) -> Iterator[None]:
    """Use the attention that is faster with gradients inside the block. Without gradients, the model's own one is faster."""
    own = model.config._attn_implementation
    if not torch.cuda.is_available():
        # At the length of sentences, torch's fused attention costs a fifth of the time of a step on a CPU (train/LOG.md).
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(own)


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
                loss = cast(torch.Tensor, trainer.compute_loss(model, dict(batch)))
            loss.backward()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.monotonic() - start)
    model.zero_grad(set_to_none=True)
    # The first pass also allocates memory. The optimizer and the evaluations add about a tenth.
    return 1.1 * min(seconds[1:])


def _duration(seconds: float) -> str:
    """Return a duration in words, as minutes or hours."""
    minutes = seconds / 60
    return "a minute" if minutes < 1.5 else f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _set_dropout(model: transformers.PreTrainedModel, field: str, setting: str, value: float | None) -> None:
    """Set a dropout rate in the configuration, and in the modules, which copied it when they were built.

    Args:
        model: The classifier.
        field: The field of the recipe, a key of `_DROPOUTS`.
        setting: The setting of the configuration.
        value: The rate. None: leave that of the backbone.

    Raises:
        RecipeError: The backbone has no such setting, and the value is not 0.
    """
    if value is None:
        return
    if hasattr(model.config, setting):
        setattr(model.config, setting, value)
    elif value:
        raise RecipeError(
            f"{field}: a backbone of the type {model.config.model_type!r} has no setting {setting!r}. Remove this field from the "
            "recipe"
        )
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and (".attention.self" in path) == (field == "attention_dropout"):
            module.p = value


def prepare_steps(
    steps: Path | None,
    recipe: Recipe,
    codebook: Codebook,
    corpus: Corpus,
    tokens: Sequence[int] | None = None,
    soft: SoftLabels | None = None,
    precision: str | None = None,
) -> None:
    """Prepare the folder of checkpoints. An interrupted run in it must have the same recipe, codebook, data and processes.

    Args:
        steps: Folder of the checkpoints. None: nothing is written.
        recipe: The settings.
        codebook: The codebook, whose labels in order are the outputs of the network.
        corpus: The training sentences.
        tokens: Ids of the tokens whose embeddings are trained. None: embeddings are frozen.
        soft: Teachers and unlabelled sentences, if any.
        precision: The precision, which is recorded for runs that resume this one.

    Raises:
        RecipeError: The folder belongs to another run.
    """
    if steps is None:
        return
    run: dict[str, object] = {
        "recipe": settings_without_paths(recipe),
        "codebook": codebook.sha256,
        "backbone": backbone_sha256(recipe.backbone),
        "data": list(corpus.files.values()),
        "ids": [s.id for s in corpus],
        "processes": distributed.world_size(),
        "tokens": None if tokens is None else hashlib.sha256(json.dumps(tokens).encode()).hexdigest(),
    }
    if soft is not None:
        run |= soft.identity
    check_run(steps, run)
    if distributed.rank() == 0:
        record_run(steps, run, precision)


def last_checkpoint(steps: Path) -> Path | None:
    """Return the last complete checkpoint in a folder, if any, and delete incomplete ones."""
    last = None
    for folder in sorted(steps.glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-", 1)[1])):
        if distributed.is_complete(folder):
            last = folder
        elif distributed.rank() == 0:
            shutil.rmtree(folder)
    return last
