"""A training job's rank: reads batches, and writes down after each what it has and its state.

argv: options as JSON (see `main`). OSS_* name the server. It goes on after the last line that its
log has. Prints one JSON object; what is on stderr, a warning included, is a mistake.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
import warnings
from pathlib import Path

from ossmodelconnector import OssModelConnector
from ossmodelconnector.torch import DataLoader, IterableObjectDataset

# Of the machine that tests run on, not of us.
warnings.filterwarnings("ignore", "This DataLoader will create .* worker processes")
warnings.filterwarnings("ignore", "'pin_memory' argument is set as true but no accelerator")
warnings.filterwarnings("ignore", ".*region=")  # the endpoint is an IP address


def name_of(sample):
    info, data = sample
    # Whether the bytes are this object's.
    return info.key if data.startswith(info.key.encode()) else f"{info.key} came wrong"


def main(options):
    if options.rendezvous:
        import torch.distributed

        torch.distributed.init_process_group(
            "gloo",
            init_method=f"file://{options.rendezvous}",
            rank=int(os.environ["RANK"]),
            world_size=int(os.environ["WORLD_SIZE"]),
        )
    connector = None
    if options.attempts:
        config = {"retry.maxAttempts": options.attempts}
        connector = OssModelConnector.from_env(config=config)
    dataset = IterableObjectDataset(
        options.source,
        transform=name_of,
        shuffle=True,
        seed=5,
        on_error=options.on_error,
        connector=connector,
    )
    log = Path(options.log)
    lines = log.read_text().splitlines() if log.exists() else []
    if lines:
        dataset.load_state_dict(json.loads(lines[-1])["state"])
    loader = DataLoader(
        dataset,
        options.batch,
        num_workers=options.workers,
        persistent_workers=options.persistent,
        multiprocessing_context=options.method if options.workers else None,
        pin_memory=options.pin_memory,
        timeout=60 if options.workers else 0,
    )
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    counts = []
    for epoch in range(dataset.epoch, options.epochs):
        dataset.set_epoch(epoch)
        counts.append(0)
        for names in loader:
            counts[-1] += len(names)
            line = {"epoch": epoch, "names": names, "state": dataset.state_dict()}
            os.write(file, json.dumps(line).encode() + b"\n")  # all of it or nothing
            if options.kill_worker and counts[-1] > 20:
                os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    if options.rendezvous:
        every = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(every, counts)
        torch.distributed.destroy_process_group()
        counts = every
    print(json.dumps({"counts": counts, "skipped": dataset.skipped}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("log")
    parser.add_argument("--rendezvous", default="")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--method", default="fork")
    parser.add_argument("--on-error", default="raise")
    parser.add_argument("--attempts", type=int, default=0)
    parser.add_argument("--persistent", action="store_true")
    parser.add_argument("--pin-memory", action="store_true")
    parser.add_argument("--kill-worker", action="store_true")
    try:
        main(parser.parse_args())
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(3)
