"""Examines models, losses and data for `explain`, and collects the causes of what goes wrong."""
