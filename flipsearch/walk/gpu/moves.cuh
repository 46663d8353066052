// Carry out the rare moves: reductions, plus transitions and splits.
//
// They occur once in thousands of flips; this code is short rather than fast. All engines use the
// same order. The lowest row with a zero factor goes first; otherwise the lowest pair that agrees
// in two factors is merged. The last row fills the gap.

// Sets row.slot to the normal form of x and multiplies the row's sign by the sign of x.
DEVICE void settle(const Walker& me, u32 slot, u32 row, Factor x) {
  const u32 minus = normalise(x);
  store(me, slot, row, close(x));
  turn_sign(me, row, minus);
}

DEVICE Factor factor(const Walker& me, u32 slot, u32 row) { return open(load(me, slot, row)); }

// Removes a row; the last one takes its place.
DEVICE void drop(Walker& me, u32 row) {
  const u32 last = me.rank - 1;
  for (u32 slot = 0; slot < 3; slot++) store(me, slot, row, load(me, slot, last));
  turn_sign(me, row, sign_of(me, row) ^ sign_of(me, last));
  me.rank = last;
}

DEVICE bool drop_a_zero(Walker& me) {
  const Key zero = {};
  for (u32 w = 0; w < MASKS; w++) {
    u32 rows = 0;
    for (u32 slot = 0; slot < 3; slot++) rows |= rows_with(me, slot, w, zero);
    if (rows) {
      drop(me, 32 * w + LOWEST(rows));
      return true;
    }
  }
  return false;
}

// Merges the lowest pair that agrees in two factors, if the ring allows it.
DEVICE bool merge_a_pair(Walker& me) {
  for (u32 i = 0; i < me.rank; i++) {
    if (flippable(me, 0, i) + flippable(me, 1, i) + flippable(me, 2, i) < 2) continue;
    for (u32 w = i >> 5; w < MASKS; w++) {
      u32 equals[3];
#pragma unroll
      for (u32 slot = 0; slot < 3; slot++) {
        equals[slot] = rows_with(me, slot, w, load(me, slot, i));
        if (w == i >> 5) equals[slot] &= ~0u << (i & 31) << 1;
      }
      u32 pairs = (equals[0] & equals[1]) | ((equals[0] | equals[1]) & equals[2]);
      for (; pairs; pairs &= pairs - 1) {
        const u32 bit = LOWEST(pairs), j = 32 * w + bit;
        const u32 minus = sign_of(me, i) ^ sign_of(me, j);
        for (u32 slot = 0; slot < 3; slot++) {
          const u32 rest = slot == 0 ? equals[1] & equals[2]
                         : slot == 1 ? equals[2] & equals[0] : equals[0] & equals[1];
          if (!(rest >> bit & 1)) continue;
          const Factor x = factor(me, slot, i), y = factor(me, slot, j);
          if (!fits(x, y, minus)) continue;
          settle(me, slot, i, add(x, y, minus));
          drop(me, j);
          return true;
        }
      }
    }
  }
  return false;
}

// Carries out reductions until there are none.
RARE Walker reduce(Walker me) {
  while (drop_a_zero(me) || (me.merge && merge_a_pair(me))) build(me);
  return me;
}

