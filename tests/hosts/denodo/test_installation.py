"""`install` refuses an unsuitable image at first boot, and only warns on an installed node."""

import shutil
from pathlib import Path

import pytest

from hosts.denodo import image_findings, installation, node_warnings
from hosts.denodo.apply import apply
from hosts.denodo.errors import ImageError
from hosts.denodo.record import Record
from hosts.denodo.servers import scripts
from tests.hosts.denodo.home import Home

_NO_JAVA = "neither {home}/jre/bin/java nor {other} exists; install a Java for Denodo 8.0"


@pytest.fixture(autouse=True)
def _no_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)


def _refused(home: Home, root: Path, **changes: object) -> str:
    with pytest.raises(ImageError) as refused:
        installation.install(home.state(**changes), "/denodo/x", region="", root=root)
    return str(refused.value)


def test_an_installation_elsewhere_is_named(home: Home, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("opt/denodo/denodo-platform-8.0", "opt/other", "opt/denodo/solution-manager"):
        (root / folder / "bin").mkdir(parents=True)
    for folder in ("opt/denodo/denodo-platform-8.0", "opt/other"):
        (root / folder / "bin/vqlserver_startup.sh").touch()
    (root / "opt/denodo-current").symlink_to("denodo/denodo-platform-8.0")
    text = _refused(home, root, denodo__home="/opt/denodo/denodo_platform_8_0")
    expected = (
        "/opt/denodo/denodo_platform_8_0/bin is missing; install Denodo 8.0 there, or change"
        " denodo.home: Denodo is in /opt/denodo-current and in /opt/denodo/denodo-platform-8.0"
    )
    assert expected in text
    shutil.rmtree(root / "opt")
    text = _refused(home, root, denodo__home="/opt/denodo/denodo_platform_8_0")
    assert "or write the folder of the installed Denodo into denodo.home" in text


def test_java_is_demanded_at_first_boot_only(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home.path / "jre")
    root = tmp_path / "root"
    missing = _NO_JAVA.format(home=home.path, other="JAVA_HOME")
    assert missing in _refused(home, root)
    environment = root / "etc/denodo-node/environment"
    environment.parent.mkdir(parents=True)
    environment.touch()
    installation.install(home.state(), "/denodo/x", region="", root=root)
    assert missing in capsys.readouterr().out
    apply(home.system, home.state())
    assert missing in "".join(node_warnings.warnings(home.system, Record(home.system)))


@pytest.mark.parametrize("by", ["key", "environment", "bundled"])
def test_a_java_is_found(home: Home, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    java = home.folder / "java-11"
    if by != "bundled":
        shutil.rmtree(home.path / "jre")
    state = home.state(denodo__java_home=str(java)) if by == "key" else home.state()
    if by == "environment":
        monkeypatch.setenv("JAVA_HOME", str(java))
    if by != "bundled":
        expected = _NO_JAVA.format(home=home.path, other=f"{java}/bin/java")
        assert scripts.missing_java(state).startswith(expected)
    home.bundle_java(java)
    assert scripts.missing_java(state) == ""


def test_scripts_get_the_java_of_the_state(home: Home) -> None:
    apply(home.system, home.state(denodo__java_home="/opt/java-11"))
    running = home.running()
    assert running
    assert running["java_home"] == "/opt/java-11"


@pytest.mark.parametrize("file", ["usr/bin", "snap/amazon-ssm-agent/current"])
def test_the_ssm_agent_is_looked_for(tmp_path: Path, file: str) -> None:
    assert "install amazon-ssm-agent" in image_findings.missing_agent(tmp_path)
    (tmp_path / file).mkdir(parents=True)
    (tmp_path / file / "amazon-ssm-agent").touch()
    assert image_findings.missing_agent(tmp_path) == ""
