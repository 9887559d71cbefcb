/* The walk over one tile: panels of 64 columns (their codes stay in L1), and for each panel all rows in blocks of four.
 * A block is thinned by what is cheap (the diagonal, components, the sketch) before any score is computed. */
#include "scan.h"

#ifdef _MSC_VER
#include <intrin.h>
#endif

enum { BUCKET = 4 };

struct walk {
    const struct rows *rows;
    float thres;
    struct tile tile;
    struct labels labels;
    struct pairs *pairs;
    size_t col;     /* of the panel */
    size_t pending; /* pairs in buckets */
    uint8_t filled[TILE_COLS];
    uint32_t bucket[TILE_COLS][BUCKET]; /* for each column the rows that the sketch let through and that wait for a score */
};

struct block {
    size_t row, col;          /* of its first pair */
    uint64_t mask[TILE_ROWS]; /* pairs still to be scored */
};

static uint64_t bits_below(size_t count) { return count >= 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1; }

static int lowest_bit(uint64_t mask) {
#ifdef _MSC_VER
    unsigned long at;
    _BitScanForward64(&at, mask);
    return (int)at;
#else
    return __builtin_ctzll(mask);
#endif
}

/* Clip the pairs that are alive to those above the diagonal and inside the tile. Returns 0 if there are none. */
static int clip(struct block *block, struct tile tile, const uint64_t alive[TILE_ROWS]) {
    uint64_t any = 0;
    for (size_t i = 0; i < TILE_ROWS; i++) {
        const size_t row = block->row + i;
        uint64_t mask = row < tile.r1 ? bits_below(tile.c1 - block->col) : 0;
        if (row >= block->col)
            mask &= ~bits_below(row - block->col + 1);
        any |= block->mask[i] = mask & alive[i];
    }
    return any != 0;
}

static int all_equal(const int32_t *label, size_t count, int32_t value) {
    int32_t differ = 0;
    for (size_t i = 0; i < count; i++)
        differ |= label[i] ^ value;
    return differ == 0;
}

/* Bit j: label[j] differs from value. Eight bytes of 0 or 1 become eight bits by one multiplication. */
static uint64_t unequal(const int32_t *label, size_t count, int32_t value) {
    uint64_t mask = 0, eight;
    uint8_t byte[TILE_COLS] = {0};
    for (size_t j = 0; j < count; j++)
        byte[j] = label[j] != value;
    for (size_t j = 0; j < TILE_COLS; j += 8) {
        eight = 0;
        for (size_t k = 0; k < 8; k++)
            eight |= (uint64_t)byte[j + k] << (8 * k);
        mask |= (eight * 0x0102040810204080u >> 56) << j;
    }
    return mask;
}

static void relabel(int32_t *label, size_t count, int32_t from, int32_t to) {
    for (size_t i = 0; i < count; i++)
        label[i] = label[i] == from ? to : label[i];
}

/* Append a pair whose score reaches the threshold, unless its rows are in one component by now, or their views differ. */
static void take_pair(struct walk *walk, size_t a, size_t b, float score) {
    const struct labels *labels = &walk->labels;
    const struct tile *tile = &walk->tile;
    struct pairs *pairs = walk->pairs;
    if (labels->row != NULL && labels->row[a - tile->r0] == labels->col[b - tile->c0])
        return;
    score = rows_lowest(walk->rows, a, b, score);
    if (!(score >= walk->thres))
        return;
    if (labels->row != NULL) {
        const int32_t to = labels->row[a - tile->r0], from = labels->col[b - tile->c0];
        relabel(labels->row, tile->r1 - tile->r0, from, to);
        relabel(labels->col, tile->c1 - tile->c0, from, to);
    }
    pairs->left[pairs->count] = (int64_t)a;
    pairs->right[pairs->count] = (int64_t)b;
    pairs->score[pairs->count++] = score;
}

/* Score four columns against the four rows, and append the pairs that the mask allows. */
static void score_square(struct walk *walk, const struct block *block, size_t j) {
    const struct rows *rows = walk->rows;
    const size_t last = rows->n - 1;
    size_t at[4], to[4];
    const uint16_t *a[4], *b[4];
    float dots[16], score[16];
    int any = 0;
    for (size_t k = 0; k < 4; k++) { /* past the end: any row, because the mask is zero there */
        at[k] = block->row + k < last ? block->row + k : last, to[k] = block->col + j + k < last ? block->col + j + k : last;
        a[k] = rows_at(rows, at[k]), b[k] = rows_at(rows, to[k]);
    }
    rows->kernel->dots(a, b, rows->d, dots);
    for (size_t k = 0; k < 16; k++) {
        score[k] = rows_score(rows, at[k / 4], to[k % 4], dots[k]);
        any |= score[k] >= walk->thres;
    }
    if (!any)
        return;
    for (size_t k = 0; k < 16; k++)
        if (score[k] >= walk->thres && (block->mask[k / 4] >> (j + k % 4) & 1))
            take_pair(walk, at[k / 4], to[k % 4], score[k]);
}

static void score_squares(struct walk *walk, const struct block *block) {
    const uint64_t any = block->mask[0] | block->mask[1] | block->mask[2] | block->mask[3];
    for (size_t j = 0; j < TILE_COLS; j += 4)
        if (any >> j & 0xF)
            score_square(walk, block, j);
}

