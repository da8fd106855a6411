"""Finds wrong labels in data sets of images."""
