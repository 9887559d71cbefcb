/* The tile kernels: what they compute, how rows lie in memory, and why the filter never loses a pair.
 *
 * Rows. n rows of d float16 values (IEEE 754 binary16, host byte order), d padded with zeros to a multiple of TILE_LANES.
 *
 * Score. score(a, b) = dot(a, b) / (norm(a) * norm(b)), norm(a) = sqrtf(dot(a, a)), all in float32.
 *   dot splits d into slabs of TILE_SLAB values. In a slab, lane l of TILE_LANES sums a[i] * b[i] for i = l (mod TILE_LANES)
 *   in ascending order; the lanes are then added as l + (l + 8), l + (l + 4), l + (l + 2), l + (l + 1); slabs are added in
 *   ascending order. A product of two halves has 22 significant bits and is exact in float32, so it makes no difference
 *   whether a kernel fuses it into the addition. Every kernel follows this order, so every kernel, at any place in a tile
 *   and with a and b exchanged, returns the same bits.
 *   Error: a slab rounds at most 64 + 4 times and the sum of slabs d / 1024 times, so
 *   |dot - exact| <= (68 + d / 1024) * 2^-24 * |a| |b| < 4.4e-6 |a| |b| for d <= 4096; typically it is below 2e-7.
 *   norm is NaN for a row that is zero or not finite: its scores are NaN, and NaN >= thres is false even at thres 0.
 *
 * Sketch (the filter). Let u = a / |a|, and P a d x k matrix of halves, k a multiple of 4, with nearly orthonormal columns:
 *   ||P'P - I||_2 <= eps. P = Q + E with Q'Q = I exactly (the polar factor: the singular values of P become 1), and
 *   ||E||_2 = max |s - 1| <= max |s^2 - 1| <= eps.
 *   y = dot(a, column of P) / norm(a), so ||y - Q'u|| <= e = eps + (sqrt(k) (1 + eps) + 1) (70 + d / 1024) 2^-24, from E, from
 *   the error of dot in each of k values, and from that of the norm. `slack` is that e (fastsim/similarity/sketch.py).
 *   code is q = clamp(round(y / scale)), int8 in [-most, most], most <= 127 as the kernel has it; r = ||y - scale * q||.
 *   With p = Q'u = scale * q + rho, ||rho|| <= r + e, and t = u - Qp, ||t||^2 = 1 - ||p||^2 <= 1 - max(0, ||y|| - e)^2:
 *
 *     u.v = p.p' + t.t'                                                            (Q'Q = I, and t is orthogonal to Q)
 *         = scale^2 q.q' + scale q.rho' + scale q'.rho + rho.rho' + t.t'
 *        <= scale^2 q.q' + L ||rho'|| + L ||rho|| + (||rho||^2 + ||rho'||^2 + ||t||^2 + ||t'||^2) / 2
 *
 *   by Cauchy-Schwarz, 2xy <= x^2 + y^2, and L >= ||scale * q|| for every row (`limit`; a row beyond it is marked as one
 *   that always survives). So with
 *     bias = ceil((L ||rho|| + (||rho||^2 + ||t||^2) / 2) / scale^2),   floor = floor((thres - 1e-5) / scale^2)
 *   score >= thres implies q.q' + bias + bias' >= floor in integers: 1e-5 covers the rounding of the score itself.
 *   Integers stay far from overflow: |q.q'| <= 127^2 * 1024 < 2^24, floor is clamped to +-2^28, bias to 2^29 ("always
 *   survives": 2^29 - 2^24 > 2^28), and a row similar to nothing has bias -2^28. Clamping only ever lets more pairs through.
 *
 * Layout of the codes: panels of TILE_COLS rows; in a panel, step s (four dimensions 4s..4s+3) is 64 x 4 bytes:
 *   code[panel][s][row % 64][4]. One aligned vector holds one step of 16 rows: the operand of VNNI, maddubs or SDOT. The
 *   panels start on 64-byte boundaries; rows past n are zero with bias -2^28.
 */
#ifndef FASTSIM_TILE_H
#define FASTSIM_TILE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TILE_LANES = 16,
    TILE_SLAB = 1024,
    TILE_ROWS = 4,
    TILE_COLS = 64,
    TILE_STEP = 4 * TILE_COLS, /* bytes of one step of one panel */
    SKETCH_MAX = 1024,         /* most dimensions of a sketch */
    SKETCH_FLOOR = 1 << 28,
    SKETCH_ALWAYS = 1 << 29,
    SKETCH_NEVER = -(1 << 28)
};

struct sketch {
    int8_t *code;    /* panels, 64-byte aligned; NULL: no sketch */
    int32_t *bias;   /* one a row, padded to whole panels */
    int32_t *sum;    /* sum of the codes of each row, padded likewise: a product of unsigned and signed bytes needs it */
    size_t steps;    /* k / 4 */
    uint16_t *basis; /* P, column after column: k x d */
    double scale, limit, slack;
    void *memory; /* what to free */
};

struct tile_kernel {
    const char *name;
    int32_t most; /* of the codes that `prefilter` takes: larger ones are finer, smaller ones can be multiplied faster */

    /* The dot product of two rows of d halves, d a multiple of TILE_LANES. */
    float (*dot)(const uint16_t *a, const uint16_t *b, size_t d);

    /* out[i] = dot(a, b[i]), the same bits as `dot`. */
    void (*dot4)(const uint16_t *a, const uint16_t *const b[4], size_t d, float out[4]);

    /* out[4 * i + j] = dot(a[i], b[j]), the same bits as `dot`. */
    void (*dots)(const uint16_t *const a[4], const uint16_t *const b[4], size_t d, float out[16]);

    /* Goes through blocks of four rows (row, row + 4, ...) against the 64 columns from `col` on, a whole panel, up to the
     * first block with a pair that can reach the threshold: q.q' + bias + bias' >= floor. Returns its first row, and in
     * mask[i] bit j for each such pair (row + i, col + j); or a number >= stop where no block before stop has one. */
    size_t (*prefilter)(const struct sketch *sketch, int32_t floor, size_t row, size_t stop, size_t col,
                        uint64_t mask[TILE_ROWS]);
};

/* The codes of the first step of a row; the next steps follow TILE_STEP bytes apart. */
static inline const int8_t *sketch_at(const struct sketch *sketch, size_t row) {
    return sketch->code + row / TILE_COLS * sketch->steps * TILE_STEP + row % TILE_COLS * 4;
}

extern const struct tile_kernel tile_serial;
#if defined(__x86_64__) || defined(_M_X64)
#define TILE_X86 1
extern const struct tile_kernel tile_avx2;
extern const struct tile_kernel tile_avx512;
#elif defined(__aarch64__) || defined(_M_ARM64)
#define TILE_ARM 1
extern const struct tile_kernel tile_neon;
#endif

/* The kernels that this processor and its operating system can run, best first. Returns their number, at most TILE_KERNELS. */
enum { TILE_KERNELS = 3 };
int tile_available(const struct tile_kernel *kernels[TILE_KERNELS]);

/* Return the kernel of that name, or the best one for ""; NULL if this machine has none. */
const struct tile_kernel *tile_named(const char *name);

#endif
