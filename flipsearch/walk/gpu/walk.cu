// Walk on a GPU: many walkers at once, each with its whole state on the chip.
//
// flipsearch/walk/plain/reference.py fixes each walk bit for bit: the drawn row, its partner and
// the places of rows in a reduction. Here a walker has no index and scans its rows for equal
// factors. A scan needs no branch and little memory: hundreds of walkers fit on one multiprocessor.
// docs/gpu.md has the counts behind this decision.
//
// TEAM chooses one of two shapes of this source:
//   1   A walker is a thread. Its words lie in the shared memory bank of its lane, and accesses of
//       a warp never conflict, whichever rows its walkers read.
//   32  A walker is a warp. All lanes compute the same numbers except in a scan, which compares 32
//       rows at once and shares the answers by a ballot.
//
// Constants of a compilation:
//   RING  2 (F2), 3 (F3) or 0 (ZT)
//   BITS  bits of a plane of a factor: 16, 32, 64, 128 or 256
//   ROWS  the most rows of a walker, a multiple of 32 (of 2 for threads with whole words)
//   TEAM  1 or 32
//
// A factor over F2 is one plane of bits. Over F3 and ZT it is a plane of nonzeros and a plane of
// signs in normal form: the lowest nonzero entry is +1, and the sign of the row is stored apart.

#include "rows.cuh"
#include "matches.cuh"
#include "moves.cuh"

// ---------------------------------------------------------------- one flip

DEVICE void move_row(const Walker& me, u32 slot, u32 row, const Key& now, const Survey& found) {
  store(me, slot, row, now);
  if (found.left == 1) set_flippable(me, slot, found.last, false);
  if (found.joined == 1) set_flippable(me, slot, found.companion, true);
  set_flippable(me, slot, row, found.joined > 0);
  const u32 live = get(me, LIVE + slot) + (found.joined > 0) + (found.joined == 1);
  put(me, LIVE + slot, live - (found.left > 0) - (found.left == 1));
}

// Draws a row with a partner, the partner and a sign, and flips. EVENT: the flip happened, and a
// factor is zero or two rows that the policy may merge agree in two factors.
DEVICE u32 flip(Walker& me) {
  const u32 live0 = get(me, LIVE), live1 = live0 + get(me, LIVE + 1);
  const u32 live = live1 + get(me, LIVE + 2);
  if (live == 0) return NO_FLIP;
  const u64 z = draw(me);
  u32 k = below(high(z), live);
  const u32 a = (k >= live0) + (k >= live1), b = a == 2 ? 0 : a + 1, c = a == 0 ? 2 : a - 1;
  k -= a == 0 ? 0 : a == 1 ? live0 : live1;
  const u32 i = kth_flippable(me, a, k);

  Matches same;
  const u32 others = partners(me, a, i, load(me, a, i), same);
  const u32 j = kth_match(same, below((u32)z & 0xffffff00u, others));

  const Key old_b = load(me, b, i), old_c = load(me, c, j);
  const Key key_bj = load(me, b, j), key_ci = load(me, c, i);
  const Factor bi = open(old_b), bj = open(key_bj), ci = open(key_ci), cj = open(old_c);
  u32 minus_b = 0, minus_c = 0;
  if constexpr (RING != 2) {
    const u32 alike = 1 ^ sign_of(me, i) ^ sign_of(me, j);
    minus_b = (u32)z & 1;
    if constexpr (RING == 0) {
      u32 plus = 0, less = 0, plus_c = 0, less_c = 0;
      overflow(bi, bj, plus, less);
      overflow(cj, ci, plus_c, less_c);
      plus |= alike ? less_c : plus_c;
      less |= alike ? plus_c : less_c;
      if (plus && less) return REFUSED;
      minus_b = (minus_b & (less == 0)) | (plus != 0);
    }
    minus_c = minus_b ^ alike;
  }
  Factor new_b = add(bi, bj, minus_b), new_c = add(cj, ci, minus_c);
  const bool zero = is_zero(new_b) || is_zero(new_c);
  const u32 turned_b = normalise(new_b), turned_c = normalise(new_c);
  const Key now_b = close(new_b), now_c = close(new_c);
  const Survey at_b = survey(me, b, i, old_b, now_b, i, same, c, key_ci);
  const Survey at_c = survey(me, c, j, old_c, now_c, i, same, b, key_bj);
  move_row(me, b, i, now_b, at_b);
  move_row(me, c, j, now_c, at_c);
  turn_sign(me, i, turned_b);
  turn_sign(me, j, turned_c);
  return zero || at_b.agrees || at_c.agrees ? EVENT : FLIPPED;
}

// ---------------------------------------------------------------- the walk

