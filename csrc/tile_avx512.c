/* AVX-512 (F, BW, VL, DQ, VNNI): one register is one set of lanes of `dot`, and one step of 16 rows of the sketch. */
#include "tile.h"

#ifdef TILE_X86
#include <immintrin.h>
#include <string.h>

static inline __m512 halves(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }

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

static void dot4(const uint16_t *a, const uint16_t *const b[4], size_t d, float out[4]) {
    const uint16_t *const b0 = b[0], *const b1 = b[1], *const b2 = b[2], *const b3 = b[3];
    float t0 = 0.0f, t1 = 0.0f, t2 = 0.0f, t3 = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        for (size_t i = start; i < stop; i += TILE_LANES) {
            const __m512 x = halves(a + i);
            s0 = _mm512_fmadd_ps(x, halves(b0 + i), s0), s1 = _mm512_fmadd_ps(x, halves(b1 + i), s1);
            s2 = _mm512_fmadd_ps(x, halves(b2 + i), s2), s3 = _mm512_fmadd_ps(x, halves(b3 + i), s3);
        }
        t0 += reduce(s0), t1 += reduce(s1), t2 += reduce(s2), t3 += reduce(s3);
    }
    out[0] = t0, out[1] = t1, out[2] = t2, out[3] = t3;
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
        total = _mm512_add_ps(total, finish(quarter(s00, s10, s20, s30), quarter(s01, s11, s21, s31), quarter(s02, s12, s22, s32),
                                            quarter(s03, s13, s23, s33)));
    }
    _mm512_storeu_ps(out, total);
}

static inline __m512i broadcast4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* Where the sums of a row start: columns go in as q + 128, as vpdpbusd multiplies unsigned by signed bytes, which adds 128
 * times the sum of the row's codes. */
static inline __m512i row_start(const struct sketch *sketch, int32_t floor, size_t row) {
    return _mm512_set1_epi32(sketch->bias[row] - floor - 128 * sketch->sum[row]);
}

static inline __m512i and4(__m512i a, __m512i b, __m512i c, __m512i d) {
    return _mm512_and_si512(_mm512_and_si512(a, b), _mm512_and_si512(c, d));
}

static inline uint64_t not_negative(__m512i a, __m512i b, __m512i c, __m512i d) {
    return ~((uint64_t)_mm512_movepi32_mask(a) | (uint64_t)_mm512_movepi32_mask(b) << 16 |
             (uint64_t)_mm512_movepi32_mask(c) << 32 | (uint64_t)_mm512_movepi32_mask(d) << 48);
}

/* Sixteen sums in named registers: GCC moves an array of them about, which costs a third. */
static size_t prefilter(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col,
                        uint64_t mask[TILE_ROWS]) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    const __m512i b0 = _mm512_loadu_si512(sketch->bias + col), b1 = _mm512_loadu_si512(sketch->bias + col + 16);
    const __m512i b2 = _mm512_loadu_si512(sketch->bias + col + 32), b3 = _mm512_loadu_si512(sketch->bias + col + 48);
    for (; row < stop; row += TILE_ROWS) {
        const int8_t *rows = sketch_at(sketch, row), *cols = sketch_at(sketch, col);
        __m512i s;
        s = row_start(sketch, floor, row + 0);
        __m512i s00 = _mm512_add_epi32(s, b0), s01 = _mm512_add_epi32(s, b1), s02 = _mm512_add_epi32(s, b2),
                s03 = _mm512_add_epi32(s, b3);
        s = row_start(sketch, floor, row + 1);
        __m512i s10 = _mm512_add_epi32(s, b0), s11 = _mm512_add_epi32(s, b1), s12 = _mm512_add_epi32(s, b2),
                s13 = _mm512_add_epi32(s, b3);
        s = row_start(sketch, floor, row + 2);
        __m512i s20 = _mm512_add_epi32(s, b0), s21 = _mm512_add_epi32(s, b1), s22 = _mm512_add_epi32(s, b2),
                s23 = _mm512_add_epi32(s, b3);
        s = row_start(sketch, floor, row + 3);
        __m512i s30 = _mm512_add_epi32(s, b0), s31 = _mm512_add_epi32(s, b1), s32 = _mm512_add_epi32(s, b2),
                s33 = _mm512_add_epi32(s, b3);
        for (size_t k = 0; k < sketch->steps; k++, rows += TILE_STEP, cols += TILE_STEP) {
            const __m512i c0 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols));
            const __m512i c1 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 64));
            const __m512i c2 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 128));
            const __m512i c3 = _mm512_xor_si512(flip, _mm512_loadu_si512(cols + 192));
            __m512i r;
            r = broadcast4(rows + 0);
            s00 = _mm512_dpbusd_epi32(s00, c0, r), s01 = _mm512_dpbusd_epi32(s01, c1, r);
            s02 = _mm512_dpbusd_epi32(s02, c2, r), s03 = _mm512_dpbusd_epi32(s03, c3, r);
            r = broadcast4(rows + 4);
            s10 = _mm512_dpbusd_epi32(s10, c0, r), s11 = _mm512_dpbusd_epi32(s11, c1, r);
            s12 = _mm512_dpbusd_epi32(s12, c2, r), s13 = _mm512_dpbusd_epi32(s13, c3, r);
            r = broadcast4(rows + 8);
            s20 = _mm512_dpbusd_epi32(s20, c0, r), s21 = _mm512_dpbusd_epi32(s21, c1, r);
            s22 = _mm512_dpbusd_epi32(s22, c2, r), s23 = _mm512_dpbusd_epi32(s23, c3, r);
            r = broadcast4(rows + 12);
            s30 = _mm512_dpbusd_epi32(s30, c0, r), s31 = _mm512_dpbusd_epi32(s31, c1, r);
            s32 = _mm512_dpbusd_epi32(s32, c2, r), s33 = _mm512_dpbusd_epi32(s33, c3, r);
        }
        s = and4(and4(s00, s01, s02, s03), and4(s10, s11, s12, s13), and4(s20, s21, s22, s23), and4(s30, s31, s32, s33));
        if (_mm512_movepi32_mask(s) == 0xFFFF)
            continue;
        mask[0] = not_negative(s00, s01, s02, s03), mask[1] = not_negative(s10, s11, s12, s13);
        mask[2] = not_negative(s20, s21, s22, s23), mask[3] = not_negative(s30, s31, s32, s33);
        break;
    }
    return row;
}

const struct tile_kernel tile_avx512 = {"avx512", 127, dot, dot4, dots, prefilter};
#endif
