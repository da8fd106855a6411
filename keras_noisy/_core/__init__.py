"""Labels, log-probabilities, the logit bias and batches, which losses and layers share."""
