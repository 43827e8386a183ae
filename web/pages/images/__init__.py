"""Pictures and slices of volumes, as pages show them."""
