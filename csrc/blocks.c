#include "blocks.h"

#include <math.h>
#include <stdlib.h>

struct pictures {
    const uint8_t *left, *right, *inside;
    size_t width, height, side;
};

/* Sums over a block: of its values, their squares, and their products with the left block. At most 64 * 64 * 255^2 < 2^31. */
struct sums {
    int32_t value, square, product;
};

/* 16 bits: compilers have an instruction for sums of such products. */
static struct sums sums_of(const uint8_t *left, const uint8_t *block, size_t stride, size_t side) {
    struct sums sums = {0, 0, 0};
    for (size_t y = 0; y < side; y++, left += stride, block += stride)
        for (size_t x = 0; x < side; x++) {
            const int16_t a = left[x], b = block[x];
            sums.value += b, sums.square += b * b, sums.product += a * b;
        }
    return sums;
}

/* n^2 times the variance: exact. */
static double spread_of(const struct sums *sums, size_t count) {
    return (double)((uint64_t)sums->square * count - (uint64_t)sums->value * (uint64_t)sums->value);
}

static int is_inside(const struct pictures *p, size_t x, size_t y, size_t width, size_t height) {
    int all = x + width <= p->width && y + height <= p->height;
    for (size_t i = 0; i < height && all; i++)
        for (size_t j = 0; j < width; j++)
            all &= p->inside[(y + i) * p->width + x + j] == 255;
    return all;
}

/* What stays the same for all places of a block. */
struct block {
    const uint8_t *left;
    struct sums own;
    double spread, most; /* of the left block; the highest correlation so far */
};

static void try_place(const struct pictures *p, struct block *block, size_t x, size_t y, struct block_agreement *best, int dx,
                      int dy) {
    const size_t count = p->side * p->side;
    const struct sums other = sums_of(block->left, p->right + y * p->width + x, p->width, p->side);
    const double n = (double)count, right = spread_of(&other, count);
    const double both = n * (double)other.product - (double)block->own.value * (double)other.value;
    const double correlation = block->spread > 0.0 && right > 0.0 ? both / sqrt(block->spread * right) : 0.0;
    if (correlation > block->most) {
        block->most = correlation;
        best->correlation = (float)correlation, best->spread_right = (float)(sqrt(right) / n);
        best->mean_right = (float)(other.value / n);
        best->dx = (int16_t)dx, best->dy = (int16_t)dy;
    }
}

/* Compare the block at (x, y) of the left image with all places of the right one. */
static struct block_agreement compare_block(const struct pictures *p, size_t x, size_t y, size_t reach) {
    const size_t side = p->side, wide = side + 2 * reach;
    const int far = (int)reach;
    struct block_agreement best = {0};
    if (!is_inside(p, x, y, side, side))
        return best;
    struct block block = {.left = p->left + y * p->width + x, .most = -2.0};
    block.own = sums_of(block.left, block.left, p->width, side);
    block.spread = spread_of(&block.own, side * side);
    best.seen = 1;
    best.spread_left = (float)(sqrt(block.spread) / (double)(side * side));
    best.mean_left = (float)(block.own.value / (double)(side * side));
    const int is_free = x >= reach && y >= reach && is_inside(p, x - reach, y - reach, wide, wide);
    for (int ring = 0; ring <= far; ring++)
        for (int dy = -ring; dy <= ring; dy++)
            for (int dx = -ring; dx <= ring; dx += abs(dy) == ring ? 1 : (ring > 0 ? 2 * ring : 1)) {
                if ((dx < 0 && x < (size_t)-dx) || (dy < 0 && y < (size_t)-dy))
                    continue;
                const size_t bx = dx < 0 ? x - (size_t)-dx : x + (size_t)dx, by = dy < 0 ? y - (size_t)-dy : y + (size_t)dy;
                if (is_free || is_inside(p, bx, by, side, side))
                    try_place(p, &block, bx, by, &best, dx, dy);
            }
    return best;
}

void blocks_compare(const uint8_t *left, const uint8_t *right, const uint8_t *inside, size_t width, size_t height, size_t side,
                    size_t reach, struct block_agreement *out) {
    const struct pictures pictures = {left, right, inside, width, height, side};
    for (size_t y = 0; y + side <= height; y += side)
        for (size_t x = 0; x + side <= width; x += side)
            *out++ = compare_block(&pictures, x, y, reach);
}
