"""Sessions of ONNX Runtime on the provider that was asked for, never on another one."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnxruntime

from edge.adapters.model_entry import ModelInput
from edge.errors import ModelError, ProviderError
from edge.providers import NEEDS, Provider, absent

_CPU = NEEDS[Provider.CPU].execution_provider
_CONVOLUTIONS = {"Conv", "FusedConv", "QLinearConv", "ConvInteger"}
_NVIDIA = (Provider.CUDA, Provider.TENSORRT)
_TOLD = 160
"""How many characters of what ONNX Runtime says are passed on; the last ones say most."""
_ENOUGH = 0.5
"""A provider that runs a smaller share of the convolutions is not in use but in the way."""
_TELLS = "get_provider_graph_assignment_info"
"""Since ONNX Runtime 1.24; older ones do not tell which provider runs what."""


def installed() -> list[Provider]:
    """Return the providers that this ONNX Runtime was built with; the hardware may be missing."""
    built = set(onnxruntime.get_available_providers())
    return [provider for provider, need in NEEDS.items() if need.execution_provider in built]


def check_installed(provider: Provider) -> None:
    """Raise ProviderError, naming what to install, unless this ONNX Runtime has the provider."""
    have = installed()
    version = f"ONNX Runtime {onnxruntime.__version__}"
    if provider not in have:
        names = ", ".join(have)
        raise ProviderError(absent(provider, f"{version} on this machine has only: {names}"))
    if provider is not Provider.CPU and not hasattr(onnxruntime.InferenceSession, _TELLS):
        raise ProviderError(absent(provider, f"{version} is too old to tell whether it is used"))


def open_session(
    content: bytes, path: Path, provider: Provider, threads: int, wanted: ModelInput
) -> onnxruntime.InferenceSession:
    """Load a model for inputs of the wanted shape.

    Raises ProviderError when the provider is not there or does not take the model, and
    ModelError when it is no model.
    """
    check_installed(provider)
    options = _options(provider, threads, wanted)
    name = NEEDS[provider].execution_provider
    if provider is Provider.CPU:
        return _loaded(content, path, options, [(name, {})])
    if provider in _NVIDIA:
        with redirect_stdout(StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
    try:
        # ONNX Runtime would print to standard output and go on with the processor.
        session = onnxruntime.InferenceSession(
            content, options, providers=[(name, _settings(provider, threads))], enable_fallback=0
        )
    except Exception as problem:
        _loaded(content, path, _options(Provider.CPU, threads, wanted), [(_CPU, {})])
        reason = " ".join(str(problem).split())[-_TOLD:]
        raise ProviderError(absent(provider, f"it refuses {path.name}: …{reason}")) from problem
    session.disable_fallback()
    check_used(session, provider, path, name)
    return session


def check_used(
    session: onnxruntime.InferenceSession, provider: Provider, path: Path, name: str
) -> None:
    """Raise ProviderError unless a session runs most convolutions on the provider of that name.

    ONNX Runtime gives what a provider cannot load or run to the processor, and goes on.
    """
    if name not in session.get_providers():
        raise ProviderError(absent(provider, "a library or device it needs cannot be loaded"))
    runs = [
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
        if node.op_type in _CONVOLUTIONS
    ]
    taken = sum(where == name for where, _ in runs)
    if taken < _ENOUGH * len(runs):
        raise ProviderError(
            absent(provider, f"it takes {taken} of the {len(runs)} convolutions of {path.name}")
        )


def _loaded(
    content: bytes,
    path: Path,
    options: onnxruntime.SessionOptions,
    providers: list[tuple[str, dict[str, str]]],
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as problem:  # ONNX Runtime's errors have no root class of their own.
        raise ModelError(
            f"Model file {path} is not an ONNX model that this ONNX Runtime "
            f"({onnxruntime.__version__}) can run; use a file listed in the catalog."
        ) from problem


def _options(provider: Provider, threads: int, wanted: ModelInput) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    if wanted.any_multiple_of:
        options.add_free_dimension_override_by_name("height", wanted.height)
        options.add_free_dimension_override_by_name("width", wanted.width)
    # XNNPACK has threads of its own, and both kinds would compete.
    options.intra_op_num_threads = 1 if provider is Provider.XNNPACK else threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # 5 MB less, and no slower
    # Spinning workers would burn the core that the decoder and the tracker need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider is not Provider.CPU:
        options.log_severity_level = 4  # what is wrong is said in one sentence, and here
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _settings(provider: Provider, threads: int) -> dict[str, Any]:
    match provider:
        case Provider.XNNPACK:
            return {"intra_op_num_threads": str(threads)}
        case Provider.OPENVINO:
            return {"device_type": "CPU", "num_of_threads": str(threads)}
        case _:
            return {}
