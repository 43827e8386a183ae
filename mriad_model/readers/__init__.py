"""Untrusted files -> pixels and voxels, or the reason why not."""
