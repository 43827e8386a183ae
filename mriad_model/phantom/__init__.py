"""Phantom heads: seeded MR-like scans of varied anatomy, with lesions whose place is known.

For demonstrations, tests and benchmarks. A seed is a head; it looks the same in every plane, and
its bytes are the same on one machine. Nothing here comes from a real scan.
"""
