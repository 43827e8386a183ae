"""In what order and when: the flows, the command line and the settings."""
