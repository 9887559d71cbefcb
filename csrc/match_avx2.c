/* AVX2: four right descriptors at a time, one in each 64-bit lane; bits are counted by halves of bytes in a table. */
#include "match.h"

#ifdef MATCH_X86
#include <immintrin.h>
#define MATCH_LANES 4
#include "match_block.h"

static __m256i broadcast(const uint8_t *p) {
    int64_t word;
    memcpy(&word, p, sizeof word);
    return _mm256_set1_epi64x(word);
}

static __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Return the number of set bits of each byte of a ^ b. */
static __m256i count_bits(__m256i a, const void *b) {
    const __m256i table =
        _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0F), x = _mm256_xor_si256(a, load(b));
    return _mm256_add_epi8(_mm256_shuffle_epi8(table, _mm256_and_si256(x, low)),
                           _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(x, 4), low)));
}

/* The smaller and the larger of signed 64-bit lanes; keys are below 2^48. */
static __m256i smaller(__m256i a, __m256i b) { return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b)); }
static __m256i larger(__m256i a, __m256i b) { return _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi64(a, b)); }

/* Find the two nearest of one block of `count` descriptors, for one left descriptor. */
static void nearest_two(const uint8_t *left, uint64_t word[GROUPS][WORDS][LANES], size_t groups, size_t start, size_t stop,
                        uint64_t *best, uint64_t *second) {
    const __m256i none = _mm256_set1_epi64x((int64_t)MATCH_KEY_NONE), end = _mm256_set1_epi64x((int64_t)stop);
    const __m256i a0 = broadcast(left), a1 = broadcast(left + 8), a2 = broadcast(left + 16), a3 = broadcast(left + 24);
    __m256i index = _mm256_add_epi64(_mm256_set1_epi64x((int64_t)start), _mm256_setr_epi64x(0, 1, 2, 3));
    __m256i first = none, other = none;
    for (size_t g = 0; g < groups; g++) {
        const __m256i bytes = _mm256_add_epi8(_mm256_add_epi8(count_bits(a0, word[g][0]), count_bits(a1, word[g][1])),
                                              _mm256_add_epi8(count_bits(a2, word[g][2]), count_bits(a3, word[g][3])));
        const __m256i distance = _mm256_sad_epu8(bytes, _mm256_setzero_si256());
        __m256i key = _mm256_or_si256(_mm256_slli_epi64(distance, 32), index);
        key = _mm256_blendv_epi8(none, key, _mm256_cmpgt_epi64(end, index)); /* past the end: none */
        other = smaller(other, larger(first, key));
        first = smaller(first, key);
        index = _mm256_add_epi64(index, _mm256_set1_epi64x(LANES));
    }
    uint64_t firsts[LANES], others[LANES];
    _mm256_storeu_si256((__m256i *)(void *)firsts, first);
    _mm256_storeu_si256((__m256i *)(void *)others, other);
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
        for (size_t i = 0; i < m; i++) {
            uint64_t best = (uint64_t)out[i].best << 32 | (uint32_t)out[i].index,
                     second = (uint64_t)out[i].second << 32 | 0xFFFFFFFFu;
            nearest_two(left + i * MATCH_BYTES, word, groups, start, start + count, &best, &second);
            out[i] = match_of(best, second);
        }
    }
}

const struct match_kernel match_avx2 = {"avx2", match};
#endif
