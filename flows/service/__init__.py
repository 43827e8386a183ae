"""`mriad up` and `mriad watch`: the process tree, the watcher, the Prefect server."""
