/* AVX2, FMA and F16C: two registers are one set of lanes of `dot`; signed bytes are multiplied as |column| * sign(column) row. */
#include "tile.h"

#ifdef TILE_X86
#include <immintrin.h>
#include <string.h>

static inline __m256 halves(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

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

/* Two rows of codes against 16 columns: |q| <= 127, so a pair of products is at most 32258 and maddubs can't saturate. */
static inline void multiply(const int8_t *rows, const int8_t *cols, size_t steps, __m256i s[4]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t k = 0; k < steps; k++, rows += TILE_STEP, cols += TILE_STEP) {
        const __m256i c0 = _mm256_loadu_si256((const __m256i *)(const void *)cols);
        const __m256i c1 = _mm256_loadu_si256((const __m256i *)(const void *)(cols + 32));
        const __m256i u0 = _mm256_abs_epi8(c0), u1 = _mm256_abs_epi8(c1);
        for (int i = 0; i < 2; i++) {
            const __m256i r = broadcast4(rows + 4 * i);
            const __m256i p0 = _mm256_maddubs_epi16(u0, _mm256_sign_epi8(r, c0));
            const __m256i p1 = _mm256_maddubs_epi16(u1, _mm256_sign_epi8(r, c1));
            s[2 * i] = _mm256_add_epi32(s[2 * i], _mm256_madd_epi16(p0, ones));
            s[2 * i + 1] = _mm256_add_epi32(s[2 * i + 1], _mm256_madd_epi16(p1, ones));
        }
    }
}

static uint64_t not_negative(__m256i sums) {
    return (uint64_t)(~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(sums)) & 0xFFu);
}

static size_t sift(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col, uint64_t mask[TILE_ROWS]) {
    const int8_t *cols = sketch_at(sketch, col);
    for (; row < stop; row += TILE_ROWS) {
        const int8_t *rows = sketch_at(sketch, row);
        uint64_t found[TILE_ROWS] = {0};
        for (int j = 0; j < TILE_COLS; j += 16) {
            const int32_t *bias = sketch->bias + col + j;
            const __m256i b0 = _mm256_loadu_si256((const __m256i *)(const void *)bias);
            const __m256i b1 = _mm256_loadu_si256((const __m256i *)(const void *)(bias + 8));
            for (int i = 0; i < TILE_ROWS; i += 2) {
                const __m256i f0 = _mm256_set1_epi32(sketch->bias[row + (size_t)i] - floor);
                const __m256i f1 = _mm256_set1_epi32(sketch->bias[row + (size_t)i + 1] - floor);
                __m256i s[4] = {_mm256_add_epi32(b0, f0), _mm256_add_epi32(b1, f0), _mm256_add_epi32(b0, f1), _mm256_add_epi32(b1, f1)};
                multiply(rows + 4 * i, cols + 4 * j, sketch->steps, s);
                found[i] |= (not_negative(s[0]) | not_negative(s[1]) << 8) << j;
                found[i + 1] |= (not_negative(s[2]) | not_negative(s[3]) << 8) << j;
            }
        }
        if (found[0] | found[1] | found[2] | found[3]) {
            memcpy(mask, found, sizeof found);
            break;
        }
    }
    return row;
}

const struct tile_kernel tile_avx2 = {"avx2", dot, dot4, dots, sift};
#endif
