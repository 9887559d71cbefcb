#include "features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAD = 16,      /* pixels around a level that descriptors may reach into */
    MARGIN = 8,    /* pixels along the border of a level without features */
    LEAST = 256,   /* response of a feature */
    RADIUS = 12,   /* pixels around a feature that give its orientation */
    CELLS = 4,     /* the image has CELLS x CELLS parts */
    PATCH = 31,    /* size of a feature on the first level in pixels */
    BUCKETS = 128, /* of responses: four for each power of two */
};

struct level {
    size_t width, height;
    uint8_t *grey, *smooth; /* width x height */
    uint8_t *soft;          /* (width + 2 PAD) x (height + 2 PAD): smoothed more, mirrored at the border */
    int32_t *response;      /* width x height */
};

struct candidate {
    int32_t response;
    uint16_t x, y;
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Mirror index i, from -count to 2 count - 1, at the ends into 0..count - 1; the end itself is not repeated. */
static size_t mirrored(ptrdiff_t i, size_t count) {
    const ptrdiff_t last = (ptrdiff_t)count - 1;
    while (last > 0 && (i < 0 || i > last))
        i = i < 0 ? -i : 2 * last - i;
    return last > 0 ? (size_t)i : 0;
}

/* Shrink the image bilinearly, in steps of 1 / 256 of a pixel. `row`: room for width + 1. */
static void shrink(const uint8_t *from, size_t width, size_t height, struct level *to, uint16_t *row) {
    uint16_t at[FEATURES_SIDE + 1], part[FEATURES_SIDE + 1];
    for (size_t x = 0; x < to->width; x++) {
        const size_t place = ((2 * x + 1) * width * 128) / to->width;
        const size_t fixed = place > 128 ? smaller(place - 128, (width - 1) * 256) : 0;
        at[x] = (uint16_t)(fixed >> 8), part[x] = (uint16_t)(fixed & 255);
    }
    for (size_t y = 0; y < to->height; y++) {
        const size_t place = ((2 * y + 1) * height * 128) / to->height;
        const size_t fixed = place > 128 ? smaller(place - 128, (height - 1) * 256) : 0;
        const uint8_t *a = from + (fixed >> 8) * width, *b = from + smaller((fixed >> 8) + 1, height - 1) * width;
        const uint32_t v = fixed & 255;
        uint8_t *out = to->grey + y * to->width;
        for (size_t x = 0; x < width; x++)
            row[x] = (uint16_t)(a[x] * (256 - v) + b[x] * v);
        row[width] = row[width - 1];
        for (size_t x = 0; x < to->width; x++)
            out[x] = (uint8_t)((row[at[x]] * (uint32_t)(256 - part[x]) + row[at[x] + 1] * (uint32_t)part[x] + (1u << 15)) >> 16);
    }
}

/* Apply a binomial filter of 5 x 5 (sigma 1). `row`: room for width + 4. */
static void smooth(const uint8_t *from, size_t width, size_t height, uint8_t *to, uint16_t *row) {
    for (size_t y = 0; y < height; y++) {
        const uint8_t *p[5];
        for (size_t k = 0; k < 5; k++)
            p[k] = from + mirrored((ptrdiff_t)(y + k) - 2, height) * width;
        for (size_t x = 0; x < width; x++)
            row[x + 2] = (uint16_t)(p[0][x] + p[4][x] + 4 * (p[1][x] + p[3][x]) + 6 * p[2][x]);
        for (size_t k = 0; k < 2; k++) {
            row[k] = row[2 + mirrored((ptrdiff_t)k - 2, width)];
            row[width + 2 + k] = row[2 + mirrored((ptrdiff_t)(width + k), width)];
        }
        uint8_t *out = to + y * width;
        for (size_t x = 0; x < width; x++)
            out[x] = (uint8_t)((uint32_t)(row[x] + row[x + 4] + 4 * (row[x + 1] + row[x + 3]) + 6 * row[x + 2] + 128) >> 8);
    }
}

static void pad(const uint8_t *from, size_t width, size_t height, uint8_t *to) {
    const size_t stride = width + 2 * PAD;
    for (size_t y = 0; y < height + 2 * PAD; y++) {
        const uint8_t *row = from + mirrored((ptrdiff_t)y - PAD, height) * width;
        uint8_t *out = to + y * stride;
        memcpy(out + PAD, row, width);
        for (size_t k = 0; k < PAD; k++) {
            out[k] = row[mirrored((ptrdiff_t)k - PAD, width)];
            out[PAD + width + k] = row[mirrored((ptrdiff_t)(width + k), width)];
        }
    }
}

/* Compute 16 times the determinant of the Hessian by differences over two pixels; pixels nearer to the border are not set. */
static void respond(const struct level *level) {
    const size_t w = level->width;
    for (size_t y = 2; y + 2 < level->height; y++) {
        const uint8_t *up = level->smooth + (y - 2) * w, *at = up + 2 * w, *low = at + 2 * w;
        int32_t *out = level->response + y * w;
        for (size_t x = 2; x + 2 < w; x++) {
            const int32_t across = at[x - 2] - 2 * at[x] + at[x + 2], down = up[x] - 2 * at[x] + low[x];
            const int32_t cross = up[x - 2] + low[x + 2] - up[x + 2] - low[x - 2];
            out[x] = 16 * across * down - cross * cross;
        }
    }
}

static int is_highest(const int32_t *p, size_t w) {
    return p[0] > p[-1] && p[0] >= p[1] && p[0] > *(p - w) && p[0] >= p[w] && p[0] > *(p - w - 1) && p[0] > *(p - w + 1) &&
           p[0] >= p[w - 1] && p[0] >= p[w + 1];
}

/* Return the bucket of a response: its magnitude in steps of a quarter of a power of two. */
static size_t bucket(int32_t response) {
    size_t power = 0;
    while (response >> power >= 8)
        power++;
    return 4 * power + ((size_t)(response >> power) & 3);
}

static int by_response(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->response != b->response)
        return a->response < b->response ? 1 : -1;
    return a->y != b->y ? (a->y > b->y ? 1 : -1) : (a->x > b->x) - (a->x < b->x);
}

