"""Every `--json` document, key by key: a module for each group of commands.

A key is added, never renamed; a test holds them all. `flows.cli.console.show_json` adds `notice`
to each document. Paths are escaped and, inside the home, relative to it; times are UTC ISO-8601.
Findings in the document of `mriad show` are in `flows.cli.findings`.
"""
