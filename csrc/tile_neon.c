/* NEON on AArch64, where it is always there: four registers are one set of lanes of `dot`. */
#include "tile.h"

#ifdef TILE_ARM
#include <arm_neon.h>
#include <string.h>

struct lanes {
    float32x4_t v[4];
};

static inline struct lanes zero_lanes(void) {
    const float32x4_t zero = vdupq_n_f32(0.0f);
    return (struct lanes){{zero, zero, zero, zero}};
}

static inline struct lanes halves(const uint16_t *p) {
    const float16x8_t low = vreinterpretq_f16_u16(vld1q_u16(p)), high = vreinterpretq_f16_u16(vld1q_u16(p + 8));
    return (struct lanes){
        {vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)), vcvt_high_f32_f16(high)}};
}

static inline void add_product(struct lanes *s, const struct lanes *x, const struct lanes *y) {
    for (int k = 0; k < 4; k++)
        s->v[k] = vfmaq_f32(s->v[k], x->v[k], y->v[k]);
}

/* Lanes l + (l + 8), then l + (l + 4), then l + (l + 2), then l + (l + 1). */
static inline float reduce(const struct lanes *s) {
    const float32x4_t four = vaddq_f32(vaddq_f32(s->v[0], s->v[2]), vaddq_f32(s->v[1], s->v[3]));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static float dot(const uint16_t *a, const uint16_t *b, size_t d) {
    float total = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        struct lanes s = zero_lanes();
        for (size_t i = start; i < stop; i += TILE_LANES) {
            const struct lanes x = halves(a + i), y = halves(b + i);
            add_product(&s, &x, &y);
        }
        total += reduce(&s);
    }
    return total;
}

static void dot4(const uint16_t *a, const uint16_t *const b[4], size_t d, float out[4]) {
    for (int i = 0; i < 4; i++)
        out[i] = dot(a, b[i], d);
}

/* 2 x 2 dot products at a time: sixteen sums and eight operands fit the thirty-two registers. */
static void dots(const uint16_t *const a[4], const uint16_t *const b[4], size_t d, float out[16]) {
    for (int k = 0; k < 16; k++)
        out[k] = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        for (int k = 0; k < 4; k++) {
            const int i = k & 2, j = 2 * (k & 1);
            struct lanes s00 = zero_lanes(), s01 = s00, s10 = s00, s11 = s00;
            for (size_t p = start; p < stop; p += TILE_LANES) {
                const struct lanes x0 = halves(a[i] + p), x1 = halves(a[i + 1] + p);
                struct lanes y = halves(b[j] + p);
                add_product(&s00, &x0, &y), add_product(&s10, &x1, &y);
                y = halves(b[j + 1] + p);
                add_product(&s01, &x0, &y), add_product(&s11, &x1, &y);
            }
            out[4 * i + j] += reduce(&s00), out[4 * i + j + 1] += reduce(&s01);
            out[4 * i + 4 + j] += reduce(&s10), out[4 * i + 5 + j] += reduce(&s11);
        }
    }
}

static inline int8x16_t broadcast4(const int8_t *p) {
    int32_t four;
    memcpy(&four, p, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/* One row against four columns over all steps, lane j for column j. */
static inline int32x4_t products(const int8_t *row, const int8_t *cols, size_t steps) {
    const int32x4_t zero = vdupq_n_s32(0);
#ifdef __ARM_FEATURE_DOTPROD
    int32x4_t s = zero;
    for (size_t k = 0; k < steps; k++)
        s = vdotq_s32(s, vld1q_s8(cols + k * TILE_STEP), broadcast4(row + k * TILE_STEP));
    return s;
#else
    int32x4_t low = zero, high = zero;
    for (size_t k = 0; k < steps; k++) {
        const int8x16_t c = vld1q_s8(cols + k * TILE_STEP), r = broadcast4(row + k * TILE_STEP);
        low = vpadalq_s16(low, vmull_s8(vget_low_s8(c), vget_low_s8(r)));
        high = vpadalq_s16(high, vmull_high_s8(c, r));
    }
    return vpaddq_s32(low, high);
#endif
}

static size_t prefilter(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col,
                        uint64_t mask[TILE_ROWS]) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    const uint32x4_t bit = vld1q_u32(bits);
    const int8_t *cols = sketch_at(sketch, col);
    for (; row < stop; row += TILE_ROWS) {
        uint64_t found[TILE_ROWS] = {0};
        for (size_t i = 0; i < TILE_ROWS; i++) {
            const int32x4_t least = vdupq_n_s32(floor - sketch->bias[row + i]);
            const int8_t *codes = sketch_at(sketch, row + i);
            for (size_t j = 0; j < TILE_COLS; j += 4) {
                const int32x4_t total =
                    vaddq_s32(products(codes, cols + 4 * j, sketch->steps), vld1q_s32(sketch->bias + col + j));
                found[i] |= (uint64_t)vaddvq_u32(vandq_u32(vcgeq_s32(total, least), bit)) << j;
            }
        }
        if (found[0] | found[1] | found[2] | found[3]) {
            memcpy(mask, found, sizeof found);
            break;
        }
    }
    return row;
}

const struct tile_kernel tile_neon = {"neon", 127, dot, dot4, dots, prefilter};
#endif
