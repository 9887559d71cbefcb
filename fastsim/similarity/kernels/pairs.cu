// What the all-pairs kernels of the cuda backend share. Two steps give the very bits of the C kernels (csrc/tile.h):
//   prefilter     tensor cores rule out pairs that score below `low`, and write the rest; no score matrix ever reaches memory.
//            prefilter_simple.cu, prefilter_strips.cu and prefilter_hopper.cu are three versions of it, prefilter_reference below is the plain one.
//   rescore  computes the score of each pair that is left, in the order of additions that csrc/tile.h defines.
// `low` lies below the threshold by a margin (cuda.py) that covers the rounding of tensor cores, which NVIDIA does not specify.
//
// Rows: half_bits [n, d], d a multiple of 32, padded with zeros; pointers are those of a tile's first row.
// Norms: float [n], NaN for rows that are zero or not finite. Labels: int [n] or null; pairs with equal labels are left out.
// low_a: float [na] or null; a pair then has to reach that of its row, and `low` is the least of them (nearest neighbours).
// upper: which pairs of a tile count. 0 all; UPPER row < col (the tile lies on the diagonal); OFF_DIAGONAL row != col.
// Output: pairs of indices inside the tile, in no order. `count` goes on counting past `room`: an overflow is seen.

enum { UPPER = 1, OFF_DIAGONAL = 2 };

struct Found { u32 *count; int *left; int *right; u32 room; };

// A NaN norm makes the comparison false.
__device__ __forceinline__ bool wanted(float dot, float norm_a, float norm_b, float low) {
    return dot >= low * (norm_a * norm_b);
}

__device__ __forceinline__ void put(const Found &found, int row, int col) {
    u32 at = atomicAdd(found.count, 1u);
    if (at < found.room) { found.left[at] = row; found.right[at] = col; }
}

// A tile: rows a against rows b.
struct Tile {
    const float *norm_a, *norm_b;
    const int *label_a, *label_b;
    const float *low_a;
    int na, nb, upper;
    float low;
};

__device__ __forceinline__ void put_if_wanted(float dot, int row, int col, const Tile &tile, const Found &found) {
    if (row >= tile.na || col >= tile.nb) return;
    if ((tile.upper == UPPER && row >= col) || (tile.upper == OFF_DIAGONAL && row == col)) return;
    if (!wanted(dot, tile.norm_a[row], tile.norm_b[col], tile.low_a ? tile.low_a[row] : tile.low)) return;
    if (tile.label_a && tile.label_a[row] == tile.label_b[col]) return;
    put(found, row, col);
}

// The pairs of four dots of an accumulator fragment: (row, col), (row, col + 1), (row + 8, col), (row + 8, col + 1).
// Few warps ever come here.
__device__ __noinline__ void put_fragment(float d0, float d1, float d2, float d3, int row, int col, Tile tile, Found found) {
    put_if_wanted(d0, row, col, tile, found);
    put_if_wanted(d1, row, col + 1, tile, found);
    put_if_wanted(d2, row + 8, col, tile, found);
    put_if_wanted(d3, row + 8, col + 1, tile, found);
}

// Least and largest of some norms, without the NaNs.
struct Range { float least, most; };

__device__ __forceinline__ Range widened(Range range, float norm) {
    return {fminf(range.least, norm), fmaxf(range.most, norm)};
}

// No pair of rows with norms in these ranges is wanted for a dot below this.
__device__ __forceinline__ float bound_of(Range a, Range b, float low) {
    return low >= 0 ? low * (a.least * b.least) * 0.999999f : low * (a.most * b.most) * 1.000001f;
}

// What prefilter computes, plainly. Grid: (columns / 16, rows / 16), 16 x 16 threads.
extern "C" __global__ void prefilter_reference(const half_bits *a, const half_bits *b, const float *norm_a, const float *norm_b,
                                          const int *label_a, const int *label_b, const float *low_a, int na, int nb, int d,
                                          int upper, float low, u32 *count, int *left, int *right, u32 room) {
    int row = blockIdx.y * blockDim.y + threadIdx.y, col = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= na || col >= nb) return;
    float dot = 0;
    for (int k = 0; k < d; ++k) dot = fmaf(to_float(a[(size_t)row * d + k]), to_float(b[(size_t)col * d + k]), dot);
    put_if_wanted(dot, row, col, {norm_a, norm_b, label_a, label_b, low_a, na, nb, upper, low}, {count, left, right, room});
}

// csrc/tile.h: 16 lanes, added as l + 8, l + 4, l + 2, l + 1, slabs of 1024 in ascending order. All 16 lanes of a half
// warp work on one pair; lane 0 of them returns the sum.
__device__ float ordered_dot(const half_bits *x, const half_bits *y, int d) {
    const int lane = threadIdx.x % 16;
    const u32 half_warp = 0xffffu << (threadIdx.x & 16);
    float total = 0;
    for (int base = 0; base < d; base += 1024) {
        float sum = 0;
        for (int i = base + lane; i < min(base + 1024, d); i += 16) sum = fmaf(to_float(x[i]), to_float(y[i]), sum);
        for (int gap = 8; gap; gap /= 2) sum = __fadd_rn(sum, __shfl_down_sync(half_warp, sum, gap, 16));
        total = __fadd_rn(total, sum);
    }
    return total;
}

// norm[row] = sqrt(dot(row, row)); NaN for a row that is zero or not finite.
extern "C" __global__ void norms(const half_bits *rows, int n, int d, float *norm) {
    for (int row = (blockIdx.x * blockDim.x + threadIdx.x) / 16; row < n; row += gridDim.x * blockDim.x / 16) {
        float square = ordered_dot(rows + (size_t)row * d, rows + (size_t)row * d, d);
        bool good = square > 0 && square < __int_as_float(0x7f800000);
        if (threadIdx.x % 16 == 0) norm[row] = good ? __fsqrt_rn(square) : __int_as_float(0x7fffffff);
    }
}

// score[k] of the pairs that prefilter wrote; the same bits as the C kernels give.
extern "C" __global__ void rescore(const half_bits *a, const half_bits *b, const float *norm_a, const float *norm_b, int d,
                                   const u32 *count, const int *left, const int *right, u32 room, float *score) {
    const u32 n = min(*count, room);
    for (u32 k = (blockIdx.x * blockDim.x + threadIdx.x) / 16; k < n; k += gridDim.x * blockDim.x / 16) {
        float dot = ordered_dot(a + (size_t)left[k] * d, b + (size_t)right[k] * d, d);
        if (threadIdx.x % 16 == 0) {
            float s = __fdiv_rn(dot, __fmul_rn(norm_a[left[k]], norm_b[right[k]]));
            score[k] = s > 1 ? 1 : s;  // rows_score in csrc/rows.h
        }
    }
}
