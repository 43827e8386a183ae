"""NIfTI files: header, JSON file beside it, voxels -> one volume."""
