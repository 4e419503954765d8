"""Integrations with other packages; each module requires the package that it is named after."""
