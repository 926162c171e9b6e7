"""The download cache: what was interrupted or lost a file is never taken for a whole Kafka. A script plays Maven."""

from pathlib import Path

import pytest

from pipeline.broker.errors import BrokerError
from pipeline.broker.jars import kafka_jars, kafka_version


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path / "cache" / "tidegauge"


def maven(tmp_path: Path, then: str) -> None:
    """A `mvn` that writes one jar, counts its calls, and then does as told."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    program = tmp_path / "bin" / "mvn"
    program.write_text(
        f"""#!/bin/sh
        echo called >> {tmp_path}/calls
        for word in "$@"; do case $word in -DoutputDirectory=*) folder=${{word#*=}} ;; esac; done
        echo jar > "$folder/kafka_2.13-{kafka_version()}.jar"
        {then}
        """,
        "utf-8",
    )
    program.chmod(0o755)


def calls(tmp_path: Path) -> int:
    return len((tmp_path / "calls").read_text("utf-8").splitlines())


def test_it_is_downloaded_once(tmp_path: Path, cache: Path) -> None:
    maven(tmp_path, "exit 0")
    said: list[str] = []
    home = kafka_jars(said.append)
    assert home.parent == cache
    assert "downloading Apache Kafka" in said[0]
    assert kafka_jars(said.append) == home
    assert calls(tmp_path) == 1


def test_a_failed_download_leaves_nothing_and_tells_what_maven_said(tmp_path: Path, cache: Path) -> None:
    maven(tmp_path, "echo '[ERROR] Unknown host'; exit 1")
    with pytest.raises(BrokerError, match=r"(?s)exit 1.*Unknown host"):
        kafka_jars(lambda words: None)
    assert [path.name for path in cache.iterdir()] == ["download.lock"]
    maven(tmp_path, "exit 0")
    assert kafka_jars(lambda words: None).is_dir()


def test_what_a_killed_download_left_is_swept_away(tmp_path: Path, cache: Path) -> None:
    (cache / "partial-xyz").mkdir(parents=True)
    (cache / "partial-xyz" / "kafka.jar").touch()
    maven(tmp_path, "exit 0")
    home = kafka_jars(lambda words: None)
    assert sorted(path.name for path in cache.iterdir()) == ["download.lock", home.name]


@pytest.mark.parametrize("loss", ["marker", "empty marker", "jar", "half a jar"])
def test_a_cache_that_lost_something_is_downloaded_anew(loss: str, tmp_path: Path, cache: Path) -> None:
    maven(tmp_path, "exit 0")
    home = kafka_jars(lambda words: None)
    marker, jar = home / "complete.json", home / f"kafka_2.13-{kafka_version()}.jar"
    match loss:
        case "marker":
            marker.unlink()
        case "empty marker":
            marker.write_text("", "utf-8")
        case "jar":
            jar.unlink()
        case "half a jar":
            jar.write_text("j", "utf-8")
    assert kafka_jars(lambda words: None) == home
    assert jar.read_text("utf-8") == "jar\n"
    assert calls(tmp_path) == 2


def test_a_maven_that_brings_no_kafka_is_not_believed(tmp_path: Path, cache: Path) -> None:
    maven(tmp_path, 'rm "$folder"/*.jar; echo other > "$folder/other.jar"')
    with pytest.raises(BrokerError, match="no Kafka"):
        kafka_jars(lambda words: None)
