"""May I cancel: what stands in the way of cancelling, found out, attested, overridden by name, and put on record.

Rules of this package: facts are gathered apart from judging; judging is pure. What could not be looked at is `not_checked`, never
`pass`. Source: retention-domain §3.
"""
