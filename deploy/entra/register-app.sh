#!/bin/sh
# Registers Lastcopy in a tenant with the least permissions that copying OneDrives, mailboxes and sites needs, all of them
# read-only, and a certificate of its own. Needs the Azure CLI (az), openssl, and an administrator who may give consent.
#
#   deploy/entra/register-app.sh TENANT [CLOUD] [FOLDER]
#     TENANT  domain or id, such as contoso.onmicrosoft.com
#     CLOUD   worldwide (default; also GCC), usgov_l4, usgov_l5, china
#     FOLDER  where lastcopy.pem (key and certificate) is, or is made; default: the current folder
#
# WITH_EDISCOVERY=1 before it also asks for eDiscovery.Read.All, by which `check --cancel` sees holds.
# Run again, it finds the registration by its name and adds what is missing. Nothing is sent but to Microsoft.
set -eu

NAME="Lastcopy (read-only export)"
GRAPH=00000003-0000-0000-c000-000000000000 # the application id of Microsoft Graph, alike in all clouds
SHAREPOINT=00000003-0000-0ff1-ce00-000000000000 # and of SharePoint, whose own API alone has attachments of list items

if [ $# -lt 1 ] || [ $# -gt 3 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
tenant=$1
cloud=${2:-worldwide}
folder=${3:-.}

case $cloud in
    worldwide | gcc) az_cloud=AzureCloud ;;
    usgov_l4 | gcc_high | usgov_l5 | dod) az_cloud=AzureUSGovernment ;;
    china) az_cloud=AzureChinaCloud ;;
    *)
        echo "There is no cloud '$cloud'. Allowed: worldwide, gcc, usgov_l4, usgov_l5, china." >&2
        exit 2
        ;;
esac
for tool in az openssl; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "The command '$tool' is missing. Install it, and run this again." >&2
        exit 2
    fi
done

# Name and app-role id of each permission. User.Read.All: users and their licences; Organization.Read.All: which tenant
# this is; LicenseAssignment.Read.All: how many seats, hence which limits; Domain.Read.All: domains and their records;
# Files.Read.All: drives, content, versions, permissions; Sites.Read.All: the sites that drives lie in; Mail.Read: folders
# and messages; MailboxSettings.Read: rules, categories, settings; Contacts.Read, Calendars.Read, Tasks.Read.All;
# Group.Read.All: which groups there are, their members, and their conversations; MailboxFolder.Read.All, MailboxItem.Read.All
# and MailboxItem.Export.All: archive mailboxes and the second capture of each item; TermStore.Read.All: managed metadata;
# RoleManagement.Read.Directory: who is an administrator; Member.Read.Hidden: members of groups that hide them. Optional, for
# `check --cancel` alone and only with WITH_EDISCOVERY=1: eDiscovery.Read.All, holds (else attest PF-21).
permissions="
User.Read.All df021288-bdef-4463-88db-98f22de89214
Organization.Read.All 498476ce-e0fe-48b0-b801-37ba7e2685c6
LicenseAssignment.Read.All e2f98668-2877-4f38-a2f4-8202e0717aa1
Domain.Read.All dbb9058a-0e50-45d7-ae91-66909b5d4664
Files.Read.All 01d4889c-1287-42c6-ac1f-5d1e02578ef6
Sites.Read.All 332a536c-c7ef-4017-ab91-336970924f0d
Mail.Read 810c84a8-4a9e-49e6-bf7d-12d183f40d01
MailboxSettings.Read 40f97065-369a-49f4-947c-6a255697ae91
Contacts.Read 089fe4d0-434a-44c5-8827-41ba8a0b17f5
Calendars.Read 798ee544-9d2d-430c-a058-570e29e34338
Group.Read.All 5b567255-7703-4780-807c-7be8301ae99b
TermStore.Read.All ea047cc2-df29-4f3e-83a3-205de61501ca
RoleManagement.Read.Directory 483bed4a-2ad3-4361-a73b-c83ccdbdc53c
Member.Read.Hidden 658aa5d8-239f-45c4-aa12-864f4fc7e490
"
# Not every cloud has these (graph.md 2.2): To Do and eDiscovery are missing in China, the mailbox export API everywhere but worldwide.
if [ "$az_cloud" != AzureChinaCloud ]; then
    permissions="$permissions
Tasks.Read.All f10e1f91-74ed-437f-a6fd-d6ae88e26c1f
"
fi
if [ "$az_cloud" != AzureChinaCloud ] && [ -n "${WITH_EDISCOVERY:-}" ]; then
    permissions="$permissions
eDiscovery.Read.All 50180013-6191-4d1e-a373-e590ff4e66af
"
fi
if [ "$az_cloud" = AzureCloud ]; then
    permissions="$permissions
MailboxFolder.Read.All 99280d24-a782-4793-93cc-0888549957f6
MailboxItem.Read.All 7d9f353d-a7bd-4fbb-822a-26d5dd39a3ce
MailboxItem.Export.All 937550e9-33a3-494b-88ae-d9cd394b1fbb
"
fi

pem=$folder/lastcopy.pem
public=$folder/lastcopy-public.pem
if [ ! -e "$pem" ]; then
    echo "Making a key and a certificate for two years: $pem"
    umask 077
    openssl req -x509 -newkey rsa:3072 -sha256 -days 730 -nodes -subj "/CN=lastcopy" \
        -keyout "$pem.key" -out "$public" 2>/dev/null
    cat "$pem.key" "$public" >"$pem"
    rm -f "$pem.key"
else
    echo "Using the certificate in $pem"
    openssl x509 -in "$pem" -out "$public"
fi

az cloud set --name "$az_cloud"
az login --tenant "$tenant" --allow-no-subscriptions --output none

app=$(az ad app list --filter "displayName eq '$NAME'" --query '[0].appId' --output tsv)
if [ -z "$app" ]; then
    app=$(az ad app create --display-name "$NAME" --sign-in-audience AzureADMyOrg --query appId --output tsv)
    echo "Registered: $app"
else
    echo "Already registered: $app"
fi
if [ -z "$(az ad sp list --filter "appId eq '$app'" --query '[0].id' --output tsv)" ]; then
    az ad sp create --id "$app" --output none
fi

# The certificate's public half only; what is registered already stays.
az ad app credential reset --id "$app" --cert "@$public" --append --output none

ask_for() { # application id of the API, name of the permission, its role
    held=$(az ad app show --id "$app" \
        --query "requiredResourceAccess[?resourceAppId=='$1'].resourceAccess[] | [?id=='$3'] | length(@)" \
        --output tsv </dev/null)
    if [ "${held:-0}" = 0 ]; then
        az ad app permission add --id "$app" --api "$1" --api-permissions "$3=Role" --output none </dev/null
        echo "Asked for: $2"
    fi
}

echo "$permissions" | while read -r permission role; do
    [ -z "$permission" ] || ask_for "$GRAPH" "$permission" "$role"
done
ask_for "$SHAREPOINT" "Sites.Read.All of SharePoint" d13f72ca-a275-4b96-b789-48ebcc4da984

# A new registration takes a while to be known everywhere.
tries=0
until az ad app permission admin-consent --id "$app" --output none 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 6 ]; then
        echo "Consent could not be given. Let a Global or Privileged Role Administrator open the portal:" >&2
        echo "Entra ID, App registrations, '$NAME', API permissions, Grant admin consent." >&2
        break
    fi
    sleep 10
done

cat <<YAML

Put this into lastcopy.yaml, and keep $pem as you would a password:

tenant:
  id: $tenant
  cloud: $cloud
  client_id: $app
  credential: {certificate: file:$pem}
YAML
