"""The runbook: what to do, in order, with this tenant's own names, domains and dates; as Markdown and as HTML.

Rules of this package: one document (`parts`), two renderings of it; no claim without a source; where no Dutch words are on
record the English ones are printed, and said to be so. Source: retention-domain §2, §3 ("Steps to show"), issue text.
"""
