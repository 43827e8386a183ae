"""In what order and when: one file a flow; the command line, the service, and what flows run in."""