/* Collect the local maxima of the response, unordered: all, or the strongest ones, at least `enough`. Returns their number. */
static size_t collect(const struct level *level, size_t enough, struct candidate *candidate) {
    size_t histogram[BUCKETS] = {0}, count = 0, kept = 0, total = 0, least = BUCKETS;
    for (size_t y = MARGIN; y + MARGIN < level->height; y++)
        for (size_t x = MARGIN; x + MARGIN < level->width; x++) {
            const int32_t *p = level->response + y * level->width + x;
            if (*p >= LEAST && is_highest(p, level->width)) {
                candidate[count++] = (struct candidate){*p, (uint16_t)x, (uint16_t)y};
                histogram[bucket(*p)]++;
            }
        }
    while (least > 0 && total < enough)
        total += histogram[--least];
    for (size_t i = 0; i < count; i++)
        if (bucket(candidate[i].response) >= least)
            candidate[kept++] = candidate[i];
    return kept;
}

/* Move the `wanted` best candidates to the front: at first no more than a few of each part of the image. Returns their number. */
static size_t choose(const struct level *level, struct candidate *candidate, size_t count, size_t wanted,
                     struct candidate *rest) {
    const size_t most = wanted * 5 / (2 * CELLS * CELLS) + 1;
    size_t taken[CELLS * CELLS] = {0}, chosen = 0, left = 0;
    qsort(candidate, count, sizeof *candidate, by_response);
    for (size_t i = 0; i < count && chosen < wanted; i++) {
        const size_t cell = candidate[i].y * CELLS / level->height * CELLS + candidate[i].x * CELLS / level->width;
        if (taken[cell]++ < most)
            candidate[chosen++] = candidate[i];
        else
            rest[left++] = candidate[i];
    }
    for (size_t i = 0; i < left && chosen < wanted; i++)
        candidate[chosen++] = rest[i];
    return chosen;
}

/* Return how far the maximum of a parabola through three values is from the middle one. */
static double peak(int32_t before, int32_t at, int32_t after) {
    const double bend = (double)before - 2.0 * at + after;
    const double off = bend < 0.0 ? ((double)before - after) / (2.0 * bend) : 0.0;
    return off < -0.5 ? -0.5 : off > 0.5 ? 0.5 : off;
}

/* Return the direction from the middle of a disc to its centre of brightness, in degrees from 0 to 360. */
static double orientation(const uint8_t *centre, size_t stride, const int *extent) {
    int32_t mx = 0, my = 0;
    for (int v = -RADIUS; v <= RADIUS; v++) {
        const uint8_t *row = centre + v * (ptrdiff_t)stride;
        const int wide = extent[abs(v)];
        int32_t sum = 0, moment = 0;
        for (int u = -wide; u <= wide; u++)
            sum += row[u], moment += u * row[u];
        mx += moment, my += v * sum;
    }
    const double degrees = atan2((double)my, (double)mx) * (180.0 / 3.14159265358979323846);
    return degrees < 0.0 ? degrees + 360.0 : degrees;
}

static uint16_t steps(double value) { return (uint16_t)(value * 64.0 + 0.5); }

