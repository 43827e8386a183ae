"""Pictures (PNG, JPEG, TIFF, BMP): walked before they are decoded, read as one grey slice."""
