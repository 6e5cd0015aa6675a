"""May the subscription be cancelled: the gate, and each reason why not.

Source: design §6 (`ready --json`), retention-domain §3 (PF-01), §4.
"""
