"""Document of `mriad demo`."""

from typing import TYPE_CHECKING

from flows.cli.documents.evaluation import evaluate_document
from flows.cli.documents.fields import Document
from flows.cli.documents.intake import ingest_document
from flows.cli.documents.maintenance import verify_document
from flows.cli.documents.scoring import score_document
from flows.cli.documents.training import train_document

if TYPE_CHECKING:
    from flows.demo import DemoResult


def demo_document(found: "DemoResult") -> Document:
    """`mriad demo`: the documents of the commands that it runs."""
    return {
        "ingest": ingest_document(found.intake),
        "train": train_document(found.training),
        "score": score_document(found.scoring),
        "evaluate": evaluate_document(found.evaluation),
        "verify": verify_document(found.replay),
    }
