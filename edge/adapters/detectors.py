"""Opens a model of the catalog on the provider that was asked for."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import Catalog
from edge.adapters.model_entry import ModelEntry
from edge.adapters.session_onnx import check_installed, installed
from edge.errors import ModelError, ProviderError
from edge.providers import Provider, absent

if TYPE_CHECKING:
    from edge.adapters.detector_ncnn import NcnnDetector


def open_detector(
    catalog: Catalog,
    entry: ModelEntry,
    provider: Provider = Provider.CPU,
    threads: int = 1,
    score_floor: float | None = None,
) -> "OnnxDetector | NcnnDetector":
    """Check and load a model; `score_floor` None takes the catalog's.

    Raises ProviderError when the provider is not there or does not run the model, and
    ModelError when a file is not what its entry says.
    """
    path = catalog.path(entry)
    _check(provider)
    if provider is Provider.NCNN:
        try:
            from edge.adapters.detector_ncnn import NcnnDetector  # noqa: PLC0415 - an extra
        except ImportError as problem:
            raise ProviderError(absent(provider, f"it cannot be loaded: {problem}")) from problem
        return NcnnDetector(entry, path, threads, score_floor)
    if entry.weights is not None:
        raise ModelError(
            f"{entry.name} is a model for ncnn; write provider: ncnn, or choose"
            f" name: {catalog.default}."
        )
    return OnnxDetector(entry, path, threads, score_floor, provider)


def providers_of(entry: ModelEntry) -> list[Provider]:
    """Return the installed providers that take files like this entry's."""
    apart = entry.weights is not None
    return [item for item in installed_providers() if (item is Provider.NCNN) == apart]


def installed_providers() -> list[Provider]:
    """Return what can be asked for on this machine; the hardware may still be missing."""
    return [*installed(), *([Provider.NCNN] if find_spec("ncnn") else [])]


def missing_provider(provider: Provider) -> str | None:
    """Say what to install when a provider is not on this machine; None when it is."""
    try:
        _check(provider)
    except ProviderError as error:
        return str(error)
    return None


def _check(provider: Provider) -> None:
    if provider is not Provider.NCNN:
        check_installed(provider)
    elif find_spec("ncnn") is None:
        raise ProviderError(absent(provider, "the package ncnn is not installed"))