static void describe(const uint8_t *centre, const struct feature_test *tests, size_t stride, uint8_t *descriptor) {
    const ptrdiff_t row = (ptrdiff_t)stride;
    for (size_t i = 0; i < FEATURES_TESTS / 8; i++) {
        uint32_t byte = 0;
        for (size_t j = 0; j < 8; j++, tests++)
            byte |= (uint32_t)(centre[tests->ay * row + tests->ax] < centre[tests->by * row + tests->bx]) << j;
        descriptor[i] = (uint8_t)byte;
    }
}

static struct feature feature_at(const struct level *level, const struct candidate *c, const struct feature_test *pattern,
                                 const double scale[2], const int *extent) {
    const int32_t *p = level->response + c->y * level->width + c->x;
    const size_t stride = level->width + 2 * PAD;
    const uint8_t *centre = level->soft + (c->y + (size_t)PAD) * stride + c->x + PAD;
    const double angle = orientation(centre, stride, extent);
    const double x = (c->x + peak(p[-1], p[0], p[1]) + 0.5) * scale[0] - 0.5;
    const double y = (c->y + peak(*(p - level->width), p[0], p[level->width]) + 0.5) * scale[1] - 0.5;
    struct feature found = {steps(x), steps(y), steps(angle), steps(PATCH * sqrt(scale[0] * scale[1])), {0}};
    const size_t turn = (size_t)(angle * (FEATURES_TURNS / 360.0) + 0.5) % FEATURES_TURNS;
    describe(centre, pattern + turn * FEATURES_TESTS, stride, found.descriptor);
    return found;
}

/* Return whether there is memory for a level and everything else; `room` bytes for each pixel of the first level. */
static int take(struct level *level, struct level *next, struct candidate **candidate, uint16_t **row, size_t width,
                size_t height) {
    const size_t count = width * height;
    *level = (struct level){width,
                            height,
                            malloc(count),
                            malloc(count),
                            malloc((width + 2 * PAD) * (height + 2 * PAD)),
                            calloc(count, sizeof(int32_t))};
    *next = (struct level){0, 0, malloc(count), NULL, NULL, NULL};
    *candidate = malloc((count / 2 + 1) * sizeof **candidate);
    *row = malloc((width + 4) * sizeof **row);
    return level->grey && level->smooth && level->soft && level->response && next->grey && *candidate && *row;
}

/* Find up to `wanted` features of one level. */
static size_t find_on_level(struct level *level, uint8_t *spare, uint16_t *row, struct candidate *candidate, size_t wanted,
                            const struct feature_test *pattern, const double scale[2], struct feature *out) {
    int extent[RADIUS + 1];
    for (int v = 0; v <= RADIUS; v++)
        extent[v] = (int)sqrt((double)(RADIUS * RADIUS - v * v));
    smooth(level->grey, level->width, level->height, level->smooth, row);
    respond(level);
    size_t count = collect(level, 3 * wanted, candidate);
    count = choose(level, candidate, count, wanted, candidate + count);
    if (count == 0)
        return 0;
    smooth(level->smooth, level->width, level->height, spare, row);
    pad(spare, level->width, level->height, level->soft);
    for (size_t i = 0; i < count; i++)
        out[i] = feature_at(level, &candidate[i], pattern, scale, extent);
    return count;
}

size_t features_find(const uint8_t *grey, size_t width, size_t height, const struct feature_test *pattern, size_t most,
                     struct feature *out) {
    struct level level, next;
    struct candidate *candidate;
    uint16_t *row;
    size_t found = SIZE_MAX;
    if (take(&level, &next, &candidate, &row, width, height)) {
        double share = (1.0 - 0.8) / (1.0 - pow(0.8, FEATURES_LEVELS)), due = 0.0;
        found = 0;
        memcpy(level.grey, grey, width * height);
        for (int number = 0; number < FEATURES_LEVELS && level.width > 2 * MARGIN && level.height > 2 * MARGIN; number++) {
            const double scale[2] = {(double)width / (double)level.width, (double)height / (double)level.height};
            due += share * (double)most, share *= 0.8;
            const size_t wanted = smaller((size_t)(due + 0.5), most);
            if (wanted > found)
                found += find_on_level(&level, next.grey, row, candidate, wanted - found, pattern, scale, out + found);
            next.width = (level.width * 4 + 2) / 5, next.height = (level.height * 4 + 2) / 5;
            shrink(level.grey, level.width, level.height, &next, row);
            uint8_t *kept = level.grey;
            level.grey = next.grey, next.grey = kept;
            level.width = next.width, level.height = next.height;
        }
    }
    free(level.grey), free(level.smooth), free(level.soft), free(level.response);
    free(next.grey), free(candidate), free(row);
    return found;
}
