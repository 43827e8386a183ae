"""Documents of `mriad watch`, `web` and `up`, printed once they run."""

from flows.cli.documents.fields import Document


def watch_document(folder: str, scored_by: str) -> Document:
    """`mriad watch`, printed once it watches."""
    return {"watching": folder, "scored_by": scored_by}


def web_document(sign_in: str) -> Document:
    """`mriad web`, printed once the pages are served."""
    return {"sign_in": sign_in}


def up_document(folder: str, pages: str, sign_in: str) -> Document:
    """`mriad up`, printed once all of it runs; `sign_in` lets in to the reader's pages, once."""
    return {"watching": folder, "pages": pages, "sign_in": sign_in}
