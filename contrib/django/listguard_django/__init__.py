"""Sealed columns in Django models: fields, and operations for migrations."""
