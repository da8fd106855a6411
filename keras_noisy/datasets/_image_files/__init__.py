"""Reads image files: lists of them, decoding, cropping, and files that can't be decoded."""
