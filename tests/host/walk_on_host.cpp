// Compiles flipsearch/walk/walk.cu for the host: the CUDA words it uses, a warp emulated by a loop
// over its lanes where it votes, blocks and threads run one after another.

#include <cstdint>

#define ON_HOST
#define DEVICE static inline
#define RARE static __attribute__((noinline))
#define LANES(lane) for (u32 lane = 0; lane < 32; lane++)
#define VOTE(lane, condition) ((u32)(condition) << (lane))
#define FROM(lanes, lane) ((lanes).each[lane])
#define SETTLE() ((void)0)
#define RUNNING_SUM(lanes) running_sum((lanes).each)
#define LOWEST(x) ((u32)__builtin_ctz(x))
#define COUNT(x) ((u32)__builtin_popcount(x))
#define HIGH_PRODUCT(x, y) ((u32)((u64)(x) * (y) >> 32))
#define MARK_IF_ZERO(marks, x, bit) ((marks) += (x) == 0 ? (bit) : 0)
#define LOWER_HALVES(x, y) lower_halves(x, y)
#define __global__
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

static thread_local struct { unsigned int x; } threadIdx, blockIdx;
static inline unsigned int lower_halves(unsigned int x, unsigned int y) {
  const unsigned int low = (x & 0xffff) < (y & 0xffff) ? x & 0xffff : y & 0xffff;
  const unsigned int high = (x >> 16) < (y >> 16) ? x >> 16 : y >> 16;
  return low | high << 16;
}
static inline void running_sum(unsigned int* each) {
  for (int lane = 1; lane < 32; lane++) each[lane] += each[lane - 1];
}

// A number that each lane of a warp has for itself.
struct Lanes {
  unsigned int each[32];
  unsigned int& operator[](unsigned int lane) { return each[lane]; }
};

#include "walk.cu"

alignas(16) u32 on_chip[1 << 22];
static_assert(WORDS * STRIDE <= 1 << 22, "on_chip");

extern "C" void walk_all(u32* states, u64* numbers, u32* snapshots, u64* history, u32 walkers,
                         u32 room, u32 entries, u64 chunk) {
  const u32 threads = TEAM == 1 ? 32 : 1;
  for (blockIdx.x = 0; blockIdx.x < walkers * TEAM / 32; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
      walk(states, numbers, snapshots, history, walkers, room, entries, chunk);
}
