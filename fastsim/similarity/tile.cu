// The n-to-n kernels of the cuda backend. Compiled by CuPy (NVRTC) at first use; needs no header; sm_80 and newer.
//
// Two steps, so that the result has the very bits of the C kernels (csrc/tile.h):
//   sift     tensor cores (mma.sync m16n8k16, half in, float32 accumulate) rule out pairs that score below thres - margin,
//            and write the rest, fused: no score matrix ever reaches memory.
//   rescore  computes the score of each pair that is left, in the order of additions that csrc/tile.h defines.
// The margin covers the rounding of the tensor cores (which NVIDIA does not specify; see MARGIN in cuda.py).
// sift_reference is the readable form of sift: same signature, one thread a pair; tests compare the two.
//
// Rows: uint16 (binary16 bits) [n, d], d a multiple of SLAB, padded with zeros; pointers are those of a tile's first row.
// Output: pairs of indices inside the tile, in no order. `count` goes on counting past `room`: an overflow is seen.

typedef unsigned int u32;
typedef unsigned short half_bits;

enum { SIDE = 128, SLAB = 32, STAGES = 3, THREADS = 256, STRIDE = SLAB + 8 };  // +8 halves: no bank conflicts in ldmatrix
enum { STAGE = SIDE * STRIDE };                                                // halves of one operand of one stage

struct Found { u32 *count; int *left; int *right; u32 room; };

__device__ __forceinline__ float to_float(half_bits h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
}

// NaN norms (rows that are zero or not finite) make the comparison false. `upper`: the tile lies on the diagonal.
__device__ __forceinline__ bool wanted(float dot, float norm_a, float norm_b, float low) {
    return dot >= low * (norm_a * norm_b);
}

__device__ __forceinline__ void put(const Found &found, int row, int col) {
    u32 at = atomicAdd(found.count, 1u);
    if (at < found.room) { found.left[at] = row; found.right[at] = col; }
}

// Copies SLAB halves of SIDE rows, 16 bytes a request; rows past the end repeat the last one and are masked at the end.
__device__ __forceinline__ void fetch(half_bits *to, const half_bits *rows, int first, int n, int d, int slab) {
    for (int chunk = threadIdx.x; chunk < SIDE * SLAB / 8; chunk += THREADS) {
        int row = chunk / (SLAB / 8), part = chunk % (SLAB / 8) * 8;
        const half_bits *from = rows + (size_t)min(first + row, n - 1) * d + slab * SLAB + part;
        u32 address = (u32)__cvta_generic_to_shared(to + row * STRIDE + part);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(address), "l"(from));
    }
}

__device__ __forceinline__ void load4(u32 r[4], const half_bits *at) {
    u32 address = (u32)__cvta_generic_to_shared(at);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}

__device__ __forceinline__ void multiply(float c[4], const u32 a[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// One slab: this warp's 64 x 32 part of the block's 128 x 128 dots, acc[m][n] being a 16 x 8 fragment.
__device__ __forceinline__ void step(float acc[4][4][4], const half_bits *a, const half_bits *b, int lane) {
    for (int k = 0; k < SLAB; k += 16) {
        u32 fa[4][4], fb[2][4];
#pragma unroll
        for (int m = 0; m < 4; ++m) load4(fa[m], a + (m * 16 + (lane & 15)) * STRIDE + k + (lane >> 4) * 8);
#pragma unroll
        for (int n = 0; n < 2; ++n)
            load4(fb[n], b + (n * 16 + (lane & 7) + (lane >> 4) * 8) * STRIDE + k + (lane >> 3 & 1) * 8);
#pragma unroll
        for (int m = 0; m < 4; ++m)
#pragma unroll
            for (int n = 0; n < 4; ++n) multiply(acc[m][n], fa[m], fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]);
    }
}

// Grid: (blocks of columns, blocks of rows), SIDE each; THREADS threads; 2 * STAGES * STAGE halves of shared memory.
// label_a, label_b: null, or a number a row: pairs with equal ones are left out.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
sift(const half_bits *a, const half_bits *b, const float *norm_a, const float *norm_b, const int *label_a,
     const int *label_b, int na, int nb, int d, int upper, float low, u32 *count, int *left, int *right, u32 room) {
    if (upper && blockIdx.x < blockIdx.y) return;  // wholly below the diagonal
    extern __shared__ __align__(16) half_bits shared[];
    half_bits *sa = shared, *sb = shared + STAGES * STAGE;
    const int row0 = blockIdx.y * SIDE, col0 = blockIdx.x * SIDE, slabs = d / SLAB;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, wrow = warp / 4 * 64, wcol = warp % 4 * 32;
    float acc[4][4][4] = {};

    for (int s = 0; s < STAGES - 1; ++s) {
        if (s < slabs) { fetch(sa + s * STAGE, a, row0, na, d, s); fetch(sb + s * STAGE, b, col0, nb, d, s); }
        asm volatile("cp.async.commit_group;");
    }
    for (int s = 0; s < slabs; ++s) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2));
        __syncthreads();  // slab s is there for all, and all are done with slab s - 1, whose place is filled next
        int next = s + STAGES - 1, place = next % STAGES * STAGE;
        if (next < slabs) { fetch(sa + place, a, row0, na, d, next); fetch(sb + place, b, col0, nb, d, next); }
        asm volatile("cp.async.commit_group;");
        step(acc, sa + s % STAGES * STAGE + wrow * STRIDE, sb + s % STAGES * STAGE + wcol * STRIDE, lane);
    }

    const Found found = {count, left, right, room};
#pragma unroll
    for (int m = 0; m < 4; ++m)
#pragma unroll
        for (int n = 0; n < 4; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {  // the fragment's layout: PTX ISA, "Matrix Fragments for mma.m16n8k16"
                int row = row0 + wrow + m * 16 + lane / 4 + i / 2 * 8;
                int col = col0 + wcol + n * 8 + lane % 4 * 2 + i % 2;
                if (row >= na || col >= nb || (upper && row >= col)) continue;
                if (!wanted(acc[m][n][i], norm_a[row], norm_b[col], low)) continue;
                if (label_a && label_a[row] == label_b[col]) continue;
                put(found, row, col);
            }
}

// What sift computes, plainly. Grid: (columns / 16, rows / 16), 16 x 16 threads.
extern "C" __global__ void
sift_reference(const half_bits *a, const half_bits *b, const float *norm_a, const float *norm_b, const int *label_a,
               const int *label_b, int na, int nb, int d, int upper, float low, u32 *count, int *left, int *right,
               u32 room) {
    int row = blockIdx.y * blockDim.y + threadIdx.y, col = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= na || col >= nb || (upper && row >= col)) return;
    float dot = 0;
    for (int k = 0; k < d; ++k) dot = fmaf(to_float(a[(size_t)row * d + k]), to_float(b[(size_t)col * d + k]), dot);
    if (!wanted(dot, norm_a[row], norm_b[col], low) || (label_a && label_a[row] == label_b[col])) return;
    put({count, left, right, room}, row, col);
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

// score[k] of the pairs that sift wrote; the same bits as the C kernels give.
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
