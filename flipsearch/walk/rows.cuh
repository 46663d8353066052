// Rows of a walker and what is fixed when it is compiled: see walk.cu.
//
// The words of CUDA used by all three files are the macros below; a host that defines them itself,
// and ON_HOST, compiles the same source with any C++ compiler.

#ifndef ON_HOST
#define DEVICE static __device__ __forceinline__
#define RARE static __device__ __noinline__
#define LANES(lane) for (u32 lane = threadIdx.x, once = 1; once; once = 0)
#define VOTE(lane, condition) __ballot_sync(0xffffffffu, condition)
#define SETTLE() __syncwarp()
#define LOWEST(x) (u32)(__ffs((int)(x)) - 1)
#define COUNT(x) (u32) __popc(x)
#define HIGH_PRODUCT(x, y) __umulhi(x, y)
#define LOWER_HALVES(x, y) __vminu2(x, y)
// two instructions, where a conditional expression becomes three
#define MARK_IF_ZERO(marks, x, bit)                                         \
  asm("{.reg .pred zero; setp.eq.u32 zero, %1, 0; @zero add.u32 %0, %0, %2;}" \
      : "+r"(marks) : "r"(x), "r"(bit))
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 PLANE = BITS < 32 ? 1 : BITS / 32;                // registers of a plane
constexpr bool HALVES = RING == 2 && BITS == 16;                // two rows in a word
constexpr bool TWINS = RING != 2 && BITS == 16;                 // two planes in a word
constexpr u32 KEY = RING == 2 || TWINS ? PLANE : 2 * PLANE;     // words of a factor
constexpr u32 MASKS = (ROWS + 31) / 32;                         // words of a bitmap of rows
constexpr u32 SIGNS = HALVES ? 3 * ROWS / 2 : 3 * ROWS * KEY;   // where the words of a walker lie
constexpr u32 SAVED = SIGNS + (RING == 2 ? 0 : MASKS);
constexpr u32 FLIPPABLE = SAVED;
constexpr u32 LIVE = FLIPPABLE + 3 * MASKS;
constexpr u32 WORDS = LIVE + 3;
constexpr u32 STRIDE = TEAM == 1 ? 32 : 1;
constexpr u32 TRIES = 64;

static_assert(ROWS % (HALVES || TEAM == 32 ? 32 : 2) == 0, "ROWS");

// What the host knows of a walker: one array of 64-bit numbers a field.
enum Field {
  SEED, STEPS, PLUS_AFTER, BAND, STOP_RANK, COLLECT, COLLECT_EVERY, CAPACITY, MERGE,
  COUNTER, STEP, LAST, NEXT, MADE, REDUCTIONS, ESCAPES, RANK, BEST, TAKEN, ENTRIES, STATUS,
  FIELDS
};
enum Status { IDLE, FRESH, RUNNING, BUDGET, REACHED, STUCK, OVERFULL };
enum Step { REFUSED, FLIPPED, EVENT, NO_FLIP };

struct Key { u32 word[KEY]; };
struct Factor { u32 nonzero[PLANE]; u32 sign[PLANE]; };

extern __shared__ u32 on_chip[];

struct Walker {
  u32 first;  // where its words begin on the chip
  u32 rank;
  u64 seed, counter;
  bool merge;  // whether two rows that agree in two factors become one at once
};

// ---------------------------------------------------------------- words, rows, factors

DEVICE u32 get(const Walker& me, u32 at) { return on_chip[me.first + at * STRIDE]; }

// In a warp all lanes write the same: first every lane has read what it still needed.
DEVICE void put(const Walker& me, u32 at, u32 value) {
  if (TEAM == 32) SETTLE();
  on_chip[me.first + at * STRIDE] = value;
}

