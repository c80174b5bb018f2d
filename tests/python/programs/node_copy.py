"""Opens a model with a node copy under /dev/shm; where that fails, in another folder.

Arguments: the model's URI; the folder; "stays open": in the folder alone, and it is never closed.
"""

from __future__ import annotations

import sys
import warnings

from ossmodelconnector import OssModelConnector
from ossmodelconnector.safetensors import open_model

uri, folder, *stays_open = sys.argv[1:]
warnings.simplefilter("ignore")
connector = OssModelConnector.from_env(region="cn-hangzhou")
if not stays_open:
    try:
        open_model(uri, "np", connector=connector, node_copy=True)
    except OSError as error:
        print(error)
model = open_model(uri, "np", connector=connector, node_copy=folder)
tensors = model.get_tensors()
print(f"{len(tensors)} tensors in {model.node_copy.path}")
if not stays_open:
    model.close()
