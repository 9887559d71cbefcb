/* AVX-512 with VPOPCNTDQ: eight right descriptors at a time, one in each 64-bit lane. */
#include "match.h"

#ifdef MATCH_X86
#include <immintrin.h>
#define MATCH_LANES 8
#include "match_block.h"

static __m512i broadcast(const uint8_t *p) {
    int64_t word;
    memcpy(&word, p, sizeof word);
    return _mm512_set1_epi64(word);
}

/* The two nearest of one block, for one left descriptor. `tail`: the lanes of the last group that hold a descriptor. */
static void nearest_two(const uint8_t *left, uint64_t word[GROUPS][WORDS][LANES], size_t groups, __mmask8 tail, size_t start,
                        uint64_t *best, uint64_t *second) {
    const __m512i none = _mm512_set1_epi64((int64_t)MATCH_KEY_NONE);
    const __m512i a0 = broadcast(left), a1 = broadcast(left + 8), a2 = broadcast(left + 16), a3 = broadcast(left + 24);
    __m512i index = _mm512_add_epi64(_mm512_set1_epi64((int64_t)start), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    __m512i first = none, other = none;
    for (size_t g = 0; g < groups; g++) {
        const __m512i c0 = _mm512_popcnt_epi64(_mm512_xor_si512(a0, _mm512_loadu_si512(word[g][0])));
        const __m512i c1 = _mm512_popcnt_epi64(_mm512_xor_si512(a1, _mm512_loadu_si512(word[g][1])));
        const __m512i c2 = _mm512_popcnt_epi64(_mm512_xor_si512(a2, _mm512_loadu_si512(word[g][2])));
        const __m512i c3 = _mm512_popcnt_epi64(_mm512_xor_si512(a3, _mm512_loadu_si512(word[g][3])));
        const __m512i distance = _mm512_add_epi64(_mm512_add_epi64(c0, c1), _mm512_add_epi64(c2, c3));
        __m512i key = _mm512_or_si512(_mm512_slli_epi64(distance, 32), index);
        if (g + 1 == groups)
            key = _mm512_mask_blend_epi64(tail, none, key);
        other = _mm512_min_epu64(other, _mm512_max_epu64(first, key));
        first = _mm512_min_epu64(first, key);
        index = _mm512_add_epi64(index, _mm512_set1_epi64(LANES));
    }
    uint64_t firsts[LANES], others[LANES];
    _mm512_storeu_si512(firsts, first);
    _mm512_storeu_si512(others, other);
    for (size_t l = 0; l < LANES; l++) {
        match_take(firsts[l], best, second);
        *second = others[l] < *second ? others[l] : *second;
    }
}

static void match(const uint8_t *left, size_t m, const uint8_t *right, size_t n, struct match *out) {
    uint64_t word[GROUPS][WORDS][LANES];
    for (size_t i = 0; i < m; i++)
        out[i] = match_of(MATCH_KEY_NONE, MATCH_KEY_NONE);
    for (size_t start = 0; start < n; start += BLOCK) {
        const size_t count = n - start < BLOCK ? n - start : BLOCK;
        const size_t groups = transpose(right + start * MATCH_BYTES, count, word);
        const __mmask8 tail = (__mmask8)(count % LANES ? (1u << count % LANES) - 1 : 0xFF);
        for (size_t i = 0; i < m; i++) {
            uint64_t best = (uint64_t)out[i].best << 32 | (uint32_t)out[i].index,
                     second = (uint64_t)out[i].second << 32 | 0xFFFFFFFFu;
            nearest_two(left + i * MATCH_BYTES, word, groups, tail, start, &best, &second);
            out[i] = match_of(best, second);
        }
    }
}

const struct match_kernel match_avx512 = {"avx512", match};
#endif
