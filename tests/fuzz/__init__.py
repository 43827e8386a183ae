"""Damaged files of every format, read as they would arrive: `make fuzz`.

samples     good files of every format
cases       a good file, damaged by a seeded rule, and what reading it gives; runs in children
__main__    many of them, and a table
"""
