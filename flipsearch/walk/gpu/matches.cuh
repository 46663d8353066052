// Find the rows that hold a factor: bitmaps of rows, and the search for equal factors of a flip.
//
// A thread compares all rows, one after another. In a warp each lane reads the tags of its own
// SPAN rows, in two to four instructions per two rows. It compares a whole factor only if the tags
// agree. The lanes then exchange answers once per search and not once per 32 rows.

// ---------------------------------------------------------------- bitmaps of rows

// The existing rows among rows 32w to 32w + 31.
DEVICE u32 valid(u32 rank, u32 w) {
  const u32 first = 32 * w;
  return rank >= first + 32 ? ~0u : rank <= first ? 0 : (1u << (rank - first)) - 1;
}

// The k-th set bit of a word with more than k set bits.
DEVICE u32 kth(u32 word, u32 k) {
  if constexpr (TEAM == 32) {
    u32 found = 0;
    LANES(lane) found |= VOTE(lane, (word >> lane & 1) && COUNT(word & ((1u << lane) - 1)) == k);
    return LOWEST(found);
  } else {
    u32 from = 0;
#pragma unroll
    for (u32 half = 16; half > 0; half >>= 1) {
      const u32 count = COUNT(word & ((1u << half) - 1));
      const bool beyond = k >= count;
      k -= beyond ? count : 0;
      from += beyond ? half : 0;
      word = beyond ? word >> half : word;
    }
    return from;
  }
}

// The rows among 32w to 32w + 31 with x, and the ones with y; rows past the rank may be included.
template <bool TWO>
DEVICE void scan(const Walker& me, u32 slot, u32 w, const Key& x, const Key& y, u32& is_x,
                 u32& is_y) {
  is_x = is_y = 0;
  if constexpr (TEAM == 32) {
    LANES(lane) {
      const Key mine = load(me, slot, 32 * w + lane);
      is_x |= VOTE(lane, equal(mine, x));
      if (TWO) is_y |= VOTE(lane, equal(mine, y));
    }
  } else if constexpr (HALVES) {
    const u32 xx = x.word[0] * 0x10001u, yy = y.word[0] * 0x10001u;
    u32 not_x = 0, not_y = 0;
#pragma unroll
    for (u32 back = 0; back < 16; back++) {
      const u32 two = get(me, place(slot, 32 * w + 15 - back, 0));
      not_x = 2 * not_x + LOWER_HALVES(two ^ xx, 0x10001u);
      if (TWO) not_y = 2 * not_y + LOWER_HALVES(two ^ yy, 0x10001u);
    }
    is_x = ~not_x;
    is_y = ~not_y;
  } else {
#pragma unroll
    for (u32 r = 0; r < 32; r++) {
      if (ROWS % 32 && 32 * w + r >= ROWS) break;
      const Key mine = load(me, slot, 32 * w + r);
      MARK_IF_ZERO(is_x, difference(mine, x), 1u << r);
      if (TWO) MARK_IF_ZERO(is_y, difference(mine, y), 1u << r);
    }
  }
}

// The rows of a slot that hold x, for callers whose speed does not matter.
RARE u32 rows_with(Walker me, u32 slot, u32 w, Key x) {
  u32 found, unused;
  scan<false>(me, slot, w, x, x, found, unused);
  return found & valid(me.rank, w);
}

DEVICE u32 flippable(const Walker& me, u32 slot, u32 row) {
  return (get(me, FLIPPABLE + slot * MASKS + (row >> 5)) >> (row & 31)) & 1;
}

DEVICE void set_flippable(const Walker& me, u32 slot, u32 row, bool is) {
  const u32 at = FLIPPABLE + slot * MASKS + (row >> 5), bit = 1u << (row & 31);
  const u32 word = get(me, at);
  put(me, at, is ? word | bit : word & ~bit);
}

