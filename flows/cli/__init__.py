"""The command line: one file a group of commands, every document it prints in `documents`."""
