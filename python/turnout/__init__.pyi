from turnout._dataplane import __version__ as __version__
from turnout.client.asynchronous import AsyncClient as AsyncClient
from turnout.client.blocking import Client as Client
from turnout.data.prediction import Prediction as Prediction
from turnout.errors import TurnoutError as TurnoutError
from turnout.pushing.push import PushResult as PushResult
from turnout.pushing.push import push as push
from turnout.serving.inprocess import Model as Model
from turnout.serving.inprocess import load as load
from turnout.serving.server import Server as Server

__all__ = [
    "AsyncClient",
    "Client",
    "Model",
    "Prediction",
    "PushResult",
    "Server",
    "TurnoutError",
    "__version__",
    "load",
    "push",
]