DEVICE u64 draw(Walker& me) {
  me.counter += 1;
  u64 z = me.seed + me.counter * 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

DEVICE u32 high(u64 z) { return (u32)(z >> 32); }

// A number below `bound` from 32 random bits.
DEVICE u32 below(u32 bits, u32 bound) { return HIGH_PRODUCT(bits, bound); }

// Where word t of a factor lies. Of halves, the low one is of a row and the high one of the row 16
// further, so that what `scan` finds is in the order of rows.
DEVICE u32 place(u32 slot, u32 row, u32 t) {
  if (HALVES) return slot * (ROWS / 2) + (row >> 5) * 16 + (row & 15);
  return (slot * KEY + t) * ROWS + row;
}

DEVICE Key load(const Walker& me, u32 slot, u32 row) {
  Key key;
  if constexpr (HALVES) {
    key.word[0] = (get(me, place(slot, row, 0)) >> (row & 16)) & 0xffff;
  } else {
#pragma unroll
    for (u32 t = 0; t < KEY; t++) key.word[t] = get(me, place(slot, row, t));
  }
  return key;
}

DEVICE void store(const Walker& me, u32 slot, u32 row, const Key& key) {
  if constexpr (HALVES) {
    const u32 at = place(slot, row, 0), shift = row & 16;
    put(me, at, (get(me, at) & ~(0xffffu << shift)) | (key.word[0] << shift));
  } else {
#pragma unroll
    for (u32 t = 0; t < KEY; t++) put(me, place(slot, row, t), key.word[t]);
  }
}

// Zero where two factors are equal.
DEVICE u32 difference(const Key& x, const Key& y) {
  u32 different = 0;
#pragma unroll
  for (u32 t = 0; t < KEY; t++) different |= x.word[t] ^ y.word[t];
  return different;
}

DEVICE bool equal(const Key& x, const Key& y) { return difference(x, y) == 0; }

DEVICE Factor open(const Key& key) {
  Factor factor;
#pragma unroll
  for (u32 t = 0; t < PLANE; t++) {
    factor.nonzero[t] = TWINS ? key.word[0] & 0xffff : key.word[t];
    factor.sign[t] = RING == 2 ? 0 : TWINS ? key.word[0] >> 16 : key.word[(PLANE + t) % KEY];
  }
  return factor;
}

DEVICE Key close(const Factor& factor) {
  Key key;
  if constexpr (TWINS) {
    key.word[0] = factor.nonzero[0] | (factor.sign[0] << 16);
  } else {
#pragma unroll
    for (u32 t = 0; t < PLANE; t++) {
      key.word[t] = factor.nonzero[t];
      if constexpr (RING != 2) key.word[PLANE + t] = factor.sign[t];
    }
  }
  return key;
}

DEVICE bool is_zero(const Factor& x) {
  u32 some = 0;
#pragma unroll
  for (u32 t = 0; t < PLANE; t++) some |= x.nonzero[t];
  return some == 0;
}

// Where x + y leaves {-1, 0, 1}, and where x - y does: zero or not.
DEVICE void overflow(const Factor& x, const Factor& y, u32& plus, u32& less) {
#pragma unroll
  for (u32 t = 0; t < PLANE; t++) {
    const u32 both = x.nonzero[t] & y.nonzero[t], differ = x.sign[t] ^ y.sign[t];
    plus |= both & ~differ;
    less |= both & differ;
  }
}

DEVICE bool fits(const Factor& x, const Factor& y, u32 minus) {
  if (RING != 0) return true;
  u32 plus = 0, less = 0;
  overflow(x, y, plus, less);
  return (minus ? less : plus) == 0;
}

// x + y, or x - y with minus = 1; over ZT it has to fit.
DEVICE Factor add(const Factor& x, const Factor& y, u32 minus) {
  Factor sum;
#pragma unroll
  for (u32 t = 0; t < PLANE; t++) {
    const u32 nx = x.nonzero[t], ny = y.nonzero[t];
    if constexpr (RING == 2) {
      sum.nonzero[t] = nx ^ ny;
      sum.sign[t] = 0;
    } else {
      const u32 sx = x.sign[t], differ = sx ^ y.sign[t] ^ (ny & (0 - minus));
      const u32 both = nx & ny;
      sum.nonzero[t] = RING == 3 ? (nx | ny) & ~(both & differ) : nx ^ ny;
      sum.sign[t] = (RING == 3 ? differ ^ (both & ~sx) : differ) & sum.nonzero[t];
    }
  }
  return sum;
}

// x, or -x with minus = 1.
DEVICE Factor turned(Factor x, u32 minus) {
#pragma unroll
  for (u32 t = 0; t < PLANE; t++)
    if (RING != 2) x.sign[t] ^= x.nonzero[t] & (0 - minus);
  return x;
}

// Makes the lowest nonzero entry +1; returns 1 if all signs changed.
DEVICE u32 normalise(Factor& x) {
  if (RING == 2) return 0;
  u32 lead = 0;
#pragma unroll
  for (u32 back = 0; back < PLANE; back++) {
    const u32 t = PLANE - 1 - back, n = x.nonzero[t];
    lead = n ? x.sign[t] & n & (0 - n) : lead;
  }
  const u32 minus = lead != 0;
  x = turned(x, minus);
  return minus;
}

DEVICE u32 sign_of(const Walker& me, u32 row) {
  return RING == 2 ? 0 : (get(me, SIGNS + (row >> 5)) >> (row & 31)) & 1;
}

DEVICE void turn_sign(const Walker& me, u32 row, u32 minus) {
  if (RING != 2) put(me, SIGNS + (row >> 5), get(me, SIGNS + (row >> 5)) ^ (minus << (row & 31)));
}

// ---------------------------------------------------------------- bitmaps of rows

// Those of rows 32w to 32w + 31 that there are.
DEVICE u32 valid(u32 rank, u32 w) {
  const u32 first = 32 * w;
  return rank >= first + 32 ? ~0u : rank <= first ? 0 : (1u << (rank - first)) - 1;
}

// The k-th set bit of a word that has so many.
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

// Which of rows 32w to 32w + 31 hold x, and which hold y; rows past the rank may answer too.
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

// The rows of a slot that hold x, where speed does not matter.
RARE u32 rows_with(Walker me, u32 slot, u32 w, Key x) {
  u32 found, unused;
  scan<false>(me, slot, w, x, x, found, unused);
  return found & valid(me.rank, w);
}

DEVICE u32 flippable(const Walker& me, u32 slot, u32 row) {
  return (get(me, FLIPPABLE + slot * MASKS + (row >> 5)) >> (row & 31)) & 1;
}

// Finds out anew which rows share their factor with another.
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
