// The emulator's scheduler. See emulator.h.
#include "platform.cuh"

#include "fiber.h"

#include <cstdarg>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
namespace {

constexpr u32 max_threads = 1024;
constexpr size_t max_static_shared = 48 * 1024, max_shared = 227 * 1024;
constexpr size_t fence = 64; // bytes after each shared array that nobody may write
constexpr u8 fence_byte = 0xc5;

enum class State { ready, at_barrier, in_collective, ended };

struct Fiber {
    Context context;
    State state;
    Collective kind;
    u32 mask, source;
    u64 value, result;
};

struct SharedArray {
    const void *key;
    size_t offset, bytes;
};

class Random {
  public:
    explicit Random(u64 seed) : state_(seed) {}
    u64 next() { // splitmix64
        u64 z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    template <class T> void shuffle(std::vector<T> &v) {
        for (size_t i = v.size(); i > 1; i--) std::swap(v[i - 1], v[next() % i]);
    }
    void fill(u8 *p, size_t n) {
        for (size_t i = 0; i < n; i += 8) {
            u64 r = next();
            memcpy(p + i, &r, n - i < 8 ? n - i : 8);
        }
    }

  private:
    u64 state_;
};

// Everything of a launch. One at a time, under `launching`.
struct Machine {
    std::vector<Stack> stacks = std::vector<Stack>(max_threads);
    std::vector<Fiber> fibers = std::vector<Fiber>(max_threads);
    std::unique_ptr<u8[]> memory{new u8[max_shared + 64 * fence + 16]};
    Context scheduler;

    const Registration *kernel;
    void **args;
    u32 threads;
    u64 seed;
    Random random{0};

    u32 current, at_barrier, ended;
    size_t shared_used, static_bytes, dynamic_bytes;
    std::vector<SharedArray> arrays;
    int code;
    std::string error;

