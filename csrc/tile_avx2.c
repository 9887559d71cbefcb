/* AVX2, FMA and F16C: two registers are one set of lanes of `dot`; codes of 7 bits, so that products of two steps fit 16. */
#include "tile.h"

#ifdef TILE_X86
#include <immintrin.h>
#include <string.h>

static inline __m256 halves(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }

/* Lanes l + (l + 8), then l + (l + 4), then l + (l + 2), then l + (l + 1). */
static inline float reduce(__m256 low, __m256 high) {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static float dot(const uint16_t *a, const uint16_t *b, size_t d) {
    float total = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
        for (size_t i = start; i < stop; i += TILE_LANES) {
            low = _mm256_fmadd_ps(halves(a + i), halves(b + i), low);
            high = _mm256_fmadd_ps(halves(a + i + 8), halves(b + i + 8), high);
        }
        total += reduce(low, high);
    }
    return total;
}

static void dot4(const uint16_t *a, const uint16_t *const b[4], size_t d, float out[4]) {
    for (int k = 0; k < 4; k += 2) {
        const uint16_t *const b0 = b[k], *const b1 = b[k + 1];
        float t0 = 0.0f, t1 = 0.0f;
        for (size_t start = 0; start < d; start += TILE_SLAB) {
            const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
            __m256 low0 = _mm256_setzero_ps(), high0 = low0, low1 = low0, high1 = low0;
            for (size_t i = start; i < stop; i += TILE_LANES) {
                const __m256 low = halves(a + i), high = halves(a + i + 8);
                low0 = _mm256_fmadd_ps(low, halves(b0 + i), low0), high0 = _mm256_fmadd_ps(high, halves(b0 + i + 8), high0);
                low1 = _mm256_fmadd_ps(low, halves(b1 + i), low1), high1 = _mm256_fmadd_ps(high, halves(b1 + i + 8), high1);
            }
            t0 += reduce(low0, high0), t1 += reduce(low1, high1);
        }
        out[k] = t0, out[k + 1] = t1;
    }
}

/* One half of the lanes of 4 x 2 dot products, from `start` to `stop`: eight sums fit the sixteen registers. */
static inline void half_lanes(const uint16_t *const a[4], const uint16_t *const b[2], size_t start, size_t stop, __m256 s[8]) {
    for (int k = 0; k < 8; k++)
        s[k] = _mm256_setzero_ps();
    for (size_t i = start; i < stop; i += TILE_LANES) {
        const __m256 y0 = halves(b[0] + i), y1 = halves(b[1] + i);
        for (int k = 0; k < 4; k++) {
            const __m256 x = halves(a[k] + i);
            s[2 * k] = _mm256_fmadd_ps(x, y0, s[2 * k]);
            s[2 * k + 1] = _mm256_fmadd_ps(x, y1, s[2 * k + 1]);
        }
    }
}

static void dots(const uint16_t *const a[4], const uint16_t *const b[4], size_t d, float out[16]) {
    for (int k = 0; k < 16; k++)
        out[k] = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        for (int j = 0; j < 4; j += 2) {
            __m256 low[8], high[8];
            half_lanes(a, b + j, start, stop, low);
            half_lanes(a, b + j, start + 8, stop, high);
            for (int k = 0; k < 8; k++)
                out[4 * (k / 2) + j + k % 2] += reduce(low[k], high[k]);
        }
    }
}

static inline __m256i broadcast4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
}

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Eight columns of a step as unsigned bytes, q + 64: maddubs multiplies unsigned by signed ones. */
static inline __m256i columns(const int8_t *cols) { return _mm256_add_epi8(load(cols), _mm256_set1_epi8(64)); }

/* s += the products of a row with eight columns in two steps. |q| <= 63, so a pair of products is at most 2 * 127 * 63, and
 * two of them fit 16 bits: one widening for both steps, where codes up to 127 would need one each, and a sign as well. */
static inline __m256i two_steps(__m256i s, const int8_t *row, __m256i c0, __m256i c1) {
    const __m256i p0 = _mm256_maddubs_epi16(c0, broadcast4(row)), p1 = _mm256_maddubs_epi16(c1, broadcast4(row + TILE_STEP));
    return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_add_epi16(p0, p1), _mm256_set1_epi16(1)));
}

static inline __m256i one_step(__m256i s, const int8_t *row, __m256i c) {
    return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(c, broadcast4(row)), _mm256_set1_epi16(1)));
}

/* Where the sums of a row start: columns go in as q + 64, which adds 64 times the sum of the row's codes. */
static inline __m256i row_start(const struct sketch *sketch, int32_t floor, size_t row) {
    return _mm256_set1_epi32(sketch->bias[row] - floor - 64 * sketch->sum[row]);
}

static inline uint64_t not_negative(__m256i sums) {
    return (uint64_t)(~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(sums)) & 0xFFu);
}

static size_t prefilter(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col,
                        uint64_t mask[TILE_ROWS]) {
    for (; row < stop; row += TILE_ROWS) {
        const __m256i f0 = row_start(sketch, floor, row), f1 = row_start(sketch, floor, row + 1);
        const __m256i f2 = row_start(sketch, floor, row + 2), f3 = row_start(sketch, floor, row + 3);
        uint64_t found[TILE_ROWS] = {0};
        for (int j = 0; j < TILE_COLS; j += 8) {
            const int8_t *rows = sketch_at(sketch, row), *cols = sketch_at(sketch, col) + 4 * j;
            const __m256i b = load(sketch->bias + col + j);
            __m256i s0 = _mm256_add_epi32(b, f0), s1 = _mm256_add_epi32(b, f1);
            __m256i s2 = _mm256_add_epi32(b, f2), s3 = _mm256_add_epi32(b, f3);
            size_t k = 0;
            for (; k + 2 <= sketch->steps; k += 2, rows += 2 * TILE_STEP, cols += 2 * TILE_STEP) {
                const __m256i c0 = columns(cols), c1 = columns(cols + TILE_STEP);
                s0 = two_steps(s0, rows, c0, c1), s1 = two_steps(s1, rows + 4, c0, c1);
                s2 = two_steps(s2, rows + 8, c0, c1), s3 = two_steps(s3, rows + 12, c0, c1);
            }
            if (k < sketch->steps) {
                const __m256i c = columns(cols);
                s0 = one_step(s0, rows, c), s1 = one_step(s1, rows + 4, c);
                s2 = one_step(s2, rows + 8, c), s3 = one_step(s3, rows + 12, c);
            }
            found[0] |= not_negative(s0) << j, found[1] |= not_negative(s1) << j;
            found[2] |= not_negative(s2) << j, found[3] |= not_negative(s3) << j;
        }
        if (found[0] | found[1] | found[2] | found[3]) {
            memcpy(mask, found, sizeof found);
            break;
        }
    }
    return row;
}

const struct tile_kernel tile_avx2 = {"avx2", 63, dot, dot4, dots, prefilter};
#endif
