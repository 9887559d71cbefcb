/* A set of rows ready to be compared: halves, norms, and a sketch where one was made. tile.h says what each means. */
#ifndef FASTSIM_ROWS_H
#define FASTSIM_ROWS_H

#include "tile.h"

/* Further rows of files that one row does not stand for: other pages or frames, another background. Rows of different kinds
 * are similar to nothing of each other; of two rows of one kind, as many views are compared as both have. */
struct views {
    int32_t *kind;  /* n; NULL: all rows are of one kind, and have no views */
    int64_t *start; /* n + 1: row i has the views start[i] .. start[i + 1] - 1 */
    uint16_t *half; /* m x d */
    float *norm;    /* m; NaN: similar to nothing */
    void *memory;   /* what to free */
};

struct rows {
    const uint16_t *half; /* n x d: the caller's, or `padded` */
    uint16_t *padded;     /* a copy, where the caller's rows are no multiple of TILE_LANES long; else NULL */
    float *norm;          /* n; NaN: similar to nothing */
    size_t n, d;          /* d is a multiple of TILE_LANES */
    const struct tile_kernel *kernel;
    struct sketch sketch;
    struct views views;
};

static inline const uint16_t *rows_at(const struct rows *rows, size_t i) { return rows->half + i * rows->d; }

/* min(dot / (norms), 1), or NaN, for row a of `left` and row b of `right`; the one place where a score is made. */
static inline float rows_score_across(const struct rows *left, size_t a, const struct rows *right, size_t b, float dot) {
    const float score = dot / (left->norm[a] * right->norm[b]);
    return score > 1.0f ? 1.0f : score;
}

static inline float rows_score(const struct rows *rows, size_t a, size_t b, float dot) {
    return rows_score_across(rows, a, rows, b, dot);
}

/* The lowest score of two rows and of their views, where `score` is that of the rows; -1 for rows of different kinds, NaN where
 * a view is similar to nothing. Rows without views are of kind 0. */
float rows_lowest_across(const struct rows *left, size_t a, const struct rows *right, size_t b, float score);

static inline float rows_lowest(const struct rows *rows, size_t a, size_t b, float score) {
    return rows_lowest_across(rows, a, rows, b, score);
}

/* Copy `kind` (n), `start` (n + 1, ascending from 0) and start[n] views of d halves. Returns 0 if memory is short. */
int rows_views(struct rows *rows, const int32_t *kind, const int64_t *start, const uint16_t *half, size_t d);

/* Take n rows of d halves, which must outlive `rows`, and measure their norms. Returns 0 if memory is short; rows_free
 * then still has to be called. */
int rows_init(struct rows *rows, const struct tile_kernel *kernel, const uint16_t *half, size_t n, size_t d);

/* Make room for a sketch with this basis (k x d halves, d as the caller gave it to rows_init; k a multiple of 4, at most
 * SKETCH_MAX) in which no row is encoded yet: all of them are similar to nothing. Returns 0 if memory is short. */
int rows_sketch(struct rows *rows, const uint16_t *basis, size_t k, size_t d, double scale, double limit, double slack);

/* Encode rows start..stop - 1. Disjoint ranges may be encoded at the same time. */
void rows_encode(struct rows *rows, size_t start, size_t stop);

/* Return the smallest q.q' + bias + bias' at which a pair can reach thres. */
int32_t rows_floor(const struct rows *rows, float thres);

/* Free what rows_init and rows_sketch allocated; a zeroed struct is allowed, too. */
void rows_free(struct rows *rows);

#endif
