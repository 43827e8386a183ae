"""How far the fitting of a model is: in epochs, or in heads laid upon their mean head."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training slices, counted over all members of a model that are trained."""

    number: int  # from 1
    max_epochs: int
    train_loss: float
    validation_loss: float | None  # None where no slices were held out
    best_epoch: int  # of its member, from 1
    member: int = 0  # which of a model's members is trained, from 0


@dataclass(frozen=True, slots=True)
class HeadsLaid:
    """Healthy heads laid upon their mean head, of all members of a model: each is laid once."""

    number: int  # from 1
    of: int


FitProgress = Epoch | HeadsLaid