// The k-th row of a slot that has a partner.
DEVICE u32 kth_flippable(const Walker& me, u32 slot, u32 k) {
  const u32 at = FLIPPABLE + slot * MASKS;
  if constexpr (TEAM == 32) {
    for (u32 first = 0; first < MASKS; first += 32) {
      Lanes words, counts;
      LANES(lane) {
        words[lane] = first + lane < MASKS ? get(me, at + first + lane) : 0;
        counts[lane] = COUNT(words[lane]);
      }
      RUNNING_SUM(counts);
      u32 beyond = 0;
      LANES(lane) beyond |= VOTE(lane, k < counts[lane]);
      if (beyond) {
        const u32 w = LOWEST(beyond), word = FROM(words, w);
        return 32 * (first + w) + kth(word, k + COUNT(word) - FROM(counts, w));
      }
      k -= FROM(counts, 31);
    }
    return 0;
  } else {
    u32 word = 0, w = 0;
#pragma unroll(MASKS > 16 ? 1 : MASKS)
    for (w = 0; w < MASKS; w++) {
      word = get(me, at + w);
      const u32 count = COUNT(word);
      if (k < count) break;
      k -= count;
    }
    return 32 * w + kth(word, k);
  }
}

// Recomputes the set of rows that share their factor with another row.
RARE void build(Walker me) {
  for (u32 slot = 0; slot < 3; slot++) {
    u32 live = 0;
    for (u32 w = 0; w < MASKS; w++) put(me, FLIPPABLE + slot * MASKS + w, 0);
    for (u32 row = 0; row < me.rank; row++) {
      if (flippable(me, slot, row)) continue;
      const Key key = load(me, slot, row);
      u32 count = 0;
      for (u32 w = row >> 5; w < MASKS; w++) count += COUNT(rows_with(me, slot, w, key));
      if (count < 2) continue;
      live += count;
      for (u32 w = row >> 5; w < MASKS; w++) {
        const u32 at = FLIPPABLE + slot * MASKS + w;
        put(me, at, get(me, at) | rows_with(me, slot, w, key));
      }
    }
    put(me, LIVE + slot, live);
  }
}

// ---------------------------------------------------------------- the search of a flip

// Changes by a row's move from its old class to a new one.
struct Survey {
  u32 left, last;         // other rows of the old class (1, or whether there are more); one of them
  u32 joined, companion;  // rows of the new class, likewise
  bool agrees;            // whether one of them agrees with the row in another slot too
};

#if TEAM == 1

struct Matches { u32 word[MASKS]; };  // a bitmap of rows

// Finds the other rows that hold the factor of a row; returns their number.
DEVICE u32 partners(const Walker& me, u32 slot, u32 row, const Key& key, Matches& found) {
  u32 others = 0;
#pragma unroll(MASKS > 16 ? 1 : MASKS)
  for (u32 w = 0; w < MASKS; w++) {
    u32 unused, word;
    scan<false>(me, slot, w, key, key, word, unused);
    if (word) word &= valid(me.rank, w);
    found.word[w] = row >> 5 == w ? word & ~(1u << (row & 31)) : word;
    others += COUNT(found.word[w]);
  }
  return others;
}

DEVICE u32 kth_match(const Matches& found, u32 k) {
  u32 word = 0, w = 0;
#pragma unroll(MASKS > 16 ? 1 : MASKS)
  for (w = 0; w < MASKS; w++) {
    word = found.word[w];
    const u32 count = COUNT(word);
    if (k < count) break;
    k -= count;
  }
  return 32 * w + kth(word, k);
}

// Scans the rows of `slot`, where `row` has the factor `old` and gets `now`. In one of the other
// slots it agrees with row i and with `same`; in the third slot, q, its factor is y.
DEVICE Survey survey(const Walker& me, u32 slot, u32 row, const Key& old, const Key& now, u32 i,
                     const Matches& same, u32 q, const Key& y) {
  Survey found = {0, 0, 0, 0, false};
#pragma unroll(MASKS > 16 ? 1 : MASKS)
  for (u32 w = 0; w < MASKS; w++) {
    u32 is_old = 0, is_now = 0;
    scan<true>(me, slot, w, now, old, is_now, is_old);
    if ((is_old | is_now) == 0) continue;
    u32 others = valid(me.rank, w);
    if (row >> 5 == w) others &= ~(1u << (row & 31));
    is_old &= others;
    is_now &= others;
    if (is_old) found.last = 32 * w + LOWEST(is_old);
    if (is_now) found.companion = 32 * w + LOWEST(is_now);
    found.left += COUNT(is_old);
    found.joined += COUNT(is_now);
    if (!me.merge) continue;
    found.agrees |= (is_now & (same.word[w] | (i >> 5 == w ? 1u << (i & 31) : 0))) != 0;
    for (; is_now; is_now &= is_now - 1)
      found.agrees |= equal(load(me, q, 32 * w + LOWEST(is_now)), y);
  }
  return found;
}

