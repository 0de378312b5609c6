"""All dashboards, by the name of their file."""

from .health import LISTENERS
from .security import CREDENTIALS, REFUSALS
from .traffic import LIMITS, OVERVIEW, TENANTS

DASHBOARDS = {"overview": OVERVIEW, "tenants": TENANTS, "credentials": CREDENTIALS, "refusals": REFUSALS, "limits": LIMITS, "listeners": LISTENERS}
