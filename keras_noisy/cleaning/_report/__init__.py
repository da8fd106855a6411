"""The page on which people look at suspicious images and mark their labels."""
