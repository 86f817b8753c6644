"""Every command finds the same file for the same name or path of a configuration."""

import json
from pathlib import Path

import pytest

from denodo_ha.environment.loading.configuration_file import (
    DEFAULT,
    choice_notice,
    configuration_choice,
    find_configuration,
)
from denodo_ha.environment.loading.problem import ConfigError
from tests.support.assembly import EXAMPLES, ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a clone with configurations, one of which has the name of an example."""
    (tmp_path / "config/examples").mkdir(parents=True)
    for name in ("prod", "prod.pins", "both", "examples/both", "examples/active-passive"):
        (tmp_path / f"config/{name}.yaml").touch()
    (tmp_path / "config/short.yml").touch()
    return tmp_path


class TestChosen:
    """The chosen configuration in the CDK's context."""

    def test_nothing_is_the_default(self) -> None:
        assert configuration_choice({}) == DEFAULT == "active-passive"
        assert configuration_choice({"config": None}) == DEFAULT

    def test_config_is_the_choice(self) -> None:
        assert configuration_choice({"config": "prod"}) == "prod"

    @pytest.mark.parametrize(
        "key", ["Config", "CONFIG", "confg", "conf", "configs", "configuration", "cfg"]
    )
    def test_misspelt_key_is_refused(self, key: str) -> None:
        with pytest.raises(ConfigError) as caught:
            configuration_choice({key: "prod", "other": 1})
        assert str(caught.value) == (
            f"-c: {key} is an unknown context key; the key that selects the configuration is "
            f"config, and the key {key} would be ignored; write -c config=prod"
        )

    def test_keys_of_the_cdk_are_no_misspelt_ones(self) -> None:
        context = json.loads((ROOT / "cdk.json").read_text())["context"]
        tool = {
            "aws:cdk:enable-path-metadata": True,
            "aws:cdk:bundling-stacks": ["**"],
            "availability-zones:account=111122223333:region=eu-west-1": ["eu-west-1a"],
        }
        assert configuration_choice({**context, **tool}) == DEFAULT

    def test_empty_choice_is_not_the_default(self, root: Path) -> None:
        """With an unset variable, `-c config=$NAME` passes an empty text."""
        assert configuration_choice({"config": ""}) == ""
        with pytest.raises(ConfigError, match="neither config/"):
            find_configuration("", root)


def test_the_default_is_said_to_be_one() -> None:
    """The notice names the default, since the CDK CLI ignores an argument such as `-c prod`."""
    file = Path("config/examples/active-passive.yaml")
    assert choice_notice({"config": "active-passive"}, file) == f"Configuration: {file}"
    assert choice_notice({}, file).endswith(", the default; -c config=NAME selects another file")


class TestFind:
    """Find a configuration file by a name or a path."""

    def test_name_in_config(self, root: Path) -> None:
        assert find_configuration("prod", root) == root / "config/prod.yaml"
        assert find_configuration("short", root) == root / "config/short.yml"

    def test_name_in_examples(self, root: Path) -> None:
        assert (
            find_configuration("active-passive", root)
            == root / "config/examples/active-passive.yaml"
        )

    def test_own_one_comes_before_the_example(self, root: Path) -> None:
        assert find_configuration("both", root) == root / "config/both.yaml"

    def test_path(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        assert find_configuration("config/prod.yaml", root) == Path("config/prod.yaml")
        assert find_configuration(str(root / "config/prod.yaml"), root) == root / "config/prod.yaml"
        # A path is relative to the folder in which the command is called, not to the clone.
        monkeypatch.chdir(root / "config")
        assert find_configuration("prod.yaml", root) == Path("prod.yaml")
        assert find_configuration("./prod.yaml", root) == Path("prod.yaml")

    def test_path_from_home(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(root))
        assert find_configuration("~/config/prod.yaml", root) == root / "config/prod.yaml"

    def test_is_shown_from_where_we_are(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        assert find_configuration("prod", root) == Path("config/prod.yaml")

    def test_unknown_name_is_refused_with_the_nearest(self, root: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            find_configuration("active-pasive", root)
        assert str(caught.value) == (
            "-c config: neither config/active-pasive.yaml nor config/examples/active-pasive.yaml "
            "is a file (active-pasive); -c config= needs a path, or the name of a file in config/ "
            "or config/examples/; did you mean active-passive?"
        )

    def test_name_that_resembles_none_is_refused_with_all(self, root: Path) -> None:
        with pytest.raises(ConfigError, match=r"known names are active-passive, both, prod, sho"):
            find_configuration("xyz", root)

    @pytest.mark.parametrize(
        "choice",
        ["nowhere.yaml", "a/b", "~nobody-of-that-name/x.yaml", f"{'x' * 300}.yaml", "x" * 300, "/"],
    )
    def test_path_to_nothing_is_refused(self, root: Path, choice: str) -> None:
        with pytest.raises(ConfigError, match=r"is a file|the file does not exist|is a folder"):
            find_configuration(choice, root)

    def test_a_folder_with_the_name_is_said_to_be_one(self, root: Path) -> None:
        (root / "config/dir.yaml").mkdir()
        for choice in ("dir", str(root / "config/dir.yaml")):
            with pytest.raises(ConfigError, match=r"config/dir\.yaml is a folder"):
                find_configuration(choice, root)

    def test_examples_of_the_project_are_found(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(root)
        assert [find_configuration(file.stem, ROOT) for file in EXAMPLES] == EXAMPLES
        assert find_configuration(DEFAULT, ROOT) in EXAMPLES
