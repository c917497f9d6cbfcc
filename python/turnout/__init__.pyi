from turnout._dataplane import __version__ as __version__
from turnout.client.asynchronous import AsyncClient as AsyncClient
from turnout.client.blocking import Client as Client
from turnout.errors import TurnoutError as TurnoutError
from turnout.prediction import Prediction as Prediction

__all__ = ["AsyncClient", "Client", "Prediction", "TurnoutError", "__version__"]
