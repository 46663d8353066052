// Define the rows of a walker and the constants of a compilation (see walk.cu).
//
// All four files use CUDA only by the macros below. A host that defines them and ON_HOST compiles
// the same source with any C++ compiler.

#ifndef ON_HOST
#define DEVICE static __device__ __forceinline__
#define RARE static __device__ __noinline__
#define LANES(lane) for (u32 lane = threadIdx.x, once = 1; once; once = 0)
#define VOTE(lane, condition) __ballot_sync(0xffffffffu, condition)
#define FROM(lanes, lane) __shfl_sync(0xffffffffu, (lanes).mine, lane)
#define SETTLE() __syncwarp()
// adds the numbers of all earlier lanes to each lane's number
#define RUNNING_SUM(lanes)                                                        \
  for (u32 step = 1; step < 32; step *= 2)                                        \
  asm volatile("{.reg .pred is; .reg .u32 y; shfl.sync.up.b32 y|is, %0, %1, 0, -1;" \
               "@is add.u32 %0, %0, y;}" : "+r"((lanes).mine) : "r"(step))
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
typedef unsigned short u16;

#ifndef ON_HOST
// A number per lane of a warp.
struct Lanes {
  u32 mine;
  __device__ __forceinline__ u32& operator[](u32) { return mine; }
};
#endif

constexpr u32 PLANE = BITS < 32 ? 1 : BITS / 32;                // registers of a plane
constexpr bool HALVES = RING == 2 && BITS == 16;                // two rows in a word
constexpr bool TWINS = RING != 2 && BITS == 16;                 // two planes in a word
constexpr u32 KEY = RING == 2 || TWINS ? PLANE : 2 * PLANE;     // words of a factor
constexpr bool PAIRS = TEAM == 32 && KEY % 2 == 0;               // two words are read at once
constexpr u32 MASKS = (ROWS + 31) / 32;                         // words of a bitmap of rows
constexpr u32 SIGNS = HALVES ? 3 * ROWS / 2 : 3 * ROWS * KEY;   // where the words of a walker lie
constexpr u32 SAVED = SIGNS + (RING == 2 ? 0 : MASKS);
constexpr u32 FLIPPABLE = SAVED;
constexpr u32 LIVE = FLIPPABLE + 3 * MASKS;
// A warp also has a 16-bit hash of each factor, its tag. A lane reads the tags of SPAN adjacent
// rows of a page.
constexpr u32 SPAN = TEAM == 1 ? 4 : ROWS < 512 ? (ROWS + 127) / 128 * 4 : 16;
constexpr u32 PAGES = TEAM == 1 ? 0 : (ROWS + 32 * SPAN - 1) / (32 * SPAN);
constexpr u32 TAGS = LIVE + 3 + (TEAM == 1 ? 0 : (LIVE + 3) % 2);
constexpr u32 WORDS = TAGS + 3 * PAGES * SPAN * 16;
constexpr u32 STRIDE = TEAM == 1 ? 32 : 1;
constexpr u32 TRIES = 64;
constexpr u32 STUCK_TIMES = 16;  // flipsearch/walk/task.py

static_assert(ROWS % (HALVES || TEAM == 32 ? 32 : 2) == 0, "ROWS");

// Fields of a walker for the host: one array of 64-bit numbers per field.
enum Field {
  SEED, STEPS, PLUS_AFTER, BAND, STOP_RANK, COLLECT, COLLECT_EVERY, CAPACITY, MERGE,
  COUNTER, STEP, LAST, NEXT, MADE, REDUCTIONS, ESCAPES, STUCK_SO_FAR, RANK, BEST, TAKEN, ENTRIES,
  STATUS, FIELDS
};
enum Status { IDLE, FRESH, RUNNING, BUDGET, REACHED, STUCK, OVERFULL };
enum Step { REFUSED, FLIPPED, EVENT, NO_FLIP };

struct Key { u32 word[KEY]; };
struct Factor { u32 nonzero[PLANE]; u32 sign[PLANE]; };

extern __shared__ __align__(16) u32 on_chip[];

struct Walker {
  u32 first;  // place of its first word on the chip
  u32 rank;
  u64 seed, counter;
  bool merge;  // whether two rows that agree in two factors are merged at once
};

// ---------------------------------------------------------------- words, rows, factors

DEVICE u32 on(const Walker& me, u32 at) { return TEAM == 1 ? me.first + at * STRIDE : at; }

DEVICE u32 get(const Walker& me, u32 at) { return on_chip[on(me, at)]; }

// In a warp all lanes write the same numbers, after every lane has read the old ones.
DEVICE void put(const Walker& me, u32 at, u32 value) {
  if (TEAM == 32) SETTLE();
  on_chip[on(me, at)] = value;
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

// The place of word t of a factor. The low half of a word belongs to a row and the high half to
// the row 16 further; `scan` therefore answers in the order of rows.
DEVICE u32 place(u32 slot, u32 row, u32 t) {
  if (HALVES) return slot * (ROWS / 2) + (row >> 5) * 16 + (row & 15);
  if (TEAM == 32) return (slot * ROWS + row) * KEY + t;
  return (slot * KEY + t) * ROWS + row;
}

DEVICE Key load(const Walker& me, u32 slot, u32 row) {
  Key key;
  if constexpr (HALVES) {
    key.word[0] = (get(me, place(slot, row, 0)) >> (row & 16)) & 0xffff;
  } else if constexpr (PAIRS) {
#pragma unroll
    for (u32 t = 0; t < KEY; t += 2) {
      const u64 two = *(const u64*)&on_chip[place(slot, row, t)];
      key.word[t] = (u32)two;
      key.word[t + 1] = (u32)(two >> 32);
    }
  } else {
#pragma unroll
    for (u32 t = 0; t < KEY; t++) key.word[t] = get(me, place(slot, row, t));
  }
  return key;
}

DEVICE u32 tag_of(const Key& key) {
  u32 sum = 0;
#pragma unroll
  for (u32 t = 0; t < KEY; t++) sum += key.word[t] * (0x9E3779B1u + 0x3C6EF372u * t);
  return sum >> 16;
}

// The place of a lane's tags, four rows in two words. Adjacent lanes read adjacent words.
DEVICE u32 tags_at(u32 slot, u32 page, u32 four, u32 lane) {
  return TAGS + 2 * (((slot * PAGES + page) * (SPAN / 4) + four) * 32 + lane);
}

DEVICE void store(const Walker& me, u32 slot, u32 row, const Key& key) {
  if constexpr (TEAM == 32) {
    const u32 span = row / SPAN, in_span = row % SPAN;
    const u32 at = 2 * tags_at(slot, span / 32, in_span / 4, span % 32) + in_span % 4;
    SETTLE();
    ((u16*)on_chip)[at] = (u16)tag_of(key);
  }
  if constexpr (HALVES) {
    const u32 at = place(slot, row, 0), shift = row & 16;
    put(me, at, (get(me, at) & ~(0xffffu << shift)) | (key.word[0] << shift));
  } else if constexpr (PAIRS) {
#pragma unroll
    for (u32 t = 0; t < KEY; t += 2) {
      SETTLE();
      *(u64*)&on_chip[place(slot, row, t)] = key.word[t] | (u64)key.word[t + 1] << 32;
    }
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

// Nonzero if an entry of x + y, or of x - y, lies outside {-1, 0, 1}.
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

// x + y, or x - y with minus = 1; over ZT its entries must lie in {-1, 0, 1}.
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
