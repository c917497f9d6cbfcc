"""What is made of another list of models, without a server."""

from pathlib import Path
from typing import Any

import pytest

from turnout.errors import ConfigError, UnavailableError
from turnout.text_proto.reader import parse_message
from turnout.tf_serving import messages
from turnout.tf_serving.reloading import ConfigPoll, check_models


class Taker:
    """Stands for the server: remembers what it is told to serve."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.fault: UnavailableError | None = None

    def take(self, file: str, config: Any) -> list[str]:
        if self.fault is not None:
            raise self.fault
        names = [model.text("name") for model in config.record("model_config_list").records("config")]
        self.taken.append(names)
        return names


def models(*names: str) -> str:
    return "model_config_list {" + "".join(f" config {{ name: '{name}' base_path: '/m' }}" for name in names) + " }"


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models.config"
    path.write_text(models("a"))
    return path


def test_only_what_changed_is_taken_over(file: Path, taker: Taker) -> None:
    poll = ConfigPoll(file, 1, taker)
    poll.look()
    file.write_text(models("a", "b"))
    poll.look()
    poll.look()
    assert taker.taken == [["a", "b"]]


def test_a_fault_is_told_once_and_tried_again(file: Path, taker: Taker, caplog: pytest.LogCaptureFixture) -> None:
    poll = ConfigPoll(file, 1, taker)
    file.write_text("model_config_list {")
    for _ in range(3):
        poll.look()
    file.unlink()
    for _ in range(3):
        poll.look()
    file.write_text(models("b"))
    taker.fault = UnavailableError("the manager is busy")
    poll.look()
    taker.fault = None
    poll.look()
    poll.look()
    assert taker.taken == [["b"]]
    faults = [record.getMessage() for record in caplog.records]
    assert len(faults) == 3
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:20:" in faults[0]
    assert "No such file or directory" in faults[1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (models("a", "b"), ""),
        ("", ""),
        (models("a", "a"), "Illegal to list model a multiple times in config list"),
        (
            "model_config_list { config { name: 'a' } }",
            "Expected model a to have an absolute path or URI; got base_path()=",
        ),
        (
            "model_config_list { config { name: 'a' base_path: '/m' model_platform: 'x' } }",
            "Model a requests unsupported platform x",
        ),
    ],
)
def test_what_upstream_refuses_is_refused_in_its_words(text: str, fault: str) -> None:
    config = parse_message(text, messages.MODEL_SERVER_CONFIG, "text")
    if not fault:
        check_models(config, allow_relative=False)
        return
    with pytest.raises(ConfigError) as caught:
        check_models(config, allow_relative=False)
    assert caught.value.message == fault


def test_a_relative_path_is_the_file_s_business_alone() -> None:
    config = parse_message(models("a").replace("/m", "m"), messages.MODEL_SERVER_CONFIG, "text")
    check_models(config, allow_relative=True)
    with pytest.raises(ConfigError, match="got base_path"):
        check_models(config, allow_relative=False)
