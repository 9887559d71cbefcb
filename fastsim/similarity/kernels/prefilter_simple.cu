// prefilter, the simplest version on tensor cores (sm_80 and newer): a block computes 128 x 128 dots, a warp 64 x 32 of them.

enum { SIDE = 128, SLAB = 32, STAGES = 3, THREADS = 256, STRIDE = SLAB + 8 };  // +8 halves: no bank conflicts in ldmatrix
enum { STAGE = SIDE * STRIDE };                                                // halves of one operand of one stage

// Copies SLAB halves of SIDE rows, 16 bytes a request; rows past the end repeat the last one and are masked at the end.
__device__ __forceinline__ void fetch(half_bits *to, const half_bits *rows, int first, int n, int d, int slab) {
    for (int chunk = threadIdx.x; chunk < SIDE * SLAB / 8; chunk += THREADS) {
        int row = chunk / (SLAB / 8), part = chunk % (SLAB / 8) * 8;
        copy16(to + row * STRIDE + part, rows + (size_t)min(first + row, n - 1) * d + slab * SLAB + part);
    }
}

// One slab: this warp's 64 x 32 part of the block's 128 x 128 dots, acc[m][n] being a 16 x 8 fragment.
__device__ __forceinline__ void step(float acc[4][4][4], const half_bits *a, const half_bits *b, int lane) {
    for (int k = 0; k < SLAB; k += 16) {
        u32 fa[4][4], fb[2][4];
#pragma unroll
        for (int m = 0; m < 4; ++m) ldmatrix_x4(fa[m], a + (m * 16 + (lane & 15)) * STRIDE + k + (lane >> 4) * 8);
#pragma unroll
        for (int n = 0; n < 2; ++n)
            ldmatrix_x4(fb[n], b + (n * 16 + (lane & 7) + (lane >> 4) * 8) * STRIDE + k + (lane >> 3 & 1) * 8);
#pragma unroll
        for (int m = 0; m < 4; ++m)
#pragma unroll
            for (int n = 0; n < 4; ++n) mma_m16n8k16(acc[m][n], fa[m], fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]);
    }
}

// Grid: (blocks of columns, blocks of rows), SIDE each; THREADS threads; 2 * STAGES * STAGE halves of shared memory.
extern "C" __global__ void __launch_bounds__(THREADS, 2)
prefilter(const half_bits *a, const half_bits *b, const float *norm_a, const float *norm_b, const int *label_a,
     const int *label_b, const float *low_a, int na, int nb, int d, int upper, float low, u32 *count, int *left, int *right,
     u32 room) {
    if (upper == UPPER && blockIdx.x < blockIdx.y) return;  // wholly below the diagonal
    extern __shared__ __align__(1024) half_bits shared[];
    half_bits *sa = shared, *sb = shared + STAGES * STAGE;
    const int row0 = blockIdx.y * SIDE, col0 = blockIdx.x * SIDE, slabs = d / SLAB;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, wrow = warp / 4 * 64, wcol = warp % 4 * 32;
    float acc[4][4][4] = {};

    for (int s = 0; s < STAGES - 1; ++s) {
        if (s < slabs) { fetch(sa + s * STAGE, a, row0, na, d, s); fetch(sb + s * STAGE, b, col0, nb, d, s); }
        copy_commit();
    }
    for (int s = 0; s < slabs; ++s) {
        copy_wait<STAGES - 2>();
        __syncthreads();  // slab s is there for all, and all are done with slab s - 1, whose place is filled next
        int next = s + STAGES - 1, place = next % STAGES * STAGE;
        if (next < slabs) { fetch(sa + place, a, row0, na, d, next); fetch(sb + place, b, col0, nb, d, next); }
        copy_commit();
        step(acc, sa + s % STAGES * STAGE + wrow * STRIDE, sb + s % STAGES * STAGE + wcol * STRIDE, lane);
    }

    const Tile tile = {norm_a, norm_b, label_a, label_b, low_a, na, nb, upper, low};
    const Found found = {count, left, right, room};
#pragma unroll
    for (int m = 0; m < 4; ++m)
#pragma unroll
        for (int n = 0; n < 4; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i)  // the fragment's layout: PTX ISA, "Matrix Fragments for mma.m16n8k16"
                put_if_wanted(acc[m][n][i], row0 + wrow + m * 16 + lane / 4 + i / 2 * 8,
                              col0 + wcol + n * 8 + lane % 4 * 2 + i % 2, tile, found);
}
