#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Return the norm of a row; NaN for one that is similar to nothing. */
static float norm_of(const struct tile_kernel *kernel, const uint16_t *row, size_t d) {
    const float square = kernel->dot(row, row, d);
    return square > 0.0f && square < INFINITY ? sqrtf(square) : NAN;
}

int rows_init(struct rows *rows, const struct tile_kernel *kernel, const uint16_t *half, size_t n, size_t d) {
    const size_t padded = (d + TILE_LANES - 1) / TILE_LANES * TILE_LANES;
    *rows = (struct rows){.half = half, .n = n, .d = padded, .kernel = kernel};
    rows->norm = malloc((n + 1) * sizeof(float));
    if (rows->norm == NULL)
        return 0;
    if (padded != d) {
        rows->half = rows->padded = calloc(n * padded + 1, sizeof(uint16_t));
        if (rows->padded == NULL)
            return 0;
        for (size_t i = 0; i < n; i++)
            memcpy(rows->padded + i * padded, half + i * d, d * sizeof(uint16_t));
    }
    for (size_t i = 0; i < n; i++)
        rows->norm[i] = norm_of(kernel, rows_at(rows, i), padded);
    return 1;
}

int rows_views(struct rows *rows, const int32_t *kind, const int64_t *start, const uint16_t *half, size_t d) {
    const size_t n = rows->n, m = (size_t)start[n];
    free(rows->views.memory);
    memset(&rows->views, 0, sizeof rows->views);
    char *memory =
        calloc((n + 1) * (sizeof(int64_t) + sizeof(int32_t)) + m * (sizeof(float) + rows->d * sizeof(uint16_t)) + 1, 1);
    if (memory == NULL)
        return 0;
    struct views *views = &rows->views;
    views->memory = memory;
    views->start = (int64_t *)(void *)memory;
    views->kind = (int32_t *)(void *)(views->start + n + 1);
    views->norm = (float *)(void *)(views->kind + n + 1);
    views->half = (uint16_t *)(void *)(views->norm + m);
    memcpy(views->start, start, (n + 1) * sizeof *start);
    memcpy(views->kind, kind, n * sizeof *kind);
    for (size_t i = 0; i < m; i++) {
        uint16_t *row = views->half + i * rows->d;
        memcpy(row, half + i * d, d * sizeof *row);
        views->norm[i] = norm_of(rows->kernel, row, rows->d);
    }
    return 1;
}

static int32_t kind_of(const struct views *views, size_t row) { return views->kind == NULL ? 0 : views->kind[row]; }

float rows_lowest_across(const struct rows *left, size_t a, const struct rows *right, size_t b, float score) {
    const struct views *mine = &left->views, *theirs = &right->views;
    if (kind_of(mine, a) != kind_of(theirs, b))
        return -1.0f;
    if (mine->kind == NULL || theirs->kind == NULL)
        return score;
    const size_t at = (size_t)mine->start[a], to = (size_t)theirs->start[b];
    const size_t has = (size_t)mine->start[a + 1] - at, other = (size_t)theirs->start[b + 1] - to;
    for (size_t i = 0; i < has && i < other; i++) {
        const uint16_t *one = mine->half + (at + i) * left->d, *two = theirs->half + (to + i) * right->d;
        const float value = left->kernel->dot(one, two, left->d) / (mine->norm[at + i] * theirs->norm[to + i]);
        if (!(value >= score))
            score = value;
    }
    return score;
}

