"""The node database layer: blocks, pages, maps and the two B-trees ([MS-PST] 2.2)."""

from exporters.pst.ndb.database import MAX_DATA, NodeDatabase
from exporters.pst.ndb.identifiers import NidType, SpecialNid, make_nid
from exporters.pst.ndb.integrity import crc
from exporters.pst.ndb.sorted_runs import SortedRuns
from exporters.pst.ndb.trees import MAX_VALUE, DataTree, Node, SubnodeTree, Tree, ValueStream, write_value

__all__ = [
    "MAX_DATA",
    "MAX_VALUE",
    "DataTree",
    "NidType",
    "Node",
    "NodeDatabase",
    "SortedRuns",
    "SpecialNid",
    "SubnodeTree",
    "Tree",
    "ValueStream",
    "crc",
    "make_nid",
    "write_value",
]
