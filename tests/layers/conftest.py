"""Fixtures of the layers' tests."""

import pytest
from support import BACKEND


@pytest.fixture
def jit(request, monkeypatch):
    """Returns the value of `jit_compile`, and keeps compilation with PyTorch short.

    The default compiler of PyTorch takes minutes. The backend "aot_eager" only traces and
    differentiates.
    """
    if BACKEND == "torch" and request.param:
        import torch

        torch._dynamo.reset()
        compile_ = torch.compile
        monkeypatch.setattr(torch, "compile", lambda f, **_: compile_(f, backend="aot_eager"))
    return request.param
