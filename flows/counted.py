"""Numbers with their nouns."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 scan`, `2 scans`."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
