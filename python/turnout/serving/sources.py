"""What a server serves, as the settings say."""

from pathlib import Path

from turnout.config.resolve import Config
from turnout.errors import ConfigError
from turnout.repository.layout import Source, classify_path, configured_source


def configured_sources(config: Config, name: str | None = None) -> list[Source]:
    """Returns what to serve: the setting `repository` where there is one, else each model that has a path of its own.

    Args:
        config: all settings; a path on the command line is the setting `repository`, and so beats the operator's file.
        name: what to call the only model; None takes the name of its file or folder.

    Raises:
        ConfigError: the settings name nothing, or a name is given where each model has one.
        RepositoryError: the repository cannot be read, or the name does not fit. A model's own path can wait.
    """
    repository = config.server.settings.repository
    if repository is not None:
        return [classify_path(Path(repository), name)]
    if not config.model_paths:
        hint = "`turnout serve model.onnx`, or a folder of models; or `path` in `[models.NAME]` of turnout.toml."
        raise ConfigError("nothing to serve was given", hint=hint)
    if name is not None:
        raise ConfigError(f"the models of `{config.file}` have names of their own: got `{name}`")
    return [configured_source(model, path) for model, path in config.model_paths.items()]
