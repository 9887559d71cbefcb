/* The core without Python: every kernel of this machine against the serial one, bit for bit, and the walk over a tile against
 * plain loops. sanitize.sh runs it under the sanitizers; cross-compiled, it runs in an emulator. Exits 1 at the first fault. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "align.h"
#include "keepers.h"
#include "nearest.h"
#include "scan.h"
#include "union_find.h"

#define EXPECT(truth)                                                    \
    do {                                                                 \
        if (!(truth)) {                                                  \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #truth); \
            exit(1);                                                     \
        }                                                                \
    } while (0)

static uint32_t draw(void) { /* xorshift: the same numbers everywhere */
    static uint32_t state = 2463534242u;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}

static uint16_t *draw_halves(size_t count) { /* exact-sized on the heap, so that one read too many is seen */
    uint16_t *halves = malloc(count * sizeof *halves + 1);
    EXPECT(halves != NULL);
    for (size_t i = 0; i < count; i++)
        halves[i] = (uint16_t)(draw() % 0x3c00u | (draw() & 0x8000u)); /* -1 to 1, subnormals too */
    return halves;
}

static int same_bits(const float *a, const float *b, size_t count) { return memcmp(a, b, count * sizeof *a) == 0; }

static void check_products(const struct tile_kernel *kernel, size_t d) {
    uint16_t *halves = draw_halves(8 * d);
    const uint16_t *a[4], *b[4];
    float expected[16], got[16], one;
    for (size_t i = 0; i < 4; i++)
        a[i] = halves + i * d, b[i] = halves + (4 + i) * d;
    tile_serial.dots(a, b, d, expected);
    kernel->dots(a, b, d, got);
    EXPECT(same_bits(expected, got, 16));
    kernel->dot4(a[0], b, d, got);
    EXPECT(same_bits(expected, got, 4));
    one = kernel->dot(a[1], b[2], d);
    EXPECT(same_bits(expected + 6, &one, 1));
    free(halves);
}

static void check_prefilter(const struct tile_kernel *kernel, size_t steps) {
    enum { N = 192 };
    int8_t *code = malloc(N * 4 * steps);
    int32_t bias[N], sum[N];
    EXPECT(code != NULL);
    for (size_t i = 0; i < N * 4 * steps; i++)
        code[i] = (int8_t)((int32_t)(draw() % (2u * (uint32_t)kernel->most + 1u)) - kernel->most);
    struct sketch sketch = {.code = code, .bias = bias, .sum = sum, .steps = steps};
    for (size_t i = 0; i < N; i++) {
        const int8_t *p = sketch_at(&sketch, i);
        sum[i] = 0, bias[i] = (int32_t)(draw() % 1000u);
        for (size_t s = 0; s < steps; s++, p += TILE_STEP)
            sum[i] += p[0] + p[1] + p[2] + p[3];
    }
    for (int32_t floor = 0; floor < 120000; floor += 7001)
        for (size_t row = 0; row < N; row += TILE_ROWS) {
            uint64_t expected[TILE_ROWS] = {0}, got[TILE_ROWS] = {0};
            const size_t at = tile_serial.prefilter(&sketch, floor, row, N, TILE_COLS, expected);
            EXPECT(kernel->prefilter(&sketch, floor, row, N, TILE_COLS, got) == at);
            EXPECT(at >= N || memcmp(expected, got, sizeof got) == 0);
        }
    free(code);
}

/* All pairs of n random rows, with a full buffer and with the smallest one, against two plain loops. */
static void check_scan(const struct tile_kernel *kernel, size_t n, size_t d, float thres) {
    uint16_t *halves = draw_halves(n * d);
    int64_t *left = malloc(SCAN_ROOM * 8), *right = malloc(SCAN_ROOM * 8);
    float *score = malloc(SCAN_ROOM * 4);
    struct rows rows;
    EXPECT(left && right && score && rows_init(&rows, kernel, halves, n, d));
    struct pairs pairs = {left, right, score, 0, SCAN_ROOM};
    size_t cursor = 0, found = 0, expected = 0;
    while (cursor != SCAN_DONE) {
        pairs.count = 0;
        cursor = scan(&rows, thres, (struct tile){0, n, 0, n}, (struct labels){NULL, NULL}, cursor, &pairs);
        for (size_t i = 0; i < pairs.count; i++) {
            const size_t a = (size_t)left[i], b = (size_t)right[i];
            EXPECT(a < b && b < n);
            EXPECT(score[i] == rows_score(&rows, a, b, tile_serial.dot(rows_at(&rows, a), rows_at(&rows, b), rows.d)));
        }
        found += pairs.count;
    }
    for (size_t a = 0; a < n; a++)
        for (size_t b = a + 1; b < n; b++)
            expected += rows_score(&rows, a, b, tile_serial.dot(rows_at(&rows, a), rows_at(&rows, b), rows.d)) >= thres;
    EXPECT(found == expected);
    rows_free(&rows);
    free(halves), free(left), free(right), free(score);
}

