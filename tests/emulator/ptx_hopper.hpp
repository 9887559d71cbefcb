// kernels/ptx_hopper.cu for a CPU. A TensorMap holds {address, rows, halves a row, rows of a box} instead of NVIDIA's own form;
// boxes are 64 halves wide and swizzled by 128 bytes.

struct TensorMap { u64 opaque[16]; };

struct Barrier { u32 arrivals = 0, missing = 0; int64_t bytes = 0; uint64_t phase = 0; };
static std::map<const u64 *, Barrier> barriers;
static std::map<int, Meeting> named;

static Barrier &barrier_at(u64 *at) {
    check_shared(at, 8, 8);
    auto found = barriers.find(at);
    if (found == barriers.end()) die("a barrier that was not initialised");
    return found->second;
}

static void complete(Barrier &barrier) {
    if (barrier.missing || barrier.bytes) return;
    ++barrier.phase;
    barrier.missing = barrier.arrivals;
}

static void barrier_init(u64 *at, u32 arrivals) {
    check_shared(at, 8, 8);
    barriers[at] = {arrivals, arrivals, 0, 0};
}

static void barrier_init_fence() {}

static void barrier_arrive(u64 *at) {
    Barrier &barrier = barrier_at(at);
    if (!barrier.missing) die("more arrivals than the barrier waits for");
    --barrier.missing;
    complete(barrier);
}

static void barrier_expect(u64 *at, u32 bytes) {
    barrier_at(at).bytes += bytes;
    barrier_arrive(at);
}

static void barrier_wait(u64 *at, u32 parity) {
    Barrier &barrier = barrier_at(at);
    while ((barrier.phase & 1) == parity) wait_while(&barrier.phase, barrier.phase);
}

static void load_box(char *to, const TensorMap map, int x, int y, u64 *at) {
    const auto *rows = (const half_bits *)map.opaque[0];
    const int n = (int)map.opaque[1], d = (int)map.opaque[2], box = (int)map.opaque[3];
    for (int row = 0; row < box; ++row)
        for (int k = 0; k < 64; ++k) {
            const half_bits value = y + row < n && x + k < d ? rows[(size_t)(y + row) * d + x + k] : (half_bits)0;
            std::memcpy(to + row * 128 + ((k / 8 ^ row % 8) * 8 + k % 8) * 2, &value, 2);
        }
    Barrier &barrier = barrier_at(at);
    barrier.bytes -= box * 128;
    complete(barrier);
}

static void tma_load(half_bits *to, const TensorMap *map, int x, int y, u64 *at) {
    const TensorMap copy = *map;
    check_shared(to, copy.opaque[3] * 128, 1024);
    if (timing == Early) load_box((char *)to, copy, x, y, at);
    else late_work.push_back([=] { load_box((char *)to, copy, x, y, at); });
}

static void named_arrive_as(int id, int members, bool stays) {
    if (id < 1 || id > 15) die("named barriers are 1 to 15");
    Meeting &meeting = named[id];
    if (++meeting.arrived == members) {
        meeting.arrived = 0;
        ++meeting.generation;
    } else if (stays) {
        wait_while(&meeting.generation, meeting.generation);
    }
}

static void named_sync(int id, int members) { named_arrive_as(id, members, true); }
static void named_arrive(int id, int members) { named_arrive_as(id, members, false); }

// Multiplications of a warpgroup, in order: started when all 128 threads have come, done when the first of them waits.
struct Multiplication { float *d[128]; u64 a, b; int add, group; };
static std::map<int, std::deque<Multiplication>> started;
static std::map<int, std::pair<Meeting, Multiplication>> gathering;

static const bool resets_at_block_start = (at_block_start.push_back([] {
    barriers.clear();
    named.clear();
    started.clear();
    gathering.clear();
}), true);

static void wgmma_fence() {}
static void wgmma_commit() { ++threads[current].wgmma_groups; }

static u64 wgmma_matrix(const half_bits *at) {
    return (u64)((shared_address(at) & 0x3ffff) >> 4) | (u64)1 << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

// 16 halves of row `row` of a described matrix: groups of 8 rows lie `stride` bytes apart, and bits 4-6 of an address are
// exchanged by its bits 7-9.
static void read_row(float to[16], u64 matrix, int row) {
    if (matrix >> 62 != 1) die("a matrix that is not swizzled by 128 bytes");
    const u32 begin = (u32)(matrix & 0x3fff) << 4, stride = (u32)(matrix >> 32 & 0x3fff) << 4;
    for (int k = 0; k < 16; ++k) {
        u32 at = begin + row / 8 * stride + row % 8 * 128 + k * 2;
        at ^= (at >> 7 & 7) << 4;
        const half_bits *value = shared + at / 2;
        check_shared(value, 2, 2);
        to[k] = to_float(*value);
    }
}

// PTX ISA, "Accumulator D for wgmma.mma_async.m64nNk16": warp w has rows 16 w to 16 w + 15.
static void carry_out(const Multiplication &m) {
    static float a[64][16], b[16][256], row_of_b[16];
    for (int row = 0; row < 64; ++row) read_row(a[row], m.a, row);
    for (int col = 0; col < 256; ++col) {
        read_row(row_of_b, m.b, col);
        for (int k = 0; k < 16; ++k) b[k][col] = row_of_b[k];
    }
    for (int row = 0; row < 64; ++row) {
        float sum[256] = {};
        for (int k = 0; k < 16; ++k)
            for (int col = 0; col < 256; ++col) sum[col] += a[row][k] * b[k][col];
        for (int col = 0; col < 256; ++col) {
            float &d = m.d[row / 16 * 32 + row % 8 * 4 + col % 8 / 2][col / 8 * 4 + row % 16 / 8 * 2 + col % 2];
            d = m.add ? d + sum[col] : sum[col];
        }
    }
}

static void wgmma_m64n256k16(float d[128], u64 a, u64 b, int add) {
    const int group = current / 128;
    auto &[meeting, mine] = gathering[group];
    mine.d[current % 128] = d;
    mine.a = a, mine.b = b, mine.add = add, mine.group = threads[current].wgmma_groups;
    meet(meeting, 128, [&] {
        started[group].push_back(gathering[group].second);
        if (timing == Early) {
            carry_out(started[group].back());
            started[group].pop_back();
        }
    });
}

template <int PENDING>
static void wgmma_wait() {
    auto &open = started[current / 128];
    while (!open.empty() && open.front().group < threads[current].wgmma_groups - PENDING) {
        carry_out(open.front());
        open.pop_front();
    }
}
