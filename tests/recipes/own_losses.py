"""A loss that the package does not have, as a user of the recipes writes one."""

from keras import ops

from keras_noisy.losses import LabelLoss


class PowerError(LabelLoss):
    """(1 - p_y)^power."""

    def __init__(self, power=2.0, **options):
        super().__init__(**options)
        self.power = power

    def of_log_prob(self, log_prob):
        return (1.0 - ops.exp(log_prob)) ** self.power

    def get_config(self):
        return {**super().get_config(), "power": self.power}
