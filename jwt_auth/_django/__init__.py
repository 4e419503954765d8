"""Everything that relies on undocumented parts of Django. Nothing else in the package does."""
