#include "transform.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 3000, LEAST = 3 };

/* How far two pairings may be from what the keypoints themselves say: an orientation of ORB is good for some 10 degrees, a
 * size for a step of its pyramid. */
static const double MOST_TURN = 25.0, MOST_ZOOM = 1.7;
static const double LEAST_SIDE = 8.0; /* pixels between two points that define a similarity */
static const double LEAST_SCALE = 0.08, MOST_SCALE = 12.0, MOST_STRETCH = 2.5;

static double squared(double x) { return x * x; }

static double error_of(const struct transform *t, const struct pairing *p) {
    return squared(t->a * p->left.x + t->b * p->left.y + t->tx - p->right.x) +
           squared(t->c * p->left.x + t->d * p->left.y + t->ty - p->right.y);
}

/* Return the largest squared error of an inlier: the tolerance is in pixels of the coarser image. */
static double limit_of(const struct transform *t, double tolerance) {
    return squared(tolerance) * fmax(1.0, fabs(t->a * t->d - t->b * t->c));
}

/* Count inliers as long as there can be more than `beat`. */
static size_t count_inliers(const struct transform *t, const struct pairing *pairing, size_t n, double tolerance, size_t beat) {
    const double limit = limit_of(t, tolerance);
    size_t count = 0;
    for (size_t i = 0; i < n && count + (n - i) > beat; i++)
        count += error_of(t, &pairing[i]) <= limit;
    return count;
}

static size_t mark_inliers(const struct transform *t, const struct pairing *pairing, size_t n, double tolerance,
                           uint8_t *inlier) {
    const double limit = limit_of(t, tolerance);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += inlier[i] = error_of(t, &pairing[i]) <= limit;
    return count;
}

/* Return the difference of two angles in degrees, 0 to 180. */
static double between(double a, double b) {
    const double d = fabs(fmod(a - b, 360.0));
    return d > 180.0 ? 360.0 - d : d;
}

/* Find the similarity through two pairings. Returns 0 if it is badly defined or disagrees with the keypoints. */
static int similarity_of(const struct pairing *p, const struct pairing *q, struct transform *t) {
    const double lx = (double)q->left.x - p->left.x, ly = (double)q->left.y - p->left.y;
    const double rx = (double)q->right.x - p->right.x, ry = (double)q->right.y - p->right.y;
    const double length = lx * lx + ly * ly;
    if (length < squared(LEAST_SIDE))
        return 0;
    const double c = (lx * rx + ly * ry) / length, s = (lx * ry - ly * rx) / length, scale2 = c * c + s * s;
    if (scale2 < squared(LEAST_SCALE) || scale2 > squared(MOST_SCALE))
        return 0;
    const double sizes[2] = {(double)p->right.size / p->left.size, (double)q->right.size / q->left.size};
    for (int i = 0; i < 2; i++) {
        const double zoom2 = scale2 / squared(sizes[i]);
        if (zoom2 > squared(MOST_ZOOM) || zoom2 < 1.0 / squared(MOST_ZOOM))
            return 0;
    }
    const double turn = atan2(s, c) * (180.0 / 3.14159265358979323846);
    if (between(turn, (double)p->right.angle - p->left.angle) > MOST_TURN ||
        between(turn, (double)q->right.angle - q->left.angle) > MOST_TURN)
        return 0;
    *t = (struct transform){c, -s, 0.0, s, c, 0.0};
    t->tx = p->right.x - (c * p->left.x - s * p->left.y);
    t->ty = p->right.y - (s * p->left.x + c * p->left.y);
    return 1;
}

/* Solve the 3 x 3 system m x = r for both right sides by elimination with pivots. Returns 0 if it is singular. */
static int solve(double m[3][5]) {
    for (int k = 0; k < 3; k++) {
        int pivot = k;
        for (int i = k + 1; i < 3; i++)
            if (fabs(m[i][k]) > fabs(m[pivot][k]))
                pivot = i;
        if (fabs(m[pivot][k]) < 1e-3)
            return 0;
        for (int j = 0; j < 5; j++) {
            const double kept = m[k][j];
            m[k][j] = m[pivot][j], m[pivot][j] = kept;
        }
        for (int i = 0; i < 3; i++) {
            const double factor = i == k ? 0.0 : m[i][k] / m[k][k];
            for (int j = k; j < 5; j++)
                m[i][j] -= factor * m[k][j];
        }
    }
    return 1;
}

