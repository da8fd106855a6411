"""The characters of the glyphs dataset, and the code that draws them."""
