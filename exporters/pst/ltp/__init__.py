"""Lists, tables and properties: heaps, property contexts and table contexts ([MS-PST] 2.3)."""

from exporters.pst.ltp.heap import BthBuilder, Heap
from exporters.pst.ltp.property_context import PropertyContext
from exporters.pst.ltp.table_context import Columns, TableContext
from exporters.pst.ltp.values import PropertyType, Value, encode, filetime

__all__ = [
    "BthBuilder",
    "Columns",
    "Heap",
    "PropertyContext",
    "PropertyType",
    "TableContext",
    "Value",
    "encode",
    "filetime",
]
