"""Which transfer syntaxes (PS3.5, 10) are read, and by which decoder: one each, so it is pinned.

Deflated syntaxes are refused: 2 MB of them hold 2 GB, and no parser looks before it inflates.
"""

from importlib.metadata import PackageNotFoundError, version

from pydicom.pixels.decoders.base import get_decoder

from mriad_model.errors import RejectedFile
from mriad_model.nouns import RejectionReason
from mriad_model.paths import escape_path

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
RLE = "1.2.840.10008.1.2.5"
PLUGINS = {
    **dict.fromkeys(NATIVE, ""),
    RLE: "pydicom",
    "1.2.840.10008.1.2.4.50": "gdcm",  # JPEG baseline
    "1.2.840.10008.1.2.4.51": "gdcm",  # JPEG extended; 8 bit only
    "1.2.840.10008.1.2.4.57": "gdcm",  # JPEG lossless
    "1.2.840.10008.1.2.4.70": "gdcm",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "gdcm",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81": "gdcm",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90": "gdcm",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91": "gdcm",  # JPEG 2000
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202": "pylibjpeg",  # HTJ2K lossless, resolution first
    "1.2.840.10008.1.2.4.203": "pylibjpeg",  # HTJ2K
}
PACKAGES = {"": "native", "pydicom": "pydicom", "gdcm": "python-gdcm", "pylibjpeg": "pylibjpeg"}


def require_readable(syntax: str) -> None:
    """Refuse a transfer syntax that is deflated, unknown, or has no decoder installed."""
    unsupported = RejectionReason.UNSUPPORTED
    if not syntax:
        raise RejectedFile(RejectionReason.MISSING_TAGS, "no transfer syntax in the file meta")
    if syntax in DEFLATED:
        raise RejectedFile(unsupported, "deflated transfer syntax: may inflate to any size")
    if syntax not in PLUGINS:
        raise RejectedFile(unsupported, f"transfer syntax {escape_path(syntax[:64])}")
    plugin = PLUGINS[syntax]
    if plugin and plugin not in get_decoder(syntax).available_plugins:
        raise RejectedFile(unsupported, f"no decoder installed for transfer syntax {syntax}")


def decoder_of(syntax: str) -> str:
    """The decoder and its version, for the record: `native`, or `python-gdcm 3.2.6`."""
    package = PACKAGES[PLUGINS[syntax]]
    if package == "native":
        return package
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
