"""Opens a model of the catalog on the provider that was asked for."""

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import Catalog, ModelEntry
from edge.adapters.session_onnx import check_installed, installed
from edge.errors import ProviderError
from edge.providers import Provider


def open_detector(
    catalog: Catalog,
    entry: ModelEntry,
    provider: Provider = Provider.CPU,
    threads: int = 1,
    score_floor: float | None = None,
) -> OnnxDetector:
    """Check and load a model; `score_floor` None takes the catalog's.

    Raises ProviderError when the provider is not there or does not run the model, and
    ModelError when the file is not what its entry says.
    """
    return OnnxDetector(entry, catalog.path(entry), threads, score_floor, provider)


def providers_of(_entry: ModelEntry) -> list[Provider]:
    """Return the installed providers that take files like this entry's."""
    return installed_providers()


def installed_providers() -> list[Provider]:
    """Return what can be asked for on this machine; the hardware may still be missing."""
    return installed()


def missing_provider(provider: Provider) -> str | None:
    """Say what to install when a provider is not on this machine; None when it is."""
    try:
        check_installed(provider)
    except ProviderError as error:
        return str(error)
    return None
