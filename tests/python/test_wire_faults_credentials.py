"""Keys that end while they are used, providers that fail, clocks that are off.

Their numbers are those of the faults in docs/reliability.md.
"""

from __future__ import annotations

import datetime
import random
import statistics
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
from ossmodelconnector import AccessDeniedError, CredentialsError
from support.faults import CHUNK, URI, refuse
from support.tries import HANG_SECONDS, once_within, wait_until

SIGNATURES = pytest.mark.parametrize("options", [{}, {"region": "cn-hangzhou"}], ids=["V1", "V4"])
CHUNKS = 100


class Keys:
    """What providers give, in the shape of alibabacloud-oss-v2."""

    def __init__(self, secret, token="", expiration=None):
        self.access_key_id = "STS.NUlocalServerTest"
        self.access_key_secret = secret
        self.security_token = token
        self.expiration = expiration


class Provider:
    """Counts its calls; gives what `give` returns for the number of the call."""

    def __init__(self, give):
        self.calls = 0
        self._give = give

    def get_credentials(self):
        self.calls += 1
        return self._give(self.calls)


@pytest.fixture
def secrets(nothing_is_left):
    """Two secrets and a token, which must not show."""
    texts = "canary-first-secret-7Qd", "canary-second-secret-Wm2", "canary-token-0fLk"
    nothing_is_left.secrets.update(texts)
    return texts


@pytest.mark.fault(
    20,
    "the keys end with 100 chunks in flight",
    "right bytes",
    "1 call of the provider more, 1 retry for each chunk",
    also=["tests/python/test_credentials.py"],
)
@SIGNATURES
def test_fault_20_keys_end_while_100_chunks_are_in_flight(faults, connect, secrets, options):
    first, second, token = secrets
    faults.put(random.Random(9).randbytes((CHUNKS + 1) * CHUNK))
    provider = Provider(
        lambda call: Keys(first, f"{token}-old") if call == 1 else Keys(second, f"{token}-new")
    )
    all_in_flight = threading.Event()
    refused = []

    def script(request, reply):
        if request.begin == 0 or request.headers["x-oss-security-token"] == f"{token}-new":
            return
        refused.append(request)
        if request.in_flight == CHUNKS:
            all_in_flight.set()
        reply.hold = all_in_flight
        refuse(reply, 403, "SecurityTokenExpired")

    faults.script = script
    connector = connect(
        {"prefetch.workers": CHUNKS, "timeout.stallSeconds": 60},
        cred_provider=provider,
        **options,
    )
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert provider.calls == 2
    assert len(refused) == len({request.begin for request in refused}) == CHUNKS
    stats = connector.stats()
    assert stats.retries == CHUNKS
    # Those that a busy machine makes slow may be asked for again.
    assert len(faults.requests) <= 1 + 2 * CHUNKS + stats.hedges


def hang(leave):
    leave.wait(60)


def fail_with(secret):
    raise RuntimeError(f"the vault is sealed for {secret}")


@pytest.mark.fault(
    21,
    "a provider that hangs, raises, or gives half of a key pair",
    "`CredentialsError`; connectors with other providers go on",
    "10 s for who waits for one that hangs, else at once; no request",
    also=["tests/python/test_credentials.py"],
)
def test_fault_21_providers_that_fail_hurt_themselves_alone(faults, connect, secrets, monkeypatch):
    secret = secrets[0]
    monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", secret)  # where the library can know it from
    leave = threading.Event()
    give = {
        "hangs": lambda call: hang(leave),
        "raises": lambda call: fail_with(secret),
        "half": lambda call: Keys(""),
    }
    outcomes = {}

    # By this thread alone: what is ignored of warnings is the process's.
    def make(name):
        return connect(cred_provider=Provider(give[name]))

    def try_to_open(name, connector):
        begin = time.monotonic()
        try:
            connector.open("oss://faults-1/unsigned.bin")
        except CredentialsError as error:
            outcomes[name] = (time.monotonic() - begin, str(error))
        return time.monotonic() - begin

    provider = Provider(give["hangs"])
    connector = connect(cred_provider=provider)
    # The first one's provider is in its own thread, and nothing ends that; the second one waits.
    hanging = threading.Thread(target=try_to_open, args=("hangs", connector))
    hanging.start()
    wait_until(lambda: provider.calls)
    waiting = threading.Thread(target=try_to_open, args=("waits", connector))
    waiting.start()
    at_once = "the bound of fault 21 is: at once; who waits for one that hangs, waits 10 s"
    once_within(2, lambda: try_to_open("raises", make("raises")), because=at_once)
    once_within(2, lambda: try_to_open("half", make("half")), because=at_once)
    healthy = connect()
    passes = []
    while waiting.is_alive():
        begin = time.monotonic()
        with healthy.open(URI) as reader:
            assert reader.read() == faults.data
        passes.append(time.monotonic() - begin)
        leave.wait(0.2)
    leave.set()
    hanging.join(HANG_SECONDS)
    assert outcomes.keys() == {*give, "waits"}
    assert 9 < outcomes["waits"][0] < HANG_SECONDS
    assert "has not answered" in outcomes["hangs"][1]
    assert "RuntimeError: the vault is sealed" in outcomes["raises"][1]
    assert "no access_key_secret, or an empty one" in outcomes["half"][1]
    # None waited until the provider that hangs was given up.
    assert len(passes) > 3
    assert statistics.median(passes) < 3
    assert all(request.target.endswith("ramp.bin") for request in faults.requests)


