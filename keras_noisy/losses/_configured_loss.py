"""Keras losses with the options of this package, which can be copied, saved and printed."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypedDict, Unpack

import keras

from keras_noisy._arguments import check_flag, check_number, is_integer
from keras_noisy._core.add_logit_bias import read_logit_bias
from keras_noisy._core.masking import AttachMask
from keras_noisy._core.record import RecordingLayer
from keras_noisy.losses._hyperparameter import Hyperparameter


class LossOptions(TypedDict, total=False):
    """The arguments that every loss takes beside its own; see `RobustLoss`."""

    logit_bias: float | str | RecordingLayer | None
    from_logits: bool
    ignore_class: int | None
    label_smoothing: float
    reduction: str | None
    name: str | None
    dtype: Any


class ConfiguredLoss(keras.losses.Loss):
    """A loss with the options of all losses and the hyperparameters that its class declares.

    `RobustLoss` describes the options.
    """

    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = ()

    def __init__(
        self,
        *,
        logit_bias: float | str | RecordingLayer | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self._requested_dtype = _read_dtype(dtype)
        super().__init__(
            name=name, reduction=reduction, dtype=_compute_dtype(self._requested_dtype)
        )
        # Plain Python values, which the configuration can contain.
        self.logit_bias = read_logit_bias(logit_bias)
        self.from_logits = check_flag("from_logits", from_logits)
        self.ignore_class = _check_ignore_class(ignore_class)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, "[0, 1)")
        self._attach_mask: Any = None if ignore_class is None else AttachMask()

    def set_hyperparameters(self, **values: Any) -> None:
        """Checks hyperparameters, and sets them as attributes.

        A subclass calls it for those that it adds to `hyperparameters`.

        Raises:
            ValueError: If the class does not declare one of them, or if a value is out of range.
        """
        declared = {each.name: each for each in self.hyperparameters}
        for name, value in values.items():
            if name not in declared:
                raise ValueError(
                    f"`hyperparameters` of {type(self).__name__} must declare all that are set. "
                    f"Received: {name}={value!r}, declared: {sorted(declared)}"
                )
            setattr(self, name, declared[name].check(value))

    def with_options(self, **options: Unpack[LossOptions]) -> Self:
        """Returns a copy with other options, such as `logit_bias` or `from_logits`."""
        copy = self._copy()
        ConfiguredLoss.__init__(copy, **{**self._get_options(), **options})
        return copy

    def _copy(self, **attributes: Any) -> Self:
        """Returns a copy with other values of attributes.

        It contains all attributes of a subclass, while `copy.copy` of a Keras loss contains those
        of the configuration.
        """
        copy = object.__new__(type(self))
        copy.__dict__.update(vars(self), **attributes)
        return copy

    def __repr__(self) -> str:
        arguments = {**self._own_arguments(), **self._changed_options()}
        return f"{type(self).__name__}({format_arguments(arguments)})"

    def _own_arguments(self) -> dict[str, Any]:
        """The arguments that the class has beside the options."""
        options = self._get_options()
        return {key: value for key, value in self.get_config().items() if key not in options}

    def _changed_options(self) -> dict[str, Any]:
        """The options that differ from the defaults, without the name, which Keras generates."""
        defaults = inspect.signature(ConfiguredLoss.__init__).parameters
        options = {**self._get_options(), "name": None}
        return {key: value for key, value in options.items() if value != defaults[key].default}

    def _get_options(self) -> dict[str, Any]:
        dtype = self._requested_dtype
        if isinstance(dtype, keras.DTypePolicy):
            dtype = keras.dtype_policies.serialize(dtype)
        return {
            **super().get_config(),
            "logit_bias": self.logit_bias,
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
            "label_smoothing": self.label_smoothing,
            "dtype": dtype,
        }

    def get_config(self) -> dict[str, Any]:
        own = {each.name: getattr(self, each.name) for each in self.hyperparameters}
        return {**self._get_options(), **own}


def _read_dtype(dtype: Any) -> Any:
    """Returns the argument `dtype` as a value that a configuration can contain."""
    if dtype is None or isinstance(dtype, (str, dict, keras.DTypePolicy)):
        return dtype
    return keras.backend.standardize_dtype(dtype)


def _compute_dtype(dtype: Any) -> str:
    """Returns the type to compute in: float64 if `dtype` or `floatx` asks for it, else float32."""
    policy = keras.dtype_policies.get(dtype or keras.config.floatx())
    return "float64" if policy.compute_dtype == "float64" else "float32"


def _check_ignore_class(value: Any) -> int | None:
    """Returns `ignore_class` as a plain integer or `None`."""
    if value is None:
        return None
    if not is_integer(value) or abs(value) >= 2**31:
        raise ValueError(
            "`ignore_class` must be None or an integer of 32 bits. "
            f"Received: ignore_class={value!r}"
        )
    return int(value)


def format_arguments(values: Mapping[str, Any]) -> str:
    """Formats arguments as in a call."""
    return ", ".join(f"{key}={value!r}" for key, value in values.items())