// Plus transition: two rows become three. A, B, C are the slots in a drawn order, rotated by
// the variant: A1 (B1 + B2) C1 + (A2 - A1) B2 C2 + A1 B2 (C2 - C1).
DEVICE bool plus(Walker& me) {
  if (me.rank < 2) return false;
  for (u32 tried = 0; tried < TRIES; tried++) {
    u64 z = draw(me);
    const u32 i = below(high(z), me.rank);
    u32 j = below((u32)z, me.rank - 1);
    j += j >= i;
    bool distinct = true;
    for (u32 slot = 0; slot < 3; slot++) distinct &= !equal(load(me, slot, i), load(me, slot, j));
    if (!distinct) continue;
    z = draw(me);
    // orders of the slots: 012 021 102 120 201 210
    const u32 order = below(high(z), 6), first = order >> 1;
    const u32 rest = (order & 1) ? (first == 2 ? 1 : 2) : (first == 0 ? 1 : 0);
    const u32 slots = first | rest << 2 | (3 - first - rest) << 4;
    // for each slot of the order: whether the factor of i, of j changes its sign
    const u32 turn_i = sign_of(me, i) << 2;
    const u32 sign_a = RING == 2 ? 0 : (u32)z & 1, sign_b = RING == 2 ? 0 : (u32)z >> 1 & 1;
    const u32 turn_j = sign_a | sign_b << 1 | (sign_a ^ sign_b ^ sign_of(me, j)) << 2;
    u32 variant = ((u32)z >> 2) % 3;
    for (u32 attempt = 0; attempt < 3; attempt++, variant = variant == 2 ? 0 : variant + 1) {
      u32 slot[3];
      Factor x[3], y[3];
#pragma unroll
      for (u32 n = 0; n < 3; n++) {
        const u32 part = variant + n >= 3 ? variant + n - 3 : variant + n;
        slot[n] = slots >> (2 * part) & 3;
        x[n] = turned(factor(me, slot[n], i), turn_i >> part & 1);
        y[n] = turned(factor(me, slot[n], j), turn_j >> part & 1);
      }
      if (!fits(y[0], x[0], 1) || !fits(x[1], y[1], 0) || !fits(y[2], x[2], 1)) continue;
      const u32 top = me.rank;
      turn_sign(me, i, sign_of(me, i));
      turn_sign(me, j, sign_of(me, j));
      turn_sign(me, top, sign_of(me, top));
      settle(me, slot[0], i, x[0]);
      settle(me, slot[1], i, add(x[1], y[1], 0));
      settle(me, slot[2], i, x[2]);
      settle(me, slot[0], j, add(y[0], x[0], 1));
      settle(me, slot[1], j, y[1]);
      settle(me, slot[2], j, y[2]);
      settle(me, slot[0], top, x[0]);
      settle(me, slot[1], top, y[1]);
      settle(me, slot[2], top, add(y[2], x[2], 1));
      me.rank = top + 1;
      return true;
    }
  }
  return false;
}

// Splits a row: u v w = x v w + (u - x) v w; x or -x is a factor of another row.
DEVICE bool split(Walker& me) {
  for (u32 tried = 0; tried < TRIES; tried++) {
    u64 z = draw(me);
    const u32 row = below(high(z), me.rank), other = below((u32)z, me.rank);
    z = draw(me);
    const u32 slot = below(high(z), 3);
    u32 minus = RING == 2 ? 0 : (u32)z & 1;
    const Key x = load(me, slot, other);
    const Factor u = factor(me, slot, row);
    if (equal(close(u), x)) continue;
    if (!fits(u, open(x), minus ^ 1)) {
      minus ^= 1;
      if (!fits(u, open(x), minus ^ 1)) continue;
    }
    const u32 top = me.rank;
    for (u32 part = 0; part < 3; part++) store(me, part, top, load(me, part, row));
    turn_sign(me, top, sign_of(me, top) ^ sign_of(me, row));
    settle(me, slot, top, add(u, open(x), minus ^ 1));
    store(me, slot, row, x);
    turn_sign(me, row, minus);
    me.rank = top + 1;
    return true;
  }
  return false;
}

// Raises the rank while it is below `top` and another row fits.
RARE Walker escape(Walker me, u32 top) {
  while (me.rank < top && me.rank < ROWS)
    if (!plus(me) && !split(me)) break;
  build(me);
  return me;
}

RARE void keep(Walker me, u32* to) {
  for (u32 n = 0; n < SAVED; n++) to[n * STRIDE] = get(me, n);
}

RARE void begin(Walker me) {
  for (u32 row = 0; row < me.rank; row++)
    for (u32 slot = 0; slot < 3; slot++) settle(me, slot, row, factor(me, slot, row));
  build(me);
}