// Takes each walker at most `chunk` steps further.
//   states     WORDS words per walker; TEAM 1 interleaves the walkers of a warp
//   numbers    (FIELDS, walkers): see Field
//   snapshots  room for `room` states of SAVED words per walker, interleaved likewise
//   history    (entries, walkers): step << 16 | rank of each new best rank
extern "C" __global__ void __launch_bounds__(32, KEY > 4 ? 1 : TEAM == 1 ? 24 : 20)
walk(u32* states, u64* numbers, u32* snapshots, u64* history, u32 walkers, u32 room, u32 entries,
     u64 chunk) {
  const u32 lane = TEAM == 1 ? threadIdx.x : 0;
  const u32 number = TEAM == 1 ? blockIdx.x * 32 + lane : blockIdx.x;
  u64* mine = numbers + number;
  u32 status = (u32)mine[STATUS * walkers];
  if (status != FRESH && status != RUNNING) return;

  const u64 block = blockIdx.x;
  u32* state = states + block * WORDS * STRIDE + lane;
  u32* kept = snapshots + block * room * SAVED * STRIDE + lane;
  Walker me;
  me.first = lane;
  me.rank = (u32)mine[RANK * walkers];
  me.seed = mine[SEED * walkers];
  me.counter = mine[COUNTER * walkers];
  me.merge = mine[MERGE * walkers] != 0;
  for (u32 n = 0; n < WORDS; n++) put(me, n, state[n * STRIDE]);

  const u64 steps = mine[STEPS * walkers], plus_after = mine[PLUS_AFTER * walkers];
  const u64 collect_every = mine[COLLECT_EVERY * walkers];
  const u32 band = (u32)mine[BAND * walkers], stop_rank = (u32)mine[STOP_RANK * walkers];
  const u32 collect = (u32)mine[COLLECT * walkers], capacity = (u32)mine[CAPACITY * walkers];
  u64 step = mine[STEP * walkers], last = mine[LAST * walkers], next = mine[NEXT * walkers];
  u64 made = mine[MADE * walkers], reductions = mine[REDUCTIONS * walkers];
  u64 escapes = mine[ESCAPES * walkers];
  u32 stuck = (u32)mine[STUCK_SO_FAR * walkers];
  u32 best = (u32)mine[BEST * walkers], taken = (u32)mine[TAKEN * walkers];
  u32 found = (u32)mine[ENTRIES * walkers];

  if (status == FRESH) {
    begin(me);
    best = me.rank;
    keep(me, kept);
    taken = 1;
    next = collect_every;
    status = best <= stop_rank && collect == 1 ? REACHED : RUNNING;
  }
  const u64 until = steps - step < chunk ? steps : step + chunk;
  u64 wake = 0;
  while (status == RUNNING && step < until) {
    const u32 done = flip(me);
    step += done != NO_FLIP;
    made += done == FLIPPED || done == EVENT;
    if ((done == FLIPPED || done == REFUSED) && step < wake) continue;

    const bool collecting = collect > 1 && best <= stop_rank;
    if (done == EVENT) {
      const u32 before = me.rank;
      me = reduce(me);
      reductions += before - me.rank;
      if (me.rank < best) {
        best = me.rank;
        last = step;
        next = step + collect_every;
        keep(me, kept);
        taken = 1;
        stuck = 0;
        if (found < entries) history[(u64)found++ * walkers + number] = step << 16 | best;
        if (best <= stop_rank && collect == 1) {
          status = REACHED;
          break;
        }
      }
    }
    if (collecting && step >= next) {
      next = step + collect_every;
      if (me.rank == best) {
        keep(me, kept + (u64)taken++ * SAVED * STRIDE);
        if (taken == collect) {
          status = REACHED;
          break;
        }
      }
    }
    if (done == NO_FLIP || (plus_after && step >= last + plus_after)) {
      last = step;
      if (done == NO_FLIP || me.rank < best + band) {
        const u32 before = me.rank;
        u32 top = before + 1;
        if (done == NO_FLIP && best + band > top) top = best + band;
        if (top > capacity) top = capacity;
        me = escape(me, top);
        if (me.rank == ROWS && me.rank < top) status = OVERFULL;
        escapes += me.rank - before;
        stuck += done == NO_FLIP;
        if (done == NO_FLIP && (me.rank == before || stuck > STUCK_TIMES) && status == RUNNING)
          status = STUCK;
      }
    }
    wake = plus_after ? last + plus_after : ~0ull;
    if (collect > 1 && best <= stop_rank && next < wake) wake = next;
  }
  if (status == RUNNING && step >= steps) status = BUDGET;

  for (u32 n = 0; n < WORDS; n++) state[n * STRIDE] = get(me, n);
  mine[STATUS * walkers] = status;
  mine[RANK * walkers] = me.rank;
  mine[COUNTER * walkers] = me.counter;
  mine[STEP * walkers] = step;
  mine[LAST * walkers] = last;
  mine[NEXT * walkers] = next;
  mine[MADE * walkers] = made;
  mine[REDUCTIONS * walkers] = reductions;
  mine[ESCAPES * walkers] = escapes;
  mine[STUCK_SO_FAR * walkers] = stuck;
  mine[BEST * walkers] = best;
  mine[TAKEN * walkers] = taken;
  mine[ENTRIES * walkers] = found;
}
