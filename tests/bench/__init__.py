"""`make bench`: what this library, its peers and the bare floor cost for the same bytes.

One nginx on loopback serves them all. Every client is a process of its own; the clients of a
scenario take turns, round after round, so that what the machine does meanwhile hits all of them.
Absolute figures are the machine's; ratios within one run are what counts.

    server, certificates, objects, host    what stands on the other side, and the machine
    floor, ossmc_bench, clients            how each client is started
    programs/                              what runs in those processes
    scenarios/                             the tables: which clients, against what, and the bars
    runner, results, table, plots, pages   rounds, samples, and what is made of them
"""
