"""Builds the tf.data pipelines of all data sets: options, order of the samples, labels, batches."""
