#include "union_find.h"

int32_t union_find_root(int32_t *parent, int32_t i) {
    while (parent[i] >= 0) {
        if (parent[parent[i]] >= 0)
            parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

int64_t union_find_join(int32_t *parent, int64_t n, const int64_t *left, const int64_t *right, size_t count) {
    int64_t joined = 0;
    for (size_t k = 0; k < count; k++) {
        if (left[k] < 0 || left[k] >= n || right[k] < 0 || right[k] >= n)
            return -1;
        int32_t a = union_find_root(parent, (int32_t)left[k]), b = union_find_root(parent, (int32_t)right[k]);
        if (a == b)
            continue;
        if (parent[b] < parent[a] || (parent[b] == parent[a] && b < a)) { /* b is larger: sizes are negative */
            const int32_t swap = a;
            a = b, b = swap;
        }
        parent[a] += parent[b];
        parent[b] = a;
        joined++;
    }
    return joined;
}

void union_find_labels(int32_t *parent, int64_t start, size_t count, int32_t *label) {
    for (size_t k = 0; k < count; k++)
        label[k] = union_find_root(parent, (int32_t)(start + (int64_t)k));
}
