/* AVX-512 (F, BW, VL, DQ, VNNI): one register is one set of lanes of `dot`, and one step of 16 rows of the sketch. */
#include "tile.h"

#ifdef TILE_X86
#include <immintrin.h>
#include <string.h>

static inline __m512 halves(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

/* Lanes l + (l + 8), then l + (l + 4), then l + (l + 2), then l + (l + 1). */
static inline float reduce(__m512 lanes) {
    const __m256 high = _mm512_extractf32x8_ps(lanes, 1);
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static float dot(const uint16_t *a, const uint16_t *b, size_t d) {
    float total = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        __m512 lanes = _mm512_setzero_ps();
        for (size_t i = start; i < stop; i += TILE_LANES)
            lanes = _mm512_fmadd_ps(halves(a + i), halves(b + i), lanes);
        total += reduce(lanes);
    }
    return total;
}

/* x + y after the first two steps of `reduce`, for four registers at once: 4 lanes each of w0, w1, w2, w3. */
static inline __m512 quarter(__m512 w0, __m512 w1, __m512 w2, __m512 w3) {
    const __m512 x = _mm512_add_ps(_mm512_shuffle_f32x4(w0, w1, 0x44), _mm512_shuffle_f32x4(w0, w1, 0xEE));
    const __m512 y = _mm512_add_ps(_mm512_shuffle_f32x4(w2, w3, 0x44), _mm512_shuffle_f32x4(w2, w3, 0xEE));
    return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xDD));
}

/* The last two steps, for the four columns: lane 4 * i + j. */
static inline __m512 finish(__m512 q0, __m512 q1, __m512 q2, __m512 q3) {
    const __m512 x = _mm512_add_ps(_mm512_shuffle_ps(q0, q1, 0x44), _mm512_shuffle_ps(q0, q1, 0xEE));
    const __m512 y = _mm512_add_ps(_mm512_shuffle_ps(q2, q3, 0x44), _mm512_shuffle_ps(q2, q3, 0xEE));
    return _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xDD));
}

static void dots(const uint16_t *const a[4], const uint16_t *const b[4], size_t d, float out[16]) {
    const uint16_t *const a0 = a[0], *const a1 = a[1], *const a2 = a[2], *const a3 = a[3];
    const uint16_t *const b0 = b[0], *const b1 = b[1], *const b2 = b[2], *const b3 = b[3];
    __m512 total = _mm512_setzero_ps();
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        const __m512 zero = _mm512_setzero_ps();
        __m512 s00 = zero, s01 = zero, s02 = zero, s03 = zero, s10 = zero, s11 = zero, s12 = zero, s13 = zero;
        __m512 s20 = zero, s21 = zero, s22 = zero, s23 = zero, s30 = zero, s31 = zero, s32 = zero, s33 = zero;
        for (size_t i = start; i < stop; i += TILE_LANES) {
            const __m512 x0 = halves(a0 + i), x1 = halves(a1 + i), x2 = halves(a2 + i), x3 = halves(a3 + i);
            __m512 y = halves(b0 + i);
            s00 = _mm512_fmadd_ps(x0, y, s00), s10 = _mm512_fmadd_ps(x1, y, s10);
            s20 = _mm512_fmadd_ps(x2, y, s20), s30 = _mm512_fmadd_ps(x3, y, s30);
            y = halves(b1 + i);
            s01 = _mm512_fmadd_ps(x0, y, s01), s11 = _mm512_fmadd_ps(x1, y, s11);
            s21 = _mm512_fmadd_ps(x2, y, s21), s31 = _mm512_fmadd_ps(x3, y, s31);
            y = halves(b2 + i);
            s02 = _mm512_fmadd_ps(x0, y, s02), s12 = _mm512_fmadd_ps(x1, y, s12);
            s22 = _mm512_fmadd_ps(x2, y, s22), s32 = _mm512_fmadd_ps(x3, y, s32);
            y = halves(b3 + i);
            s03 = _mm512_fmadd_ps(x0, y, s03), s13 = _mm512_fmadd_ps(x1, y, s13);
            s23 = _mm512_fmadd_ps(x2, y, s23), s33 = _mm512_fmadd_ps(x3, y, s33);
        }
        total = _mm512_add_ps(total, finish(quarter(s00, s10, s20, s30), quarter(s01, s11, s21, s31),
                                            quarter(s02, s12, s22, s32), quarter(s03, s13, s23, s33)));
    }
    _mm512_storeu_ps(out, total);
}

static inline __m512i broadcast4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* vpdpbusd multiplies unsigned by signed bytes: columns go in as q + 128, and 128 * sum of the row's codes comes off again. */
static int sift(const int8_t *rows, const int8_t *cols, size_t steps, const int32_t floor[TILE_ROWS],
                const int32_t sum[TILE_ROWS], const int32_t bias[TILE_COLS], uint64_t mask[TILE_ROWS]) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    __m512i s[TILE_ROWS][4];
    for (int i = 0; i < TILE_ROWS; i++) {
        const __m512i start = _mm512_set1_epi32(-floor[i] - 128 * sum[i]);
        for (int j = 0; j < 4; j++)
            s[i][j] = _mm512_add_epi32(start, _mm512_loadu_si512(bias + 16 * j));
    }
    for (size_t k = 0; k < steps; k++, rows += TILE_STEP, cols += TILE_STEP) {
        const __m512i c0 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols));
        const __m512i c1 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 64));
        const __m512i c2 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 128));
        const __m512i c3 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 192));
        for (int i = 0; i < TILE_ROWS; i++) {
            const __m512i r = broadcast4(rows + 4 * i);
            s[i][0] = _mm512_dpbusd_epi32(s[i][0], c0, r), s[i][1] = _mm512_dpbusd_epi32(s[i][1], c1, r);
            s[i][2] = _mm512_dpbusd_epi32(s[i][2], c2, r), s[i][3] = _mm512_dpbusd_epi32(s[i][3], c3, r);
        }
    }
    __m512i negative = _mm512_set1_epi32(-1);
    for (int i = 0; i < TILE_ROWS; i++) {
        const __m512i pair = _mm512_and_si512(_mm512_and_si512(s[i][0], s[i][1]), _mm512_and_si512(s[i][2], s[i][3]));
        negative = _mm512_and_si512(negative, pair);
    }
    if (_mm512_movepi32_mask(negative) == 0xFFFF)
        return 0;
    for (int i = 0; i < TILE_ROWS; i++) {
        mask[i] = 0;
        for (int j = 0; j < 4; j++)
            mask[i] |= (uint64_t)(uint16_t)~_mm512_movepi32_mask(s[i][j]) << (16 * j);
    }
    return 1;
}

const struct tile_kernel tile_avx512 = {"avx512", dot, dots, sift};
#endif
