"""Fixtures of the contract tests: a simulated tenant, a folder with a configuration that reaches it, the verbs of the clock."""

from tests.contracts.cli_tenant import desk, tenant, tenant_data
from tests.contracts.clock_cli import mail, run

__all__ = ["desk", "mail", "run", "tenant", "tenant_data"]