    u8 *shared_base() { return memory.get() + (16 - reinterpret_cast<uintptr_t>(memory.get()) % 16) % 16; }
    void *allocate(const void *key, size_t bytes);
    void check_fences();
    void complete(u32 warp, u32 mask);
    void complete_all(u32 warp);
    void resume(u32 thread);
    void run_block();
    void run_threads();
    void order(std::vector<u32> &v);
    void set_error(Code c, const char *format, va_list list);
    void leave() { Context::change(fibers[current].context, scheduler); }
};

std::mutex launching;
Machine *machine;
const Registration *registrations;
thread_local std::string last_error;

__attribute__((format(printf, 2, 3))) void report(Code c, const char *format, ...) {
    va_list list;
    va_start(list, format);
    machine->set_error(c, format, list);
    va_end(list);
}

void Machine::set_error(Code c, const char *format, va_list list) {
    if (code) return;
    char text[256], where[128];
    vsnprintf(text, sizeof text, format, list);
    snprintf(where, sizeof where, " (block %u,%u,%u)", blockIdx.x, blockIdx.y, blockIdx.z);
    code = c;
    error = std::string(kernel->name) + ": " + text + where;
}

void *Machine::allocate(const void *key, size_t bytes) {
    size_t offset = shared_used, padded = (bytes + 15) / 16 * 16;
    shared_used += padded + fence;
    u8 *p = shared_base() + offset;
    random.fill(p, bytes);
    memset(p + bytes, fence_byte, padded - bytes + fence);
    arrays.push_back({key, offset, bytes});
    return p;
}

void Machine::check_fences() {
    for (const SharedArray &a : arrays)
        for (size_t i = a.bytes; i < (a.bytes + 15) / 16 * 16 + fence; i++)
            if (shared_base()[a.offset + i] != fence_byte)
                return report(shared_memory, "write beyond a %s shared array of %zu bytes", a.key ? "static" : "dynamic", a.bytes);
}

// Ends the collective of `mask` if all its lanes that still run wait in it. Results are computed here, so no lane can overtake another.
void Machine::complete(u32 warp, u32 mask) {
    Fiber *lanes = &fibers[warp * 32];
    u32 size = threads - warp * 32 < 32 ? threads - warp * 32 : 32, live = 0;
    const Fiber *first = nullptr;
    for (u32 i = 0; i < size; i++) {
        if (!((mask >> i) & 1) || lanes[i].state == State::ended) continue;
        live |= u32(1) << i;
        if (lanes[i].state != State::in_collective || lanes[i].mask != mask) return;
        if (!first) first = &lanes[i];
        if (lanes[i].kind != first->kind) return report(divergent_warp, "lanes of mask %08x wait in different collectives", mask);
    }
    if (!first) return;
    u32 ballot = 0;
    for (u32 i = 0; i < size; i++)
        if (((live >> i) & 1) && lanes[i].value) ballot |= u32(1) << i;
    for (u32 i = 0; i < size; i++) {
        if (!((live >> i) & 1)) continue;
        Fiber &f = lanes[i];
        f.result = 0;
        if (f.kind == Collective::ballot) f.result = ballot;
        if (f.kind == Collective::shuffle) {
            if (f.source > 31 || !((mask >> f.source) & 1))
                return report(divergent_warp, "lane %u reads lane %u, outside of mask %08x", i, f.source, mask);
            f.result = (live >> f.source) & 1 ? lanes[f.source].value : random.next(); // undefined from a lane that has ended
        }
        if (f.kind == Collective::match)
            for (u32 j = 0; j < size; j++)
                if (((live >> j) & 1) && lanes[j].value == f.value) f.result |= u32(1) << j;
    }
    for (u32 i = 0; i < size; i++)
        if ((live >> i) & 1) lanes[i].state = State::ready;
}

// After a lane's end, collectives that waited for it may be complete.
void Machine::complete_all(u32 warp) {
    for (u32 t = warp * 32; t < threads && t < warp * 32 + 32; t++)
        if (fibers[t].state == State::in_collective) complete(warp, fibers[t].mask);
}

void fiber_main() {
    machine->kernel->invoke(machine->kernel->function, machine->args);
    Fiber &fiber = machine->fibers[machine->current];
    fiber.state = State::ended;
    machine->ended++;
    machine->complete_all(machine->current / 32);
    machine->leave();
    std::abort(); // an ended fiber is never resumed
}

void Machine::resume(u32 thread) {
    current = thread;
    u32 x = blockDim.x, y = blockDim.y;
    threadIdx = {thread % x, thread / x % y, thread / x / y};
    Context::change(scheduler, fibers[thread].context);
}

// Sorts 0..n as the seed says.
void Machine::order(std::vector<u32> &v) {
    for (size_t i = 0; i < v.size(); i++) v[i] = static_cast<u32>(seed == 1 ? v.size() - 1 - i : i);
    if (seed > 1) random.shuffle(v);
}

void Machine::run_threads() {
    std::vector<u32> threads_in_order(threads);
    order(threads_in_order);
    while (ended < threads) {
        bool progress = false;
        for (u32 t : threads_in_order) {
            if (fibers[t].state != State::ready) continue;
            progress = true;
            resume(t);
            if (code) return; // the fibers are abandoned; kernels own nothing
        }
        if (at_barrier == threads) {
            at_barrier = 0;
            for (u32 t = 0; t < threads; t++) fibers[t].state = State::ready;
            order(threads_in_order);
        } else if (!progress) {
            u32 stuck = threads - ended - at_barrier;
            return report(stuck ? divergent_warp : divergent_barrier,
                          "of %u threads %u wait at a barrier, %u in a warp collective, %u have ended", threads, at_barrier, stuck, ended);
        }
    }
}

void Machine::run_block() {
    at_barrier = ended = 0;
    shared_used = static_bytes = 0;
    arrays.clear();
    allocate(nullptr, dynamic_bytes);
    for (u32 t = 0; t < threads; t++) {
        fibers[t].state = State::ready;
        fibers[t].context.start(stacks[t], fiber_main);
    }
    run_threads();
    check_fences();
}

const Registration *find(const char *name) {
    for (const Registration *r = registrations; r; r = r->next)
        if (strcmp(r->name, name) == 0) return r;
    return nullptr;
}

const char *shape_error(const Registration &kernel, const u32 *grid, const u32 *block, u32 shared_bytes) {
    u64 threads = u64(block[0]) * block[1] * block[2];
    for (int i = 0; i < 3; i++)
        if (grid[i] == 0 || block[i] == 0) return "a dimension is zero";
    if (grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535) return "the grid is too large";
    if (block[0] > 1024 || block[1] > 1024 || block[2] > 64 || threads > max_threads) return "the block is too large";
    if (threads > kernel.max_threads) return "the block is larger than the kernel's bound";
    if (shared_bytes > max_shared) return "too much shared memory";
    return nullptr;
}

} // namespace

void Registration::insert() {
    next = registrations;
    registrations = this;
}

u32 lane() { return machine->current % 32; }

void barrier() {
    if (machine->seed >> 63) return;
    machine->fibers[machine->current].state = State::at_barrier;
    machine->at_barrier++;
    machine->leave();
}

u64 collective(Collective kind, u32 mask, u64 value, u32 source) {
    Machine &m = *machine;
    if (kind == Collective::sync && m.seed >> 63) return 0;
    u32 self = m.current;
    if (!((mask >> (self % 32)) & 1)) fail(divergent_warp, "lane %u calls a collective of mask %08x without it", self % 32, mask);
    Fiber &f = m.fibers[self];
    f.state = State::in_collective;
    f.kind = kind;
    f.mask = mask;
    f.source = source;
    f.value = value;
    m.complete(self / 32, mask);
    if (m.code || f.state != State::ready) m.leave();
    return f.result;
}

void *shared(const void *key, size_t bytes) {
    Machine &m = *machine;
    for (const SharedArray &a : m.arrays)
        if (a.key == key) return m.shared_base() + a.offset;
    m.static_bytes += bytes;
    if (m.static_bytes > max_static_shared || m.static_bytes + m.dynamic_bytes > max_shared || m.arrays.size() >= 32)
        fail(shared_memory, "too much static shared memory: %zu bytes", m.static_bytes);
    return m.allocate(key, bytes);
}

void *dynamic_shared() { return machine->shared_base(); }

void fail(Code code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    machine->set_error(code, format, list);
    va_end(list);
    machine->leave();
    std::abort();
}

} // namespace emulator

