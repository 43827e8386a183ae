"""The Prefect server of a home: its process, its secret, its logs."""
