"""What there is to list in a directory: a table, one row for each kind of thing.

Rules of this file: data only. Nothing secret is ever selected (`passwordProfile` and the like). `$select` names what the
collection itself serves to an application; where a cloud knows less, the narrow one is asked for. Source: graph.md §2.1,
§3.1, §8.1.
"""

from dataclasses import dataclass, field

from exporters.graph.limits import Cost

PAGE = "999"
_NARROW_USER = (
    "id,userPrincipalName,displayName,mail,userType,accountEnabled,proxyAddresses,assignedLicenses,assignedPlans,provisionedPlans,"
    "usageLocation,createdDateTime,onPremisesSyncEnabled,showInAddressList"
)
_USER = (
    f"{_NARROW_USER},ageGroup,businessPhones,city,companyName,consentProvidedForMinor,country,creationType,deletedDateTime,department,"
    "employeeHireDate,employeeId,employeeOrgData,employeeType,externalUserState,externalUserStateChangeDateTime,faxNumber,givenName,"
    "identities,imAddresses,isResourceAccount,jobTitle,lastPasswordChangeDateTime,legalAgeGroupClassification,"
    "licenseAssignmentStates,mailNickname,mobilePhone,officeLocation,onPremisesDistinguishedName,onPremisesDomainName,"
    "onPremisesExtensionAttributes,onPremisesImmutableId,onPremisesLastSyncDateTime,onPremisesSamAccountName,"
    "onPremisesSecurityIdentifier,onPremisesUserPrincipalName,otherMails,passwordPolicies,postalCode,preferredDataLocation,"
    "preferredLanguage,securityIdentifier,state,streetAddress,surname"
)
_NARROW_GROUP = (
    "id,displayName,description,mail,mailEnabled,mailNickname,securityEnabled,groupTypes,visibility,createdDateTime"
)
_GROUP = (
    f"{_NARROW_GROUP},assignedLicenses,classification,deletedDateTime,expirationDateTime,isAssignableToRole,membershipRule,"
    "membershipRuleProcessingState,onPremisesDomainName,onPremisesLastSyncDateTime,onPremisesNetBiosName,"
    "onPremisesSamAccountName,onPremisesSecurityIdentifier,onPremisesSyncEnabled,preferredDataLocation,preferredLanguage,"
    "proxyAddresses,renewedDateTime,resourceBehaviorOptions,resourceProvisioningOptions,securityIdentifier,theme"
)
MEMBER_SELECT = "id,displayName,mail,userPrincipalName"


@dataclass(frozen=True, slots=True)
class Folder:
    """id: of its row, and the name of its folder. stem: of the objects that hold its lines. path: of its listing in Graph.
    counted: whether the service counts it by `$count`. narrow: what is selected where `params` are refused. wanted: whether
    its lack makes the copy partial; else it is taken where it can be had."""

    id: str
    kind: str
    stem: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    cost: Cost = Cost.DIRECTORY
    counted: bool = False
    narrow: str = ""
    wanted: bool = True


_DELETED = "/directory/deletedItems/microsoft.graph"
LICENCES = Folder("licences", "licence", "licences", "/subscribedSkus", cost=Cost.SUBSCRIBED_SKUS)
USERS = Folder(
    "users", "user", "users", "/users", {"$select": _USER, "$top": PAGE}, Cost.USERS, counted=True, narrow=_NARROW_USER
)
DELETED_USERS = Folder(
    "deleted_users",
    "user",
    "users",
    f"{_DELETED}.user",
    {"$select": _USER, "$top": PAGE},
    counted=True,
    narrow=f"{_NARROW_USER},deletedDateTime",
)
GROUPS = Folder(
    "groups", "group", "groups", "/groups", {"$select": _GROUP, "$top": PAGE}, counted=True, narrow=_NARROW_GROUP
)
DELETED_GROUPS = Folder(
    "deleted_groups",
    "group",
    "groups",
    f"{_DELETED}.group",
    {"$select": _GROUP, "$top": PAGE},
    counted=True,
    narrow=f"{_NARROW_GROUP},deletedDateTime",
)
DOMAINS = Folder("domains", "domain", "domains", "/domains")
ROLES = Folder("roles", "role", "roles", "/directoryRoles", wanted=False)
TERMS = Folder("terms", "term", "terms", "/sites/root/termStore")
FOLDERS = (
    Folder("organization", "organization", "organization", "/organization"),
    LICENCES,
    Folder("subscriptions", "subscription", "subscriptions", "/directory/subscriptions"),
    DOMAINS,
    USERS,
    DELETED_USERS,
    GROUPS,
    DELETED_GROUPS,
    ROLES,
    TERMS,
)
"""In the order in which they are listed: names of licences first, and what was deleted after what may just be."""
