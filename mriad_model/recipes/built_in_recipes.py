"""The recipes that come with mriad, by name."""

from dataclasses import replace

from mriad_model.errors import SettingsError
from mriad_model.recipes.decision_recipes import GateRecipe, UncertainRecipe
from mriad_model.recipes.recipe import (
    NORMATIVE_ASYMMETRY,
    NORMATIVE_NETWORK,
    Augmentation,
    CrossFitting,
    DetectorRecipe,
    Framing,
    ImplantTraining,
    Intensity,
    Levels,
    NetworkShape,
    Preprocessing,
    Recipe,
    Residual,
    ScanScore,
    Scoring,
    SliceScoreMethod,
    Slicing,
    Training,
    VolumeRecipe,
)
from mriad_model.recipes.windows import DeepWindow

SEED = Recipe(
    name="seed",
    preprocessing=Preprocessing(128, Framing.WHOLE, Intensity.FULL_RANGE),
    detectors=(
        DetectorRecipe(
            kind="autoencoder",
            residual=Residual.SQUARED,
            network=NetworkShape(channels=(32, 64, 128), latent=256),
        ),
    ),
    training=Training(),
    scoring=Scoring(SliceScoreMethod.MEAN, erosion=0, standardise=False),
)


AUTOENCODER = Recipe(
    name="autoencoder",
    preprocessing=Preprocessing(64, Framing.FOREGROUND, Intensity.PERCENTILES),
    detectors=(
        DetectorRecipe(
            kind="autoencoder",
            smoothing=1.0,
            tolerance=2,
            gathering=2.5,
            network=NetworkShape(channels=(16, 32, 64), latent=64),
        ),
        DetectorRecipe("asymmetry", smoothing=1.0, tolerance=2, gathering=2.5),
    ),
    training=Training(
        max_epochs=400,
        patience=80,
        augmentation=Augmentation(flip=True, degrees=8.0, scale=0.08, shift=0.03, gamma=0.3),
    ),
    scoring=Scoring(SliceScoreMethod.MAX_MINUS_MEDIAN, erosion=4, standardise=True),
    calibrate_by_group=True,
)


DEFAULT = Recipe(
    name="default",
    preprocessing=Preprocessing(128, Framing.FOREGROUND, Intensity.PERCENTILES),
    detectors=(
        DetectorRecipe("implants", gathering=1.0, window=DeepWindow()),
        DetectorRecipe("asymmetry", smoothing=1.0, tolerance=2, gathering=2.5),
    ),
    training=Training(
        learning_rate=2e-3, batch_size=16, max_epochs=50, implants=ImplantTraining(few=120)
    ),
    scoring=Scoring(
        SliceScoreMethod.MAX, erosion=2, standardise=True, size=64, scored_by="implants"
    ),
    calibrate_by_group=True,
    cross_fitting=CrossFitting(),
    uncertain=UncertainRecipe(),
    gate=GateRecipe(strangers=True),
)


VOLUME_AUTOENCODER = replace(
    AUTOENCODER,
    name="volume-autoencoder",
    # Grey values are normalised over the volume, before slices are prepared.
    preprocessing=Preprocessing(64, Framing.FOREGROUND, Intensity.FULL_RANGE),
    # Small batches: as many steps in half the epochs. 70 s on one core for 24 volumes.
    training=replace(AUTOENCODER.training, batch_size=16, max_epochs=160, patience=40),
    volumes=VolumeRecipe(
        Slicing(),
        train_slices=16,
        scan_score=ScanScore.SMOOTHED_MAX,
        extent=5.0,
        # The skull's base differs most from head to head: with 95 mm the AUROC of FLAIR phantoms
        # falls from .88 to .83. What lies lower, much of the cerebellum, is not judged.
        reach=80.0,
        levels=Levels(number=12, step=7.5, sigma=7.5),
    ),
)


VOLUME = Recipe(
    name="volume",
    preprocessing=Preprocessing(128, Framing.FOREGROUND, Intensity.FULL_RANGE),
    detectors=(DetectorRecipe(NORMATIVE_ASYMMETRY),),
    training=Training(),
    scoring=Scoring(SliceScoreMethod.MAX, erosion=1, standardise=False, size=64),
    # Slices near the vertex show where the head lies, so few are skipped.
    volumes=VolumeRecipe(
        Slicing(min_share=0.005, min_share_of_largest=0.05),
        train_slices=64,
        scan_score=ScanScore.MAX,
    ),
    calibrate_by_group=True,
    cross_fitting=CrossFitting(),
    uncertain=UncertainRecipe(),
    gate=GateRecipe(limit=4.0),
)


# On infarcts of real shape it does no better: see docs/results.md. Not measured cross-fitted.
VOLUME_NETWORK = replace(
    VOLUME,
    name="volume-network",
    detectors=(DetectorRecipe(NORMATIVE_NETWORK),),
    cross_fitting=None,
)


BUILT_IN = (SEED, AUTOENCODER, DEFAULT, VOLUME, VOLUME_NETWORK, VOLUME_AUTOENCODER)
FORMER_NAMES = {"volume-normative": VOLUME.name}


def recipe_named(name: str) -> Recipe:
    """The built-in recipe of that name, or that had it. Raises SettingsError for any other."""
    for recipe in BUILT_IN:
        if recipe.name == FORMER_NAMES.get(name, name):
            return recipe
    known = ", ".join(repr(recipe.name) for recipe in BUILT_IN)
    raise SettingsError(f"no recipe is named {name!r}: choose one of {known}")


def of_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with so many epochs, however few the slices; with None, its own.

    An epoch of a network that learns on implants is a round of ten steps. Its recipe takes fewer
    where there are few slices; a number that was asked for is not made smaller.
    """
    if epochs is None:
        return recipe
    longer = recipe.with_training(max_epochs=epochs)
    implants = longer.training.implants
    if implants is None:
        return longer
    exact = replace(implants, few_steps=1.0)
    return replace(longer, training=replace(longer.training, implants=exact))
