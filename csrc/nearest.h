/* The nearest neighbours of rows: for each row the k others of its set, or of another set, with the highest scores. */
#ifndef FASTSIM_NEAREST_H
#define FASTSIM_NEAREST_H

#include "rows.h"

/* For each row i in r0..r1 - 1 of `query` (r0 a multiple of TILE_ROWS): the k rows of `set` with the highest score to it among
 * those with score >= floor, best first, equal scores by ascending row. Where `query` is `set` itself, a row is no neighbour of
 * its own; where it is another one, both need rows of one length. index and score hold k entries per row, starting with row r0;
 * where there are fewer, index is -1 and score 0. k >= 1. Disjoint ranges of rows may be searched at the same time. */
void nearest(const struct rows *query, const struct rows *set, float floor, size_t k, size_t r0, size_t r1, int64_t *index,
             float *score);

#endif
