"""A table of sites becomes provision files that devices take, tokens and labels."""

import csv
import hashlib
import stat

import lab_ca
import pytest

from edge.errors import BadInputError
from edge.provision_labels import Label, sheet
from edge.provision_reading import read
from edge.provision_rows import read_sites
from edge.provision_sheet import Common, write_sheet

HEAD = "编号,名称,街道,摄像机,无线名称,无线密码,地址,网关,域名服务器,责任单位\n"
ROW = "lobby-{n:03},幸福里{n},street-1,rtsp://a:pw@192.168.1.64/102,,,192.168.1.{n}/24,192.168.1.254,,街道\n"
URL = "https://broker.example.org:8443/enrol"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return lab_ca.init(tmp_path_factory.mktemp("authority") / "ca").cert


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "sites.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_read_as_excel_saves_it(table, encoding):
    text = (HEAD + ROW.format(n=1) + ",,,,,,,,,\n").replace("\n", "\r\n")
    (site,) = read_sites(table(text, encoding), {"broker": {"host": "b", "ca": "ca.pem"}})
    assert site["device"] == {"id": "lobby-001", "name": "幸福里1", "tenant": "street-1"}


def test_a_hundred_devices(table, tmp_path, ca):
    pytest.importorskip("segno", reason="segno is not installed (extra fleet)")
    text = HEAD + "".join(ROW.format(n=n) for n in range(1, 101))
    out = tmp_path / "out"
    assert write_sheet(table(text, "gb18030"), out, Common("b.example.org", 8883, ca, URL)) == 100
    with (out / "tokens.csv").open() as file:
        hashes = {row["id"]: row["sha256"] for row in csv.DictReader(file)}
    assert len(set(hashes.values())) == 100
    for n in (1, 57, 100):
        path = out / f"lobby-{n:03}" / "provision.yaml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        wanted = read(path).provision
        assert wanted.device.name == f"幸福里{n}"
        assert str(wanted.network.ethernet.address) == f"192.168.1.{n}/24"
        assert hashlib.sha256(wanted.token.encode()).hexdigest() == hashes[wanted.device.id]
        assert wanted.token not in (out / "tokens.csv").read_text()
    labels = (out / "labels.html").read_text("utf-8")
    assert labels.count('class="label"') == labels.count("<svg") == 100
    assert labels.count('class="sheet"') == 5
    assert "https://192.168.1.57:8090" in labels
    with pytest.raises(BadInputError, match="is there already"):
        write_sheet(table(text), out, Common("b.example.org", 8883, ca, URL))


GOOD = "lobby-001,A,street-1,/dev/video0,,,,,,"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("Lobby 1,A,street-1,/dev/video0,,,,,,", [":2: id (编号): only a-z"]),
        (f"{GOOD}\n{GOOD}", [":3: id (编号): lobby-001 is in row 2 too"]),
        ("lobby-001,A,,/dev/video0,,,,,,", [":2: tenant (街道): is missing"]),
        ("l,A,s,http://x/y,,,,,,", [":2: camera (摄像机): only rtsp"]),
        (
            "l,A,s,/dev/video0,office,geheim,,,,",
            [":2: wifi_password (无线密码): string", "8 to 63"],
        ),
        ("l,A,s,/dev/video0,,,192.168.1.300/24,192.168.1.1,,", [":2: address (地址):", "e.g."]),
        ("l,A,s,/dev/video0,,,,,,,more", [":2: has 11 cells"]),
        (f"Bad,A,s,0,,,,,,\n\n{GOOD}\nBad 2,A,s,0,,,,,,", [":2: id", ":5: id"]),
        ("", ["has no rows", "e.g."]),
    ],
)
def test_a_mistake_is_told_by_row_and_column(table, tmp_path, ca, rows, told):
    out = tmp_path / "out"
    with pytest.raises(BadInputError) as caught:
        write_sheet(table(HEAD + rows + "\n"), out, Common("b.example.org", 8883, ca, URL))
    assert [each for each in told if each not in str(caught.value)] == []
    assert "geheim" not in str(caught.value)
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,name,tenant\n", "lacks camera"),
        (b"id,name,tenant,camera,colour\n", "column 5 'colour'"),
        (b"id,id,name,tenant,camera\n", "has id twice"),
        (b"PK\x03\x04", "is a workbook"),
        (b"\xff\xfe1\x00", "UTF-16"),
        (b"id,\xff\xff\xff\xff\n", "neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_table_is_told(tmp_path, content, told):
    path = tmp_path / "sites.csv"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=told):
        read_sites(path, {})


def test_the_ids_of_a_sheet_are_printed_in_one_size_that_fits():
    short, long = Label("lobby-1", "A"), Label("x" * 30, "B")
    assert "font-size: 4.40mm" in sheet([short], str)
    assert "font-size: 2.30mm" in sheet([short, long], str)


def test_names_cannot_become_markup():
    page = sheet([Label("d", "<script>x</script>", "https://a")], lambda text: f"[{text}]")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "[https://a]" in page