static void check_keepers(const struct tile_kernel *kernel) {
    enum { N = 77, D = 4 };
    uint16_t *halves = draw_halves(N * D);
    int64_t member[N], by[N], keeper[N];
    float score[N];
    struct rows rows;
    EXPECT(rows_init(&rows, kernel, halves, N, D));
    for (int64_t i = 0; i < N; i++)
        member[i] = i, by[i] = -1;
    const size_t k = keepers_choose(&rows, 0.8f, member, N / 2, by, score, keeper);
    keepers_cover(&rows, 0.8f, keeper, k, member + N / 2, N - N / 2, by + N / 2, score + N / 2);
    for (size_t i = 0; i < N; i++) {
        int64_t first = -1;
        for (size_t j = 0; j < k && first < 0 && keeper[j] <= member[i]; j++) {
            const float *norm = rows.norm;
            const size_t at = (size_t)keeper[j];
            const float value = tile_serial.dot(rows_at(&rows, i), rows_at(&rows, at), rows.d) / (norm[i] * norm[at]);
            first = at == i || value >= 0.8f ? keeper[j] : -1;
        }
        EXPECT(by[i] == first);
    }
    rows_free(&rows);
    free(halves);
}

/* The k nearest of each row among those of `set`: no pair that was left out may belong to the list. */
static void check_lists(const struct rows *query, const struct rows *set, size_t k) {
    int64_t *index = malloc(query->n * k * 8);
    float *score = malloc(query->n * k * 4);
    EXPECT(index && score);
    nearest(query, set, 0.0f, k, 0, query->n, index, score);
    for (size_t i = 0; i < query->n; i++)
        for (size_t j = 0, listed = 0; j < set->n; j++, listed = 0) {
            const float dot = tile_serial.dot(rows_at(query, i), rows_at(set, j), set->d);
            const float value = rows_score_across(query, i, set, j, dot);
            const int own = query == set && i == j;
            size_t better = 0;
            for (size_t l = 0; l < k && index[i * k + l] >= 0; l++) {
                const size_t at = (size_t)index[i * k + l];
                listed += at == j;
                better += at != j && (score[i * k + l] > value || (score[i * k + l] == value && at < j));
            }
            EXPECT(listed == (!own && value >= 0.0f && better < k));
        }
    free(index), free(score);
}

static void check_nearest(const struct tile_kernel *kernel, size_t n, size_t d, size_t k) {
    uint16_t *halves = draw_halves(n * d), *others = draw_halves((n / 2 + 1) * d);
    struct rows rows, set;
    EXPECT(rows_init(&rows, kernel, halves, n, d) && rows_init(&set, kernel, others, n / 2 + 1, d));
    check_lists(&rows, &rows, k);
    check_lists(&rows, &set, k);
    check_lists(&set, &rows, k);
    rows_free(&rows), rows_free(&set);
    free(halves), free(others);
}

static void check_match(const struct match_kernel *kernel, size_t m, size_t n) {
    uint8_t *left = malloc(m * MATCH_BYTES + 1), *right = malloc(n * MATCH_BYTES + 1);
    struct match *expected = malloc(m * sizeof *expected + 1), *got = malloc(m * sizeof *got + 1);
    EXPECT(left && right && expected && got);
    for (size_t i = 0; i < m * MATCH_BYTES; i++)
        left[i] = (uint8_t)(draw() & draw());
    for (size_t i = 0; i < n * MATCH_BYTES; i++)
        right[i] = (uint8_t)(draw() & draw());
    match_serial.match(left, m, right, n, expected);
    kernel->match(left, m, right, n, got);
    EXPECT(memcmp(expected, got, m * sizeof *got) == 0);
    free(left), free(right), free(expected), free(got);
}

