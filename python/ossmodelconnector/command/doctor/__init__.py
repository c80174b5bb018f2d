"""What `ossmc doctor` looks at: a module a family of checks.

A check is a function from the `Context` to a `Finding`. They run in order; one is skipped, with the
reason, where what it needs has failed.
"""

from __future__ import annotations

from collections.abc import Callable

from ossmodelconnector.command.doctor._check import Check, Finding, skipped
from ossmodelconnector.command.doctor._context import Context
from ossmodelconnector.command.doctor._endpoint import check_endpoint
from ossmodelconnector.command.doctor._identity import (
    check_credentials,
    check_region,
    check_signature,
)
from ossmodelconnector.command.doctor._machine import check_descriptors, check_memory, check_shm
from ossmodelconnector.command.doctor._network import check_dns, check_tcp
from ossmodelconnector.command.doctor._permission import check_permission
from ossmodelconnector.command.doctor._proxy import check_proxy
from ossmodelconnector.command.doctor._run import diagnose, options_of, run_alone
from ossmodelconnector.command.doctor._service import check_clock, check_service
from ossmodelconnector.command.doctor._speed import check_many_connections, check_one_connection
from ossmodelconnector.command.doctor._tls import check_tls

__all__ = ["CHECKS", "diagnose", "options_of", "run_alone"]


def _by_itself(look: Callable[[Context], Finding]) -> Callable[[Context], Finding]:
    """Of a check that makes connections of its own: only libcurl gets through every proxy."""

    def look_unless(context: Context) -> Finding:
        if context.other_proxy:
            return skipped(f"connections go to the proxy {context.other_proxy}")
        return look(context)

    return look_unless


CHECKS = (
    # First, for all others need descriptors.
    Check("descriptors", check_descriptors),
    Check("endpoint", check_endpoint),
    Check("proxy", check_proxy, ("endpoint",)),
    Check("dns", _by_itself(check_dns), ("proxy",)),
    Check("tcp", _by_itself(check_tcp), ("dns",)),
    Check("tls", _by_itself(check_tls), ("tcp",)),
    Check("service", _by_itself(check_service), ("tls",)),
    # Not of tls: a clock that is off makes certificates look wrong.
    Check("clock", _by_itself(check_clock), ("tcp",)),
    Check("credentials", check_credentials),
    Check("region", check_region, ("service", "credentials")),
    Check("signature", check_signature, ("region",)),
    Check("permission", check_permission, ("signature",)),
    # After it, for it compares what is free with what is there.
    Check("memory", check_memory),
    Check("shm", check_shm),
    Check("one-connection", check_one_connection, ("permission",)),
    Check("many-connections", check_many_connections, ("one-connection",)),
)
