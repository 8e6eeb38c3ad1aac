"""Generates `referral_events`: users who bring in users, by a branching process with known parameters (`Truth`).

Each block of 256 users is an independent process: a quarter of them come by themselves, the others by invitations. Whom
a user invites, when and by which channel, is a function of the seed and the user's number in the process. Tests compare
the estimates of `measure_growth` with the known parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shopbatch.sample.draws import Numbers, Rows, chance, draw, from_seconds, names, nulled, pick
from shopbatch.sample.shop import START, YEARS, Shop
from shopbatch.tables.referral_events import REFERRAL_EVENTS

Floats = npt.NDArray[np.float64]

DIRECT = "direct"
BLOCK, OWN = 256, 4  # users per block; one in OWN came without an invitation
_DAY, _MOST, _DEEPEST = 86_400.0, 60, 400
_SHIFT = np.uint64(1 << 20)  # rows of one block


@dataclass(frozen=True)
class Truth:
    """The known parameters of a generated growth process with B channels of invitation.

    Attributes:
        channels: Names of the channels of invitation [B].
        matrix: Expected number of users whom one user brings in the long run, [B + 1, B]. Row: the channel by which the
            user came (last row: without an invitation). Column: the channel of the invitation.
        delays: Mean delay between the join of a user and of an invited user, in days, by channel of invitation [B].
        shape: Shape of the delay's gamma distribution.
        spread: Variance of the users' activity, whose mean is 1: above 0, some users bring many and most bring nobody.
        accepted: Share of the invitations that end in a join [B].
        buys: Share of the joined users who buy.
    """

    channels: tuple[str, ...] = ("email", "link", "social")
    matrix: tuple[tuple[float, ...], ...] = (
        (0.68, 0.13, 0.09),
        (0.17, 0.23, 0.10),
        (0.10, 0.06, 0.14),
        (0.20, 0.20, 0.20),
    )
    delays: tuple[float, ...] = (3.0, 6.0, 10.0)
    shape: float = 1.5
    spread: float = 1.0
    accepted: tuple[float, ...] = (0.4, 0.3, 0.15)
    buys: float = 0.5

    @property
    def system(self) -> float:
        """The greatest eigenvalue of the matrix; above 1, the number of users grows by itself."""
        square = np.array(self.matrix)[: len(self.channels)]
        return float(np.abs(np.linalg.eigvals(square)).max())

    @property
    def factors(self) -> Floats:
        """The viral coefficient K (users whom one user brings) by the channel by which a user came, [B + 1]."""
        return np.asarray(np.array(self.matrix).sum(axis=1))


@dataclass(frozen=True)
class Grown:
    """The users of a growth process, as columns [n]; users come after those who invited them.

    Attributes:
        parent: Number of the user who invited this one; -1 if nobody did.
        root: Number of the first user of the cascade.
        channel: Index of the channel by which the user came; B (the number of channels) without an invitation.
        joined: Time of the join, in days since the beginning.
        invited: Time of the invitation, in days since the beginning; that of the join without an invitation.
    """

    parent: Numbers
    root: Numbers
    channel: Numbers
    joined: Floats
    invited: Floats


def grow(truth: Truth, seed: int, seeds: int, days: float, seed_channel: Numbers | None = None) -> Grown:
    """Simulate a growth process and return the users who join before `days`.

    Args:
        truth: Its parameters.
        seed: Seed of all random draws.
        seeds: Number of users who come without an invitation, evenly over the days.
        days: Length of the process; later joins are left out.
        seed_channel: Indices of the channels by which these first users came [seeds]; None: by none, index B.
    """
    from scipy.special import gammaincinv

    means, shape, matrix = np.array(truth.delays), truth.shape, np.array(truth.matrix)
    count = len(truth.channels)
    first = np.arange(seeds, dtype=np.uint64)
    channel = np.full(seeds, count) if seed_channel is None else seed_channel
    level = Grown(np.full(seeds, -1), np.arange(seeds), channel, unit(seed, "join", first) * days, np.zeros(seeds))
    level = Grown(level.parent, level.root, level.channel, level.joined, level.joined)
    levels, numbers, total = [level], np.arange(seeds), seeds
    while len(numbers) and len(levels) < _DEEPEST:
        rows = numbers.astype(np.uint64)
        lively = gammaincinv(1 / truth.spread, unit(seed, "lively", rows)) * truth.spread if truth.spread else 1.0
        made = []
        for b in range(count):
            some = _poisson(matrix[level.channel, b] * lively, unit(seed, f"children {b}", rows))
            who = np.repeat(np.arange(len(numbers)), some)
            nth = np.arange(len(who)) - np.repeat(np.cumsum(some) - some, some)
            key = rows[who] * np.uint64(_MOST) + nth.astype(np.uint64)
            delay = gammaincinv(shape, unit(seed, f"delay {b}", key)) / shape * means[b]
            begun = level.joined[who]
            asked = begun + delay * unit(seed, f"asked {b}", key)
            made.append(Grown(numbers[who], level.root[who], np.full(len(who), b), begun + delay, asked))
        level = _joined([m for m in made], days)
        numbers = np.arange(total, total + len(level.parent))
        total += len(numbers)
        levels.append(level)
    return _joined(levels, days)


def unit(seed: int, field: str, rows: Rows) -> Floats:
    """Return a uniform random number in (0, 1) for each row, float64 [n]."""
    return np.asarray(((draw(seed, f"growth {field}", rows) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def _joined(parts: list[Grown], days: float) -> Grown:
    """Concatenate parts of a process and keep the users who joined before `days`."""
    columns = [
        np.concatenate([getattr(p, n) for p in parts]) for n in ("parent", "root", "channel", "joined", "invited")
    ]
    early = columns[3] < days
    return Grown(*(c[early] for c in columns))


def _poisson(mean: Floats, uniform: Floats) -> Numbers:
    """Return Poisson random numbers below `_MOST`, int64 [n], by inversion of the distribution function.

    Args:
        mean: Means, [n].
        uniform: Uniform random numbers in (0, 1), [n].
    """
    term = np.exp(-mean)
    below, drawn = term.copy(), np.zeros(len(mean), np.int64)
    for n in range(1, _MOST):
        more = uniform > below
        if not more.any():
            break
        drawn += more
        term = term * mean / n
        below += term
    return drawn


def referral_events(shop: Shop, first: int, count: int) -> pa.Table:
    """Return all events of the blocks (256 consecutive users) whose first user is in [first, first + count)."""
    parts = [_block(shop, block) for block in range(-(-first // BLOCK), -(-(first + count) // BLOCK))]
    return pa.concat_tables([REFERRAL_EVENTS.fill(0), *parts])


def _block(shop: Shop, block: int) -> pa.Table:
    """Return all events of one block of users (an independent growth process), in order of time."""
    truth, days = Truth(), YEARS * 365.0
    size = min(BLOCK, shop.users - block * BLOCK)
    seed = int(draw(shop.seed, "growth block", np.array([block], np.uint64))[0] >> np.uint64(1))
    grown = grow(truth, seed, max(1, size // OWN), days)
    total = len(grown.parent)
    rows = np.arange(total, dtype=np.uint64)
    users = _user_names(block, total, size)
    alone = grown.parent < 0
    inviter = pc.if_else(
        pa.array(alone), pa.scalar(None, pa.string()), users.take(pa.array(np.maximum(grown.parent, 0)))
    )
    channel = pa.array([*truth.channels, DIRECT]).take(pa.array(grown.channel))
    bought = grown.joined + 14 * -np.log(unit(seed, "bought", rows))
    buys = chance(seed, "growth buys", rows, truth.buys) & (bought < days)
    parts = [
        _events("joined", inviter, users, channel, grown.joined),
        _only(_events("invited", inviter, users, channel, grown.invited), ~alone),
        _only(_events("bought", inviter, users, channel, bought), buys),
        _refused(truth, seed, block, grown, users, days),
    ]
    whole = pa.concat_tables(parts)
    whole = whole.take(
        pc.sort_indices(whole, [("at", "ascending"), ("kind", "ascending"), ("invitee_id", "ascending")])
    )
    n = whole.num_rows
    devices = _devices(seed, block, whole)
    ids = names(f"r-{block}-", np.arange(n))
    return REFERRAL_EVENTS.fill(
        n,
        event_id=ids,
        **{name: whole[name] for name in whole.column_names},
        ingested_at=whole["at"],
        device_hash=devices,
        source=pa.repeat("generated", n),
    )


def _user_names(block: int, total: int, size: int) -> pa.Array:
    """Return the user ids of a block: the shop's own users first, further ids if the process has more users.

    Args:
        block: Number of the block.
        total: Number of users of the process.
        size: Number of the shop's users in the block.
    """
    own = names("g-", np.arange(block * BLOCK, block * BLOCK + min(size, total)))
    return pa.concat_arrays([own, names(f"g-{block}-", np.arange(total - len(own)))])


def _events(kind: str, inviter: pa.Array, invitee: pa.Array, channel: pa.Array, at: Floats) -> pa.Table:
    columns = {
        "inviter_id": inviter,
        "invitee_id": invitee,
        "channel": channel,
        "kind": pa.repeat(kind, len(at)),
        "at": from_seconds(START + np.floor(at * _DAY).astype(np.int64)),
    }
    return pa.table(columns)


def _only(events: pa.Table, chosen: npt.NDArray[np.bool_]) -> pa.Table:
    return events.filter(pa.array(chosen))


def _refused(truth: Truth, seed: int, block: int, grown: Grown, users: pa.Array, days: float) -> pa.Table:
    """Return the events of invitations that were not accepted; the invited persons never join.

    Args:
        truth: The parameters of the growth process.
        seed: Seed of all random draws.
        block: Number of the block of users.
        grown: The users of the block.
        users: Their ids, [n].
        days: Length of the process; later invitations are left out.
    """
    who: list[Numbers] = []
    by: list[Numbers] = []
    rows = np.arange(len(grown.parent), dtype=np.uint64)
    for b, share in enumerate(truth.accepted):
        mean = np.array(truth.matrix)[grown.channel, b] * (1 - share) / share
        some = _poisson(mean, unit(seed, f"refused {b}", rows))
        who.append(np.repeat(np.arange(len(rows)), some))
        by.append(np.full(int(some.sum()), b))
    person, channel = np.concatenate(who), np.concatenate(by)
    at = grown.joined[person] + 5 * -np.log(unit(seed, "refused at", np.arange(len(person), dtype=np.uint64)))
    nobody = names(f"p-{block}-", np.arange(len(person)))
    events = _events(
        "invited", users.take(pa.array(person)), nobody, pa.array(truth.channels).take(pa.array(channel)), at
    )
    return _only(events, at < days)


def _devices(seed: int, block: int, events: pa.Table) -> pa.Array:
    """Return a hash of the acting person's device per event; null for 10 %.

    The inviter acts in an invitation, the invitee in all other events.
    """
    actor = pc.if_else(pc.equal(events["kind"], "invited"), events["inviter_id"], events["invitee_id"])
    rows = np.arange(events.num_rows, dtype=np.uint64)
    text = pc.binary_join_element_wise("d", actor, "")
    unknown = pick(seed, "growth device", rows, (0.1, 0.9)) == 0
    return nulled(text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text, unknown)
