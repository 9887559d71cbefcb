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

static int sift(const int8_t *rows, const int8_t *cols, size_t steps, const int32_t floor[TILE_ROWS],
                const int32_t sum[TILE_ROWS], const int32_t bias[TILE_COLS], uint64_t mask[TILE_ROWS]) {
    (void)sum;
    uint64_t found[TILE_ROWS] = {0};
    for (int i = 0; i < TILE_ROWS; i++)
        for (int j = 0; j < TILE_COLS; j++) {
            int32_t total = bias[j] - floor[i];
            for (size_t s = 0; s < steps; s++)
                for (int k = 0; k < 4; k++)
                    total += rows[s * TILE_STEP + 4 * (size_t)i + (size_t)k] * cols[s * TILE_STEP + 4 * (size_t)j + (size_t)k];
            found[i] |= (uint64_t)(total >= 0) << j;
        }
    if (!(found[0] | found[1] | found[2] | found[3]))
        return 0;
    memcpy(mask, found, sizeof found);
    return 1;
}

const struct tile_kernel tile_serial = {"serial", dot, dots, sift};