/* An image whose features moved by (7, -3) under wrong ones. */
static void check_align(const struct match_kernel *kernel) {
    enum { N = 60, WRONG = 20 };
    uint8_t descriptor[2 * N * MATCH_BYTES];
    struct keypoint keypoint[2 * N];
    const int64_t start[] = {0, N, 2 * N};
    struct alignment found;
    for (size_t i = 0; i < N * MATCH_BYTES; i++)
        descriptor[i] = descriptor[N * MATCH_BYTES + i] = (uint8_t)draw();
    for (size_t i = 0; i < N; i++) {
        const struct keypoint left = {(float)(draw() % 256u), (float)(draw() % 256u), 10.0f, 31.0f};
        const struct keypoint wrong = {(float)(draw() % 256u), (float)(draw() % 256u), 10.0f, 31.0f};
        keypoint[i] = left, keypoint[N + i] = (struct keypoint){left.x + 7.0f, left.y - 3.0f, 10.0f, 31.0f};
        if (i < WRONG)
            keypoint[N + i] = wrong;
    }
    const struct features plain = {descriptor, keypoint, start, NULL};
    for (size_t step = 1; step <= 4; step += 3)
        EXPECT(align(kernel, &plain, 0, 1, &(struct align_rule){0.9f, 3.0, step}, &found));
    EXPECT(found.matches == N && found.inliers >= N - WRONG && found.inliers < N);
    EXPECT(fabs(found.matrix[2] + 128.0 * found.matrix[0] + 128.0 * found.matrix[1] - 135.0) < 1.0);
    for (size_t i = 0; i < N; i++) {
        keypoint[N + i].x = 255.0f - keypoint[N + i].x, keypoint[N + i].angle = 170.0f;
        for (size_t k = 0; k < MATCH_BYTES; k++) {
            const uint8_t bits = descriptor[i * MATCH_BYTES + k];
            descriptor[(N + i) * MATCH_BYTES + k] = (uint8_t)((bits & 0x55) << 1 | (bits >> 1 & 0x55));
        }
    }
    const int32_t width[] = {256, 256};
    const struct features mirrored = {descriptor, keypoint, start, width};
    EXPECT(align(kernel, &mirrored, 0, 1, &(struct align_rule){0.9f, 3.0, 1}, &found));
    EXPECT(found.mirrored && found.inliers >= N - WRONG);
}

static void check_union_find(void) {
    int32_t parent[100], label[100];
    const int64_t left[] = {1, 5, 98, 5}, right[] = {5, 7, 99, 1}, outside[] = {100};
    for (int i = 0; i < 100; i++)
        parent[i] = -1;
    EXPECT(union_find_join(parent, 100, left, right, 4) == 3);
    EXPECT(union_find_join(parent, 100, outside, left, 1) == -1);
    union_find_labels(parent, 0, 100, label);
    EXPECT(label[1] == label[7] && label[98] == label[99] && label[1] != label[98] && label[0] == 0);
}

int main(void) {
    const struct tile_kernel *kernels[TILE_KERNELS];
    const int count = tile_available(kernels);
    for (int i = 0; i < count; i++) {
        for (size_t d = TILE_LANES; d <= 3 * TILE_SLAB; d += d < 128 ? TILE_LANES : 944)
            check_products(kernels[i], d);
        for (size_t steps = 1; steps <= 64; steps += 9)
            check_prefilter(kernels[i], steps);
        for (size_t n = 1; n < 140; n += 23)
            check_scan(kernels[i], n, 1 + n % 40, 0.1f);
        check_keepers(kernels[i]);
        for (size_t n = 1; n < 140; n += 46)
            check_nearest(kernels[i], n, 1 + n % 40, 1 + n % 9);
        printf("%s: as the serial kernel\n", kernels[i]->name);
    }
    const struct match_kernel *matchers[MATCH_KERNELS];
    const int matcher_count = match_available(matchers);
    for (int i = 0; i < matcher_count; i++) {
        for (size_t n = 0; n < 1100; n += 73)
            check_match(matchers[i], 1 + n % 17, n);
        check_align(matchers[i]);
        printf("%s: matches as the serial kernel\n", matchers[i]->name);
    }
    check_union_find();
    return 0;
}
