"""Recipes: what makes a model but the slices; their fields, and those that come with mriad."""
