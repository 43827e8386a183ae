"""What every task uses: the home, connections, runs, the workspace, progress."""