/* Score a column against the rows in its bucket. */
static void score_bucket(struct walk *walk, size_t j) {
    const struct rows *rows = walk->rows;
    const size_t filled = walk->filled[j], col = walk->col + j;
    const uint16_t *b[BUCKET];
    float dots[BUCKET];
    for (size_t k = 0; k < BUCKET; k++)
        b[k] = rows_at(rows, walk->bucket[j][k < filled ? k : 0]);
    rows->kernel->dot4(rows_at(rows, col), b, rows->d, dots);
    for (size_t k = 0; k < filled; k++) {
        const float score = rows_score(rows, walk->bucket[j][k], col, dots[k]);
        if (score >= walk->thres)
            take_pair(walk, walk->bucket[j][k], col, score);
    }
    walk->pending -= filled;
    walk->filled[j] = 0;
}

static void score_pending(struct walk *walk) {
    for (size_t j = 0; j < TILE_COLS && walk->pending > 0; j++)
        if (walk->filled[j] > 0)
            score_bucket(walk, j);
}

/* Move the pairs of the mask to buckets, because four rows of one column are scored faster than four pairs. */
static void put_off(struct walk *walk, const struct block *block) {
    for (size_t i = 0; i < TILE_ROWS; i++)
        for (uint64_t mask = block->mask[i]; mask != 0; mask &= mask - 1) {
            const size_t j = (size_t)lowest_bit(mask);
            walk->bucket[j][walk->filled[j]++] = (uint32_t)(block->row + i);
            walk->pending++;
            if (walk->filled[j] == BUCKET)
                score_bucket(walk, j);
        }
}

static size_t width_of(const struct walk *walk, size_t col) {
    return walk->tile.c1 - col < TILE_COLS ? walk->tile.c1 - col : TILE_COLS;
}

/* Remove the pairs inside one component from the mask. Returns 0 if none is left. */
static int drop_joined(const struct walk *walk, struct block *block) {
    const int32_t *col = walk->labels.col + (block->col - walk->tile.c0);
    uint64_t any = 0;
    for (size_t i = 0; i < TILE_ROWS; i++)
        if (block->mask[i] != 0)
            any |= block->mask[i] &= unequal(col, width_of(walk, block->col), walk->labels.row[block->row + i - walk->tile.r0]);
    return any != 0;
}

/* Return whether the columns of a panel are all in one component. */
static int panel_joined(const struct walk *walk, size_t col) {
    const int32_t *label = walk->labels.col == NULL ? NULL : walk->labels.col + (col - walk->tile.c0);
    return label != NULL && all_equal(label, width_of(walk, col), label[0]);
}

/* Return whether the rows of a block are all in the component of its first column. */
static int rows_joined(const struct walk *walk, const struct block *block) {
    const size_t count = walk->tile.r1 - block->row < TILE_ROWS ? walk->tile.r1 - block->row : TILE_ROWS;
    return all_equal(walk->labels.row + (block->row - walk->tile.r0), count, walk->labels.col[block->col - walk->tile.c0]);
}

/* Make sure that one more block fits the buffer of pairs. Returns 0 if it does not; nothing is pending then. */
static int make_room(struct walk *walk) {
    struct pairs *pairs = walk->pairs;
    if (pairs->capacity - pairs->count < walk->pending + SCAN_ROOM)
        score_pending(walk);
    return pairs->capacity - pairs->count >= SCAN_ROOM;
}

/* Scan the rows from `row` on against one panel. Returns the row to continue from, or tile.r1. */
static size_t scan_panel(struct walk *walk, int32_t floor, size_t row, size_t col) {
    const struct rows *rows = walk->rows;
    const int sketched = rows->sketch.code != NULL, labelled = walk->labels.row != NULL;
    const size_t stop = walk->tile.r1 < col + TILE_COLS ? walk->tile.r1 : col + TILE_COLS; /* rows above the diagonal */
    size_t known = walk->pairs->count;
    walk->col = col;
    int joined = panel_joined(walk, col);
    for (; row < stop; row += TILE_ROWS) {
        struct block block = {.row = row, .col = col};
        uint64_t alive[TILE_ROWS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
        if (labelled && walk->pairs->count != known) {
            joined = panel_joined(walk, col);
            known = walk->pairs->count;
        }
        if (joined && rows_joined(walk, &block))
            continue;
        if (sketched) {
            const size_t last = joined ? row + 1 : stop; /* a joined panel is checked block by block */
            block.row = rows->kernel->prefilter(&rows->sketch, floor, row, last, col, alive);
            row = block.row < last ? block.row : block.row - TILE_ROWS;
            if (block.row >= last)
                continue;
        }
        if (!make_room(walk))
            return row;
        if (!clip(&block, walk->tile, alive) || (labelled && !drop_joined(walk, &block)))
            continue;
        if (sketched)
            put_off(walk, &block);
        else
            score_squares(walk, &block);
    }
    score_pending(walk);
    return walk->tile.r1;
}

size_t scan(const struct rows *rows, float thres, struct tile tile, struct labels labels, size_t cursor, struct pairs *pairs) {
    struct walk walk = {.rows = rows, .thres = thres, .tile = tile, .labels = labels, .pairs = pairs};
    const size_t groups = (tile.r1 - tile.r0 + TILE_ROWS - 1) / TILE_ROWS;
    const size_t panels = (tile.c1 - tile.c0 + TILE_COLS - 1) / TILE_COLS;
    const int32_t floor = rows->sketch.code != NULL ? rows_floor(rows, thres) : 0;
    if (groups == 0)
        return SCAN_DONE;
    size_t row = tile.r0 + cursor % groups * TILE_ROWS;
    for (size_t panel = cursor / groups; panel < panels; panel++, row = tile.r0) {
        row = scan_panel(&walk, floor, row, tile.c0 + panel * TILE_COLS);
        if (row < tile.r1)
            return panel * groups + (row - tile.r0) / TILE_ROWS;
    }
    return SCAN_DONE;
}
