"""One Prefect task a step: load by id or path, call the science, append to the record."""