SKEW = datetime.timedelta(minutes=20)


def date_of(request):
    """When the client thinks that it is: the date that it signed."""
    if "x-oss-date" in request.headers:
        moment = datetime.datetime.strptime(request.headers["x-oss-date"], "%Y%m%dT%H%M%SZ")
        return moment.replace(tzinfo=datetime.timezone.utc)
    return parsedate_to_datetime(request.headers["date"])


class OtherClock:
    """A script: a store whose clock is 20 minutes ahead of ours, and which refuses old dates.

    It tells its time in the error document or in the head.
    """

    def __init__(self, tells_in):
        self.refused = 0
        self._tells_in = tells_in

    def __call__(self, request, reply):
        now = datetime.datetime.now(datetime.timezone.utc) + SKEW
        if abs(now - date_of(request)) < datetime.timedelta(minutes=15):
            return
        self.refused += 1
        if self._tells_in == "ServerTime":
            fields = f"<ServerTime>{now:%Y-%m-%dT%H:%M:%S}.000Z</ServerTime>"
            refuse(reply, 403, "RequestTimeTooSkewed", fields)
        else:
            refuse(reply, 403, "RequestTimeTooSkewed", Date=f"{now:%a, %d %b %Y %H:%M:%S} GMT")


@pytest.mark.fault(
    22,
    "a clock that is 20 minutes off",
    "right bytes, corrected by the server's clock; `AccessDeniedError` if that does not help",
    "1 request more",
    also=["tests/csrc/fetch/attempt_ledger_test.cc"],
)
@SIGNATURES
@pytest.mark.parametrize("tells_in", ["ServerTime", "Date"])
def test_fault_22_a_clock_that_is_off_is_corrected_once(faults, connect, options, tells_in):
    clock = OtherClock(tells_in)
    faults.script = clock
    connector = connect(**options)
    with connector.open(URI) as reader:
        assert reader.read() == faults.data
    assert clock.refused == connector.stats().retries == 1
    assert len(faults.requests) == 16 + 1
    assert connector.exists(URI)
    assert clock.refused == 1


@pytest.mark.fault(22)
@SIGNATURES
def test_fault_22_a_second_refusal_is_for_good(faults, connect, options):
    def refuse_always(request, reply):
        now = datetime.datetime.now(datetime.timezone.utc)
        fields = f"<ServerTime>{now:%Y-%m-%dT%H:%M:%S}.000Z</ServerTime>"
        refuse(reply, 403, "RequestTimeTooSkewed", fields)

    faults.script = refuse_always
    with pytest.raises(AccessDeniedError) as caught:
        connect(**options).open(URI)
    assert not isinstance(caught.value, CredentialsError)
    assert caught.value.code == "RequestTimeTooSkewed"
    assert "clock" in str(caught.value)
    assert len(faults.requests) == caught.value.attempts == 2


@pytest.mark.fault(22)
def test_fault_22_a_reply_that_tells_no_time_is_for_good(faults, connect):
    faults.script = lambda request, reply: refuse(reply, 403, "RequestTimeTooSkewed")
    with pytest.raises(AccessDeniedError):
        connect().open(URI)
    assert len(faults.requests) == 1
