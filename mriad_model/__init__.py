"""The science of mriad as a pure library: values in, values out.

Nothing here knows the database or the workflow engine, and nothing happens on import:
`mriad_model.enums` and `mriad_model.errors` load the standard library alone.
"""
