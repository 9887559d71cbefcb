/* Each row keeps a heap of its k best scores, the worst on top. The worst of a full heap is the row's threshold: with a sketch,
 * blocks of pairs that can't reach it are left out before any score is computed. */
#include "nearest.h"

#include <math.h>

struct heap {
    int64_t *index;
    float *score;
    size_t count, k;
};

/* Return whether entry (score, row) comes after the other one in the result: a total order, because rows differ. */
static int is_worse(float score_a, int64_t row_a, float score_b, int64_t row_b) {
    return score_a < score_b || (score_a == score_b && row_a > row_b);
}

static int entry_is_worse(const struct heap *heap, size_t a, size_t b) {
    return is_worse(heap->score[a], heap->index[a], heap->score[b], heap->index[b]);
}

static void swap_entries(const struct heap *heap, size_t a, size_t b) {
    const int64_t index = heap->index[a];
    const float score = heap->score[a];
    heap->index[a] = heap->index[b], heap->score[a] = heap->score[b];
    heap->index[b] = index, heap->score[b] = score;
}

static void sink(const struct heap *heap, size_t at, size_t count) {
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < count && entry_is_worse(heap, child, worst))
                worst = child;
        if (worst == at)
            return;
        swap_entries(heap, at, worst);
        at = worst;
    }
}

static void offer(struct heap *heap, float score, int64_t row) {
    if (heap->count < heap->k) {
        size_t at = heap->count++;
        heap->index[at] = row, heap->score[at] = score;
        for (; at > 0 && entry_is_worse(heap, at, (at - 1) / 2); at = (at - 1) / 2)
            swap_entries(heap, at, (at - 1) / 2);
    } else if (is_worse(heap->score[0], heap->index[0], score, row)) {
        heap->index[0] = row, heap->score[0] = score;
        sink(heap, 0, heap->count);
    }
}

/* Turn the heap into a list, best first, and mark what is left empty. */
static void finish(struct heap *heap) {
    for (size_t count = heap->count; count > 1; count--) {
        swap_entries(heap, 0, count - 1);
        sink(heap, 0, count - 1);
    }
    for (size_t i = heap->count; i < heap->k; i++)
        heap->index[i] = -1, heap->score[i] = 0.0f;
}

/* Return the score that a pair must reach to change one of the heaps. */
static float threshold(const struct heap heap[TILE_ROWS], float floor) {
    float lowest = INFINITY;
    for (size_t i = 0; i < TILE_ROWS; i++) {
        const float own = heap[i].k == 0 ? INFINITY : heap[i].count < heap[i].k ? floor : heap[i].score[0];
        lowest = own < lowest ? own : lowest;
    }
    return lowest;
}

/* Four rows of `query` against the columns col..col + 3 of `set`, as far as `mask` (bit j: column col + j) allows each row. Where
 * both are one, a row is no neighbour of its own. */
static void score_square(const struct rows *query, const struct rows *set, float floor, size_t row, size_t stop, size_t col,
                         const uint64_t mask[TILE_ROWS], struct heap heap[TILE_ROWS]) {
    const uint16_t *a[4], *b[4];
    float dots[16];
    for (size_t k = 0; k < 4; k++) { /* past the end: any row, because it is left out below */
        a[k] = rows_at(query, row + k < query->n ? row + k : query->n - 1);
        b[k] = rows_at(set, col + k < set->n ? col + k : set->n - 1);
    }
    if (row + 1 == stop)
        set->kernel->dot4(a[0], b, set->d, dots);
    else
        set->kernel->dots(a, b, set->d, dots);
    for (size_t i = 0; i < 4 && row + i < stop; i++)
        for (size_t j = 0; j < 4 && col + j < set->n; j++) {
            if ((query == set && row + i == col + j) || !(mask[i] >> j & 1))
                continue;
            float score = rows_score_across(query, row + i, set, col + j, dots[4 * i + j]);
            if (score >= floor)
                score = rows_lowest_across(query, row + i, set, col + j, score);
            if (score >= floor)
                offer(&heap[i], score, (int64_t)(col + j));
        }
}

static void search_panel(const struct rows *query, const struct rows *set, float floor, size_t row, size_t stop, size_t col,
                         struct heap heap[TILE_ROWS]) {
    uint64_t alive[TILE_ROWS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const size_t next = row + TILE_ROWS;
    if (query == set && set->sketch.code != NULL && /* two sets have no sketch in common */
        set->kernel->prefilter(&set->sketch, rows_floor(set, threshold(heap, floor)), row, next, col, alive) >= next)
        return;
    const uint64_t any = alive[0] | alive[1] | alive[2] | alive[3];
    for (size_t j = 0; j < TILE_COLS && col + j < set->n; j += 4)
        if (any >> j & 0xF) {
            const uint64_t mask[TILE_ROWS] = {alive[0] >> j, alive[1] >> j, alive[2] >> j, alive[3] >> j};
            score_square(query, set, floor, row, stop, col + j, mask, heap);
        }
}

void nearest(const struct rows *query, const struct rows *set, float floor, size_t k, size_t r0, size_t r1, int64_t *index,
             float *score) {
    enum { STRIP = 32 }; /* rows that go over a panel while it is in the cache */
    for (size_t start = r0; start < r1; start += STRIP) {
        const size_t stop = start + STRIP < r1 ? start + STRIP : r1;
        struct heap heap[STRIP];
        for (size_t i = 0; i < STRIP; i++) {
            const size_t at = start + i < stop ? (start + i - r0) * k : 0; /* past the end: never used */
            heap[i] = (struct heap){index + at, score + at, 0, start + i < stop ? k : 0};
        }
        for (size_t col = 0; col < set->n; col += TILE_COLS)
            for (size_t row = start; row < stop; row += TILE_ROWS)
                search_panel(query, set, floor, row, stop, col, heap + (row - start));
        for (size_t i = 0; start + i < stop; i++)
            finish(&heap[i]);
    }
}
