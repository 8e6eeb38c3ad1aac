"""Generated referrals: users who bring users, a branching process whose truth is known.

A block of 256 users is a process of its own: a quarter of them come by themselves, the others by invitations. Whom a
user invites, when and by which channel, is a function of the seed and of the user's number in the process.
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
BLOCK, OWN = 256, 4  # users of a block; one in OWN came without an invitation
_DAY, _MOST, _DEEPEST = 86_400.0, 60, 400
_SHIFT = np.uint64(1 << 20)  # rows of one block


@dataclass(frozen=True)
class Truth:
    """What is known of a generated growth.

    Attributes:
        channels: Names of the channels of invitation [B].
        matrix: Users whom one user brings in the long run, by the channel by which the user came (the last row: by
            none) and the channel of the invitation [B + 1, B].
        delays: Mean delay between the two joins, in days, by channel of invitation [B].
        shape: Shape of the delay's gamma distribution.
        spread: Variance of the users' liveliness, whose mean is 1: more than 0 makes some bring many and most nobody.
        accepted: Share of the invitations that end in a join [B].
        buys: Share of those who joined that buy.
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
        """Return the greatest eigenvalue of the matrix."""
        square = np.array(self.matrix)[: len(self.channels)]
        return float(np.abs(np.linalg.eigvals(square)).max())

    @property
    def factors(self) -> Floats:
        """Return K by the channel by which a user came [B + 1]."""
        return np.asarray(np.array(self.matrix).sum(axis=1))


@dataclass(frozen=True)
class Grown:
    """A process of some days, in columns [n]; parents come before their children.

    Attributes:
        parent: The number of the user who brought this one; -1 for nobody.
        root: The number of the cascade's first user.
        channel: The channel by which the user came; B for none.
        joined: Days since the beginning.
        invited: Days since the beginning; that of the join where nobody invited the user.
    """

    parent: Numbers
    root: Numbers
    channel: Numbers
    joined: Floats
    invited: Floats


def grow(truth: Truth, seed: int, seeds: int, days: float, seed_channel: Numbers | None = None) -> Grown:
    """Let users bring users until `days`.

    Args:
        truth: How they do it.
        seed: Of all draws.
        seeds: Number of users who come without an invitation, evenly over the days.
        days: What joins later is not seen.
        seed_channel: By which channel they came [seeds]; None: by none.
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
    """Numbers in (0, 1) [n]."""
    return np.asarray(((draw(seed, f"growth {field}", rows) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def _joined(parts: list[Grown], days: float) -> Grown:
    """The users of several parts who came in time."""
    columns = [
        np.concatenate([getattr(p, n) for p in parts]) for n in ("parent", "root", "channel", "joined", "invited")
    ]
    early = columns[3] < days
    return Grown(*(c[early] for c in columns))


def _poisson(mean: Floats, uniform: Floats) -> Numbers:
    """Poisson draws by the inverse of the distribution function, below `_MOST`."""
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
    """The events of the blocks whose first user is among the users [first, first + count)."""
    parts = [_block(shop, block) for block in range(-(-first // BLOCK), -(-(first + count) // BLOCK))]
    return pa.concat_tables([REFERRAL_EVENTS.fill(0), *parts])


def _block(shop: Shop, block: int) -> pa.Table:
    """Everything that happens in one block, in order of time."""
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
    """Names of the users of a block: those of the shop, and others when there are more."""
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
    """Invitations that led to nothing, of persons who never came."""
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
    """The device of who acts: the inviter invites, the invitee joins and buys; one in ten is not known."""
    actor = pc.if_else(pc.equal(events["kind"], "invited"), events["inviter_id"], events["invitee_id"])
    rows = np.arange(events.num_rows, dtype=np.uint64)
    text = pc.binary_join_element_wise("d", actor, "")
    unknown = pick(seed, "growth device", rows, (0.1, 0.9)) == 0
    return nulled(text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text, unknown)
