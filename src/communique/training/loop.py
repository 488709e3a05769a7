"""The parts of the training loop that differ from those of transformers: batches, learning rates and soft targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import datasets
import torch
import transformers
from transformers.trainer_pt_utils import get_length_grouped_indices

from ..errors import RecipeError
from ..io.atomic import disk_errors
from . import distributed
from .columns import TARGETS, WEIGHTS
from .recipe import Recipe


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


class Trainer(transformers.Trainer):
    """The trainer of transformers with the sampler above, two learning rates, and soft targets if the data set has them.

    Args:
        recipe: The settings.
        order_seed: Seed of the order of batches.
        arguments: Arguments of the trainer of transformers.
    """

    def __init__(self, recipe: Recipe, order_seed: int, **arguments: Any) -> None:
        self.recipe, self.order_seed = recipe, order_seed
        super().__init__(**arguments)

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        lengths = [len(ids) for ids in cast(datasets.Dataset, self.train_dataset)["input_ids"]]
        # The processes take batches in turn. Their batches for one step together form one batch of this sampler.
        return LengthGroupedSampler(lengths, self.args.train_batch_size * distributed.world_size(), self.order_seed)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """Create the optimizer with the learning rates of `parameter_groups`."""
        if self.optimizer is None:
            # On a CPU, the fused kernel takes a quarter of the time (train/LOG.md).
            groups = parameter_groups(cast(transformers.PreTrainedModel, self.model), self.recipe)
            self.optimizer = torch.optim.AdamW(groups, fused=True)
        return self.optimizer

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Train on a batch.

        Raises:
            RecipeError: The loss is not finite. The weights would never become finite again, and all predictions would be NaN.
        """
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise diverged(self.recipe, f"the loss in step {self.state.global_step + 1} is not a finite number")
        return loss

    def _save_checkpoint(self, *arguments: Any, **options: Any) -> None:
        with disk_errors(Path(str(self.args.output_dir))):
            super()._save_checkpoint(*arguments, **options)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Compute the loss of a batch: that of the model or, with soft targets, `soft_loss` and the loss of acts."""
        if TARGETS not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        given = {name: values for name, values in inputs.items() if name not in (TARGETS, WEIGHTS)}
        outputs = model(**given)
        multilabel = outputs_are_multilabel(model)
        loss = soft_loss(outputs.logits, inputs[TARGETS], inputs[WEIGHTS], multilabel=multilabel)
        if outputs.loss is not None:
            loss = loss + outputs.loss
        return (loss, outputs) if return_outputs else loss


def diverged(recipe: Recipe, reason: str) -> RecipeError:
    """Return the error for a training whose weights became useless."""
    return RecipeError(
        f"learning_rate {recipe.learning_rate:g}, head_learning_rate {recipe.head_learning_rate:g}: the training diverged, because "
        f"{reason}. Write smaller learning rates in the recipe"
    )


def outputs_are_multilabel(model: Any) -> bool:
    """Return whether several labels can apply, according to the configuration of a classifier."""
    config = getattr(model, "module", model).config
    return bool(config.problem_type == "multi_label_classification")


def soft_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, *, multilabel: bool) -> torch.Tensor:
    """Return the mean over rows of weight times loss.

    The loss of a row is the mean binary cross-entropy of its labels or, if exactly one label applies, the Kullback-Leibler
    divergence of the predicted from the target distribution. For targets of 0 and 1, these are the losses of transformers. The sum
    is divided by the number of rows and not by the sum of weights, so that it does not depend on how rows are divided among
    processes.

    Args:
        logits: Logits (n, k).
        targets: Probabilities (n, k).
        weights: Weights (n,).
        multilabel: Whether several labels can apply.
    """
    functional = torch.nn.functional
    logits, targets = logits.float(), targets.float()
    if multilabel:
        losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    else:
        losses = functional.kl_div(functional.log_softmax(logits, dim=1), targets, reduction="none").sum(dim=1)
    return (losses * weights.float()).mean()


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
