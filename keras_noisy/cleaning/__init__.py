"""Finds wrong labels, so that they can be looked at and corrected."""

from keras_noisy.cleaning.apply_marks import CleanedLabels, apply_marks
from keras_noisy.cleaning.audit import Audit, audit
from keras_noisy.cleaning.audit_labels import AuditLabels
from keras_noisy.cleaning.noise_estimate import NoiseEstimate, estimate_noise
from keras_noisy.cleaning.out_of_fold import out_of_fold
from keras_noisy.cleaning.suspicious_labels import SuspiciousLabels, suspicious_labels

__all__ = [
    "Audit",
    "AuditLabels",
    "CleanedLabels",
    "NoiseEstimate",
    "SuspiciousLabels",
    "apply_marks",
    "audit",
    "estimate_noise",
    "out_of_fold",
    "suspicious_labels",
]
