"""Write files for coders and read coded files: sheets, Label Studio, doccano, Prodigy."""
