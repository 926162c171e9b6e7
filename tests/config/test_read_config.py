"""Reading from disk: whatever is there, a config or ConfigErrors."""

from pathlib import Path

import pytest

from pipeline.config import default_rules, read_config
from schemas.config import ConfigErrors
from schemas.metric import Series

ROOT = Path(__file__).parents[2]


def test_the_shipped_example_is_fine_with_the_real_detectors() -> None:
    assert [rule.name for rule in read_config(ROOT / "examples/tidegauge.yaml").rules]


def test_the_default_watches_every_series_and_warns_at_its_own_border() -> None:
    (rule,) = default_rules()
    assert rule.selector.matches(Series.of("anything", {"a": "b"}))
    assert [(level.name, str(level.open)) for level in rule.levels] == [("warning", ">= 1"), ("critical", ">= 2")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "1: config: no such file; name one with -c, or start from examples/tidegauge.yaml"),
        (b"a: b\nc: \xff\n", "2: config: not UTF-8 (byte 0xff); save the file as UTF-8"),
        (b"#" * 4_000_001, "1: config: larger than 4,000,000 bytes, which no config needs"),
        (b"\xef\xbb\xbfrules: 3\r\n", "1: rules: must be a list, got 3"),
        (b"", "1: config: the file is empty; it needs at least rules (see examples/tidegauge.yaml)"),
    ],
)
def test_a_file_that_cant_be_read_says_why(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "c.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigErrors) as found:
        read_config(path)
    assert str(found.value) == f"{path}:{says}"


def test_included_files_and_templates_are_looked_for_beside_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DB", "sqlite:///elsewhere.db")
    (tmp_path / "am" / "texts").mkdir(parents=True)
    (tmp_path / "c.yaml").write_text("include: [am/alertmanager.yml]\ndesk: {database: '${env:DESK_DB}'}")
    (tmp_path / "am" / "alertmanager.yml").write_text(
        "route: {receiver: x}\nreceivers: [{name: x}]\ntemplates: ['texts/*.tmpl']"
    )
    (tmp_path / "am" / "texts" / "a.tmpl").write_text("A")
    desk = read_config(tmp_path / "c.yaml", need_rules=False).desk
    assert desk.templates == {str(tmp_path / "am" / "texts" / "a.tmpl"): "A"}
    assert (desk.route.receiver, desk.server.database_url) == ("x", "sqlite:///elsewhere.db")


def test_an_included_file_that_cant_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    path.write_text("include:\n  - a.yaml\n  - b.yaml")
    with pytest.raises(ConfigErrors) as found:
        read_config(path, need_rules=False)
    assert str(found.value).splitlines() == [
        f"{path}:2: include[0]: {tmp_path / 'a.yaml'}: no such file",
        f"{path}:3: include[1]: {tmp_path / 'b.yaml'}: not UTF-8 (byte 0xff); save the file as UTF-8",
    ]


@pytest.mark.parametrize(
    ("zone", "expected"), [("Asia/Tokyo", "Asia/Tokyo"), (":Asia/Tokyo", "Asia/Tokyo"), ("../x", "UTC")]
)
def test_the_machines_time_zone_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str, expected: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    path = tmp_path / "c.yaml"
    path.write_text("time_intervals: [{name: t, time_intervals: [{location: Local}]}]")
    assert read_config(path, need_rules=False).desk.time_intervals["t"][0].location == expected


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="is a folder; name the file in it"):
        read_config(tmp_path)
