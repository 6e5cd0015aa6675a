"""Fixtures of the contract tests: a simulated tenant, and a folder with a configuration that reaches it."""

from tests.contracts.cli_tenant import desk, tenant, tenant_data

__all__ = ["desk", "tenant", "tenant_data"]
