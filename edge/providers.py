"""What can run a model, and what has to be installed for it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Provider(StrEnum):
    """What runs a model: ONNX Runtime's processor code, one of its accelerators, or ncnn."""

    CPU = "cpu"
    XNNPACK = "xnnpack"
    OPENVINO = "openvino"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    NCNN = "ncnn"


@dataclass(frozen=True, slots=True)
class Need:
    """What a provider needs.

    execution_provider: its name in ONNX Runtime; "" for what is not part of it.
    remedy: what to install, as half a sentence.
    """

    execution_provider: str
    remedy: str


_INSTEAD = "instead of onnxruntime (both provide the same module): pip uninstall -y onnxruntime &&"

NEEDS = {
    Provider.CPU: Need("CPUExecutionProvider", "reinstall lobbycount"),
    Provider.XNNPACK: Need(
        "XnnpackExecutionProvider",
        "no wheel on PyPI has it; install an ONNX Runtime below 1.29 built with --use_xnnpack",
    ),
    Provider.OPENVINO: Need(
        "OpenVINOExecutionProvider",
        f"on 64-bit x86 install {_INSTEAD} pip install 'onnxruntime-openvino>=1.24,<1.29'",
    ),
    Provider.CUDA: Need(
        "CUDAExecutionProvider",
        f"on 64-bit x86 with an NVIDIA driver for CUDA 13 install {_INSTEAD}"
        " pip install 'onnxruntime-gpu[cuda,cudnn]>=1.24,<1.29'",
    ),
    Provider.TENSORRT: Need(
        "TensorrtExecutionProvider",
        "on 64-bit x86 with an NVIDIA driver for CUDA 13 and TensorRT 10 install"
        f" {_INSTEAD} pip install 'onnxruntime-gpu[cuda,cudnn]>=1.24,<1.29'",
    ),
    Provider.NCNN: Need("", "install it: pip install 'lobbycount[ncnn]'"),
}


def absent(provider: Provider, why: str) -> str:
    """Say that a provider is asked for and cannot be used, and what works."""
    return (
        f"model.provider: {provider} cannot be used ({why}); {NEEDS[provider].remedy}."
        " What always works is provider: cpu"
    )
