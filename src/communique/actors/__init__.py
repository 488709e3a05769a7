"""Find and replace the names of countries and organisations in sentences."""
