"""`lobbycount models export`: what comes out answers as ultralytics itself does.

Weights cannot be had without downloading, so the networks are made from their architecture, with
normalisation fitted to real pictures and a class bias that makes scores spread; what is tested
is the way from weights to people, not how good they are.
"""

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.detection import MOST_CANDIDATES, suppress
from edge.vocabulary import Frame
from model_export.isolation import SWITCHES
from model_export.pictures import letterboxed

CLIP = Path("tests/data/vtest.mp4").absolute()
MISSING = [name for name in ("torch", "ultralytics") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(
        bool(MISSING), reason=f"needs the export extra, AGPL-3.0: no {' and no '.join(MISSING)}"
    ),
    pytest.mark.filterwarnings("ignore"),  # torch's and ultralytics' own
]
FLOOR = 0.2


def lobbycount(*arguments, **options):
    command = [sys.executable, "-m", "edge", "models", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, **options
    )


def pictures(count):
    capture = cv2.VideoCapture(str(CLIP))
    frames = [capture.read()[1] for _ in range(count * 5)]
    return frames[::5]


@pytest.fixture(scope="module")
def ultralytics(tmp_path_factory):
    """Ultralytics itself, kept from the network and from the home folder."""
    settings = str(tmp_path_factory.mktemp("settings"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**SWITCHES, "YOLO_CONFIG_DIR": settings}.items():
            patch.setenv(name, value)
        import torch
        from ultralytics import YOLO
        from ultralytics.nn.tasks import DetectionModel
        from ultralytics.utils.nms import non_max_suppression

        yield SimpleNamespace(
            torch=torch, YOLO=YOLO, Network=DetectionModel, suppress=non_max_suppression
        )


def tensor(its, image, size=(416, 416)):
    """Return the picture as ultralytics prepares it: RGB, 0 to 1, colour first."""
    pixels = letterboxed(image, *size)[..., ::-1].copy()
    return its.torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def lively(its, architecture, classes, person):
    """Make a network whose scores for `person` spread between 0 and 1."""
    torch = its.torch
    torch.manual_seed(1)
    network = its.Network(architecture, nc=len(classes), verbose=False)
    network.names = dict(enumerate(classes))
    batch = torch.cat([tensor(its, image) for image in pictures(6)])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    network.train()
    with torch.no_grad():
        for _ in range(8):
            network(batch)
        head = network.model[-1]
        for branch in (head.cv3, getattr(head, "one2one_cv3", None) or ()):
            for level in branch:
                level[-1].weight[person] *= 8
                level[-1].bias[person] = -1.0
    return network.eval()


def save(its, network, path):
    its.torch.save({"model": network, "train_args": {}, "date": "", "version": ""}, path)
    return path


COCO = ["person", *(f"thing {number}" for number in range(1, 80))]


@pytest.fixture(scope="module", params=["yolo11n", "yolo26n"])
def weights(request, ultralytics, tmp_path_factory):
    """A .pt file of each family."""
    folder = tmp_path_factory.mktemp(request.param)
    try:
        network = lively(ultralytics, f"{request.param}.yaml", COCO, 0)
    except FileNotFoundError:
        pytest.skip(f"this ultralytics does not know {request.param}")
    return save(ultralytics, network, folder / f"{request.param}.pt")


def exported(weights, folder, *options):
    run = lobbycount("export", weights, "--folder", folder, *options)
    assert run.returncode == 0, run.stderr
    catalog = load_catalog(folder)
    (name,) = catalog.own_names
    entry = catalog.entry(name)
    assert f"{folder}/{entry.file}: {entry.bytes} bytes, SHA-256 {entry.sha256}" in run.stdout
    return entry, catalog.path(entry)


def own_answer(its, weights, image, size=(416, 416)):
    """Return what ultralytics answers: (rows, x0 y0 x1 y1 score) for every cell or row."""
    network = its.YOLO(str(weights)).model.float().eval()
    end_to_end = getattr(network.model[-1], "one2one_cv2", None) is not None
    network.end2end = end_to_end
    with its.torch.no_grad():
        answer = network(tensor(its, image, size))[0]
    return answer, end_to_end


@pytest.fixture(scope="module")
def exact(weights, tmp_path_factory):
    """Its fp32 export."""
    folder = tmp_path_factory.mktemp("exact")
    return (weights, *exported(weights, folder, "--precision", "fp32"))


def nearest(boxes, others):
    return np.abs(boxes[:, None] - others[None]).max(axis=2).min(axis=1)


def test_every_person_is_the_one_ultralytics_finds(ultralytics, exact):
    weights, entry, path = exact
    detector = OnnxDetector(entry, path)
    for image in pictures(3):
        answer, end_to_end = own_answer(ultralytics, weights, image)
        outputs = detector.outputs(letterboxed(image, 416, 416)[0])
        found = entry.head.decode(outputs, 416, 416, FLOOR)
        if end_to_end:
            rows = answer[0].numpy()
            rows = rows[(rows[:, 4] >= FLOOR) & (rows[:, 5] == 0)]
            boxes, scores = rows[:, :4], rows[:, 4]
        else:
            columns = answer[0].numpy()
            columns = columns[:, columns[4] >= FLOOR]
            half = columns[2:4] / 2
            boxes = np.concatenate([columns[:2] - half, columns[:2] + half]).T
            scores = columns[4]
        assert len(scores) > 20, "a lively network was asked for"
        assert len(found.scores) == len(scores)
        np.testing.assert_allclose(np.sort(found.scores), np.sort(scores), atol=1e-4)
        assert nearest(found.boxes, boxes).max() < 2e-3  # pixels of 416
        assert nearest(boxes, found.boxes).max() < 2e-3


def test_the_same_people_are_left_when_duplicates_are_gone(ultralytics, exact):
    weights, entry, path = exact
    image = pictures(1)[0]
    answer, end_to_end = own_answer(ultralytics, weights, image)
    if end_to_end:
        assert entry.nms_iou is None
        return
    outputs = OnnxDetector(entry, path).outputs(letterboxed(image, 416, 416)[0])
    ranked = np.sort(entry.head.decode(outputs, 416, 416, FLOOR).scores)
    # No more than are looked at here; a network with random weights answers with thousands.
    floor = float(ranked[-MOST_CANDIDATES:][:2].mean()) if len(ranked) > MOST_CANDIDATES else FLOOR
    (kept,) = ultralytics.suppress(answer, floor, entry.nms_iou, classes=[0], max_det=4000)
    found = entry.head.decode(outputs, 416, 416, floor)
    ours = suppress(found.boxes, found.scores, entry.nms_iou)
    assert 10 < len(ours) < len(found.scores)
    assert len(ours) == len(kept)
    np.testing.assert_allclose(found.scores[ours], kept[:, 4].numpy(), atol=1e-4)
    assert nearest(found.boxes[ours], kept[:, :4].numpy()).max() < 2e-3


def test_pictures_of_the_camera_go_in_as_they_are(exact):
    _, entry, path = exact
    assert entry.input.shape == (1, 416, 416, 3)
    assert (entry.input.dtype, entry.input.colour) == ("uint8", "BGR")
    found = OnnxDetector(entry, path).detect(Frame(0.0, 0, pictures(1)[0]))
    assert found.aspect == pytest.approx(768 / 576)


def test_the_licence_is_told_everywhere(exact):
    _, entry, path = exact
    assert entry.licence == "AGPL-3.0"
    card = path.with_name(entry.card).read_text("utf-8")
    assert "complete source of all of it" in card
    assert entry.sha256 in card
    assert "fp32, as asked for" in card
    graph = onnx.load(path)
    assert {p.key: p.value for p in graph.metadata_props}["license"].startswith("AGPL-3.0")


def test_eight_bits_see_nearly_the_same(ultralytics, exact, tmp_path):
    """Stated tolerance: scores to 0.05 on average, nine of ten best boxes to 8 pixels of 416."""
    weights, float_entry, float_path = exact
    entry, path = exported(weights, tmp_path, "--precision", "int8", "--calibrate", CLIP)
    assert path.stat().st_size < 0.4 * float_path.stat().st_size
    graph = onnx.load(path).graph
    operations = [node.op_type for node in graph.node]
    assert operations.count("QuantizeLinear") > 100
    biases = {
        node.input[2] for node in graph.node if len(node.input) == 3 and "Conv" in node.op_type
    }
    made = {output for node in graph.node for output in node.output}
    assert biases <= made, "a bias stayed in float"
    card = path.with_name(entry.card).read_text("utf-8")
    assert "INT8: static, QDQ" in card
    assert "on 90 pictures" in card
    image = letterboxed(pictures(12)[-1], 416, 416)[0]
    answers = [
        each.head.decode(OnnxDetector(each, file).outputs(image), 416, 416, 0.0)
        for each, file in ((float_entry, float_path), (entry, path))
    ]
    scores = [np.sort(answer.scores) for answer in answers]
    assert np.abs(scores[0] - scores[1]).mean() < 0.05
    assert scores[0].std() > 0.05, "scores must spread, or this says nothing"
    best = np.argsort(-answers[1].scores)[:100]
    assert np.quantile(nearest(answers[1].boxes[best], answers[0].boxes), 0.9) < 8
    run = lobbycount("verify", entry.name, "--folder", tmp_path)
    assert run.returncode == 0, run.stderr


def test_another_class_order_and_a_wide_input(ultralytics, tmp_path):
    network = lively(ultralytics, "yolo11n.yaml", ["car", "Person", "dog"], 1)
    weights = save(ultralytics, network, tmp_path / "Door Nr 1.pt")
    entry, path = exported(weights, tmp_path, "--size", "416x256")
    assert entry.name == "door-nr-1-416x256"
    image = pictures(1)[0]
    answer, _ = own_answer(ultralytics, weights, image, (256, 416))
    (output,) = OnnxDetector(entry, path).outputs(letterboxed(image, 256, 416)[0])
    assert output.shape == (1, 5, 2184)
    np.testing.assert_allclose(output[0, 4], answer[0, 5].numpy(), atol=1e-4)
    np.testing.assert_allclose(output[0, :4], answer[0, :4].numpy(), atol=2e-3)
    assert "no --calibrate was given" in path.with_name(entry.card).read_text("utf-8")


@pytest.mark.parametrize("architecture", ["yolo11n", "yolo26n", "yolov8n"])
def test_an_architecture_alone_is_exported_and_said_to_be_untrained(tmp_path, architecture):
    entry, path = exported(f"{architecture}.yaml", tmp_path)
    assert entry.name == f"{architecture}-416"
    assert "Not trained" in path.with_name(entry.card).read_text("utf-8")
    assert not list(OnnxDetector(entry, path).detect(Frame(0.0, 0, pictures(1)[0])).scores)


def refused(tmp_path, *arguments):
    folder = tmp_path / "own"
    run = lobbycount("export", *arguments, "--folder", folder)
    assert run.returncode == 2, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert not list(folder.glob("*"))
    return run.stderr.splitlines()[-1]


def test_weights_that_are_not_here_say_where_to_put_them(tmp_path):
    told = refused(tmp_path, "yolo11n")
    assert f"put it at {tmp_path}/own/yolo11n.pt" in told
    assert "nothing is downloaded" in told
    assert "https://github.com/ultralytics/assets/releases" in told


def test_what_is_no_detector(ultralytics, tmp_path):
    text = tmp_path / "text.pt"
    text.write_text("not weights", "utf-8")
    assert "is no detector that ultralytics" in refused(tmp_path, text)
    assert "is no detector that ultralytics" in refused(tmp_path, "yolo99z.yaml")
    assert "not a detector of boxes" in refused(tmp_path, "yolo11n-pose.yaml")
    cats = save(
        ultralytics, lively(ultralytics, "yolo11n.yaml", ["cat", "dog"], 0), tmp_path / "c.pt"
    )
    assert "its classes are 0 cat, 1 dog" in refused(tmp_path, cats)
    assert "--person-class 0" in refused(tmp_path, cats, "--person-class", "cow")


def test_options_that_do_not_fit(tmp_path):
    assert "--calibrate recording.mp4" in refused(tmp_path, "yolo11n.yaml", "--precision", "int8")
    assert "choose another" in refused(tmp_path, "yolo11n.yaml", "--name", "nanodet-g-416-int8")
    assert "e.g. door-model" in refused(tmp_path, "yolo11n.yaml", "--name", "../x")
    assert "No such file" in refused(tmp_path, "yolo11n.yaml", "--calibrate", tmp_path / "none.mp4")


class Trap:
    """Runs code when it is unpickled without care."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


def test_weights_run_no_code_of_theirs(ultralytics, tmp_path):
    trap = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(trap)))
    trap.rmdir()  # it works
    path = tmp_path / "trap.pt"
    ultralytics.torch.save({"model": Trap(trap)}, path)
    assert "is no detector" in refused(tmp_path, path)
    assert not trap.exists()


LOAD = """
import sys
from model_export.errors import ExportError
from model_export.network import load
for weights in sys.argv[1:]:
    try:
        load(weights)
    except ExportError as refused:
        print(refused)
"""


@pytest.mark.parametrize("said", ["false", None])
def test_without_the_allow_list_no_weights_are_loaded(ultralytics, tmp_path, said):
    """As with an ultralytics that does not know the switch, or takes it for no."""
    trap, path = tmp_path / "sprung", tmp_path / "trap.pt"
    ultralytics.torch.save({"model": Trap(trap)}, path)
    architecture = tmp_path / "yolo11n.yaml"
    architecture.write_text(f"activation: __import__('os').mkdir({str(trap)!r})", "utf-8")
    environment = {**os.environ, "YOLO_CONFIG_DIR": str(tmp_path)}
    environment.pop("ULTRALYTICS_SAFE_LOAD", None)
    if said:
        environment["ULTRALYTICS_SAFE_LOAD"] = said
    command = [sys.executable, "-c", LOAD, str(path), str(architecture)]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=True, env=environment
    )
    assert not trap.exists()
    for file in (path, architecture):
        assert f"{file} is not loaded, because ultralytics" in run.stdout
    assert "lobbycount models export" in run.stdout


def test_nothing_is_left_behind_but_the_model(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *sys.path])
    run = lobbycount(
        "export", "yolo11n.yaml", "--folder", tmp_path / "own", env=environment, cwd=work
    )
    assert run.returncode == 0, run.stderr
    assert not [p for folder in (home, work) for p in folder.rglob("*") if p.is_file()]
    files = sorted(p.name for p in (tmp_path / "own").iterdir())
    assert files == ["catalog.toml", "yolo11n-416.md", "yolo11n-416.onnx"]