int rows_sketch(struct rows *rows, const uint16_t *basis, size_t k, size_t d, double scale, double limit, double slack) {
    const size_t padded = (rows->n + TILE_COLS - 1) / TILE_COLS * TILE_COLS;
    free(rows->sketch.memory);
    memset(&rows->sketch, 0, sizeof rows->sketch);
    char *memory = calloc(padded * (k + 2 * sizeof(int32_t)) + k * rows->d * sizeof(uint16_t) + 64, 1);
    if (memory == NULL)
        return 0;
    char *aligned = memory + (64 - (uintptr_t)memory % 64);
    struct sketch *sketch = &rows->sketch;
    *sketch = (struct sketch){.steps = k / 4, .scale = scale, .limit = limit, .slack = slack, .memory = memory};
    sketch->code = (int8_t *)aligned;
    sketch->bias = (int32_t *)(void *)(aligned + padded * k);
    sketch->sum = sketch->bias + padded;
    sketch->basis = (uint16_t *)(void *)(sketch->sum + padded);
    for (size_t i = 0; i < k; i++)
        memcpy(sketch->basis + i * rows->d, basis + i * d, d * sizeof(uint16_t));
    for (size_t i = 0; i < padded; i++)
        sketch->bias[i] = SKETCH_NEVER;
    return 1;
}

/* Return the bias of an encoded row: see the bound in tile.h. */
static int32_t bias_of(const struct sketch *sketch, double residual, double coded, double length) {
    const double rho = residual * (1.0 + 1e-9) + sketch->slack;
    const double seen = length > sketch->slack ? length - sketch->slack : 0.0;
    const double tail = seen < 1.0 ? 1.0 - seen * seen : 0.0;
    const double bias = (sketch->limit * rho + 0.5 * (rho * rho + tail)) / (sketch->scale * sketch->scale);
    return coded <= sketch->limit && bias < SKETCH_ALWAYS - 1 ? (int32_t)ceil(bias) : SKETCH_ALWAYS;
}

static void encode_row(struct sketch *sketch, size_t row, const float *dots, float norm, double most) {
    int8_t *out = sketch->code + row / TILE_COLS * sketch->steps * TILE_STEP + row % TILE_COLS * 4;
    double residual = 0.0, coded = 0.0, length = 0.0;
    int32_t sum = 0;
    for (size_t i = 0; i < 4 * sketch->steps; i++) {
        const double value = dots[i] / norm, wish = nearbyint(value / sketch->scale);
        const double code = wish > most ? most : wish < -most ? -most : wish;
        const double shown = code * sketch->scale;
        out[i / 4 * TILE_STEP + i % 4] = (int8_t)code;
        sum += (int32_t)code;
        residual += (value - shown) * (value - shown);
        coded += shown * shown;
        length += value * value;
    }
    sketch->sum[row] = sum;
    sketch->bias[row] = bias_of(sketch, sqrt(residual), sqrt(coded), sqrt(length));
}

void rows_encode(struct rows *rows, size_t start, size_t stop) {
    const struct sketch *sketch = &rows->sketch;
    float y[4][SKETCH_MAX], dots[16];
    for (size_t row = start; row < stop; row += 4) {
        const uint16_t *a[4], *b[4];
        for (size_t i = 0; i < 4; i++)
            a[i] = rows_at(rows, row + i < stop ? row + i : stop - 1);
        for (size_t k = 0; k < 4 * sketch->steps; k += 4) {
            for (size_t j = 0; j < 4; j++)
                b[j] = sketch->basis + (k + j) * rows->d;
            rows->kernel->dots(a, b, rows->d, dots);
            for (size_t i = 0; i < 16; i++)
                y[i / 4][k + i % 4] = dots[i];
        }
        for (size_t i = 0; i < 4 && row + i < stop; i++)
            if (rows->norm[row + i] > 0.0f) /* not NaN: such a row keeps its zero codes and SKETCH_NEVER */
                encode_row(&rows->sketch, row + i, y[i], rows->norm[row + i], rows->kernel->most);
    }
}

int32_t rows_floor(const struct rows *rows, float thres) {
    const double floor_ = floor(((double)thres - 1e-5) / (rows->sketch.scale * rows->sketch.scale));
    return floor_ > SKETCH_FLOOR ? SKETCH_FLOOR : floor_ < -SKETCH_FLOOR ? -SKETCH_FLOOR : (int32_t)floor_;
}

void rows_free(struct rows *rows) {
    free(rows->norm);
    free(rows->padded);
    free(rows->sketch.memory);
    free(rows->views.memory);
}
