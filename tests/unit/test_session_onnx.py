"""A provider that is asked for runs the model, or one sentence says what to install instead."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from edge.adapters.detectors import installed_providers, missing_provider, open_detector
from edge.adapters.model_catalog import load_catalog
from edge.adapters.session_onnx import check_used, open_session
from edge.agreement import disagreement
from edge.errors import ProviderError
from edge.providers import Provider
from edge.vocabulary import Frame

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "tests/data/vtest.mp4"
CATALOG = load_catalog(REPOSITORY / "models")
ENTRY = CATALOG.entry()
MODEL = CATALOG.path(ENTRY)
ACCELERATORS = [Provider.XNNPACK, Provider.OPENVINO, Provider.CUDA, Provider.TENSORRT]
PACKAGES = {
    Provider.XNNPACK: "--use_xnnpack",
    Provider.OPENVINO: "onnxruntime-openvino>=1.24,<1.29",
    Provider.CUDA: "onnxruntime-gpu[cuda,cudnn]>=1.24,<1.29",
    Provider.TENSORRT: "TensorRT 10",
}


@pytest.fixture(scope="module")
def frames():
    capture = cv2.VideoCapture(str(CLIP))
    pictures = [capture.read()[1] for _ in range(200)][::40]
    capture.release()
    return [Frame(float(index), index, picture) for index, picture in enumerate(pictures)]


def sentence_of(provider):
    with pytest.raises(ProviderError) as caught:
        open_detector(CATALOG, ENTRY, provider)
    sentence = str(caught.value)
    assert sentence.startswith(f"model.provider: {provider} cannot be used (")
    assert sentence.endswith("What always works is provider: cpu")
    assert "\n" not in sentence
    return sentence


@pytest.mark.parametrize("provider", ACCELERATORS)
def test_a_provider_that_is_not_there_is_named_with_its_package(provider):
    if provider in installed_providers():
        pytest.skip(f"this ONNX Runtime has {provider}")
    sentence = sentence_of(provider)
    assert PACKAGES[provider] in sentence
    assert "on this machine has only: cpu" in sentence
    assert missing_provider(provider) == sentence


def test_the_processor_is_always_there():
    assert Provider.CPU in installed_providers()
    assert missing_provider(Provider.CPU) is None


def cpu_session():
    return open_session(MODEL.read_bytes(), MODEL, Provider.CPU, 1, ENTRY.input)


def test_a_session_that_fell_back_to_the_processor_is_refused():
    """What ONNX Runtime gives when a library that CUDA needs cannot be loaded."""
    with pytest.raises(ProviderError, match="library or device it needs cannot be loaded"):
        check_used(cpu_session(), Provider.CUDA, MODEL, "CUDAExecutionProvider")


def test_a_provider_that_takes_no_convolution_is_refused():
    """Azure's is in the wheels and runs nothing of a model like this."""
    idle = "AzureExecutionProvider"
    if idle not in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has no {idle}")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=[idle])
    assert idle in session.get_providers()
    with pytest.raises(ProviderError, match=r"takes 0 of the \d\d convolutions of nanodet-g"):
        check_used(session, Provider.XNNPACK, MODEL, idle)


@pytest.mark.parametrize("provider", [Provider.CUDA, Provider.TENSORRT])
def test_nvidia_libraries_that_are_not_there_are_no_silent_fall_back(provider, capfd):
    if provider not in installed_providers():
        pytest.skip("needs onnxruntime-gpu instead of onnxruntime")
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has an NVIDIA driver")
    assert "onnxruntime-gpu" in sentence_of(provider)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("provider", ACCELERATORS)
def test_an_accelerator_finds_the_same_people(provider, frames):
    if provider not in installed_providers():
        pytest.skip(f"this ONNX Runtime has no {provider}")
    if provider in (Provider.CUDA, Provider.TENSORRT):
        pytest.skip("needs an NVIDIA driver")
    plain, fast = (open_detector(CATALOG, ENTRY, p) for p in (Provider.CPU, provider))
    found = 0
    for frame in frames:
        wide = Frame(frame.at, frame.index, np.ascontiguousarray(frame.image[72:504]))
        for picture in (frame, wide):
            reference = plain.detect(picture)
            found += len(reference)
            assert disagreement(reference, fast.detect(picture), ENTRY.sure_score) is None
    assert found > 20
