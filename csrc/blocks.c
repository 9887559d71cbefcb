#include "blocks.h"

#include <math.h>
#include <stdlib.h>

/* Sums over rectangles of the right image: entry (y, x) covers all above and to the left. */
struct integral {
    uint32_t *value, *inside; /* modulo 2^32: differences are exact, because a block sums to less */
    uint64_t *square;
    size_t stride;
};

struct pictures {
    const uint8_t *left, *right;
    size_t width, height, side;
    struct integral integral;
};

static int take_integral(struct integral *integral, const uint8_t *right, const uint8_t *inside, size_t width, size_t height) {
    const size_t stride = width + 1, count = stride * (height + 1);
    *integral = (struct integral){calloc(count, sizeof(uint32_t)), calloc(count, sizeof(uint32_t)),
                                  calloc(count, sizeof(uint64_t)), stride};
    if (!integral->value || !integral->inside || !integral->square)
        return 0;
    for (size_t y = 0; y < height; y++) {
        uint32_t value = 0, in = 0;
        uint64_t square = 0;
        for (size_t x = 0; x < width; x++) {
            const size_t at = (y + 1) * stride + x + 1;
            const uint32_t pixel = right[y * width + x];
            value += pixel, square += pixel * pixel, in += inside[y * width + x] == 255;
            integral->value[at] = integral->value[at - stride] + value;
            integral->square[at] = integral->square[at - stride] + square;
            integral->inside[at] = integral->inside[at - stride] + in;
        }
    }
    return 1;
}

static uint32_t sum32(const uint32_t *table, size_t stride, size_t x, size_t y, size_t side) {
    return table[(y + side) * stride + x + side] - table[y * stride + x + side] - table[(y + side) * stride + x] +
           table[y * stride + x];
}

static uint64_t sum64(const uint64_t *table, size_t stride, size_t x, size_t y, size_t side) {
    return table[(y + side) * stride + x + side] - table[y * stride + x + side] - table[(y + side) * stride + x] +
           table[y * stride + x];
}

static uint32_t product(const uint8_t *a, const uint8_t *b, size_t stride, size_t side) {
    uint32_t total = 0; /* at most 64 * 64 * 255^2 < 2^32 */
    for (size_t y = 0; y < side; y++, a += stride, b += stride)
        for (size_t x = 0; x < side; x++)
            total += (uint32_t)(a[x] * b[x]);
    return total;
}

/* n^2 times the variance: exact. */
static double spread_of(uint64_t square, uint32_t value, size_t count) {
    return (double)(square * count - (uint64_t)value * value);
}

/* Compare the block at (x, y) of the left image with all places of the right one. */
static struct block_agreement compare_block(const struct pictures *p, size_t x, size_t y, size_t reach) {
    const size_t side = p->side, count = side * side, stride = p->integral.stride;
    const uint8_t *a = p->left + y * p->width + x;
    struct block_agreement best = {0};
    uint32_t value = 0;
    uint64_t square = 0;
    if (sum32(p->integral.inside, stride, x, y, side) != count)
        return best;
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++) {
            const uint32_t pixel = a[i * p->width + j];
            value += pixel, square += pixel * pixel;
        }
    const double left = spread_of(square, value, count), n = (double)count;
    double most = -2.0;
    const int far = (int)reach;
    best.seen = 1;
    best.spread_left = (float)(sqrt(left) / n), best.mean_left = (float)(value / n);
    for (int ring = 0; ring <= far; ring++)
        for (int dy = -ring; dy <= ring; dy++)
            for (int dx = -ring; dx <= ring; dx += abs(dy) == ring ? 1 : (ring > 0 ? 2 * ring : 1)) {
                if ((dx < 0 && x < (size_t)-dx) || (dy < 0 && y < (size_t)-dy))
                    continue;
                const size_t bx = dx < 0 ? x - (size_t)-dx : x + (size_t)dx, by = dy < 0 ? y - (size_t)-dy : y + (size_t)dy;
                if (bx + side > p->width || by + side > p->height || sum32(p->integral.inside, stride, bx, by, side) != count)
                    continue;
                const uint32_t other = sum32(p->integral.value, stride, bx, by, side);
                const double right = spread_of(sum64(p->integral.square, stride, bx, by, side), other, count);
                const double both =
                    n * (double)product(a, p->right + by * p->width + bx, p->width, side) - (double)value * (double)other;
                const double correlation = left > 0.0 && right > 0.0 ? both / sqrt(left * right) : 0.0;
                if (correlation > most) {
                    most = correlation;
                    best.correlation = (float)correlation, best.spread_right = (float)(sqrt(right) / n);
                    best.mean_right = (float)(other / n);
                    best.dx = (int16_t)dx, best.dy = (int16_t)dy;
                }
            }
    return best;
}

int blocks_compare(const uint8_t *left, const uint8_t *right, const uint8_t *inside, size_t width, size_t height, size_t side,
                   size_t reach, struct block_agreement *out) {
    struct pictures pictures = {.left = left, .right = right, .width = width, .height = height, .side = side};
    const int enough = take_integral(&pictures.integral, right, inside, width, height);
    if (enough)
        for (size_t y = 0; y + side <= height; y += side)
            for (size_t x = 0; x + side <= width; x += side)
                *out++ = compare_block(&pictures, x, y, reach);
    free(pictures.integral.value), free(pictures.integral.inside), free(pictures.integral.square);
    return enough;
}
