"""Reading a Unicode PST: enough to say what a file holds, whoever wrote it ([MS-PST] 2.2 and 2.3)."""

from exporters.pst.reading.database import Database, NodeEntry
from exporters.pst.reading.properties import Properties, Table

__all__ = ["Database", "NodeEntry", "Properties", "Table"]
