/* Matching of binary descriptors: for each left descriptor the nearest right one by Hamming distance, and how far the second is.
 *
 * A descriptor is MATCH_BYTES bytes; rows are dense and need no alignment. Distances are 0 to 256 and exact, so every kernel
 * returns the same numbers. */
#ifndef FASTSIM_MATCH_H
#define FASTSIM_MATCH_H

#include <stddef.h>
#include <stdint.h>

enum { MATCH_BYTES = 32, MATCH_NONE = 0xFFFF, MATCH_KERNELS = 3 };

/* index: of the nearest right descriptor, the first of several; -1 if there is none. best, second: the distance to it and
 * to the nearest of the others; MATCH_NONE if there is none. */
struct match {
    int32_t index;
    uint16_t best, second;
};

struct match_kernel {
    const char *name;
    void (*match)(const uint8_t *left, size_t m, const uint8_t *right, size_t n, struct match *out);
};

/* One nearest neighbour so far as a number that compares as (distance, index) does: distance * 2^32 + index. */
#define MATCH_KEY_NONE ((uint64_t)MATCH_NONE << 32 | 0xFFFFFFFFu)

static inline struct match match_of(uint64_t best, uint64_t second) {
    const struct match none = {-1, MATCH_NONE, MATCH_NONE};
    return best == MATCH_KEY_NONE ? none
                                  : (struct match){(int32_t)(uint32_t)best, (uint16_t)(best >> 32), (uint16_t)(second >> 32)};
}

/* Insert the next neighbour among the two nearest so far. */
static inline void match_take(uint64_t key, uint64_t *best, uint64_t *second) {
    const uint64_t later = key > *best ? key : *best;
    *best = key < *best ? key : *best;
    *second = later < *second ? later : *second;
}

extern const struct match_kernel match_serial;
#if defined(__x86_64__) || defined(_M_X64)
#define MATCH_X86 1
extern const struct match_kernel match_avx2;
extern const struct match_kernel match_avx512;
#elif defined(__aarch64__) || defined(_M_ARM64)
#define MATCH_ARM 1
extern const struct match_kernel match_neon;
#endif

/* List the kernels that this processor and its operating system can run, best first. Returns their number. */
int match_available(const struct match_kernel *kernels[MATCH_KERNELS]);

/* Return the kernel of that name, or the best one for ""; NULL if this machine has none. */
const struct match_kernel *match_named(const char *name);

#endif
