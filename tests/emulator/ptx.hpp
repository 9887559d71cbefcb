// kernels/ptx.cu and CUDA's own names for a CPU, by the tables of the PTX ISA.

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned short half_bits;

#define __global__
#define __device__ static
#define __shared__
#define __forceinline__ inline
#define __noinline__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
#define threadIdx (threads[current].index)

static float to_float(half_bits h) {
    const u32 sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest < 0x400u) return (sign ? -1.0f : 1.0f) * (float)rest * 0x1p-24f;
    const u32 bits = sign | ((rest << 13) + (rest < 0x7c00u ? 112u << 23 : 224u << 23));
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static float half_of(u32 pair, int which) { return to_float((half_bits)(pair >> (16 * which))); }

static float __fadd_rn(float a, float b) { volatile float r = a + b; return r; }
static float __fmul_rn(float a, float b) { volatile float r = a * b; return r; }
static float __fdiv_rn(float a, float b) { volatile float r = a / b; return r; }
static float __fsqrt_rn(float a) { volatile float r = std::sqrt(a); return r; }
static float __int_as_float(int i) { float f; std::memcpy(&f, &i, sizeof f); return f; }
static u32 atomicAdd(u32 *at, u32 value) { u32 old = *at; *at += value; return old; }
static int atomicMax(int *at, int value) { int old = *at; *at = max(old, value); return old; }

static void __syncthreads() { meet(meetings[{-1, 0}], (int)threads.size(), [] {}); }

// What the lanes of each warp bring to a meeting.
struct Lane {
    const void *at;
    u32 *to;
    float *c;
    u32 a[4], b[2];
    float value;
};
static Lane lanes[1024];

static float __shfl_down_sync(u32 mask, float value, int gap, int width) {
    lanes[current].value = value;
    meet_warp(mask, [=] {  // ascending: each lane reads one that has not been written yet
        const int warp = current / 32 * 32;
        for (int lane = 0; lane < 32; ++lane)
            if (mask >> lane & 1 && lane % width + gap < width) lanes[warp + lane].value = lanes[warp + lane + gap].value;
    });
    return lanes[current].value;
}

static u32 shared_address(const void *at) { return (u32)((const char *)at - (const char *)shared); }

static void land(std::vector<Copy> &group) {
    for (const Copy &copy : group) std::memcpy(copy.to, copy.from, 16);
    group.clear();
}

static void copy16(half_bits *to, const half_bits *from) {
    check_shared(to, 16, 16);
    if ((uintptr_t)from % 16) die("misaligned cp.async");
    if (timing == Early) std::memcpy(to, from, 16);
    else threads[current].copies.push_back({(char *)to, (const char *)from});
}

static void copy_commit() {
    threads[current].groups.push_back(std::move(threads[current].copies));
    threads[current].copies.clear();
}

template <int PENDING>
static void copy_wait() {
    auto &groups = threads[current].groups;
    for (; (int)groups.size() > PENDING; groups.pop_front()) land(groups.front());
}

static void ldmatrix_x4(u32 r[4], const half_bits *at) {
    check_shared(at, 16, 16);
    lanes[current].at = at;
    lanes[current].to = r;
    meet_warp(~0u, [] {
        const int warp = current / 32 * 32;
        for (int lane = 0; lane < 32; ++lane)
            for (int matrix = 0; matrix < 4; ++matrix)
                std::memcpy(lanes[warp + lane].to + matrix,
                            (const char *)lanes[warp + 8 * matrix + lane / 4].at + lane % 4 * 4, 4);
    });
}

// PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type".
static void mma_m16n8k16(float c[4], const u32 a[4], u32 b0, u32 b1) {
    Lane &mine = lanes[current];
    std::memcpy(mine.a, a, sizeof mine.a);
    mine.b[0] = b0, mine.b[1] = b1, mine.c = c;
    meet_warp(~0u, [] {
        const Lane *warp = lanes + current / 32 * 32;
        float left[16][16], right[8][16];
        for (int k = 0; k < 16; ++k) {
            for (int row = 0; row < 16; ++row) left[row][k] = half_of(warp[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2], k % 2);
            for (int col = 0; col < 8; ++col) right[col][k] = half_of(warp[col * 4 + k % 8 / 2].b[k / 8], k % 2);
        }
        for (int lane = 0; lane < 32; ++lane)
            for (int i = 0; i < 4; ++i) {
                double sum = warp[lane].c[i];
                for (int k = 0; k < 16; ++k) sum += (double)left[lane / 4 + i / 2 * 8][k] * right[lane % 4 * 2 + i % 2][k];
                warp[lane].c[i] = (float)sum;
            }
    });
}
