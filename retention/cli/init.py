"""`lastcopy init`. Rules of this file: asking, calling and showing. Source: design §6, §7."""

import argparse
import sys
from pathlib import Path

from exporters.errors import ConfigurationError
from retention.cli.exit_codes import Exit
from retention.cli.options import Context, UsageError
from retention.cli.output import Output

EXAMPLES = """\
examples:
  lastcopy init                                                                asks for all it needs
  lastcopy init --tenant contoso.onmicrosoft.com --client-id 0d5…e1 --certificate file:./lastcopy.pem --store s3://bucket/contoso
  lastcopy init --tenant contoso.onmicrosoft.com --client-id 0d5…e1 --secret env:LASTCOPY_SECRET --store file:/srv/copy --force
"""
_QUESTIONS = {
    "tenant": "Tenant (its onmicrosoft.com domain or id)",
    "client_id": "Application (client) id, as the registration shows it",
    "store": "Store (a folder as file:/srv/copy, or s3://bucket/prefix)",
}
_REGISTRATION = """\
Register the application (once, by an administrator of the tenant):
  deploy/entra/register-app.sh            does it with the Azure CLI; or by hand in the Entra admin centre:
  1. App registrations, New registration, this directory only; copy the application (client) id.
  2. API permissions, Microsoft Graph, APPLICATION permissions:
       User.Read.All  Organization.Read.All  LicenseAssignment.Read.All
       for OneDrives: Files.Read.All
       for sites, and OneDrives of people who left: Sites.Read.All (for attachments of list items also Sites.Read.All of
                      SharePoint, and the certificate below: SharePoint's own API takes no secrets)
       for mailboxes: Mail.Read  MailboxSettings.Read  Contacts.Read  Calendars.Read  Tasks.Read.All  Group.Read.All
                      MailboxFolder.Read.All  MailboxItem.Read.All  MailboxItem.Export.All (archives, second capture)
       for the directory: Domain.Read.All  Group.Read.All  TermStore.Read.All
                      RoleManagement.Read.Directory  Member.Read.Hidden (roles, groups that hide their members)
       for `check --cancel` (optional): Domain.Read.All  RoleManagement.Read.Directory  eDiscovery.Read.All
       for a quicker and better `lastcopy plan`: Reports.Read.All (not in national clouds)
     then Grant admin consent. All of them only read.
  3. Certificates & secrets: upload a certificate. To make one:
       openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=lastcopy -keyout lastcopy.key -out lastcopy.crt
       cat lastcopy.key lastcopy.crt > lastcopy.pem && chmod 600 lastcopy.pem lastcopy.key     # upload lastcopy.crt alone
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this verb; what is not given is asked for on a terminal."""
    parser.add_argument("--tenant", metavar="ID", help="the tenant's onmicrosoft.com domain or id")
    parser.add_argument(
        "--cloud", metavar="NAME", default="worldwide", help="worldwide (default), gcc_high, dod, china, …"
    )
    parser.add_argument("--client-id", metavar="ID", help="application (client) id of the app registration")
    credential = parser.add_mutually_exclusive_group()
    credential.add_argument(
        "--certificate", metavar="REF", help="where key and certificate are: file:PATH (PEM), env:NAME, keyring:NAME"
    )
    credential.add_argument(
        "--secret", metavar="REF", help="where the client secret is: env:NAME, file:PATH, keyring:NAME"
    )
    parser.add_argument("--store", metavar="URL", help="where the copy goes: file:PATH or s3://bucket/prefix")
    parser.add_argument("--region", metavar="NAME", help="region of the bucket")
    parser.add_argument("--force", action="store_true", help="write over a configuration that is there")


def run(context: Context) -> int:
    """Write a configuration that is right, and say what to do next."""
    args, output, file = context.args, context.output, context.config_file
    if file.exists() and not args.force:
        raise ConfigurationError(
            f"there is a configuration {file} already",
            code="configuration_exists",
            action="Edit it, name another with --config, or write over it with --force.",
        )
    _ask_for_missing(args, output)
    text = _text(args)
    from retention.config import parse
    from retention.tenants import check_cloud_name

    settings = parse(text, file.name)
    check_cloud_name(args.cloud)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written ({error.strerror})",
            code="configuration_unwritable",
            action="Choose another place with --config.",
        ) from None
    output.document(
        {"config": str(file), "store": settings.store.url if settings.store else None, "exit": int(Exit.COMPLETE)}
    )
    output.mark("good", f"{file} is written; it holds no secret, only where that is.")
    output.say()
    output.say(_REGISTRATION)
    output.say(f"Next: lastcopy check{_config_option(file)}, then lastcopy export{_config_option(file)}")
    return Exit.COMPLETE


def _config_option(file: Path) -> str:
    return "" if str(file) == "lastcopy.yaml" else f" --config {file}"


def _ask_for_missing(args: argparse.Namespace, output: Output) -> None:
    """Raises: UsageError for what is missing where nobody can be asked."""
    missing = [name for name in _QUESTIONS if getattr(args, name) is None]
    if args.certificate is None and args.secret is None:
        missing.append("certificate")
    if not missing:
        return
    if output.as_json or not sys.stdin.isatty():
        options = ", ".join(
            "--certificate or --secret" if name == "certificate" else f"--{name.replace('_', '-')}" for name in missing
        )
        raise UsageError(
            f"{options}: missing, and nobody is here to be asked", "Give them as options; see `lastcopy init --help`."
        )
    for name, question in _QUESTIONS.items():
        while not getattr(args, name):
            setattr(args, name, input(f"{question}: ").strip())
    if args.certificate is None and args.secret is None:
        answer = input("Where is the certificate with its key (PEM)? [file:./lastcopy.pem]: ").strip()
        args.certificate = answer or "file:./lastcopy.pem"
        if ":" not in args.certificate:
            args.certificate = f"file:{args.certificate}"


def _text(args: argparse.Namespace) -> str:
    """The YAML; quoted, so that nothing that was typed can become another key."""
    import json

    def quoted(value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    credential = f"certificate: {quoted(args.certificate)}" if args.certificate else f"secret: {quoted(args.secret)}"
    region = f", region: {quoted(args.region)}" if args.region else ""
    return f"""\
# Lastcopy. Every key, with its default: config.example.yaml
tenant:
  id: {quoted(args.tenant)}
  cloud: {quoted(args.cloud)}
  client_id: {quoted(args.client_id)}
  credential: {{{credential}}}          # where it is, never the thing itself
store: {{url: {quoted(args.store)}{region}}}
sources:
  mail: all                             # all, none, or a list of names
  onedrive: all                         # all, none, or a list of names
  sharepoint: all                       # all, none, or a list of names (paths, such as sites/marketing)
  directory: on                         # users, groups with their members, licences, domains, roles, the term store
  archive: auto                         # archive mailboxes: auto, or none
  recoverable: none                     # Recoverable Items of mailboxes: none, or all
drive:
  versions: current                     # current, all, or the last N
  permissions: shared                   # none, shared, or all
"""
