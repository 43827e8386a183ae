"""What every task stands on: the home, connections, runs, the workspace, progress."""