using namespace emulator;

int inferproof_emulator_launch(const char *name, const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes,
                               void **args, uint64_t order_seed) {
    std::lock_guard<std::mutex> lock(launching);
    const Registration *kernel = find(name);
    last_error.clear();
    if (!kernel) {
        last_error = std::string(name) + ": no such kernel";
        return unknown_kernel;
    }
    if (const char *error = shape_error(*kernel, grid, block, shared_bytes)) {
        last_error = std::string(name) + ": " + error;
        return bad_launch;
    }
    if (!machine) machine = new Machine; // kept: its stacks are for all launches
    Machine &m = *machine;
    m.kernel = kernel;
    m.args = args;
    m.threads = block[0] * block[1] * block[2];
    m.seed = order_seed;
    m.random = Random(order_seed);
    m.dynamic_bytes = shared_bytes;
    m.code = 0;
    blockDim = {block[0], block[1], block[2]};
    gridDim = {grid[0], grid[1], grid[2]};

    std::vector<u32> blocks(size_t(grid[0]) * grid[1] * grid[2]);
    m.order(blocks);
    for (u32 b : blocks) {
        blockIdx = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
        m.run_block();
        if (m.code) break;
    }
    if (m.code) last_error = m.error;
    return m.code;
}

const char *inferproof_emulator_error() { return last_error.c_str(); }

int inferproof_emulator_parameters(const char *name, uint32_t *sizes, uint32_t capacity) {
    const Registration *kernel = find(name);
    if (!kernel) return -1;
    for (u32 i = 0; i < kernel->parameters && i < capacity; i++) sizes[i] = kernel->sizes[i];
    return static_cast<int>(kernel->parameters);
}
