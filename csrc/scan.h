/* Find the similar pairs of one tile of the n x n triangle. */
#ifndef FASTSIM_SCAN_H
#define FASTSIM_SCAN_H

#include "rows.h"

enum { SCAN_ROOM = TILE_ROWS * TILE_COLS }; /* least capacity of a pair buffer: the most pairs that one block can add */

struct tile {
    size_t r0, r1; /* rows, r0 a multiple of TILE_ROWS */
    size_t c0, c1; /* columns, c0 a multiple of TILE_COLS */
};

/* The component to which each row (label of r0 first) and each column is known to belong; NULL: not known. A pair inside one
 * component needs no score, because it would join nothing. The scan writes here what it finds, so that it adds at most one pair
 * less than the tile has rows and columns. */
struct labels {
    int32_t *row, *col;
};

struct pairs {
    int64_t *left, *right; /* left < right */
    float *score;
    size_t count, capacity;
};

/* Append the pairs (row, column) of the tile with row < column and score >= thres, from block `cursor` on (0 to start).
 * Returns SCAN_DONE, or where the buffer has no room for one more block the cursor to continue from with an emptied one. */
#define SCAN_DONE SIZE_MAX
size_t scan(const struct rows *rows, float thres, struct tile tile, struct labels labels, size_t cursor, struct pairs *pairs);

#endif
