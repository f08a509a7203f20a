"""A stand-in for an Odoo, for the models that the pull connection needs. It is not a second Odoo.

Its answers have the shape and the meaning of a real Odoo 18's, held against recorded exchanges by the tests.
"""

from odoo_sync.fake.gateway_module import GatewayModule
from odoo_sync.fake.gateway_routes import mount
from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.server import make_app

__all__ = ["FakeOdoo", "GatewayModule", "make_app", "mount"]
