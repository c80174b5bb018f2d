"""One copy of objects for all processes of a user on a machine, as files that each of them maps.

It knows nothing of what is in them. How processes agree: docs/decisions/0017-node-copy.md.
"""

from __future__ import annotations

from ossmodelconnector._node_copy._copies import CopiedFile, Copies, copy_objects
from ossmodelconnector._node_copy._folder import Folder, open_folder

__all__ = ["CopiedFile", "Copies", "Folder", "copy_objects", "open_folder"]
