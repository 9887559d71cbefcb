// One block of CUDA threads on one thread of the host: each CUDA thread is a fibre that runs until it has to wait for others.
//
// It shows that indices, barriers and pipelines fit together; it says nothing about speed or about the rounding of tensor
// cores. Where a GPU may do things in several orders it takes unkind ones: warps run in random order, shared memory starts as
// NaNs, and asynchronous work is done either as soon as it is started (`Early`, over data that is still being read) or not
// before somebody waits for it (`Late`). A barrier that never completes, a misaligned address and one outside of shared memory
// end the launch with a message.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using std::max;
using std::min;

struct Dim3 { int x = 1, y = 1, z = 1; };
enum Timing { Late, Early };

struct Copy { char *to; const char *from; };

struct Thread {
    ucontext_t context;
    std::vector<char> stack;
    Dim3 index;
    bool done = false;
    const uint64_t *word = nullptr;  // runs on once this differs from `seen`
    uint64_t seen = 0;
    std::vector<Copy> copies;              // cp.async: those of the open group
    std::deque<std::vector<Copy>> groups;  // and the groups that were closed
    int wgmma_groups = 0;
};

// Where a number of threads meet; the last one that comes does what all have to have brought their operands for.
struct Meeting { int arrived = 0; uint64_t generation = 0; };

static Dim3 gridDim, blockDim, blockIdx;
static std::vector<Thread> threads;
static int current;
static ucontext_t scheduler;
static std::function<void()> kernel_body;
static Timing timing;
static size_t shared_bytes;
static std::mt19937 random_order(1);
static std::map<std::pair<int, uint32_t>, Meeting> meetings;
static std::deque<std::function<void()>> late_work;  // what hardware does by itself, in order
static std::vector<std::function<void()>> at_block_start;

alignas(1024) unsigned short shared[(256 << 10) / 2];

static std::string failure;  // why the last launch was ended; empty if it was not
static bool in_fibre;

static void switch_to(Thread &thread) {
    in_fibre = true;
    swapcontext(&scheduler, &thread.context);
    in_fibre = false;
}

static void leave() { swapcontext(&threads[current].context, &scheduler); }

// Ends the launch. A thread that calls this is never run again.
[[noreturn]] static void die(const char *why) {
    char text[200];
    std::snprintf(text, sizeof text, "%s (block %d, %d; thread %d)", why, blockIdx.x, blockIdx.y, current);
    failure = text;
    while (in_fibre) leave();
    throw std::runtime_error(text);
}

static void check_shared(const void *at, size_t bytes, size_t alignment) {
    const auto from = (uintptr_t)at, base = (uintptr_t)shared;
    if (from % alignment) die("misaligned address in shared memory");
    if (from < base || from + bytes > base + shared_bytes) die("address outside of shared memory");
}

static void wait_while(const uint64_t *word, uint64_t value) {
    threads[current].word = word;
    threads[current].seen = value;
    leave();
}

template <class Last>
static void meet(Meeting &meeting, int members, Last last) {
    if (++meeting.arrived == members) {
        meeting.arrived = 0;
        last();
        ++meeting.generation;
    } else {
        wait_while(&meeting.generation, meeting.generation);
    }
}

// The lanes of `mask` in this thread's warp. Key: the first thread of the warp.
template <class Last>
static void meet_warp(uint32_t mask, Last last) {
    meet(meetings[{current / 32 * 32, mask}], __builtin_popcount(mask), last);
}

static void trampoline() {
    kernel_body();
    threads[current].done = true;
    leave();
}

static void start_threads() {
    for (size_t i = 0; i < threads.size(); ++i) {
        Thread &thread = threads[i];
        std::vector<char> stack = std::move(thread.stack);
        thread = Thread();
        thread.stack = std::move(stack);
        thread.stack.resize(64 << 10);
        thread.index = {(int)i % blockDim.x, (int)i / blockDim.x, 0};
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = thread.stack.size();
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, trampoline, 0);
    }
}

// Whether a thread of this warp could run.
static bool run_warp(int warp) {
    bool ran = false;
    for (current = warp * 32; current < min((int)threads.size(), warp * 32 + 32); ++current) {
        Thread &thread = threads[current];
        if (thread.done || (thread.word && *thread.word == thread.seen)) continue;
        thread.word = nullptr;
        switch_to(thread);
        if (!failure.empty()) throw std::runtime_error(failure);
        ran = true;
    }
    return ran;
}

static void run_block() {
    std::memset(shared, 0xff, shared_bytes);
    meetings.clear();
    late_work.clear();
    for (const auto &reset : at_block_start) reset();
    start_threads();
    std::vector<int> warps((threads.size() + 31) / 32);
    for (size_t i = 0; i < warps.size(); ++i) warps[i] = (int)i;
    while (std::any_of(threads.begin(), threads.end(), [](const Thread &thread) { return !thread.done; })) {
        std::shuffle(warps.begin(), warps.end(), random_order);
        bool ran = false;
        for (int warp : warps) ran |= run_warp(warp);
        if (ran) continue;
        if (late_work.empty()) die("deadlock: every thread waits");
        late_work.front()();
        late_work.pop_front();
    }
}

static void launch(Dim3 grid, Dim3 block, size_t bytes, Timing when, std::function<void()> body) {
    if (bytes > sizeof shared) die("more shared memory than a block can have");
    gridDim = grid, blockDim = block, shared_bytes = bytes, timing = when, kernel_body = std::move(body);
    threads.resize((size_t)block.x * block.y);
    std::vector<int> order((size_t)grid.x * grid.y);
    for (size_t i = 0; i < order.size(); ++i) order[i] = (int)i;
    std::shuffle(order.begin(), order.end(), random_order);
    failure.clear();
    try {
        for (int i : order) {
            blockIdx = {i % grid.x, i / grid.x, 0};
            run_block();
        }
    } catch (const std::runtime_error &) {  // `failure` says why
    }
}
