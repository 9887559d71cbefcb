/* The walk over one tile: panels of 64 columns (their codes stay in L1), and for each panel all rows in blocks of four.
 * A block is thinned by what is cheap (the diagonal, components, the sketch) before any score is computed. */
#include "scan.h"

#ifdef _MSC_VER
#include <intrin.h>
#endif

struct walk {
    const struct rows *rows;
    float thres;
    struct tile tile;
    struct labels labels;
    struct pairs *pairs;
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

/* Pairs above the diagonal and inside the tile. Returns 0 where there are none. */
static int clip(struct block *block, struct tile tile) {
    uint64_t any = 0;
    for (size_t i = 0; i < TILE_ROWS; i++) {
        const size_t row = block->row + i;
        uint64_t mask = row < tile.r1 ? bits_below(tile.c1 - block->col) : 0;
        if (row >= block->col)
            mask &= ~bits_below(row - block->col + 1);
        any |= block->mask[i] = mask;
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

/* Takes a pair whose dot product is known, unless its rows are in one component by now. */
static void take_pair(struct walk *walk, size_t a, size_t b, float dot) {
    const struct labels *labels = &walk->labels;
    const struct tile *tile = &walk->tile;
    struct pairs *pairs = walk->pairs;
    const float score = rows_score(walk->rows, a, b, dot);
    if (!(score >= walk->thres))
        return;
    if (labels->row != NULL) {
        const int32_t to = labels->row[a - tile->r0], from = labels->col[b - tile->c0];
        if (to == from)
            return;
        relabel(labels->row, tile->r1 - tile->r0, from, to);
        relabel(labels->col, tile->c1 - tile->c0, from, to);
    }
    pairs->left[pairs->count] = (int64_t)a;
    pairs->right[pairs->count] = (int64_t)b;
    pairs->score[pairs->count++] = score;
}

/* Scores four columns against the four rows, for the pairs left in the mask. */
static void score_square(struct walk *walk, const struct block *block, size_t j) {
    const struct rows *rows = walk->rows;
    const uint16_t *a[4], *b[4];
    float dots[16];
    for (size_t k = 0; k < 4; k++) {
        a[k] = rows_at(rows, block->row + k < rows->n ? block->row + k : rows->n - 1);
        b[k] = rows_at(rows, block->col + j + k < rows->n ? block->col + j + k : rows->n - 1);
    }
    rows->kernel->dots(a, b, rows->d, dots);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            if (block->mask[i] >> (j + k) & 1)
                take_pair(walk, block->row + i, block->col + j + k, dots[4 * i + k]);
}

/* Scores what the mask has left, in squares where no sketch has thinned it, else one by one (the bits are the same). */
static void score_block(struct walk *walk, const struct block *block) {
    const struct rows *rows = walk->rows;
    if (rows->sketch.code == NULL) {
        const uint64_t any = block->mask[0] | block->mask[1] | block->mask[2] | block->mask[3];
        for (size_t j = 0; j < TILE_COLS; j += 4)
            if (any >> j & 0xF)
                score_square(walk, block, j);
        return;
    }
    for (size_t i = 0; i < TILE_ROWS; i++)
        for (uint64_t mask = block->mask[i]; mask != 0; mask &= mask - 1) {
            const size_t a = block->row + i, b = block->col + (size_t)lowest_bit(mask);
            take_pair(walk, a, b, rows->kernel->dot(rows_at(rows, a), rows_at(rows, b), rows->d));
        }
}

/* Keeps the pairs that the sketch can't rule out. Returns 0 where none is left. */
static int sift_block(const struct rows *rows, int32_t floor, struct block *block) {
    const struct sketch *sketch = &rows->sketch;
    const size_t panel = TILE_STEP * sketch->steps;
    const int8_t *row = sketch->code + block->row / TILE_COLS * panel + block->row % TILE_COLS * 4;
    int32_t floors[TILE_ROWS];
    uint64_t mask[TILE_ROWS], any = 0;
    for (size_t i = 0; i < TILE_ROWS; i++)
        floors[i] = floor - sketch->bias[block->row + i];
    if (!rows->kernel->sift(row, sketch->code + block->col / TILE_COLS * panel, sketch->steps, floors,
                            sketch->sum + block->row, sketch->bias + block->col, mask))
        return 0;
    for (size_t i = 0; i < TILE_ROWS; i++)
        any |= block->mask[i] &= mask[i];
    return any != 0;
}

static size_t width_of(const struct walk *walk, size_t col) {
    return walk->tile.c1 - col < TILE_COLS ? walk->tile.c1 - col : TILE_COLS;
}

/* Takes the pairs out of the mask that lie inside one component. Returns 0 where none is left. */
static int drop_joined(const struct walk *walk, struct block *block) {
    const int32_t *col = walk->labels.col + (block->col - walk->tile.c0);
    uint64_t any = 0;
    for (size_t i = 0; i < TILE_ROWS; i++)
        if (block->mask[i] != 0)
            any |= block->mask[i] &= unequal(col, width_of(walk, block->col), walk->labels.row[block->row + i - walk->tile.r0]);
    return any != 0;
}

/* Whether the columns of a panel are all in one component. */
static int panel_joined(const struct walk *walk, size_t col) {
    const int32_t *label = walk->labels.col == NULL ? NULL : walk->labels.col + (col - walk->tile.c0);
    return label != NULL && all_equal(label, width_of(walk, col), label[0]);
}

/* Whether the rows of a block are all in the component of its first column. */
static int rows_joined(const struct walk *walk, const struct block *block) {
    const size_t count = walk->tile.r1 - block->row < TILE_ROWS ? walk->tile.r1 - block->row : TILE_ROWS;
    return all_equal(walk->labels.row + (block->row - walk->tile.r0), count, walk->labels.col[block->col - walk->tile.c0]);
}

size_t scan(const struct rows *rows, float thres, struct tile tile, struct labels labels, size_t cursor, struct pairs *pairs) {
    struct walk walk = {rows, thres, tile, labels, pairs};
    const size_t groups = (tile.r1 - tile.r0 + TILE_ROWS - 1) / TILE_ROWS;
    const size_t panels = (tile.c1 - tile.c0 + TILE_COLS - 1) / TILE_COLS;
    const int sketched = rows->sketch.code != NULL, labelled = labels.row != NULL;
    const int32_t floor = sketched ? rows_floor(rows, thres) : 0;
    for (size_t panel = groups == 0 ? panels : cursor / groups; panel < panels; panel++) {
        const size_t col = tile.c0 + panel * TILE_COLS;
        int joined = panel_joined(&walk, col);
        for (size_t group = panel == cursor / groups ? cursor % groups : 0; group < groups; group++) {
            struct block block = {.row = tile.r0 + group * TILE_ROWS, .col = col};
            if (!clip(&block, tile) || (joined && rows_joined(&walk, &block)))
                continue;
            if (pairs->capacity - pairs->count < SCAN_ROOM)
                return panel * groups + group;
            if ((sketched && !sift_block(rows, floor, &block)) || (labelled && !drop_joined(&walk, &block)))
                continue;
            const size_t before = pairs->count;
            score_block(&walk, &block);
            if (labelled && pairs->count != before)
                joined = panel_joined(&walk, col);
        }
    }
    return SCAN_DONE;
}
