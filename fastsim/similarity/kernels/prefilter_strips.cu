// prefilter, faster on sm_80 and sm_89: a block computes 128 x 256 dots, a warp 64 x 64 of them, so that 64 multiplications stand
// against 16 loads of fragments. A block goes along a strip of column blocks without a pause: while the pairs of one are
// looked at, the first slabs of the next are on their way. One maximum a row of fragments is compared before anything else.

#ifndef STAGES_THAT_FIT
#define STAGES_THAT_FIT 4  // 3 where a block can't have 120 KB of shared memory (sm_86, sm_89)
#endif

enum { ROWS = 128, COLS = 256, SLAB = 32, STAGES = STAGES_THAT_FIT, THREADS = 256, STRIDE = SLAB + 8, STRIP = 8 };
enum { A_STAGE = ROWS * STRIDE, B_STAGE = COLS * STRIDE };  // halves of one operand of one stage

// One slab: this warp's 64 x 64 part of the block's 128 x 256 dots, acc[m][n] being a 16 x 8 fragment.
__device__ __forceinline__ void step(float acc[4][8][4], const half_bits *a, const half_bits *b) {
#pragma unroll
    for (int k = 0; k < SLAB; k += 16) {
        u32 fa[4][4], fb[4][4];
#pragma unroll
        for (int m = 0; m < 4; ++m) ldmatrix_x4(fa[m], a + m * 16 * STRIDE + k);
#pragma unroll
        for (int n = 0; n < 4; ++n) ldmatrix_x4(fb[n], b + n * 16 * STRIDE + k);
#pragma unroll
        for (int m = 0; m < 4; ++m)
#pragma unroll
            for (int n = 0; n < 8; ++n) mma_m16n8k16(acc[m][n], fa[m], fb[n / 2][n % 2 * 2], fb[n / 2][n % 2 * 2 + 1]);
    }
}

// The pairs of this warp's 64 x 64 dots. row, col: those of the thread's first dot.
__device__ __forceinline__ void look(const float acc[4][8][4], int row, int col, const Tile &tile, const Found &found) {
    Range rows = {3.4e38f, 0}, cols = {3.4e38f, 0};
#pragma unroll
    for (int m = 0; m < 8; ++m) rows = widened(rows, tile.norm_a[min(row + m * 8, tile.na - 1)]);
#pragma unroll
    for (int n = 0; n < 16; ++n) cols = widened(cols, tile.norm_b[min(col + n / 2 * 8 + n % 2, tile.nb - 1)]);
    const float bound = bound_of(rows, cols, tile.low);
#pragma unroll
    for (int m = 0; m < 4; ++m) {
        float top = acc[m][0][0];
#pragma unroll
        for (int n = 0; n < 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) top = fmaxf(top, acc[m][n][i]);
        if (!(top >= bound)) continue;
#pragma unroll
        for (int n = 0; n < 8; ++n)
            put_fragment(acc[m][n][0], acc[m][n][1], acc[m][n][2], acc[m][n][3], row + m * 16, col + n * 8, tile, found);
    }
}

// Grid: (strips of STRIP blocks of COLS columns, blocks of ROWS rows); STAGES * (A_STAGE + B_STAGE) halves of shared memory.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
prefilter(const half_bits *__restrict__ a, const half_bits *__restrict__ b, const float *__restrict__ norm_a,
     const float *__restrict__ norm_b, const int *__restrict__ label_a, const int *__restrict__ label_b,
     const float *__restrict__ low_a, int na, int nb, int d, int upper, float low, u32 *count, int *left, int *right,
     u32 room) {
    extern __shared__ __align__(1024) half_bits shared[];
    half_bits *sa = shared, *sb = shared + STAGES * A_STAGE;
    const int row0 = blockIdx.y * ROWS, slabs = d / SLAB;
    int first = blockIdx.x * STRIP, last = min(first + STRIP, (nb + COLS - 1) / COLS);
    if (upper == UPPER) first = max(first, row0 / COLS);  // blocks wholly below the diagonal
    if (first >= last) return;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, wrow = warp / 4 * 64, wcol = warp % 4 * 64;
    // Each thread brings 16 bytes of rows t / 4, t / 4 + 64, ...: two of a, four of b.
    const int part = threadIdx.x % 4 * 8, line = threadIdx.x / 4;
    const half_bits *from_a0 = a + (size_t)min(row0 + line, na - 1) * d + part;
    const half_bits *from_a1 = a + (size_t)min(row0 + line + 64, na - 1) * d + part;
    half_bits *to_a = sa + line * STRIDE + part, *to_b = sb + line * STRIDE + part;
    const half_bits *at_a = sa + (wrow + (lane & 15)) * STRIDE + (lane >> 4) * 8;
    const half_bits *at_b = sb + (wcol + (lane & 7) + (lane >> 4) * 8) * STRIDE + (lane >> 3 & 1) * 8;
    const half_bits *from_b0, *from_b1, *from_b2, *from_b3;
    int fetched = first, slab = 0, place = 0;  // what is fetched next: block of columns, slab, stage

    const auto begin = [&]() {
        const int col = fetched * COLS + line;
        from_b0 = b + (size_t)min(col, nb - 1) * d + part;
        from_b1 = b + (size_t)min(col + 64, nb - 1) * d + part;
        from_b2 = b + (size_t)min(col + 128, nb - 1) * d + part;
        from_b3 = b + (size_t)min(col + 192, nb - 1) * d + part;
    };
    const auto fetch = [&]() {
        if (fetched < last) {
            const int k = slab * SLAB;
            half_bits *ta = to_a + place * A_STAGE, *tb = to_b + place * B_STAGE;
            copy16(ta, from_a0 + k);
            copy16(ta + 64 * STRIDE, from_a1 + k);
            copy16(tb, from_b0 + k);
            copy16(tb + 64 * STRIDE, from_b1 + k);
            copy16(tb + 128 * STRIDE, from_b2 + k);
            copy16(tb + 192 * STRIDE, from_b3 + k);
            place = place == STAGES - 1 ? 0 : place + 1;
            if (++slab == slabs) { slab = 0; ++fetched; begin(); }
        }
        copy_commit();
    };

    const Tile tile = {norm_a, norm_b, label_a, label_b, low_a, na, nb, upper, low};
    const Found found = {count, left, right, room};
    begin();
    for (int s = 0; s < STAGES - 1; ++s) fetch();
    int stage = 0;
    for (int block = first; block < last; ++block) {
        float acc[4][8][4] = {};
        for (int s = 0; s < slabs; ++s) {
            copy_wait<STAGES - 2>();
            __syncthreads();  // this slab is there for all, and all are done with the one before, whose place is filled next
            fetch();
            step(acc, at_a + stage * A_STAGE, at_b + stage * B_STAGE);
            stage = stage == STAGES - 1 ? 0 : stage + 1;
        }
        look(acc, row0 + wrow + lane / 4, block * COLS + wcol + lane % 4 * 2, tile, found);
    }
}
