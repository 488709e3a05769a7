"""What coders are given and what they give back: sheets, Label Studio, doccano, Prodigy."""
