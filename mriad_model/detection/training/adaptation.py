"""What a model is taught beside its site's healthy scans: another scanner's, abnormal ones."""

from typing import Final

from mriad_model.errors import SettingsError
from mriad_model.recipes.built_in_recipes import of_epochs
from mriad_model.recipes.recipe import Recipe

ROUNDS: Final = 20  # of ten steps each: the pretrained network takes 50
NETWORK: Final = "implants"  # the detector whose network can be trained on


def adapted(recipe: Recipe, max_epochs: int | None = None) -> Recipe:
    """The recipe by which a model of `recipe` is adapted.

    The implant network is fine-tuned from the model's weights, in fewer steps. A normative recipe
    stays as it is: its mean and spread are measured anew. Raises SettingsError for any other.
    """
    if recipe.in_frame:
        return recipe
    if NETWORK not in {part.kind for part in recipe.detectors}:
        raise SettingsError(
            f"a model of the recipe {recipe.name!r} cannot be adapted: it has neither the implant "
            "network nor a normative mean; train a new one without --from"
        )
    if max_epochs is not None:
        return of_epochs(recipe, max_epochs)
    return recipe.with_training(max_epochs=min(ROUNDS, recipe.training.max_epochs))


def require_learns_abnormal(recipe: Recipe) -> None:
    """Refuse a recipe that cannot learn from abnormal scans. Raises SettingsError."""
    if recipe.volumes is not None or NETWORK not in {part.kind for part in recipe.detectors}:
        raise SettingsError(
            f"the recipe {recipe.name!r} learns from healthy scans alone: leave out "
            "--use-abnormal, or take --recipe default, which is for pictures"
        )
