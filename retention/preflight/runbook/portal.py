"""Names of pages, buttons and states in Microsoft's portals, in English and in Dutch, as Microsoft's own pages print them.

Rules of this file: a Dutch word stands here only with the page that prints it; None means that none is on record, and nobody
guesses. The Dutch pages are Microsoft's machine translations: buttons may read a little differently. Source: SEED, C24, RE,
CL, DOM (retention-domain, Sources); for Dutch the public repository MicrosoftDocs/microsoft-365-docs-pr.nl-NL, pages and dates
below.
"""

from typing import Final, NamedTuple

from retention.preflight.runbook.parts import Portal

PAGES: Final = {
    "CANCEL": ("Uw abonnement opzeggen", "2020-07-02"),
    "CLOSE": ("Uw account sluiten", "2021-04-02"),
    "REACTIVATE": ("Uw abonnement opnieuw activeren", "2021-05-19"),
    "DOMAIN": ("Een domein verwijderen", "2021-05-19"),
    "ENDS": ("Wat gebeurt er met mijn gegevens en toegang wanneer mijn abonnement afloopt?", "2020-05-08"),
    "PAYMENT": ("Betalingsmethoden beheren", "2021-04-30"),
    "BLOCK": ("Stap 1 - Een werknemer stoppen met aanmelden bij Microsoft 365", "2021-06-08"),
    "RENEW": ("Office 365 voor Bedrijven verlengen", "2020-04-07"),
}
"""Dutch pages of Microsoft, and the date of the translation."""


class Word(NamedTuple):
    """dutch: None if no page on record prints it. page: the one that does; also: what another page prints instead."""

    english: str
    dutch: str | None = None
    page: str = ""
    also: str = ""


_WORDS = (
    Word("Billing", "Facturering", "CANCEL"),
    Word("Your products", "Mijn producten", "CANCEL", "Uw producten"),
    Word("Products", "Producten", "CLOSE"),
    Word("More actions", "Meer acties", "CLOSE"),
    Word("Cancel subscription", "Abonnement opzeggen", "CANCEL", "Abonnement annuleren"),
    Word("Save", "Opslaan", "CLOSE"),
    Word("Subscriptions", "Abonnementen", "CANCEL"),
    Word("Delete subscription", "Abonnement verwijderen", "CLOSE"),
    Word("Users", "Gebruikers", "DOMAIN"),
    Word("Active users", "Actieve gebruikers", "DOMAIN"),
    Word("Change domains", "Domeinen wijzigen", "DOMAIN"),
    Word("Account", "Account", "DOMAIN"),
    Word("Manage username", "Gebruikersnaam beheren", "DOMAIN"),
    Word("Groups", "Groepen", "DOMAIN"),
    Word("Settings", "Instellingen", "DOMAIN"),
    Word("Domains", "Domeinen", "DOMAIN"),
    Word("Remove", "Verwijderen", "DOMAIN"),
    Word("Close", "Sluiten", "DOMAIN"),
    Word("Block this user", "Deze gebruiker blokkeren", "BLOCK"),
    Word("Block the user from signing in", "De gebruiker blokkeren om zich aan te melden", "BLOCK"),
    Word("Reactivate this subscription", "Dit abonnement opnieuw activeren", "REACTIVATE"),
    Word("Add payment method", "Betalingswijze toevoegen", "REACTIVATE"),
    Word("Bills & payments", "Facturen en betalingen", "PAYMENT"),
    Word("Payment methods", "Betalingsmethoden", "PAYMENT"),
    Word("Recurring billing", "Terugkerende facturering", "RENEW"),
    Word("Edit", "Bewerken", "RENEW"),
    Word("Turn off", "Uitschakelen", "RENEW"),
    Word("Active", "Actief", "ENDS"),
    Word("Expired", "Verlopen", "ENDS"),
    Word("Disabled", "Uitgeschakeld", "ENDS"),
    Word("Deprovisioned", "Gedeprovisioneerd", "ENDS"),
    Word("Unlicensed Product", "Product zonder licentie", "CANCEL"),
    Word("Global admin", "globale beheerder", "REACTIVATE"),
    Word("Billing admin", "factureringsbeheerder", "REACTIVATE"),
    *(
        Word(name)
        for name in ("Billing accounts", "Roles", "Remove licenses", "Help & support", "Setup", "Deleted users")
    ),
    *(
        Word(name)
        for name in (
            "Restore user",
            "Licenses and apps",
            "Set as default",
            "Deleted",
            "Cancelled",
            "Add a user",
            "Teams & groups",
        )
    ),
)
WORDS: Final = {word.english: word for word in _WORDS}
_SUBJECTS: Final = {
    "the subscription": "het abonnement",
    "the domain": "het domein",
    "the user": "de gebruiker",
    "the account": "de rekening",
}
"""What is no name of a page but what is chosen on it."""


def path(*crumbs: str) -> Portal:
    """A way through the admin center. Raises: KeyError for a name that is not in the table."""
    dutch, lacking, also = [], [], []
    for crumb in crumbs:
        word = WORDS[crumb] if crumb not in _SUBJECTS else Word(crumb, _SUBJECTS[crumb])
        dutch.append(word.dutch or word.english)
        if word.dutch is None:
            lacking.append(word.english)
        if word.also:
            also.append(f"{word.dutch}, on other pages {word.also}")
    english = f"Admin center: {' > '.join(crumbs)}"
    if all(crumb in _SUBJECTS or WORDS[crumb].dutch is None for crumb in crumbs):
        return Portal(english, None)
    told = [f"no Dutch on record for {', '.join(lacking)}"] if lacking else []
    return Portal(english, f"Beheercentrum: {' > '.join(dutch)}", "; ".join([*told, *also]))


def both(english: str) -> str:
    """A word in both languages, as `Disabled (Dutch: Uitgeschakeld)`. Raises: KeyError."""
    word = WORDS[english]
    return f"{english} (Dutch: {word.dutch})" if word.dutch else f"{english} (no Dutch on record)"
