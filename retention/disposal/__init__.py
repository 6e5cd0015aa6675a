"""How long our own copies are kept, what holds them, and how they are disposed of (issue 10; retention-domain §6)."""
