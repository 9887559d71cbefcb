#include "keepers.h"

/* Return the first of the k keepers to which `member` is similar, or -1. */
static int64_t first_cover(const struct rows *rows, float thres, const int64_t *keeper, size_t k, size_t member, float *score) {
    const uint16_t *row = rows_at(rows, member), *others[4];
    float dots[4];
    for (size_t j = 0; j < k; j += 4) {
        for (size_t l = 0; l < 4; l++)
            others[l] = rows_at(rows, (size_t)keeper[j + l < k ? j + l : k - 1]);
        rows->kernel->dot4(row, others, rows->d, dots);
        for (size_t l = 0; l < 4 && j + l < k; l++) {
            const size_t other = (size_t)keeper[j + l];
            float value = rows_score(rows, member, other, dots[l]);
            if (value >= thres)
                value = rows_lowest(rows, member, other, value);
            if (value >= thres) {
                *score = value;
                return keeper[j + l];
            }
        }
    }
    return -1;
}

/* Compare four members with the keepers, four at a time. Members that are covered already take part, but keep their keeper. */
static void cover_four(const struct rows *rows, float thres, const int64_t *keeper, size_t k, const int64_t *member, int64_t *by,
                       float *score) {
    const uint16_t *a[4], *b[4];
    float dots[16];
    for (size_t i = 0; i < 4; i++)
        a[i] = rows_at(rows, (size_t)member[i]);
    for (size_t j = 0; j < k; j += 4) {
        if (by[0] >= 0 && by[1] >= 0 && by[2] >= 0 && by[3] >= 0)
            return;
        for (size_t l = 0; l < 4; l++)
            b[l] = rows_at(rows, (size_t)keeper[j + l < k ? j + l : k - 1]);
        rows->kernel->dots(a, b, rows->d, dots);
        for (size_t i = 0; i < 4; i++)
            for (size_t l = 0; l < 4 && j + l < k && by[i] < 0; l++) {
                const size_t other = (size_t)keeper[j + l];
                float value = rows_score(rows, (size_t)member[i], other, dots[4 * i + l]);
                if (value >= thres)
                    value = rows_lowest(rows, (size_t)member[i], other, value);
                if (value >= thres)
                    by[i] = keeper[j + l], score[i] = value;
            }
    }
}

void keepers_cover(const struct rows *rows, float thres, const int64_t *keeper, size_t k, const int64_t *member, size_t m,
                   int64_t *by, float *score) {
    size_t i = 0;
    for (; i + 4 <= m; i += 4)
        cover_four(rows, thres, keeper, k, member + i, by + i, score + i);
    for (; i < m; i++)
        if (by[i] < 0)
            by[i] = first_cover(rows, thres, keeper, k, (size_t)member[i], &score[i]);
}

size_t keepers_choose(const struct rows *rows, float thres, const int64_t *member, size_t m, int64_t *by, float *score,
                      int64_t *keeper) {
    size_t k = 0;
    for (size_t i = 0; i < m; i++) {
        if (by[i] >= 0)
            continue;
        by[i] = first_cover(rows, thres, keeper, k, (size_t)member[i], &score[i]);
        if (by[i] < 0) {
            keeper[k++] = by[i] = member[i];
            score[i] = 1.0f;
        }
    }
    return k;
}
