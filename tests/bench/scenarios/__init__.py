"""All scenarios by name, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.catalogue import Catalogue
from bench.objects import Object
from bench.scenario import Scenario
from bench.scenarios import (
    distributed,
    fresh,
    inside,
    latency,
    levels,
    listing,
    loader,
    memory,
    objects,
    parquet,
    pauses,
    pull,
    slices,
    tensors,
    throughput,
)
from bench.server import (
    FAR,
    HTTPS,
    NEAR,
    PLAIN,
    SLOW_10,
    SLOW_50,
    SLOW_200,
    STORE_50,
    Network,
)
from bench.workplace import Workplace

Objects = Callable[[Catalogue], list[Object]]


@dataclass(frozen=True)
class Entry:
    """A scenario, with what must be there before the server starts."""

    build: Callable[[Workplace], Scenario]
    objects: Sequence[Objects] = (Catalogue.models,)
    networks: Sequence[Network] = (PLAIN,)
    default: bool = True  # whether `make bench` runs it unasked


SCENARIOS = {
    "fresh": Entry(
        fresh.fresh_processes,
        objects=(Catalogue.models, Catalogue.shards),
        networks=(PLAIN, SLOW_50),
    ),
    "pauses": Entry(
        pauses.pauses, objects=(Catalogue.models, Catalogue.shards), networks=(PLAIN, SLOW_50)
    ),
    "firstbytes": Entry(
        latency.first_bytes, objects=(Catalogue.shards,), networks=(PLAIN, SLOW_50)
    ),
    "tensors": Entry(tensors.tensors, objects=(Catalogue.tensors,)),
    "parquet": Entry(parquet.parquet, objects=(Catalogue.sales,), networks=(STORE_50,)),
    "pull": Entry(pull.pull, objects=(Catalogue.shards,), networks=(STORE_50,)),
    "dcp": Entry(
        distributed.dcp,
        objects=(Catalogue.distributed_records, Catalogue.distributed_safetensors),
        networks=(),
    ),
    "slices": Entry(slices.slices, objects=(Catalogue.slice_files,), networks=(SLOW_50,)),
    "plain": Entry(throughput.plain),
    "getbuffer": Entry(throughput.getbuffer),
    "https": Entry(throughput.https, networks=(HTTPS,)),
    "slow": Entry(throughput.slow, networks=(SLOW_50,)),
    "levels": Entry(levels.levels, networks=(SLOW_10, SLOW_50, SLOW_200)),
    "budget": Entry(memory.budget, objects=(Catalogue.budget, Catalogue.small)),
    "roundtrips": Entry(
        latency.round_trips, objects=(Catalogue.models, Catalogue.small), networks=(FAR,)
    ),
    "smallreads": Entry(latency.small_reads, objects=(Catalogue.ready, Catalogue.checkpoint)),
    "objects": Entry(objects.objects, objects=(Catalogue.many,), networks=(PLAIN, NEAR)),
    "strace": Entry(inside.system_calls),
    "lists": Entry(listing.lists, objects=(), networks=()),
    "shortlists": Entry(listing.short_lists, objects=(), networks=()),
    "loader": Entry(loader.loader, objects=(Catalogue.many,), networks=(NEAR,)),
    "listsim": Entry(listing.list_simulation, objects=(), networks=(), default=False),
    "profile": Entry(inside.profile, default=False),
}
