"""The commands, one file a group or a command."""
