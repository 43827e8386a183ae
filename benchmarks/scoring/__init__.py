"""How fast scans are read, scored and drawn."""