#else

// For each lane, a bitmap of its rows.
struct Matches { Lanes page[PAGES]; };

DEVICE u32 row_of(u32 page, u32 lane, u32 bit) {
  return (page * 32 + lane) * SPAN + bit;
}

// Finds the other rows that hold the factor of a row.
DEVICE void match(const Walker& me, u32 slot, u32 row, const Key& key, Matches& found) {
  const u32 tags = tag_of(key) * 0x10001u;
#pragma unroll
  for (u32 page = 0; page < PAGES; page++) {
    LANES(lane) {
      u32 different = 0;
#pragma unroll
      for (u32 back = 0; back < SPAN / 4; back++) {
        const u64 four = *(const u64*)&on_chip[tags_at(slot, page, SPAN / 4 - 1 - back, lane)];
        different = 4 * different + LOWER_HALVES(high(four) ^ tags, 0x10001u);
        different = 4 * different + LOWER_HALVES((u32)four ^ tags, 0x10001u);
      }
      // of two adjacent rows one answers in the lower half, one in the upper half
      u32 alike = ~(different | different >> 15) & ((1u << SPAN) - 1), sure = 0;
      for (; alike; alike &= alike - 1) {
        const u32 bit = LOWEST(alike), other = row_of(page, lane, bit);
        if (other < me.rank && other != row && equal(load(me, slot, other), key)) sure |= 1u << bit;
      }
      found.page[page][lane] = sure;
    }
  }
}

// The number of found rows, and one of them.
DEVICE u32 count(const Matches& found, u32& one) {
  u32 rows = 0;
#pragma unroll
  for (u32 page = 0; page < PAGES; page++) {
    u32 some = 0, several = 0;
    LANES(lane) {
      const u32 mine = Lanes(found.page[page])[lane];
      some |= VOTE(lane, mine != 0);
      several |= VOTE(lane, (mine & (mine - 1)) != 0);
    }
    if (some == 0) continue;
    const u32 lane = LOWEST(some);
    one = row_of(page, lane, LOWEST(FROM(found.page[page], lane)));
    rows += COUNT(some);
    for (; several; several &= several - 1)
      rows += COUNT(FROM(found.page[page], LOWEST(several))) - 1;
  }
  return rows;
}

DEVICE u32 partners(const Walker& me, u32 slot, u32 row, const Key& key, Matches& found) {
  u32 one;
  match(me, slot, row, key, found);
  return count(found, one);
}

DEVICE u32 kth_match(const Matches& found, u32 k) {
  for (u32 page = 0; page < PAGES; page++) {
    u32 some = 0;
    LANES(lane) some |= VOTE(lane, Lanes(found.page[page])[lane] != 0);
    for (; some; some &= some - 1) {
      const u32 lane = LOWEST(some), rows = FROM(found.page[page], lane), number = COUNT(rows);
      if (k < number) return row_of(page, lane, kth(rows, k));
      k -= number;
    }
  }
  return 0;
}

// As above, with branches, which cost nothing here.
DEVICE Survey survey(const Walker& me, u32 slot, u32 row, const Key& old, const Key& now, u32 i,
                     const Matches& same, u32 q, const Key& y) {
  Survey found = {0, 0, 0, 0, false};
  Matches rows;
  if (flippable(me, slot, row)) {
    match(me, slot, row, old, rows);
    found.left = count(rows, found.last);
  }
  match(me, slot, row, now, rows);
  found.joined = count(rows, found.companion);
  if (!me.merge || found.joined == 0) return found;
  u32 agree = 0;
  for (u32 page = 0; page < PAGES; page++) {
    LANES(lane) {
      u32 mine = rows.page[page][lane];
      bool agrees = (mine & Lanes(same.page[page])[lane]) != 0;
      for (; mine; mine &= mine - 1) {
        const u32 other = row_of(page, lane, LOWEST(mine));
        agrees |= other == i || equal(load(me, q, other), y);
      }
      agree |= VOTE(lane, agrees);
    }
  }
  found.agrees = agree != 0;
  return found;
}

#endif
