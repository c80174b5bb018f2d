"""`make bench`: what this library, its peers and the bare floor cost for the same bytes.

One nginx on loopback serves them all. Every client is a process of its own; the clients of a
scenario take turns, round after round, so that what the machine does meanwhile hits all of them.
Absolute figures are the machine's; ratios within one run are what counts.

    server, certificates, hosts            what stands on the other side, and its names
    objects, catalogue                     what is read
    floor, ossmc_bench, clients, processes how each client is started
    programs/                              what runs in those processes
    scenario, scenarios/                   which clients against what, and the bars they are held to
    base, beside                           another commit of ours, as one more client beside each
    runner, results, host                  rounds, samples, the machine
    table, plots, pages                    what is made of them: docs/performance/, README.md
"""
