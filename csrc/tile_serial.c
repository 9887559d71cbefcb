/* The reference: every other kernel returns the same bits as these loops. */
#include "tile.h"

#include <string.h>

static float from_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest < 0x400u) { /* zero or subnormal: rest * 2^-24, exact */
        const float value = (float)rest * 0x1p-24f;
        return sign ? -value : value;
    }
    const uint32_t exponent = rest < 0x7c00u ? 112u << 23 : 224u << 23; /* infinity and NaN keep theirs */
    const uint32_t bits = sign | ((rest << 13) + exponent);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float dot(const uint16_t *a, const uint16_t *b, size_t d) {
    float total = 0.0f;
    for (size_t start = 0; start < d; start += TILE_SLAB) {
        const size_t stop = d - start < TILE_SLAB ? d : start + TILE_SLAB;
        float lane[TILE_LANES] = {0};
        for (size_t i = start; i < stop; i += TILE_LANES)
            for (size_t l = 0; l < TILE_LANES; l++)
                lane[l] += from_half(a[i + l]) * from_half(b[i + l]);
        for (size_t width = TILE_LANES / 2; width > 0; width /= 2)
            for (size_t l = 0; l < width; l++)
                lane[l] += lane[l + width];
        total += lane[0];
    }
    return total;
}

static void dots(const uint16_t *const a[4], const uint16_t *const b[4], size_t d, float out[16]) {
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = dot(a[i], b[j], d);
}

static void dot4(const uint16_t *a, const uint16_t *const b[4], size_t d, float out[4]) {
    for (int i = 0; i < 4; i++)
        out[i] = dot(a, b[i], d);
}

static size_t prefilter(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col,
                        uint64_t mask[TILE_ROWS]) {
    for (; row < stop; row += TILE_ROWS) {
        uint64_t any = 0;
        for (size_t i = 0; i < TILE_ROWS; i++) {
            mask[i] = 0;
            for (size_t j = 0; j < TILE_COLS; j++) {
                const int8_t *a = sketch_at(sketch, row + i), *b = sketch_at(sketch, col + j);
                int32_t total = sketch->bias[row + i] + sketch->bias[col + j] - floor;
                for (size_t s = 0; s < sketch->steps; s++, a += TILE_STEP, b += TILE_STEP)
                    total += a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
                mask[i] |= (uint64_t)(total >= 0) << j;
            }
            any |= mask[i];
        }
        if (any)
            break;
    }
    return row;
}

const struct tile_kernel tile_serial = {"serial", 127, dot, dot4, dots, prefilter};
