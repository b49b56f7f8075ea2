// Runs kernels on the host: one fiber per thread of a block, blocks one after the other. Host only; include platform.cuh instead.
//
// It does not model: waiting on another block (hangs), timing, races inside a warp between two collectives, the memory model.
// The highest bit of the seed, or `-DWITHOUT_BARRIERS` for a whole build, turns __syncthreads and __syncwarp into nothing, to see that a test would notice a missing one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

extern "C" {
// Launches a kernel as cuLaunchKernel does: `args[i]` points at the value of parameter i. Device pointers are host pointers.
// `order_seed` chooses the order of blocks and, between barriers, of threads: 0 forward, 1 reversed, else random. With its highest bit barriers do nothing.
// Returns 0 or an `emulator::Code`. After an error the memory the kernel writes to is unspecified.
int inferproof_emulator_launch(const char *name, const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes,
                               void **args, uint64_t order_seed);
// The text of the last error of this thread; valid until its next launch.
const char *inferproof_emulator_error();
// Number of parameters of a kernel, or -1; writes the size in bytes of each of the first `capacity`.
int inferproof_emulator_parameters(const char *name, uint32_t *sizes, uint32_t capacity);
}

struct Index3 {
    u32 x, y, z;
};
struct alignas(16) uint4 {
    u32 x, y, z, w;
};
extern Index3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulator {

enum Code {
    unknown_kernel = 1,
    bad_launch = 2,
    divergent_barrier = 3,
    divergent_warp = 4,
    shared_memory = 5,
    trapped = 6,
};
enum class Collective { sync, shuffle, ballot, match };

void barrier();
// Waits for the other lanes of `mask`. `source` is the lane a shuffle reads.
u64 collective(Collective kind, u32 mask, u64 value, u32 source);
u32 lane();
void *shared(const void *key, size_t bytes);
void *dynamic_shared();
[[noreturn]] void fail(Code code, const char *format, ...);

constexpr u32 max_parameters = 32;

struct Registration {
    const char *name;
    u32 max_threads;
    void (*function)();
    void (*invoke)(void (*)(), void **);
    u32 parameters;
    u32 sizes[max_parameters];
    const Registration *next;

    template <class... A>
    Registration(const char *name, u32 max_threads, void (*function)(A...))
        : name(name), max_threads(max_threads), function(reinterpret_cast<void (*)()>(function)),
          invoke(invoke_with<A...>), parameters(sizeof...(A)), sizes{sizeof(A)...} {
        static_assert(((std::is_pointer<A>::value || std::is_same<A, u32>::value || std::is_same<A, u64>::value) && ...),
                      "a kernel's parameters are pointers, u32 or u64");
        static_assert(sizeof...(A) <= max_parameters, "too many parameters");
        insert();
    }

  private:
    void insert();

    template <class... A> static void invoke_with(void (*function)(), void **args) {
        unpack(reinterpret_cast<void (*)(A...)>(function), args, std::index_sequence_for<A...>());
    }
    template <class... A, size_t... I>
    static void unpack(void (*function)(A...), void **args, std::index_sequence<I...>) {
        (void)args;
        function(*static_cast<A *>(args[I])...);
    }
};

inline u32 segment_start(u32 width) { return lane() & ~(width - 1); }

} // namespace emulator

#include "emulator_builtins.h"
