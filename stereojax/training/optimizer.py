"""The optimizer of the trainable parameters."""

import optax

from stereojax.settings.train import TrainSettings


def learning_rate(settings: TrainSettings) -> optax.Schedule:
    """Returns a constant rate, after a linear warmup if `warmup_steps` is set."""
    if not settings.warmup_steps:
        return optax.constant_schedule(settings.learning_rate)
    return optax.linear_schedule(0.0, settings.learning_rate, settings.warmup_steps)


def make_optimizer(settings: TrainSettings) -> optax.GradientTransformation:
    """Returns AdamW or SGD, preceded by clipping to a global norm if that is set."""
    rate = learning_rate(settings)
    if settings.optimizer == "sgd":
        rule = optax.sgd(rate)
    else:
        rule = optax.adamw(
            rate,
            b1=settings.beta1,
            b2=settings.beta2,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
    if not settings.clip_norm:
        return rule
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), rule)
