from turnout._dataplane import __version__ as __version__
from turnout.client.asynchronous import AsyncClient as AsyncClient
from turnout.client.blocking import Client as Client
from turnout.errors import TurnoutError as TurnoutError
from turnout.inprocess import Model as Model
from turnout.inprocess import load as load
from turnout.prediction import Prediction as Prediction
from turnout.pushing.push import PushResult as PushResult
from turnout.pushing.push import push as push
from turnout.server import Server as Server

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
