"""Settings of SavedModels from file to answer, judged by TensorFlow's own session with the same `ConfigProto`."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import turnout
from tests.support.command import run
from tests.support.savedmodel import PYTHON, make_models, require_tensorflow
from tests.support.tensorflow_session import Job, Outcome, ask_tensorflow, rising
from turnout.errors import ConfigError, LoadFailedError

pytestmark = pytest.mark.timeout(180)
"""TensorFlow takes 8 s to be imported and 10 to make the models, on an idle machine."""

ROWS = (32, 64)
BFLOAT16 = "graph_options { rewrite_options { auto_mixed_precision_onednn_bfloat16: ON } }"
XLA = "graph_options { optimizer_options { global_jit_level: ON_1 cpu_global_jit: true } }"
PLAIN = "intra_op_parallelism_threads: 1 graph_options { rewrite_options { remapping: OFF } }"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_tensorflow()
    folder = tmp_path_factory.mktemp("settings")
    make_models(folder, "tagged", "layers", "nested")
    return folder / "models"


@pytest.fixture(scope="module")
def judged(repository: Path) -> dict[str, Outcome]:
    """What TensorFlow answers by each `ConfigProto`, and which operators it runs."""
    folder = str(repository / "layers" / "1")
    jobs = {text: Job(folder, ROWS, text) for text in ("", BFLOAT16, XLA, PLAIN)}
    return dict(zip(jobs, ask_tensorflow(PYTHON, list(jobs.values())), strict=True))


def ask(repository: Path, folder: Path, toml: str, model: str, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Asks a server with this `turnout.toml`."""
    file = folder / "turnout.toml"
    file.write_text(f"[models.{model}]\n{toml}")
    settings = {"cache_dir": str(folder / "cache"), "settle_ms": 0, "loops": 1}
    with turnout.Server(repository, config=file, settings=settings) as server:
        server.wait_ready(60)
        with turnout.Client(server.grpc_url) as client:
            return np.asarray(client.predict(model, {"x": x}).value)


def test_bfloat16_answers_as_tensorflow_does(repository: Path, judged: dict[str, Outcome], tmp_path: Path) -> None:
    got = ask(repository, tmp_path, 'mixed_precision = "bfloat16"', "layers", rising(ROWS))
    np.testing.assert_allclose(got, judged[BFLOAT16].y, atol=1e-6)
    exact = judged[""].y
    np.testing.assert_allclose(got, exact, atol=0.02)
    if "Cast" in judged[BFLOAT16].operators:
        assert np.abs(got - exact).max() > 1e-4, "the operators compute in float32"


def test_xla_answers_as_tensorflow_does(repository: Path, judged: dict[str, Outcome], tmp_path: Path) -> None:
    assert "_XlaRun" in judged[XLA].operators
    got = ask(repository, tmp_path, "xla = true", "layers", rising(ROWS))
    np.testing.assert_allclose(got, judged[XLA].y, atol=1e-5)


def test_a_session_file_is_obeyed(repository: Path, judged: dict[str, Outcome], tmp_path: Path) -> None:
    (tmp_path / "session.config").write_text(PLAIN)
    got = ask(repository, tmp_path, 'session_config_file = "session.config"', "layers", rising(ROWS))
    np.testing.assert_allclose(got, judged[PLAIN].y, atol=1e-6)


def test_threads_of_its_own_change_nothing(repository: Path, judged: dict[str, Outcome], tmp_path: Path) -> None:
    got = ask(repository, tmp_path, "inter_op_threads = 2\nintra_op_threads = 2", "layers", rising(ROWS))
    np.testing.assert_allclose(got, judged[""].y, atol=1e-6)


@pytest.mark.parametrize(
    ("tags", "factor"), [('["serve"]', 3.0), ('["serve", "twice"]', 6.0), ("[]", 1.0)], ids=["serve", "two", "none"]
)
def test_tags_choose_the_graph(repository: Path, tmp_path: Path, tags: str, factor: float) -> None:
    x = np.array([1, 2], np.float32)
    got = ask(repository, tmp_path, f"savedmodel_tags = {tags}", "tagged", x)
    assert got.tolist() == (x * factor).tolist()


def test_unknown_tags_fail_the_version_and_say_which_there_are(repository: Path, tmp_path: Path) -> None:
    settings = {"cache_dir": str(tmp_path), "settle_ms": 0, "loops": 1}
    model_settings = {"savedmodel_tags": ["train"]}
    server = turnout.Server(repository / "tagged", settings=settings, model_settings=model_settings)
    with server, pytest.raises(LoadFailedError, match="Could not find meta graph def") as caught:
        server.wait_ready(60)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith('there are: ["serve"], ["serve", "twice"], []')


def test_what_a_model_prints_is_logged(repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="turnout"):
        ask(repository, tmp_path, "", "nested", rising((3, 64)))
    assert "a model printed: a line of the model's own 3" in caplog.text


def test_a_wrong_file_stops_the_start_with_line_and_column(repository: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.config"
    file.write_text("intra_op_parallelism_threads: 1\n  graph_option {}")
    variables = {"TURNOUT_MODEL_SESSION_CONFIG_FILE": file.name}
    done = run(["serve", repository, "--rest-port", "0", "--grpc-port", "0"], tmp_path, variables=variables)
    assert done.exit_code != 0
    assert "`session.config`, line 2, column 3: expected a field of `ConfigProto`, got `graph_option`" in done.stderr
    assert "hint: Did you mean `graph_options`?" in done.stderr
    file.write_text("intra_op_parallelism_threads: 1")
    with pytest.raises(ConfigError, match=r"`intra_op_threads`.* is also said by .*line 1"):
        ask(
            repository, tmp_path, 'session_config_file = "session.config"\nintra_op_threads = 2', "layers", rising(ROWS)
        )
