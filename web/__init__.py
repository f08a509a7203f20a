"""The pages and the HTTP API over the host controller."""

from web.api import make_api
from web.app import create_app
from web.gateway import make_gateway_app
from web.gateway_server import make_gateway_server
from web.pages import make_pages
from web.services import Services

__all__ = ["Services", "create_app", "make_api", "make_gateway_app", "make_gateway_server", "make_pages"]
