"""A torch DataLoader whose dataset holds a connector, while the parent goes on reading.

argv: start method, then the URIs of objects. OSS_* name the server. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings

import torch.utils.data
from ossmodelconnector import OssModelConnector

warnings.simplefilter("ignore")


class Objects(torch.utils.data.Dataset):
    def __init__(self, connector, uris):
        self.connector = connector
        self.uris = uris

    def __len__(self):
        return len(self.uris)

    def __getitem__(self, index):
        with self.connector.open(self.uris[index]) as reader:
            return index, os.getpid(), hashlib.sha256(reader.read()).hexdigest()


def main(method, uris):
    connector = OssModelConnector.from_env(config={"prefetch": {"chunkBytes": "64 KiB"}})
    parents = connector.open_many(uris)
    loader = torch.utils.data.DataLoader(
        Objects(connector, uris),
        batch_size=2,
        num_workers=2,
        multiprocessing_context=method,
        collate_fn=list,
    )
    results = []
    for batch in loader:
        results += batch
        parents[len(results) % len(parents)].read(10_000)
    digests = []
    for reader in parents:
        reader.seek(0)
        digests.append(hashlib.sha256(reader.read()).hexdigest())
    print(json.dumps({"parent": os.getpid(), "results": results, "digests": digests}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
