"""What a recipe has to beat: metadata alone, untrained methods, PaDiM."""
