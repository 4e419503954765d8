"""The messages for mistakes that people make when they are new to the app."""
