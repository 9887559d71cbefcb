/* NEON on AArch64, where it is always there: one right descriptor is two registers. */
#include "match.h"

#ifdef MATCH_ARM
#include <arm_neon.h>

static void match(const uint8_t *left, size_t m, const uint8_t *right, size_t n, struct match *out) {
    for (size_t i = 0; i < m; i++) {
        const uint8x16_t a0 = vld1q_u8(left + i * MATCH_BYTES), a1 = vld1q_u8(left + i * MATCH_BYTES + 16);
        uint64_t best = MATCH_KEY_NONE, second = MATCH_KEY_NONE;
        for (size_t j = 0; j < n; j++) {
            const uint8_t *b = right + j * MATCH_BYTES;
            const uint8x16_t c0 = vcntq_u8(veorq_u8(a0, vld1q_u8(b))), c1 = vcntq_u8(veorq_u8(a1, vld1q_u8(b + 16)));
            const uint64_t distance = vaddlvq_u8(vaddq_u8(c0, c1)); /* up to 256: the sum needs 16 bits */
            match_take(distance << 32 | j, &best, &second);
        }
        out[i] = match_of(best, second);
    }
}

const struct match_kernel match_neon = {"neon", match};
#endif
