"""Number formats, templates and progress."""
