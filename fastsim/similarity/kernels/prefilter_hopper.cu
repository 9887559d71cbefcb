// prefilter on sm_90a, for d <= 256. A panel of 256 rows of b stays in shared memory, whole; rows of a stream past it in blocks of 64,
// so that a multiprocessor reads 16 bytes a clock where a block of 128 x 256 would read 48. One thread starts all copies
// (TMA); two warpgroups take the blocks in turn: while one multiplies (wgmma m64n256k16), the other looks at its 64 x 256
// dots. Named barriers hand the tensor cores over. One maximum a thread and block is compared before anything else.

enum { ROWS = 64, COLS = 256, SLAB = 64, MOST_SLABS = 4, STAGES = 8, STRIP = 64, GROUP = 128, THREADS = 3 * GROUP };
enum { STAGE = ROWS * SLAB, PANEL_SLAB = COLS * SLAB };  // halves of a stage, and of a slab of the panel

struct Shared {
    half_bits *panel;   // [MOST_SLABS][COLS][SLAB]
    half_bits *stages;  // [STAGES][ROWS][SLAB]
    u64 *panel_full, *full, *empty;
};

// Swizzled matrices begin at multiples of 1024 bytes.
__device__ __forceinline__ Shared shared_parts(half_bits *shared) {
    half_bits *panel = shared + (1024 - shared_address(shared) % 1024) % 1024 / 2, *stages = panel + MOST_SLABS * PANEL_SLAB;
    u64 *barriers = (u64 *)(stages + STAGES * STAGE);
    return {panel, stages, barriers, barriers + 1, barriers + 1 + STAGES};
}

// The one thread that copies: the panel, then the blocks' slabs, as places become free.
__device__ __forceinline__ void produce(const Shared &sh, const TensorMap *map_a, const TensorMap *map_b, int row0, int col0,
                                        int blocks, int slabs) {
    barrier_expect(sh.panel_full, slabs * PANEL_SLAB * 2);
    for (int s = 0; s < slabs; ++s) tma_load(sh.panel + s * PANEL_SLAB, map_b, s * SLAB, col0, sh.panel_full);
    for (int i = 0; i < blocks * slabs; ++i) {
        const int stage = i % STAGES;
        barrier_wait(sh.empty + stage, (i / STAGES + 1) & 1);
        barrier_expect(sh.full + stage, STAGE * 2);
        tma_load(sh.stages + stage * STAGE, map_a, i % slabs * SLAB, row0 + i / slabs * ROWS, sh.full + stage);
    }
}

// acc = the 64 x 256 dots of block number `block`, which are ready when this returns. hand_over: called when all of it has been
// started and the other warpgroup may multiply.
template <class HandOver>
__device__ __forceinline__ void multiply(float acc[128], const Shared &sh, int block, int slabs, HandOver hand_over) {
    const bool speaks = threadIdx.x % 32 == 0;  // for its warp
    for (int s = 0; s < slabs; ++s) {
        const int i = block * slabs + s, stage = i % STAGES;
        barrier_wait(sh.full + stage, i / STAGES & 1);
        const u64 a = wgmma_matrix(sh.stages + stage * STAGE), b = wgmma_matrix(sh.panel + s * PANEL_SLAB);
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < SLAB / 16; ++k) wgmma_m64n256k16(acc, a + 2 * k, b + 2 * k, s + k > 0);
        wgmma_commit();
        wgmma_wait<1>();
        if (s && speaks) barrier_arrive(sh.empty + (i - 1) % STAGES);  // the slab before is no longer read
    }
    hand_over();
    wgmma_wait<0>();
    if (speaks) barrier_arrive(sh.empty + (block * slabs + slabs - 1) % STAGES);
}

// The pairs of a thread's 2 x 64 dots: rows row and row + 8, columns col, col + 1, col + 8, ...
__device__ __forceinline__ void look(const float acc[128], int row, int col, Range cols, const Tile &tile, const Found &found) {
    Range rows = widened({3.4e38f, 0}, tile.norm_a[min(row, tile.na - 1)]);
    rows = widened(rows, tile.norm_a[min(row + 8, tile.na - 1)]);
    float top = acc[0];
#pragma unroll
    for (int i = 1; i < 128; ++i) top = fmaxf(top, acc[i]);
    if (!(top >= bound_of(rows, cols, tile.low))) return;
#pragma unroll
    for (int n = 0; n < 32; ++n)
        put_fragment(acc[4 * n], acc[4 * n + 1], acc[4 * n + 2], acc[4 * n + 3], row, col + 8 * n, tile, found);
}

// Grid: (blocks of COLS columns, strips of STRIP blocks of ROWS rows). map_a, map_b: the tile's rows in boxes of SLAB halves of
// ROWS and COLS rows, swizzled by 128 bytes, zeros past the end.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
prefilter(const __grid_constant__ TensorMap map_a, const __grid_constant__ TensorMap map_b, const float *__restrict__ norm_a,
     const float *__restrict__ norm_b, const int *__restrict__ label_a, const int *__restrict__ label_b,
     const float *__restrict__ low_a, int na, int nb, int d, int upper, float low, u32 *count, int *left, int *right,
     u32 room) {
    extern __shared__ __align__(1024) half_bits shared[];
    const Shared sh = shared_parts(shared);
    const int row0 = blockIdx.y * STRIP * ROWS, col0 = blockIdx.x * COLS, slabs = (d + SLAB - 1) / SLAB;
    const int end = upper == UPPER ? min(na, col0 + COLS) : na;  // rows beyond lie wholly below the diagonal
    const int blocks = min((int)STRIP, (end - row0 + ROWS - 1) / ROWS);
    if (blocks <= 0) return;
    if (threadIdx.x == 0) {
        barrier_init(sh.panel_full, 1);
        for (int s = 0; s < STAGES; ++s) {
            barrier_init(sh.full + s, 1);
            barrier_init(sh.empty + s, GROUP / 32);
        }
        barrier_init_fence();
    }
    __syncthreads();
    const int group = threadIdx.x / GROUP;
    if (group == 0) {
        if (threadIdx.x == 0) produce(sh, &map_a, &map_b, row0, col0, blocks, slabs);
        return;
    }

    const Tile tile = {norm_a, norm_b, label_a, label_b, low_a, na, nb, upper, low};
    const Found found = {count, left, right, room};
    const int lane = threadIdx.x % 32, line = threadIdx.x % GROUP / 32 * 16 + lane / 4, col = col0 + lane % 4 * 2;
    Range cols = {3.4e38f, 0};
    for (int n = 0; n < 64; ++n) cols = widened(cols, norm_b[min(col + n / 2 * 8 + n % 2, nb - 1)]);
    barrier_wait(sh.panel_full, 0);
    for (int block = group - 1; block < blocks; block += 2) {
        float acc[128];
        if (block > 0) named_sync(group, 2 * GROUP);  // the block before has been started
        multiply(acc, sh, block, slabs, [&]() {
            if (block + 1 < blocks) named_arrive(3 - group, 2 * GROUP);
        });
        look(acc, row0 + block * ROWS + line, col, cols, tile, found);
    }
}
