"""From pixels and voxels to prepared slices: foreground, framing, cutting, augmentation."""