/* Return whether the transform neither flattens nor mirrors nor leaves the scales that images are compared at. */
static int is_sane(const struct transform *t) {
    const double det = t->a * t->d - t->b * t->c, sum = squared(t->a) + squared(t->b) + squared(t->c) + squared(t->d);
    const double spread = sqrt(fmax(sum * sum - 4.0 * det * det, 0.0));
    const double most = sqrt((sum + spread) / 2.0), least = sqrt(fmax((sum - spread) / 2.0, 0.0));
    return det > 0.0 && least > LEAST_SCALE && most < MOST_SCALE && most < MOST_STRETCH * least;
}

/* Fit the affine transform with the least squared error over the inliers. Returns 0 if they do not determine one. */
static int fit_affine(const struct pairing *pairing, size_t n, const uint8_t *inlier, struct transform *t) {
    double m[3][5] = {{0.0}}, cx = 0.0, cy = 0.0, count = 0.0;
    for (size_t i = 0; i < n; i++)
        if (inlier[i])
            cx += pairing[i].left.x, cy += pairing[i].left.y, count += 1.0;
    cx /= count, cy /= count;
    for (size_t i = 0; i < n; i++)
        if (inlier[i]) {
            const double row[5] = {pairing[i].left.x - cx, pairing[i].left.y - cy, 1.0, pairing[i].right.x, pairing[i].right.y};
            for (int j = 0; j < 3; j++)
                for (int k = 0; k < 5; k++)
                    m[j][k] += row[j] * row[k];
        }
    if (!solve(m))
        return 0;
    const double a = m[0][3] / m[0][0], b = m[1][3] / m[1][1], c = m[0][4] / m[0][0], d = m[1][4] / m[1][1];
    *t = (struct transform){a, b, m[2][3] / m[2][2] - a * cx - b * cy, c, d, m[2][4] / m[2][2] - c * cx - d * cy};
    return is_sane(t);
}

/* Fit the inliers as an affine transform, with a tolerance that narrows: a stretched image leaves the similarity by far.
 * Keeps the similarity where that explains more. */
static size_t refine(const struct pairing *pairing, size_t n, double tolerance, struct transform *t, uint8_t *inlier) {
    static const double widths[] = {4.0, 3.0, 2.0, 1.5, 1.0, 1.0, 1.0};
    struct transform fitted = *t, next;
    for (size_t round = 0; round < sizeof widths / sizeof *widths; round++) {
        if (mark_inliers(&fitted, pairing, n, widths[round] * tolerance, inlier) < 2 * LEAST ||
            !fit_affine(pairing, n, inlier, &next))
            break;
        fitted = next;
    }
    const size_t before = count_inliers(t, pairing, n, tolerance, 0);
    if (count_inliers(&fitted, pairing, n, tolerance, 0) >= before)
        *t = fitted;
    return mark_inliers(t, pairing, n, tolerance, inlier);
}

static uint32_t next_random(uint32_t *state) { /* xorshift: the same numbers everywhere */
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    return *state;
}

static size_t consider(const struct pairing *pairing, size_t n, size_t i, size_t j, double tolerance, size_t best,
                       struct transform *found) {
    struct transform t;
    if (i == j || !similarity_of(&pairing[i], &pairing[j], &t))
        return best;
    const size_t count = count_inliers(&t, pairing, n, tolerance, best);
    if (count > best)
        *found = t;
    return count > best ? count : best;
}

/* Return the number of draws that contains two inliers with probability 1 - e^-12, if `best` of n are inliers. */
static size_t enough_draws(size_t best, size_t n) {
    const double share = (double)best / (double)n, draws = 12.0 / (share * share);
    return draws < DRAWS ? (size_t)draws : DRAWS;
}

size_t transform_find(const struct pairing *pairing, size_t n, double tolerance, struct transform *found, uint8_t *inlier) {
    size_t best = LEAST - 1;
    uint32_t state = 2463534242u;
    memset(inlier, 0, n);
    *found = (struct transform){1.0, 0.0, 0.0, 0.0, 1.0, 0.0};
    if (n * n <= 2 * DRAWS)
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n; j++)
                best = consider(pairing, n, i, j, 2.0 * tolerance, best, found);
    else
        for (size_t k = 0; k < enough_draws(best, n); k++) {
            const size_t i = next_random(&state) % n, j = next_random(&state) % n;
            best = consider(pairing, n, i, j, 2.0 * tolerance, best, found);
        }
    if (best < LEAST)
        return 0;
    return refine(pairing, n, tolerance, found, inlier);
}
