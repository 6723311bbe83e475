"""What can go wrong between an erasure and a model, below `memory.errors.UnlearnError`.

UnlearnError
├─ UnsupportedModelError   a model whose layout or format cannot be edited
├─ DamagedModelError       a folder that is no complete, sane model
├─ ModelDriftedError       the weights are not those that were attached or measured
├─ NothingLearnedError     the model shows no trace of what should be forgotten
└─ AlreadyForgottenError   a damping pass over records whose loss is high already
"""

from memory.errors import UnlearnError


class UnsupportedModelError(UnlearnError):
    """The model is of an architecture, format or precision that no edit can reach."""


class DamagedModelError(UnlearnError):
    """The folder lacks a part of a model, or its weights are not finite numbers."""


class ModelDriftedError(UnlearnError):
    """The weights changed since they were attached, or since the edit was computed."""


class NothingLearnedError(UnlearnError):
    """The model answers no probe about the forget set; there is nothing to remove."""


class AlreadyForgottenError(UnlearnError):
    """The forget set reads as never seen; damping it again would destroy the model."""
