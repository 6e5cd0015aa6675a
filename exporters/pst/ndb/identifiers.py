"""Node identifiers: their types, the fixed ones, and the counters that hand out new ones.

Rules of this file: no I/O. An index is handed out once per file and type, above the start value; the header keeps the
highest.
Source: [MS-PST] 2.2.2.1 (NID), 2.2.2.6 (rgnid), 2.4.1 (special NIDs); reference/pst-format.md §1.3, §6.1.
"""

from enum import IntEnum

from exporters.pst.errors import LimitReached

MAX_INDEX = (1 << 27) - 1


class NidType(IntEnum):
    """nidType, the low five bits of a NID ([MS-PST] 2.2.2.1)."""

    INTERNAL = 0x01
    NORMAL_FOLDER = 0x02
    SEARCH_FOLDER = 0x03
    NORMAL_MESSAGE = 0x04
    ATTACHMENT = 0x05
    SEARCH_UPDATE_QUEUE = 0x06
    SEARCH_CRITERIA = 0x07
    ASSOC_MESSAGE = 0x08
    HIERARCHY_TABLE = 0x0D
    CONTENTS_TABLE = 0x0E
    ASSOC_CONTENTS_TABLE = 0x0F
    SEARCH_CONTENTS_TABLE = 0x10
    ATTACHMENT_TABLE = 0x11
    RECIPIENT_TABLE = 0x12
    LTP = 0x1F


class SpecialNid(IntEnum):
    """Nodes with fixed numbers ([MS-PST] 2.4.1, 2.7.1) and those that every writer numbers alike."""

    MESSAGE_STORE = 0x21
    NAME_TO_ID_MAP = 0x61
    ROOT_FOLDER = 0x122
    SEARCH_MANAGEMENT_QUEUE = 0x1E1
    SEARCH_ACTIVITY_LIST = 0x201
    SEARCH_DOMAIN_OBJECT = 0x261
    HIERARCHY_TABLE_TEMPLATE = 0x60D
    CONTENTS_TABLE_TEMPLATE = 0x60E
    ASSOC_CONTENTS_TABLE_TEMPLATE = 0x60F
    SEARCH_CONTENTS_TABLE_TEMPLATE = 0x610
    RECEIVE_FOLDER_TABLE = 0x62B
    OUTGOING_QUEUE_TABLE = 0x64C
    ATTACHMENT_TABLE = 0x671
    RECIPIENT_TABLE = 0x692
    ID_MAP = 0xC01
    SPAM_SEARCH_FOLDER = 0x2223
    IPM_SUBTREE = 0x8022
    SEARCH_ROOT = 0x8042
    DELETED_ITEMS = 0x8062
    COMMON_VIEWS = 0x8082


def make_nid(kind: int, index: int) -> int:
    """The NID of `index` within the type `kind`."""
    return index << 5 | kind


class NidCounters:
    """The highest nidIndex in use of each of the 32 types: rgnid of the header."""

    def __init__(self) -> None:
        self.rgnid = [0x400] * 32
        self.rgnid[NidType.SEARCH_FOLDER] = 0x4000
        self.rgnid[NidType.NORMAL_MESSAGE] = 0x10000
        self.rgnid[NidType.ASSOC_MESSAGE] = 0x8000

    def take(self, kind: int) -> int:
        """A new NID of this type. Raises LimitReached when all 134,217,727 indexes are used."""
        index = self.rgnid[kind] + 1
        if index > MAX_INDEX:
            raise LimitReached(f"all node identifiers of type 0x{kind:02X} are used: begin a new file")
        self.rgnid[kind] = index
        return index << 5 | kind

    def use_folder(self, index: int) -> None:
        """Count a folder index for the folder and its three tables, which share it."""
        for kind in (2, NidType.HIERARCHY_TABLE, NidType.CONTENTS_TABLE, NidType.ASSOC_CONTENTS_TABLE):
            self.rgnid[kind] = max(self.rgnid[kind], index)
