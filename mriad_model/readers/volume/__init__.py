"""A volume: voxels, geometry, identity, contrast; the checks that reject one."""
